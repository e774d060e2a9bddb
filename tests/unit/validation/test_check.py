import copy

import pytest
from backplane.errors import ApiError
from backplane.validation import as_graph, check, output_nodes, refuse
from fakes import spec

VARIANTS = {
    "options": [
        {"key": "by size", "inputs": {"required": {"width": ("INT", {"default": 512})}}},
        {"key": "by factor", "inputs": {"required": {"factor": ("FLOAT", {"default": 2.0})}}},
    ]
}
GROWS = {"template": {"input": {"required": {"image": ("IMAGE", {})}}, "prefix": "image", "min": 2, "max": 4}}
SPECS = {
    made.name: made
    for made in [
        spec("Load", {"name": (["a.png", "b.png"], {})}, ("IMAGE", "MASK")),
        spec("Resize", {"image": ("IMAGE", {}), "mode": ("COMFY_DYNAMICCOMBO_V3", VARIANTS)}, ("IMAGE",)),
        spec("Batch", {"images": ("COMFY_AUTOGROW_V3", GROWS)}, ("IMAGE",)),
        spec("Save", {"images": ("IMAGE", {})}, (), output_node=True),
    ]
}


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def good():
    return {
        "1": node("Load", name="a.png"),
        "2": node("Resize", image=["1", 0], mode="by size", **{"mode.width": 64}),
        "3": node("Save", images=["2", 0]),
    }


def found(graph):
    before = copy.deepcopy(graph)
    findings = check(graph, SPECS, output_nodes(graph, SPECS))
    assert graph == before
    return [(finding.code, finding.node_id, finding.input) for finding in findings]


def test_a_good_workflow_has_no_findings():
    assert found(good()) == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda g: g["2"]["inputs"].pop("image"), ("MISSING_INPUT", "2", "image")),
        (lambda g: g["2"]["inputs"].pop("mode"), ("MISSING_INPUT", "2", "mode")),
        (lambda g: g["2"]["inputs"].pop("mode.width"), ("MISSING_INPUT", "2", "mode.width")),
        (lambda g: g["2"]["inputs"].update(mode="by magic"), ("UNKNOWN_OPTION", "2", "mode")),
        (lambda g: g["2"]["inputs"].update(mode=3), ("UNKNOWN_OPTION", "2", "mode")),
        (lambda g: g["2"]["inputs"].update(mode=["x"]), ("BAD_LINK", "2", "mode")),
        (lambda g: g["3"]["inputs"].update(images=["9", 0]), ("DANGLING_LINK", "3", "images")),
        (lambda g: g["3"]["inputs"].update(images=["2", -1]), ("LINK_SLOT_OUT_OF_RANGE", "3", "images")),
        (lambda g: g["3"]["inputs"].update(images=["2", 0.5]), ("BAD_LINK", "3", "images")),
        (lambda g: g["3"]["inputs"].update(images=["3", 0]), ("LINK_SLOT_OUT_OF_RANGE", "3", "images")),
        (lambda g: g["3"]["inputs"].update(images=[2, 0]), ("BAD_LINK", "3", "images")),
        (lambda g: g["2"].update(class_type="Resise"), ("UNKNOWN_NODE_CLASS", "2", None)),
    ],
)
def test_a_fault_is_found_where_it_is(change, finding):
    graph = good()
    change(graph)
    assert finding in found(graph)


def test_an_unknown_key_of_a_combo_is_told_with_the_right_ones():
    graph = good()
    graph["2"]["inputs"]["mode"] = "by fctor"
    [finding] = check(graph, SPECS, ["3"])
    assert finding.details["close_matches"] == ["by factor"]
    assert finding.details["options"] == ["by size", "by factor"]
    assert "'by factor'" in finding.hint


def test_a_growing_input_needs_its_first_ones():
    graph = {
        "1": node("Load", name="a.png"),
        "2": node("Batch", **{"images.image0": ["1", 0]}),
        "3": node("Save", images=["2", 0]),
    }
    assert found(graph) == [("MISSING_INPUT", "2", "images.image1")]
    graph["2"]["inputs"]["images.image1"] = ["1", 0]
    assert found(graph) == []


def test_a_cycle_is_told_as_a_path():
    graph = good()
    graph["1"] = node("Resize", image=["2", 0], mode="by factor", **{"mode.factor": 1.0})
    [finding] = check(graph, SPECS, ["3"])
    assert finding.code == "WORKFLOW_CYCLE"
    assert sorted(finding.details["cycle"]) == ["1", "2"]


def test_a_node_that_no_output_needs_may_be_unfinished():
    graph = {**good(), "9": node("Resize"), "8": node("Save", images=["7", 0])}
    assert check(graph, SPECS, ["3"]) == []


def test_findings_of_one_kind_give_the_error_its_code():
    graph = good()
    del graph["2"]["inputs"]["image"]
    del graph["2"]["inputs"]["mode"]
    assert refuse(check(graph, SPECS, ["3"])).code == "MISSING_INPUT"
    graph["3"]["inputs"]["images"] = ["2", 5]
    error = refuse(check(graph, SPECS, ["3"]))
    assert error.code == "WORKFLOW_INVALID"
    assert len(error.details["findings"]) == 3


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (None, "WORKFLOW_MISSING"),
        ({}, "WORKFLOW_MISSING"),
        ([], "INVALID_REQUEST"),
        ("{}", "INVALID_REQUEST"),
        ({"nodes": [], "links": []}, "WORKFLOW_FORMAT_UI"),
        ({"1": []}, "BAD_NODE"),
        ({"1": {"inputs": {}}}, "BAD_NODE"),
        ({"1": {"class_type": ["X"], "inputs": {}}}, "BAD_NODE"),
        ({"1": {"class_type": "X", "inputs": []}}, "BAD_NODE"),
    ],
)
def test_what_is_no_workflow_is_refused_in_shape(document, code):
    with pytest.raises(ApiError) as refused:
        as_graph(document)
    assert refused.value.code == code


def test_a_workflow_may_have_a_node_named_nodes():
    graph = {"nodes": node("Load", name="a.png")}
    assert as_graph(graph) is graph


def test_only_some_nodes_are_looked_at_where_that_is_asked_for():
    graph = good()
    del graph["2"]["inputs"]["image"]
    graph["3"]["inputs"]["images"] = ["2", 5]
    graph["4"] = node("Nothing")
    assert [each.node_id for each in check(graph, SPECS, ["3"], only={"3"})] == ["3"]
    assert [each.node_id for each in check(graph, SPECS, ["3"], only={"2", "4"})] == ["4", "2"]


def test_a_finding_says_what_where_why_and_what_mends_it():
    graph = good()
    graph["3"]["inputs"]["images"] = ["2", -1]
    [finding] = check(graph, SPECS, ["3"])
    assert finding.to_json() == {
        "code": "LINK_SLOT_OUT_OF_RANGE",
        "severity": "error",
        "message": "Node 3 (Save), images: it links to slot -1 of node 2 (Resize), which has slot 0 only.",
        "node_id": "3",
        "input": "images",
        "class_type": "Save",
        "hint": None,
        "details": {"outputs": ["IMAGE"]},
        "fix": {
            "op": "connect",
            "source_node_id": "2",
            "output": 0,
            "target_node_id": "3",
            "input": "images",
        },
    }
