"""Documents of templates: what is read, what is refused and how it is named."""

import json

import pytest
from backplane.errors import ApiError, InvalidRequest
from backplane.templates import Ref
from backplane.templates.document import digest_of, file_bytes, parse_file, read_document
from backplane.templates.files import Unfit
from backplane.templates.rules import misdeclared
from hypothesis import given
from hypothesis import strategies as st
from templating import at, classes, patch_fragment, poster, text_to_image


def faults(document):
    with pytest.raises(ApiError) as raised:
        read_document(document, "poster", 1)
    assert raised.value.code == "TEMPLATE_INVALID"
    return raised.value.details["fields"]


def read_or_code(document, code):
    """Give the template, or None if it is refused with this code."""
    try:
        return read_document(document, "poster", 1)
    except ApiError as error:
        if error.code != code:
            raise
        return None


def test_a_document_is_read():
    template = read_document(poster(), "poster", 3)
    assert str(template.ref) == "poster@3"
    assert list(template.inputs) == ["prompt", "seed", "steps", "cfg", "model"]
    assert template.inputs["steps"].max == 50
    assert template.outputs["image"].node == "7"
    assert template.input_at("5", "cfg") == "cfg"
    assert template.input_at("5", "mode") is None


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"kind": "thing"}, "kind", "template or fragment"),
        ({"format": 2}, "format", "must be 1"),
        ({"name": "other"}, "name", "must be 'poster'"),
        ({"inptus": {}}, "inptus", "did you mean inputs?"),
        ({"workflow": {}}, "workflow", "no nodes"),
        ({"workflow": []}, "workflow", "must be an object"),
        ({"workflow": {"nodes": [], "links": []}}, "workflow", "UI format"),
        ({"workflow": {"1": {"class_type": 1}}}, "workflow.1", "class_type"),
        ({"title": 5}, "title", "at most 200"),
        ({"tags": ["a", ""]}, "tags", "list"),
        ({"tags": "a"}, "tags", "list"),
        ({"ui": 1}, "ui", "UI format"),
        ({"ports": {"a": {"node": "1", "field": "name"}}}, "ports", "only a fragment"),
        ({"place": [1]}, "place", "only a fragment"),
        ({"outputs": {"image": {"node": "99"}}}, "outputs.image.node", "no node '99'"),
        ({"outputs": {"image": {"node": "7", "output": 0}}}, "outputs.image.output", "unknown"),
        ({"inputs": {"1a": at("2", "text", "string")}}, "inputs.1a", "begin with a letter"),
        ({"inputs": {f"i{n}": {} for n in range(201)}}, "inputs", "200 are the most"),
        ({"inputs": {"a": []}}, "inputs.a", "must be an object"),
        ({"inputs": {"a": at("2", "text", "text")}}, "inputs.a.type", "one of string"),
        ({"inputs": {"a": at("9", "text", "string")}}, "inputs.a.node", "no node '9'"),
        ({"inputs": {"a": at("2", "", "string")}}, "inputs.a.field", "name of an input"),
        ({"inputs": {"a": at("2", "clip", "string")}}, "inputs.a.field", "is linked"),
        (
            {"inputs": {"a": at("2", "text", "string", defualt="")}},
            "inputs.a.defualt",
            "did you mean default?",
        ),
        ({"inputs": {"a": at("2", "text", "string", default=5)}}, "inputs.a.default", "must be a text"),
        ({"inputs": {"a": at("2", "text", "string", min=1)}}, "inputs.a.min", "only numbers"),
        ({"inputs": {"a": at("2", "text", "string", enum=["a", 1])}}, "inputs.a.enum.1", "must be a text"),
        ({"inputs": {"a": at("2", "text", "string", enum=[])}}, "inputs.a.enum", "at least one"),
        ({"inputs": {"a": at("5", "tiled", "boolean", enum=[True])}}, "inputs.a.enum", "not for boolean"),
        ({"inputs": {"a": at("5", "steps", "integer", min=5, max=4)}}, "inputs.a.min", "above max"),
        ({"inputs": {"a": at("5", "steps", "integer", step=0)}}, "inputs.a.step", "above 0"),
        (
            {"inputs": {"a": at("5", "steps", "integer", required="yes")}},
            "inputs.a.required",
            "true or false",
        ),
        ({"inputs": {"a": at("5", "steps", "integer", default=1.5)}}, "inputs.a.default", "whole number"),
        ({"inputs": {"a": at("5", "seed", "seed", default="rnd")}}, "inputs.a.default", '"random"'),
        ({"inputs": {"a": at("2", "text", "string", also={})}}, "inputs.a.also", "list of places"),
        (
            {
                "inputs": {
                    "a": at("2", "text", "string"),
                    "b": at("3", "text", "string", also=[{"node": "2", "field": "text"}]),
                }
            },
            "inputs.b.field",
            "same place as that of a",
        ),
        (
            {"inputs": {"a": at("2", "text", "string", also=[{"node": "2", "field": "text"}])}},
            "inputs.a.also",
            "a place twice",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_field(change, field, words):
    found = faults({**poster(), **change})
    assert words in found[field], found


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"outputs": {"m": {"node": "p"}}}, "outputs.m.output", "name or the number"),
        ({"ports": {"m": {"node": "q", "field": "model"}}}, "ports.m.node", "no node 'q'"),
        ({"ports": {"m": []}}, "ports.m", "a place"),
        ({"ports": {"m!": {"node": "p", "field": "model"}}}, "ports.m!", "begin with a letter"),
        ({"place": {"class_type": "Sampler"}}, "place", "list"),
        ({"place": [{"class_type": "Sampler"}]}, "place.0", "class_type, input"),
        (
            {
                "workflow": {"p": {"class_type": "Patch", "inputs": {"strength": 1, "model": ["x", 0]}}},
                "ports": {},
            },
            "workflow.p",
            "not in the fragment",
        ),
    ],
)
def test_what_is_wrong_in_a_fragment_is_named(change, field, words):
    assert words in faults(patch_fragment(**change))[field]


def test_all_faults_are_told_at_once():
    found = faults({**poster(), "kind": 1, "tags": 1, "inputs": {"a": {}, "b": {"node": "1"}}})
    assert {
        "kind",
        "tags",
        "inputs.a.node",
        "inputs.a.field",
        "inputs.a.type",
        "inputs.b.field",
    } <= found.keys()


@pytest.mark.parametrize("document", [None, [], "x", 5])
def test_a_document_is_an_object(document):
    assert faults(document) == {"body": "must be an object"}


def test_the_digest_is_of_what_decides_the_run_whatever_its_order():
    document = poster()
    assert digest_of(document) == digest_of({**document, "title": "Other", "tags": ["x"]})
    backwards = {**document, "workflow": dict(reversed(document["workflow"].items()))}
    assert digest_of(document) == digest_of(backwards)
    bare = {key: document[key] for key in ("workflow",)}
    assert digest_of(bare) == digest_of(
        {**bare, "kind": "template", "inputs": {}, "outputs": {}, "ports": {}}
    )
    changed = json.loads(json.dumps(document))
    changed["workflow"]["5"]["inputs"]["steps"] = 21
    assert digest_of(document) != digest_of(changed)
    assert digest_of(document).startswith("sha256:")
    assert len(digest_of(document)) == 7 + 64


def test_the_digest_is_pinned():
    """Files that are kept in Git say it: a change of how it is made would make all of them look edited."""
    workflow = {"1": {"class_type": "É", "inputs": {"x": 1.0, "y": [True, None]}}}
    assert (
        digest_of({"workflow": workflow})
        == "sha256:01b32fdd5ab0c9bfe2329304cea018f6fdb303baee1716c915f547ac917fce1f"
    )


def test_a_number_that_json_has_not_is_refused():
    document = poster()
    document["workflow"]["5"]["inputs"]["cfg"] = float("nan")
    assert "workflow" in faults(document)


def test_what_is_nested_too_deeply_is_refused():
    document = poster()
    deep = []
    for _ in range(100_000):
        deep = [deep]
    document["workflow"]["5"]["inputs"]["cfg"] = deep
    assert "workflow" in faults(document)
    # freed piece by piece: its own destructor would go as deep
    while deep:
        deep = deep.pop()


def test_a_file_is_read_as_it_was_written():
    template = read_document({**poster(), "description": "ünï 猫", "tags": ["a"]}, "poster", 1)
    raw = file_bytes(template, "2026-01-01T00:00:00.000Z")
    assert "ünï 猫".encode() in raw
    assert raw.endswith(b"}\n")
    again = read_document(parse_file(raw), "poster", 1)
    assert again.digest == template.digest
    assert again.document == template.document
    assert not again.edited
    assert again.created_at == "2026-01-01T00:00:00.000Z"
    assert file_bytes(again, "2026-01-01T00:00:00.000Z") == raw


def test_text_that_utf_8_cannot_hold_does_no_harm():
    document = poster()
    document["workflow"]["2"]["inputs"]["text"] = "\ud800"
    template = read_document(document, "poster", 1)
    again = read_document(parse_file(file_bytes(template, None)), "poster", 1)
    assert again.digest == template.digest


def test_a_file_that_was_changed_by_hand_is_seen():
    raw = file_bytes(read_document(poster(), "poster", 1), None)
    assert read_document(parse_file(raw.replace(b'"a cat"', b'"a dog"')), "poster", 1).edited


@pytest.mark.parametrize(
    ("raw", "words"),
    [(b"{", "line 1"), (b"\xff", "UTF-8"), (b"[" * 100_000, "deeply"), (b'{"a": NaN}', "NaN"), (b"", "JSON")],
)
def test_a_file_that_is_no_json_is_refused(raw, words):
    with pytest.raises(Unfit, match=words):
        parse_file(raw)


def test_a_file_of_windows_notepad_is_read():
    assert parse_file(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"inputs": {"a": at("5", "stepz", "integer")}}, "inputs.a.field", "did you mean 'steps'?"),
        ({"inputs": {"a": at("5", "steps", "string")}}, "inputs.a.type", "takes integer or seed, not string"),
        ({"inputs": {"a": at("5", "mode", "number")}}, "inputs.a.type", "takes string or model"),
        ({"inputs": {"a": at("2", "text", "image")}}, "inputs.a.type", "not image"),
        ({"outputs": {"a": {"node": "6"}}}, "outputs.a.node", "shows and saves nothing"),
    ],
)
def test_inputs_are_held_against_the_node_classes(change, field, words):
    template = read_document({**poster(), **change}, "poster", 1)
    assert words in misdeclared(template, classes())[field]


def test_an_input_without_a_value_must_be_a_param():
    workflow = text_to_image()
    del workflow["5"]["inputs"]["model"]
    template = read_document({"workflow": workflow, "inputs": {"a": at("5", "model", "string")}}, "poster", 1)
    assert "takes a link" in misdeclared(template, classes())["inputs.a.field"]


def test_a_fragment_is_held_against_the_node_classes():
    assert misdeclared(read_document(patch_fragment(), "f", 1), classes()) == {}
    wrong = read_document(patch_fragment(outputs={"a": {"node": "p", "output": 1}}), "f", 1)
    assert "no output 1" in misdeclared(wrong, classes())["outputs.a.output"]


def test_of_classes_that_are_not_here_nothing_is_said():
    assert misdeclared(read_document(poster(a=at("5", "anything", "video")), "poster", 1), {}) == {}


@pytest.mark.parametrize(
    ("text", "ref"), [("poster", Ref("poster")), ("poster@2", Ref("poster", 2)), ("0-a_b", Ref("0-a_b"))]
)
def test_a_name_is_read(text, ref):
    assert Ref.parse(text) == ref
    assert str(ref) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "@1",
            "Poster",
            "-a",
            "_a",
            "a/b",
            "a\\b",
            "..",
            ".",
            "a.json",
            "a@",
            "a@0",
            "a@01",
            "a@-1",
            "a@x",
        ),
        *("a@1@2", "a b", "ä", "a\0", "a\n", "con", "nul@1", "com1", "a" * 65, "a@9999999999", "a@\u0661"),
    ],
)
def test_a_name_that_is_none_is_refused(text):
    with pytest.raises(InvalidRequest):
        Ref.parse(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_no_document_makes_it_fall(document):
    read_or_code(document, "TEMPLATE_INVALID")


@given(st.data())
def test_no_change_of_a_document_makes_it_fall(data):
    document = json.loads(json.dumps(data.draw(st.sampled_from([poster(), patch_fragment()]))))
    for _ in range(data.draw(st.integers(1, 3))):
        here = document
        while isinstance(here, dict) and here:
            key = data.draw(st.sampled_from(sorted(here)))
            if data.draw(st.booleans()) or not isinstance(here[key], dict):
                here[key] = data.draw(st.sampled_from([None, True, 0, -1.5, "", "5", [], {}, ["5", 0], [[]]]))
                break
            here = here[key]
    template = read_or_code(document, "TEMPLATE_INVALID")
    if template is not None:
        assert read_document(parse_file(file_bytes(template, None)), "poster", 1).digest == template.digest
        misdeclared(template, classes())
