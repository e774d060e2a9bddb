"""What is different between two workflows."""

import json

import pytest
from backplane.patch_engine import apply, compare, restoring
from hypothesis import given, settings
from hypothesis import strategies as st
from patching import SPECS, exactly, node, replayed, text_to_image

values = st.one_of(
    st.sampled_from([0, 1, 1.0, True, False, None, "a", -0.0, 0.0]),
    st.lists(st.sampled_from(["1", "2", 0, 1]), max_size=2),
    st.dictionaries(st.sampled_from("ab"), st.sampled_from([1, 1.0, True]), max_size=2),
)
parts = st.dictionaries(st.sampled_from(["x", "y", "title", "bypassed"]), values, max_size=3)
nodes = st.fixed_dictionaries(
    {"class_type": st.sampled_from(["One", "Two"])},
    optional={"inputs": parts, "_meta": st.one_of(parts, st.none(), st.just(3)), "is_changed": values},
)
graphs = st.dictionaries(st.sampled_from("12345"), nodes, max_size=5)


def typed(document):
    """JSON without the order of keys, in which 1, 1.0 and true differ; -0.0 is 0.0."""
    return json.dumps(document, sort_keys=True).replace("-0.0", "0.0")


@settings(max_examples=400, deadline=None)
@given(graphs, graphs)
def test_the_changes_replayed_make_the_new_workflow_of_the_old(old, new):
    before = exactly(old), exactly(new)
    changes = compare(old, new)
    assert typed(replayed(old, changes)) == typed(new)
    assert (exactly(old), exactly(new)) == before
    assert (changes == ()) == (typed(old) == typed(new))


@settings(max_examples=400, deadline=None)
@given(graphs, graphs)
def test_restoring_makes_the_new_workflow_of_the_old_to_the_letter(old, new):
    ops = restoring(old, new)
    assert exactly(apply(old, ops, SPECS).graph) == exactly(new)
    assert (ops == ()) == (exactly(old) == exactly(new))


def told(old, new):
    return [change.to_json() for change in compare(old, new)]


def test_a_value_a_link_a_title_and_a_class_are_told_one_by_one():
    old, new = text_to_image(), text_to_image()
    new["5"]["inputs"]["steps"] = 30
    new["5"]["inputs"]["model"] = ["9", 0]
    del new["2"]["_meta"]
    new["4"] = node("Unet", unet_name="a.safetensors")
    del new["7"]
    new["9"] = node("Unet", unet_name="a.safetensors")
    assert told(old, new) == [
        {"op": 0, "kind": "node_removed", "node_id": "7", "class_type": "Save", "old": old["7"]},
        {
            "op": 0,
            "kind": "meta_set",
            "node_id": "2",
            "class_type": "Encode",
            "key": "title",
            "old": "Prompt",
        },
        {
            "op": 0,
            "kind": "class_changed",
            "node_id": "4",
            "class_type": "Unet",
            "old": "Latent",
            "new": "Unet",
        },
        {
            "op": 0,
            "kind": "input_removed",
            "node_id": "4",
            "class_type": "Unet",
            "input": "width",
            "old": 512,
        },
        {
            "op": 0,
            "kind": "input_set",
            "node_id": "4",
            "class_type": "Unet",
            "input": "unet_name",
            "new": "a.safetensors",
        },
        {
            "op": 0,
            "kind": "input_set",
            "node_id": "5",
            "class_type": "Sampler",
            "input": "steps",
            "old": 20,
            "new": 30,
        },
        {
            "op": 0,
            "kind": "input_set",
            "node_id": "5",
            "class_type": "Sampler",
            "input": "model",
            "old": ["1", 0],
            "new": ["9", 0],
        },
        {"op": 0, "kind": "node_added", "node_id": "9", "class_type": "Unet", "new": new["9"]},
    ]


@pytest.mark.parametrize("other", [1.0, True, "1", [1], {"__value__": 1}])
def test_a_value_of_another_type_is_another_value(other):
    old, new = {"1": node("Number", value=1)}, {"1": node("Number", value=other)}
    [change] = told(old, new)
    assert (change["old"], change["new"]) == (1, other)
    assert type(change["new"]) is type(other)


def test_the_order_of_nodes_and_keys_is_no_change_but_is_restored():
    old = text_to_image()
    new = {node_id: dict(reversed(old[node_id].items())) for node_id in reversed(old)}
    assert compare(old, new) == ()
    assert exactly(apply(old, restoring(old, new), SPECS).graph) == exactly(new)


def test_a_node_that_comes_back_has_its_old_place_and_nothing_else_moves():
    old = text_to_image()
    without = {node_id: each for node_id, each in old.items() if node_id != "3"}
    assert restoring(old, without) == ({"op": "restore", "nodes": {"3": None}},)
    assert restoring(without, old) == ({"op": "restore", "nodes": {"3": old["3"]}, "place": {"3": 2}},)


def test_what_is_nested_deeply_is_compared_too():
    deep = "[" * 900 + "]" * 900
    old = {"1": node("Number", value=json.loads(deep))}
    same, other = json.loads(exactly(old)), {"1": node("Number", value=json.loads(f"[{deep}]"))}
    assert compare(old, same) == ()
    assert len(compare(old, other)) == 1
