"""Links are judged as ComfyUI judges them, and where it leaves that to its page, as that does."""

import pytest
from backplane.validation import judge
from patching import SPECS, match, node, spec, text_to_image

MORE = {
    **SPECS,
    **{
        made.name: made
        for made in [
            spec("ListOut", {}, (["a", "b"],)),
            spec("OtherListOut", {}, (["a", "c"],)),
            spec("ComboOut", {}, ("COMBO",)),
            spec("AnyOut", {}, ("*",)),
            spec("OldCombo", {"choice": (["a", "b"], {})}, (), output_node=True),
            spec("NewCombo", {"choice": ("COMBO", {"options": ["a", "b"]})}, (), output_node=True),
            spec("Either", {"one": ("INT,FLOAT", {})}, (), output_node=True),
            spec("FloatOut", {}, ("FLOAT",)),
            spec("Own", {"images": ("IMAGE",)}, (), output_node=True, own_checks=["input_types"]),
            spec(
                "Pair", {"a": match("T", "IMAGE,MASK"), "b": match("T", "IMAGE,MASK")}, (), output_node=True
            ),
            spec("Core", {"images": ("IMAGE",)}, (), output_node=True, python_module="nodes"),
            spec("Pack", {"images": ("IMAGE",)}, (), output_node=True, python_module="custom_nodes.pack"),
        ]
    },
}


def found(graph):
    return [(each.code, each.node_id, each.input) for each in judge(graph, MORE).findings]


def mended(graph):
    [finding] = judge(graph, MORE).findings
    return finding.fix


@pytest.mark.parametrize(
    ("source", "target", "fits"),
    [
        ("ListOut", "OldCombo", True),
        ("OtherListOut", "OldCombo", False),  # ComfyUI compares the lists
        ("ComboOut", "OldCombo", False),
        ("AnyOut", "OldCombo", True),
        ("FloatOut", "OldCombo", False),
        ("ListOut", "NewCombo", True),
        ("OtherListOut", "NewCombo", True),
        ("ComboOut", "NewCombo", True),
        ("AnyOut", "NewCombo", True),
        ("FloatOut", "NewCombo", False),
    ],
)
def test_a_list_of_options_is_a_type_of_its_own(source, target, fits):
    graph = {"1": node(source), "2": node(target, choice=["1", 0])}
    assert found(graph) == ([] if fits else [("TYPE_MISMATCH", "2", "choice")])
    if not fits:
        assert mended(graph) == {"op": "set_param", "node_id": "2", "param": "choice", "value": "a"}


def test_one_type_of_a_union_is_enough():
    assert found({"1": node("FloatOut"), "2": node("Either", one=["1", 0])}) == []
    assert found({"1": node("ListOut"), "2": node("Either", one=["1", 0])}) == [("TYPE_MISMATCH", "2", "one")]


def test_a_class_may_judge_the_types_of_its_links_itself():
    graph = {"1": node("FloatOut"), "2": node("Own", images=["1", 0])}
    assert found(graph) == []


def test_a_link_of_another_type_is_mended_from_the_same_node_first():
    graph = text_to_image()
    graph["5"]["inputs"]["model"] = ["1", 1]
    assert found(graph) == [("TYPE_MISMATCH", "5", "model")]
    assert mended(graph) == {
        "op": "connect",
        "source_node_id": "1",
        "output": 0,
        "target_node_id": "5",
        "input": "model",
    }


def test_a_slot_below_zero_is_what_comfyui_makes_of_it():
    graph = text_to_image()
    graph["6"]["inputs"]["vae"] = ["1", -1]
    assert found(graph) == [("LINK_SLOT_OUT_OF_RANGE", "6", "vae")]
    assert mended(graph)["output"] == 2
    graph["6"]["inputs"]["vae"] = ["1", -2]  # which is CLIP
    assert mended(graph)["output"] == 2


def test_a_missing_link_is_looked_for_where_nobody_uses_what_is_made():
    graph = text_to_image()
    del graph["5"]["inputs"]["negative"]
    assert found(graph) == [("MISSING_INPUT", "5", "negative")]
    fix = judge(graph, MORE).findings[0].fix
    assert (fix["source_node_id"], fix["output"]) == ("3", 0)


def test_an_id_that_is_nearly_right_is_meant():
    graph = {**text_to_image(), "two words": node("Encode", text="a dog", clip=["1", 1])}
    graph["5"]["inputs"]["negative"] = ["two word", 0]
    fix = judge(graph, MORE).findings[0].fix
    assert fix["source_node_id"] == "two words"


def test_an_input_under_a_wrong_name_is_taken_from_there():
    graph = text_to_image()
    graph["5"]["inputs"]["step"] = graph["5"]["inputs"].pop("steps") + 10
    [missing] = judge(graph, MORE).findings
    assert missing.details["misspelt"] == "step"
    assert missing.fix == {"op": "set_param", "node_id": "5", "param": "steps", "value": 30}
    graph = text_to_image()
    graph["5"]["inputs"]["models"] = graph["5"]["inputs"].pop("model")
    [missing] = [each for each in judge(graph, MORE).findings if each.code == "MISSING_INPUT"]
    assert (missing.fix["source_node_id"], missing.fix["input"]) == ("1", "model")


def test_an_array_that_is_no_link():
    graph = text_to_image()
    graph["7"]["inputs"]["images"] = ["6", 0.5]
    assert found(graph) == [("BAD_LINK", "7", "images")]
    assert mended(graph)["source_node_id"] == "6"
    graph = text_to_image()
    graph["5"]["inputs"]["steps"] = [25]
    assert mended(graph)["value"] == 25
    graph["5"]["inputs"]["steps"] = [1, 2, 3]
    assert mended(graph)["value"] == 20


def test_an_array_that_no_class_asks_for_does_no_harm_but_a_link_does():
    graph = text_to_image()
    graph["7"]["inputs"]["extra"] = [1, 2, 3]
    assert found(graph) == []
    graph["7"]["inputs"]["extra"] = ["gone", 0]
    assert found(graph) == [("DANGLING_LINK", "7", "extra")]
    assert mended(graph) == {"op": "disconnect", "target_node_id": "7", "input": "extra"}


def test_a_link_that_the_class_does_not_know_is_warned_of_where_that_is_certain():
    picture = {"1": node("Load", image="a.png")}
    graph = {**picture, "2": node("Core", images=["1", 0], more=["1", 1])}
    [warning] = judge(graph, MORE).findings
    assert (warning.code, warning.severity, warning.input) == ("PORT_UNKNOWN", "warning", "more")
    graph["2"]["class_type"] = "Pack"  # classes of packs may take what they do not declare
    assert found(graph) == []


def test_a_value_where_only_a_link_can_be_is_warned_of():
    graph = text_to_image()
    graph["7"]["inputs"]["images"] = "6"
    report = judge(graph, MORE)
    assert report.valid  # ComfyUI takes it
    warning = report.findings[0]
    assert (warning.code, warning.severity) == ("VALUE_WRONG_TYPE", "warning")
    assert warning.fix["source_node_id"] == "6"


def test_a_misspelt_value_that_may_be_left_out_is_warned_of():
    made = spec("Soft", {}, (), output_node=True, input={"optional": {"strength": ("FLOAT", {"max": 1.0})}})
    [warning] = judge({"1": node("Soft", strenght=5)}, {"Soft": made}).findings
    assert (warning.code, warning.severity, warning.input) == ("PARAM_UNKNOWN", "warning", "strenght")
    assert warning.fix == {"op": "set_param", "node_id": "1", "param": "strength", "value": 1.0}
    assert judge({"1": node("Soft", bogus=5)}, {"Soft": made}).findings == ()


# match types


def pictures():
    return {"1": node("Load", image="a.png"), "2": node("Number", value=1)}


def test_inputs_of_one_match_have_one_type():
    graph = {**pictures(), "3": node("Switch", on_true=["1", 0], on_false=["1", 1])}
    graph["4"] = node("Save", images=["3", 0], filename_prefix="x")
    assert found(graph)[0] == ("MATCH_TYPE_CONFLICT", "3", "on_false")
    first = judge(graph, MORE).findings[0]
    assert (first.details["takes"], first.details["gives"]) == ("IMAGE", "MASK")
    assert (first.fix["source_node_id"], first.fix["output"], first.fix["input"]) == ("1", 0, "on_false")


def test_an_output_of_a_match_gives_what_goes_in_however_far_before():
    graph = {**pictures(), "3": node("Switch", on_true=["1", 1], on_false=["1", 1])}
    for number in range(4, 2000):
        graph[str(number)] = node("Switch", on_true=[str(number - 1), 0], on_false=[str(number - 1), 0])
    graph["end"] = node("Save", images=["1999", 0], filename_prefix="x")
    [conflict] = [each for each in judge(graph, MORE).findings if each.severity == "error"]
    assert (conflict.code, conflict.node_id, conflict.input) == ("MATCH_TYPE_CONFLICT", "end", "images")
    assert conflict.fix["source_node_id"] == "1"


def test_what_a_match_allows_holds_for_each_of_its_inputs():
    graph = {**pictures(), "3": node("Pair", a=["2", 0], b=["1", 0])}
    assert (
        found(graph)
        == [("MATCH_TYPE_CONFLICT", "3", "a"), ("NODE_NOT_USED", "2", None)][:1]
        + [("NODE_NOT_USED", "2", None)] * 0
    )
    graph["3"] = node("Pair", a=["1", 0], b=["1", 0])
    assert found(graph) == [("NODE_NOT_USED", "2", None)]


def test_a_wildcard_says_nothing_of_a_match():
    graph = {"1": node("Load", image="a.png"), "2": node("Any", anything=["1", 1])}
    graph["3"] = node("Switch", on_true=["1", 0], on_false=["2", 0])
    graph["4"] = node("Save", images=["3", 0], filename_prefix="x")
    assert found(graph) == []


# circles


def test_a_circle_is_broken_where_something_else_fits():
    graph = {
        "1": node("Load", image="a.png"),
        "2": node("Blend", image1=["1", 0], image2=["3", 0], factor=0.5),
        "3": node("Invert", image=["2", 0]),
        "4": node("Save", images=["3", 0], filename_prefix="x"),
    }
    [circle] = judge(graph, MORE).findings
    assert circle.code == "WORKFLOW_CYCLE"
    assert sorted(circle.details["cycle"]) == ["2", "3"]
    assert circle.fix["op"] == "connect"
    assert circle.fix["source_node_id"] == "1"


def test_a_circle_that_nothing_else_fits_into_loses_a_node():
    graph = {"1": node("Invert", image=["2", 0]), "2": node("Invert", image=["1", 0])}
    graph["3"] = node("Save", images=["2", 0], filename_prefix="x")
    [circle] = judge(graph, MORE).findings
    assert circle.fix["op"] == "remove_node"
    assert circle.fix["node_id"] in {"1", "2"}


def test_all_circles_are_told_at_once():
    graph = {"0": node("Load", image="a.png")}
    for number in range(1, 9, 2):
        graph[f"{number}"] = node("Invert", image=[f"{number + 1}", 0])
        graph[f"{number + 1}"] = node("Invert", image=[f"{number}", 0])
        graph[f"save {number}"] = node("Save", images=[f"{number}", 0], filename_prefix="x")
    circles = [each for each in judge(graph, MORE).findings if each.code == "WORKFLOW_CYCLE"]
    assert len(circles) == 4
    assert {tuple(sorted(each.details["cycle"])) for each in circles} == {
        (str(number), str(number + 1)) for number in range(1, 9, 2)
    }


def test_a_node_that_is_linked_to_itself():
    graph = {"1": node("Load", image="a.png"), "2": node("Invert", image=["2", 0])}
    graph["3"] = node("Save", images=["2", 0], filename_prefix="x")
    circle = judge(graph, MORE).findings[0]
    assert circle.details["cycle"] == ["2"]
    assert circle.fix["source_node_id"] == "1"
