"""What ComfyUI's own validation answers, as findings."""

import pytest
from backplane.nodespec import parse
from backplane.validation import from_host
from patching import SPECS as CLASSES
from patching import node, spec, text_to_image

SPECS = {"Load": spec("Load", {"name": (["a.png", "b.png"], {})}, ("IMAGE", "MASK"))}
REFUSED = {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"}


def fault(kind, name=None, **extra):
    named = {} if name is None else {"input_name": name}
    return {"type": kind, "message": "It is wrong", "details": "this", "extra_info": {**named, **extra}}


def told(node_id, class_type, *faults, graph=None, specs=CLASSES):
    return from_host(REFUSED, {node_id: {"class_type": class_type, "errors": faults}}, specs, graph)


def test_what_comfyui_says_is_told_without_its_traceback():
    errors = {
        "2": {
            "class_type": "Load",
            "errors": [
                {
                    "type": "exception_during_inner_validation",
                    "message": "Exception when validating inner node",
                    "details": "/home/someone/file.py",
                    "extra_info": {"traceback": ["/home/someone"]},
                },
                {
                    "type": "value_not_in_list",
                    "message": "Value not in list",
                    "details": "name: 'c.png' not in […]",
                    "extra_info": {"input_name": "name", "received_value": "a.pnj"},
                },
            ],
        }
    }

    first, second = from_host({"type": "prompt_outputs_failed_validation"}, errors, SPECS)

    assert first.code == "VALIDATION_FAILED"
    assert "someone" not in str(first.to_json())
    assert (second.code, second.input) == ("UNKNOWN_OPTION", "name")
    assert second.details == {
        "options": ["a.png", "b.png"],
        "options_total": 2,
        "close_matches": ["a.png", "b.png"],
    }
    assert first.fix is None
    assert second.fix == {"op": "set_param", "node_id": "2", "param": "name", "value": "a.png"}


def test_an_answer_of_comfyui_without_node_errors_still_says_something():
    [finding] = from_host({"type": "new_in_the_future", "message": "No."}, {}, SPECS)
    assert (finding.code, finding.message) == ("WORKFLOW_INVALID", "No.")


@pytest.mark.parametrize(
    ("kind", "name", "held", "code", "value"),
    [
        ("value_not_in_list", "sampler_name", "eular", "UNKNOWN_OPTION", "euler"),
        ("value_bigger_than_max", "steps", 500, "VALUE_OUT_OF_RANGE", 100),
        ("value_smaller_than_min", "steps", 0, "VALUE_OUT_OF_RANGE", 1),
        ("invalid_input_type", "steps", "many", "VALUE_WRONG_TYPE", 20),
    ],
)
def test_a_value_has_a_fix_even_where_the_workflow_is_not_known(kind, name, held, code, value):
    [found] = told("5", "Sampler", fault(kind, name, received_value=held))
    assert found.code == code
    assert found.fix == {"op": "set_param", "node_id": "5", "param": name, "value": value}


def test_a_missing_param_has_its_default_for_a_fix():
    [found] = told("5", "Sampler", fault("required_input_missing", "steps"))
    assert (found.code, found.fix["value"]) == ("MISSING_INPUT", 20)


def test_a_missing_link_has_a_fix_where_the_workflow_is_known():
    graph = text_to_image()
    del graph["5"]["inputs"]["model"]
    missing = fault("required_input_missing", "model")
    assert told("5", "Sampler", missing)[0].fix is None
    [found] = told("5", "Sampler", missing, graph=graph)
    assert (found.fix["op"], found.fix["source_node_id"]) == ("connect", "1")


def test_a_circle_has_a_fix_where_the_workflow_is_known():
    graph = {"1": node("Invert", image=["2", 0]), "2": node("Invert", image=["1", 0])}
    graph["3"] = node("Show", images=["1", 0])
    [found] = told("1", "Invert", fault("dependency_cycle"), graph=graph)
    assert (found.code, found.fix["op"]) == ("WORKFLOW_CYCLE", "remove_node")
    assert told("1", "Invert", fault("dependency_cycle"))[0].fix is None


def test_a_model_that_is_not_there_is_told_as_such():
    info = {"name": "Models", "input": {"required": {"ckpt_name": (["a.safetensors"], {})}}}
    specs = {"Models": parse(info, folders={"ckpt_name": "checkpoints"})}
    wrong = fault("value_not_in_list", "ckpt_name", received_value="b.safetensors")
    [found] = told("1", "Models", wrong, specs=specs)
    assert (found.code, found.details["folder"]) == ("MODEL_FILE_MISSING", "checkpoints")
    assert found.fix["value"] == "a.safetensors"


def test_what_a_class_refuses_itself_gets_another_value():
    wrong = fault("custom_validation_failed", "image")
    graph = {"1": node("Load", image="a.pn"), "2": node("Show", images=["1", 0])}
    [found] = told("1", "Load", wrong, graph=graph)
    assert (found.code, found.fix["value"]) == ("VALUE_REFUSED", "a.png")


def test_a_class_that_is_not_here_is_told_by_name():
    error = {
        "type": "missing_node_type",
        "message": "…",
        "extra_info": {"node_id": "1", "class_type": "Invertt"},
    }
    graph = {"1": node("Invertt", image=["2", 0])}
    [found] = from_host(error, {}, CLASSES, graph)
    assert (found.code, found.node_id, found.class_type) == ("UNKNOWN_NODE_CLASS", "1", "Invertt")
    assert found.fix == {"op": "replace_node", "node_id": "1", "class_type": "Invert"}
    assert from_host(error, {}, CLASSES)[0].fix is None


def test_a_workflow_without_outputs_is_given_one():
    error = {"type": "prompt_no_outputs", "message": "Prompt has no outputs"}
    graph = text_to_image()
    del graph["7"]
    assert from_host(error, {}, CLASSES, graph)[0].fix["op"] == "add_node"
    assert from_host(error, {}, CLASSES)[0].fix is None


def test_nothing_wrong_is_no_finding():
    assert from_host({}, {}, CLASSES) == []
