"""Which outputs would run, and how severe that makes what is wrong."""

import copy

import pytest
from backplane.patch_engine import apply
from backplane.validation import judge, refuse
from patching import SPECS, node, spec, text_to_image


def two_outputs():
    """Node 7 saves a picture, "show" shows another one."""
    return {
        **text_to_image(),
        "other": node("Load", image="a.png"),
        "show": node("Show", images=["other", 0]),
    }


def told(report):
    return [(found.code, found.severity, found.node_id) for found in report.findings]


def test_a_good_workflow_runs_whole():
    graph = two_outputs()
    before = copy.deepcopy(graph)
    report = judge(graph, SPECS)
    assert (report.valid, report.outputs, report.findings) == (True, ("7", "show"), ())
    assert graph == before


def test_one_output_is_enough_and_what_is_wrong_with_another_is_a_warning():
    graph = two_outputs()
    graph["5"]["inputs"]["steps"] = 0
    report = judge(graph, SPECS)
    assert (report.valid, report.outputs) == (True, ("show",))
    assert told(report) == [("VALUE_OUT_OF_RANGE", "warning", "5")]


def test_where_nothing_would_run_it_is_an_error():
    graph = two_outputs()
    graph["5"]["inputs"]["steps"] = 0
    graph["other"]["inputs"]["image"] = "c.png"
    report = judge(graph, SPECS)
    assert (report.valid, report.outputs) == (False, ())
    assert told(report) == [("VALUE_OUT_OF_RANGE", "error", "5"), ("INPUT_FILE_MISSING", "error", "other")]


def test_only_the_outputs_that_are_asked_for_count():
    graph = two_outputs()
    graph["5"]["inputs"]["steps"] = 0
    assert judge(graph, SPECS, targets=["show", "6"]).outputs == ("show",)
    report = judge(graph, SPECS, targets=["7"])
    assert (report.valid, told(report)) == (False, [("VALUE_OUT_OF_RANGE", "error", "5")])
    report = judge(graph, SPECS, targets=["show"])
    assert (report.valid, told(report)) == (True, [("VALUE_OUT_OF_RANGE", "warning", "5")])


def test_where_no_node_that_is_asked_for_is_an_output_no_operation_helps():
    report = judge(text_to_image(), SPECS, targets=["5"])
    [found] = report.findings
    assert (report.valid, found.code, found.fix) == (False, "NO_OUTPUT_NODE", None)
    assert found.details == {"output_nodes": ["7"]}


def test_an_unknown_class_anywhere_stops_all():
    graph = {**two_outputs(), "far": node("Invertt", image=["other", 0])}
    report = judge(graph, SPECS)
    assert (report.valid, report.outputs) == (False, ())
    [found] = report.findings
    assert (found.code, found.severity) == ("UNKNOWN_NODE_CLASS", "error")
    assert found.fix == {"op": "replace_node", "node_id": "far", "class_type": "Invert"}


def test_an_unknown_class_that_looks_like_no_other_is_removed_where_nothing_uses_it():
    graph = {**two_outputs(), "far": node("Xyzzy")}
    assert judge(graph, SPECS).findings[0].fix == {"op": "remove_node", "node_id": "far"}
    graph["5"]["inputs"]["latent"] = ["far", 0]
    assert judge(graph, SPECS).findings[0].fix is None


def test_what_nothing_needs_is_judged_too_but_only_warned_of():
    graph = {**two_outputs(), "far": node("Invert")}
    report = judge(graph, SPECS)
    assert report.outputs == ("7", "show")
    assert told(report) == [("MISSING_INPUT", "warning", "far")]


def test_each_end_of_a_branch_that_leads_nowhere_is_warned_of_once():
    graph = two_outputs()
    graph["a"] = node("Invert", image=["6", 0])
    graph["b"] = node("Invert", image=["a", 0])
    graph["c"] = node("Invert", image=["a", 0])
    report = judge(graph, SPECS)
    assert told(report) == [("NODE_NOT_USED", "warning", "b"), ("NODE_NOT_USED", "warning", "c")]
    assert report.findings[0].fix == {"op": "remove_node", "node_id": "b"}


def test_a_branch_that_leads_to_an_output_nobody_asked_for_is_not_a_dead_end():
    assert judge(two_outputs(), SPECS, targets=["7"]).findings == ()


def test_a_workflow_without_outputs_is_given_one():
    graph = text_to_image()
    del graph["7"]
    [found] = judge(graph, SPECS).findings
    assert (found.code, found.node_id, found.severity) == ("NO_OUTPUT_NODE", None, "error")
    made = apply(graph, [found.fix], SPECS)
    report = judge(made.graph, SPECS)
    assert (report.findings, report.valid) == ((), True)
    assert made.graph[report.outputs[0]]["inputs"]["images"] == ["6", 0]


def test_where_nothing_makes_anything_that_can_be_shown_no_output_is_offered():
    [found] = judge({"1": node("Number", value=1)}, {"Number": SPECS["Number"]}).findings
    assert (found.code, found.fix) == ("NO_OUTPUT_NODE", None)


def test_an_output_node_that_nothing_reaches_is_warned_of():
    lone = spec("Lone", {}, (), output_node=True, input={"optional": {"images": ("IMAGE",)}})
    maker = spec("Maker", {}, ("IMAGE",), output_node=True, input={"optional": {"images": ("IMAGE",)}})
    specs = {**SPECS, "Lone": lone, "Maker": maker}
    graph = {**text_to_image(), "lone": node("Lone")}
    report = judge(graph, specs)
    assert told(report) == [("OUTPUT_NOT_REACHED", "warning", "lone")]
    assert report.outputs == ("7", "lone")  # ComfyUI runs it
    graph["show"] = node("Show", images=["made", 0])
    graph["made"] = node("Maker")  # makes something by itself
    assert [found.node_id for found in judge(graph, specs).findings] == ["lone"]


@pytest.mark.parametrize("node_", [{}, {"inputs": None}, {"inputs": []}, {"inputs": "x"}], ids=str)
def test_a_node_without_inputs_is_given_an_empty_object(node_):
    graph, specs = {"1": {"class_type": "Shown", **node_}}, {"Shown": spec("Shown", {}, (), output_node=True)}
    [found] = judge(graph, specs).findings
    assert (found.code, found.node_id) == ("BAD_NODE", "1")
    assert found.fix == {"op": "restore", "nodes": {"1": {"class_type": "Shown", "inputs": {}}}}
    assert judge(apply(graph, [found.fix], specs).graph, specs).valid


def test_an_empty_workflow_has_no_output():
    report = judge({}, SPECS)
    assert [found.code for found in report.findings] == ["NO_OUTPUT_NODE"]


def test_warnings_have_no_say_in_the_code_of_a_refusal():
    graph = text_to_image()
    graph["5"]["inputs"]["steps"] = 0
    graph["far"] = node("Invert")
    error = refuse(judge(graph, SPECS).findings)
    assert error.code == "VALUE_OUT_OF_RANGE"
    assert [found["severity"] for found in error.details["findings"]] == ["error", "warning"]


# what depends on other values


def resized(**inputs):
    return {
        "1": node("Load", image="a.png"),
        "2": node("Resize", image=["1", 0], **inputs),
        "3": node("Show", images=["2", 0]),
    }


def test_a_dynamic_combo_without_its_key_lacks_inputs_at_run_time():
    for inputs in ({}, {"mode": "by magic"}, {"mode": 3}, {"mode": {"__value__": "by size"}}):
        [found] = judge(resized(**inputs), SPECS).findings
        assert (found.node_id, found.input, found.severity) == ("2", "mode", "error")
        assert found.fix["value"] in {"by size", "by factor"}  # and none that wants another link
        after = apply(resized(**inputs), [found.fix], SPECS).graph
        assert judge(after, SPECS).findings == ()


def test_a_dynamic_combo_takes_no_link():
    [found] = judge(resized(mode=["1", 0]), SPECS).findings
    assert (found.code, found.fix["value"]) == ("TYPE_MISMATCH", "by size")


def test_a_dynamic_combo_that_may_be_left_out_may_have_any_value():
    modes = {"options": [{"key": "a", "inputs": {}}]}
    soft = spec(
        "Soft", {}, (), output_node=True, input={"optional": {"mode": ("COMFY_DYNAMICCOMBO_V3", modes)}}
    )
    report = judge({"1": node("Soft", mode="b")}, {"Soft": soft})
    assert (report.valid, told(report)) == (True, [("UNKNOWN_OPTION", "warning", "1")])
    assert judge({"1": node("Soft")}, {"Soft": soft}).findings == ()


def test_the_key_of_a_dynamic_combo_decides_what_is_missing():
    [found] = judge(resized(mode="by factor"), SPECS).findings
    assert (found.code, found.input, found.fix["value"]) == ("MISSING_INPUT", "mode.factor", 2.0)
    found = judge(resized(mode="by size", **{"mode.width": 8}), SPECS).findings
    assert [each.input for each in found] == ["mode.crop"]


def test_a_growing_input_is_wired_where_it_must_be():
    graph = {"1": node("Load", image="a.png"), "2": node("Batch"), "3": node("Show", images=["2", 0])}
    report = judge(graph, SPECS)
    assert [found.input for found in report.findings] == ["images.image0", "images.image1"]
    mended = apply(graph, [found.fix for found in report.findings], SPECS)
    assert judge(mended.graph, SPECS).valid


def test_a_dynamic_slot_that_is_linked_brings_its_inputs():
    slot = (
        "COMFY_DYNAMICSLOT_V3",
        {"slotType": "IMAGE", "inputs": {"required": {"size": ("INT", {"max": 9})}}},
    )
    made = spec("Slot", {"image": slot}, (), output_node=True)
    specs = {**SPECS, "Slot": made}
    graph = {"1": node("Load", image="a.png"), "2": node("Slot")}
    assert [each.code for each in judge(graph, specs, targets=["2"]).findings if each.node_id == "2"] == [
        "OUTPUT_NOT_REACHED"
    ]
    graph["2"] = node("Slot", image=["1", 0])
    [missing] = judge(graph, specs).findings
    assert (missing.code, missing.input) == ("MISSING_INPUT", "image.size")
