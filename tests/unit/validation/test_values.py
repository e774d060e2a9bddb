"""Values are judged as ComfyUI judges them: converted first, then limits and options."""

import json

import pytest
from backplane.nodespec import parse
from backplane.validation import judge
from patching import node, spec

SIZE = ("INT", {"default": 512, "min": 16, "max": 1000, "step": 8})
KINDS = {
    "whole": SIZE,
    "share": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01}),
    "text": ("STRING", {}),
    "flag": ("BOOLEAN", {}),
    "method": (["area", "bicubic", "bilinear"], {"default": "bicubic"}),
    "number": ("COMBO", {"options": [1, 2, 4]}),
    "several": ("COMBO", {"options": ["red", "green"], "multiselect": True}),
    "union": ("FLOAT,INT", {"widgetType": "FLOAT", "min": 0, "max": 5}),
    "curve": ("CURVE", {}),
}
GOOD = {
    "whole": [16, 1000, 17, "64", " 64 ", 64.9, {"__value__": 64}],
    "share": [0, 1, 0.5, "0.5", True, "1e-3", {"__value__": "0.25"}],
    "text": ["", "a", 5, None, {"a": 1}, {"__value__": ["a"]}],
    "flag": [True, "false", 0, None, {}],
    "method": ["area", {"__value__": "area"}],
    "number": [1, 2.0, True],
    "several": ["red", {"__value__": ["red", "green"]}, {"__value__": []}],
    "union": [0, 5, 2.5],
    "curve": [None, "x", {"__value__": [1, 2]}, {"points": []}],
}
WRONG = {
    "whole": ["64.5", "", "x", None, {}, {"__value__": [64]}, 1e999],
    "share": ["", "a", None, {"a": 1}],
    "union": ["2", None, {}],
}
BEYOND = {"whole": [15, 1001, True, "-3", 1e9], "share": [-0.001, 1.001, "7"], "union": [-1, 5.1]}
NOT_CHOSEN = {
    "method": ["Area", "", None, 0, {"a": 1}, {"__value__": ["area"]}],
    "number": [3, "1", None],
    "several": ["blue", {"__value__": ["red", "blue"]}, {"__value__": [["red"]]}],
}


def classes(own=()):
    made = spec("Any", KINDS, (), output_node=True, own_checks=own)
    return {made.name: made}


FINE = {name: values[0] for name, values in GOOD.items()}


def findings(name, value, own=()):
    graph = {"1": node("Any", **{**FINE, name: value})}
    return judge(graph, classes(own)).findings


def each(table):
    return [(name, value) for name, values in table.items() for value in values]


@pytest.mark.parametrize(("name", "value"), each(GOOD), ids=repr)
def test_what_comfyui_takes_is_fine(name, value):
    assert findings(name, value) == ()


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        *((name, value, "VALUE_WRONG_TYPE") for name, value in each(WRONG)),
        *((name, value, "VALUE_OUT_OF_RANGE") for name, value in each(BEYOND)),
        *((name, value, "UNKNOWN_OPTION") for name, value in each(NOT_CHOSEN)),
    ],
    ids=repr,
)
def test_what_comfyui_refuses_is_told_with_a_value_that_it_takes(name, value, code):
    [found] = findings(name, value)
    assert (found.code, found.node_id, found.input, found.class_type) == (code, "1", name, "Any")
    assert found.severity == "error"
    assert found.fix["op"] == "set_param"
    assert (found.fix["node_id"], found.fix["param"]) == ("1", name)
    assert findings(name, found.fix["value"]) == ()
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("name", "value", "mended"),
    [
        ("whole", 5000, 1000),
        ("whole", 3, 16),
        ("whole", "20.4", 20),
        ("whole", "many", 512),
        ("share", 2, 1.0),
        ("share", "x", 1.0),
        ("method", "bicubik", "bicubic"),
        ("method", "nothing like it", "bicubic"),
        ("method", "AREA", "area"),
        ("number", "4", 4),
        ("several", {"__value__": ["red", "blue"]}, {"__value__": ["red"]}),
        ("several", {"__value__": ["gren"]}, {"__value__": ["green"]}),
    ],
)
def test_the_value_that_mends_it_is_as_near_as_can_be(name, value, mended):
    [found] = findings(name, value)
    assert found.fix["value"] == mended


def test_an_upper_limit_between_steps_is_not_stepped_over():
    made = spec("Odd", {"size": ("INT", {"min": 16, "max": 100, "step": 8})}, (), output_node=True)
    [found] = judge({"1": node("Odd", size=5000)}, {"Odd": made}).findings
    assert found.fix["value"] == 96


@pytest.mark.parametrize("own", [["whole", "share", "method"], ["*"]])
def test_what_a_class_judges_itself_is_only_converted(own):
    assert findings("whole", 5000, own) == ()
    assert findings("method", "another", own) == ()
    assert [found.code for found in findings("whole", "x", own)] == ["VALUE_WRONG_TYPE"]


def test_a_class_that_judges_one_input_leaves_the_others_to_comfyui():
    assert [found.code for found in findings("share", 5, ["whole"])] == ["VALUE_OUT_OF_RANGE"]


def test_options_that_nobody_here_knows_are_not_judged():
    made = spec("Far", {"name": ("COMBO", {"remote": {"route": "/x"}})}, (), output_node=True)
    assert judge({"1": node("Far", name="a")}, {"Far": made}).findings == ()


def test_a_long_list_of_options_is_told_in_part():
    names = [f"model {number}.bin" for number in range(3000)]
    made = spec("Far", {"name": (names, {})}, (), output_node=True)
    [found] = judge({"1": node("Far", name="model 2999.bon")}, {"Far": made}).findings
    assert len(found.details["options"]) == 50
    assert found.details["options_total"] == 3000
    assert found.fix["value"] == found.details["close_matches"][0] == "model 2999.bin"


def test_values_nested_as_deeply_as_json_can_be_are_told():
    deep = json.loads("[" * 400 + "]" * 400)
    for value in ({"__value__": deep}, {"a": deep}):
        [found] = findings("method", value)
        assert len(found.message) < 400


# files


class Shelf:
    """Knows some input files, and what it was asked for."""

    def __init__(self, *names):
        self.names = names
        self.asked = []

    def input_file(self, name):
        self.asked.append(name)
        return name in self.names


def loader(*, own=("image",)):
    inputs = {"image": (["cat.png", "dog.png"], {"image_upload": True})}
    made = spec("Load", inputs, ("IMAGE",), output_node=True, own_checks=own)
    return {"Load": made}


def test_an_input_image_that_is_not_there_is_told_with_the_closest():
    [found] = judge({"1": node("Load", image="cta.png")}, loader(), files=Shelf()).findings
    assert found.code == "INPUT_FILE_MISSING"
    assert found.details["close_matches"][0] == "cat.png"
    assert found.fix == {"op": "set_param", "node_id": "1", "param": "image", "value": "cat.png"}


@pytest.mark.parametrize("name", ["cat.png", "sub/new.png", "made.png [output]"])
def test_an_input_image_may_be_where_comfyui_looks_for_it(name):
    shelf = Shelf("sub/new.png", "made.png [output]")
    graph = {str(number): node("Load", image=name) for number in range(3)}
    assert judge(graph, loader(), files=shelf).findings == ()
    assert shelf.asked == [] if name == "cat.png" else [name]


def test_where_nobody_knows_the_files_the_class_is_left_to_judge():
    assert judge({"1": node("Load", image="sub/new.png")}, loader()).findings == ()


def test_a_class_that_does_not_judge_its_files_takes_those_it_lists():
    [found] = judge({"1": node("Load", image="new.png")}, loader(own=()), files=Shelf("new.png")).findings
    assert found.code == "INPUT_FILE_MISSING"


@pytest.mark.parametrize("image", [None, 5, {"a": 1}])
def test_an_image_that_is_no_name_is_not_there(image):
    [found] = judge({"1": node("Load", image=image)}, loader(), files=Shelf()).findings
    assert found.code == "INPUT_FILE_MISSING"


def models(*names):
    info = {"name": "Models", "input": {"required": {"ckpt_name": (list(names), {})}}, "output_node": True}
    made = parse(info, folders={"ckpt_name": "checkpoints"})
    return {made.name: made}


def test_a_model_that_is_not_there_is_told_with_its_folder_and_the_closest():
    here = models("sd15/base.safetensors", "sdxl.safetensors")
    [found] = judge({"1": node("Models", ckpt_name="base.safetensors")}, here).findings
    assert (found.code, found.severity) == ("MODEL_FILE_MISSING", "error")
    assert found.details["folder"] == "checkpoints"
    assert found.fix["value"] == found.details["close_matches"][0] == "sd15/base.safetensors"
    assert "checkpoints" in found.message


def test_where_there_is_no_model_at_all_no_operation_helps():
    [found] = judge({"1": node("Models", ckpt_name="base.safetensors")}, models()).findings
    assert found.code == "MODEL_FILE_MISSING"
    assert found.fix is None
    assert "download" in found.hint
