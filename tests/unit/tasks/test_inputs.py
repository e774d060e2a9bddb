"""Which file of a request goes to which input."""

import copy

import pytest
from backplane.errors import ApiError
from backplane.tasks.inputs import FromBase64, FromUpload, FromUrl, apply, plan, read_files
from fakes import spec

SPECS = {
    each.name: each
    for each in (
        spec("LoadImage", {"image": (["a.png"], {"image_upload": True})}, ("IMAGE", "MASK")),
        spec(
            "LoadImageOutput",
            {"image": ("COMBO", {"image_upload": True, "image_folder": "output"})},
            ("IMAGE",),
        ),
        spec("LoadVideo", {"file": ("COMBO", {"video_upload": True, "options": []})}, ("VIDEO",)),
        spec(
            "Two",
            {"image": (["a"], {"image_upload": True}), "mask": (["a"], {"image_upload": True})},
            ("IMAGE",),
        ),
        spec("Save", {"image": ("IMAGE", {})}, (), output_node=True),
    )
}
SOURCE = FromUrl("https://example.com/a.png")


def node(class_type, title=None, **inputs):
    made = {"class_type": class_type, "inputs": inputs}
    return {**made, "_meta": {"title": title}} if title else made


GRAPH = {
    "1": node("LoadImage", "Start", image="a.png"),
    "2": node("LoadVideo", "Clip", file="a.mp4"),
    "9": node("Save", image=["1", 0]),
}


def places(graph, *keys):
    return [(found.node_id, found.name) for found in plan(graph, SPECS, dict.fromkeys(keys, SOURCE))]


def refused(graph, *keys):
    with pytest.raises(ApiError) as caught:
        plan(graph, SPECS, dict.fromkeys(keys, SOURCE))
    return caught.value


@pytest.mark.parametrize("key", ["1.image", "image", "Start", "start", "Start.image", "1"])
def test_an_input_is_found_by_id_name_and_title(key):
    assert places(GRAPH, key) == [("1", "image")]


def test_the_longest_id_is_meant():
    graph = {"1": node("LoadImage", image="a"), "1.2": node("LoadImage", image="a"), "1:3": node("Two")}
    assert places(graph, "1.image", "1.2.image", "1:3.mask") == [
        ("1", "image"),
        ("1.2", "image"),
        ("1:3", "mask"),
    ]


def test_a_name_that_two_nodes_have_is_refused_with_both():
    error = refused({**GRAPH, "3": node("LoadImage", image="b")}, "image")
    assert error.code == "INPUT_AMBIGUOUS"
    assert [entry["key"] for entry in error.details["candidates"]] == ["1.image", "3.image"]


def test_a_title_of_a_node_with_two_file_inputs_is_refused():
    assert refused({"1": node("Two", "Both")}, "Both").code == "INPUT_AMBIGUOUS"


@pytest.mark.parametrize("key", ["picture", "9.image", "1.mask", "7.image"])
def test_what_takes_no_file_is_refused_with_what_does(key):
    error = refused(GRAPH, key)
    assert error.code == "INPUT_NOT_FOUND"
    assert [entry["key"] for entry in error.details["candidates"]] == ["1.image", "2.file"]


def test_two_files_for_one_input_are_refused():
    assert refused(GRAPH, "1.image", "Start").code == "INVALID_REQUEST"


def test_an_input_that_looks_into_another_folder_is_told_where_the_file_is():
    graph = {"1": node("LoadImageOutput")}
    placements = plan(graph, SPECS, {"image": SOURCE})
    made = apply(graph, placements, {"image": "backplane/x.png"})
    assert made["1"]["inputs"]["image"] == "backplane/x.png [input]"


def test_the_names_are_written_into_a_copy():
    before = copy.deepcopy(GRAPH)
    placements = plan(GRAPH, SPECS, {"image": SOURCE, "file": SOURCE})
    made = apply(GRAPH, placements, {"image": "backplane/x.png", "file": "backplane/y.mp4"})
    assert made["1"]["inputs"] == {"image": "backplane/x.png"}
    assert made["2"]["inputs"] == {"file": "backplane/y.mp4"}
    assert made["9"] == GRAPH["9"]
    assert before == GRAPH


def test_files_are_read_in_every_form():
    assert read_files(None) == {}
    assert read_files(
        {
            "a": "https://x/y",
            "b": {"url": "https://x/y"},
            "c": {"base64": "AAAA", "filename": "../../etc/passwd"},
            "d": {"upload": "part"},
            "e": "data:image/png;base64,AAAA",
        }
    ) == {
        "a": FromUrl("https://x/y"),
        "b": FromUrl("https://x/y"),
        "c": FromBase64("AAAA"),
        "d": FromUpload("part"),
        "e": FromBase64("data:image/png;base64,AAAA"),
    }


@pytest.mark.parametrize(
    "entry",
    [1, None, [], {}, "", {"url": ""}, {"url": "https://x", "base64": "A"}, {"path": "/x"}, {"url": 1}],
)
def test_files_of_another_form_are_refused(entry):
    with pytest.raises(ApiError) as caught:
        read_files({"a": entry})
    assert caught.value.code == "INVALID_REQUEST"


def test_too_many_files_are_refused():
    with pytest.raises(ApiError):
        read_files({str(number): "https://x" for number in range(51)})
    with pytest.raises(ApiError):
        read_files(["https://x"])
