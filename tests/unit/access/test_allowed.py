"""Which node classes may appear."""

import pytest
from backplane.access import AllowList
from backplane.errors import Forbidden


def graph(*class_types):
    return {str(number): {"class_type": name, "inputs": {}} for number, name in enumerate(class_types, 1)}


@pytest.mark.parametrize("text", ["", "  ", ",", '""', " , \n"])
def test_an_empty_list_allows_everything(text):
    allowed = AllowList(text)
    assert not allowed
    assert allowed.allows("Anything")
    allowed.refuse(graph("A", "B"))


@pytest.mark.parametrize("text", ["A B", "A,B", " A ,\n B ", '"A", B', '"A""B"'])
def test_names_stand_between_spaces_or_commas(text):
    allowed = AllowList(text)
    assert allowed
    assert [name for name in ("A", "B", "C", "a", "A B", "") if allowed.allows(name)] == ["A", "B"]


def test_patterns_and_names_with_spaces():
    allowed = AllowList('KSampler* "Image Resize (rg)" Load?mage [x] "* (easy)"')
    names = ["KSampler", "KSamplerAdvanced", "Image Resize (rg)", "LoadImage", "[x]", "Any (easy)"]
    assert all(map(allowed.allows, names))
    assert not any(map(allowed.allows, ["Image", "Resize", "LoadImages", "x", "AnKSampler", "ksampler"]))


def test_each_node_that_is_not_allowed_is_named():
    with pytest.raises(Forbidden) as raised:
        AllowList("A").refuse(graph("A", "B", "C", "B"))
    assert raised.value.code == "NODE_CLASS_NOT_ALLOWED"
    assert raised.value.status == 403
    assert raised.value.details["nodes"] == [
        {"node_id": "2", "class_type": "B"},
        {"node_id": "3", "class_type": "C"},
        {"node_id": "4", "class_type": "B"},
    ]
    assert "B, C." in raised.value.message


def test_a_long_list_is_shortened_in_words_only():
    with pytest.raises(Forbidden) as raised:
        AllowList("A").refuse(graph(*(f"N{number}" for number in range(50))))
    assert "and 30 more" in raised.value.message
    assert len(raised.value.details["nodes"]) == 50


def test_all_that_is_allowed_passes():
    AllowList("A B").refuse(graph("A", "B", "A"))
    AllowList("A").refuse({})
