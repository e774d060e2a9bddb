"""Operations on the nodes of a real ComfyUI 0.33."""

import gzip
import json
from pathlib import Path

from backplane.errors import ApiError
from backplane.nodespec import parse
from backplane.operations.making import live_params, suits
from backplane.patch_engine import apply
from backplane.validation import check
from patching import exactly, node, replayed, rewired

FIXTURE = Path(__file__).resolve().parents[2] / "data" / "object_info-0.33.0.json.gz"
SPECS = {
    name: parse(info, name=name) for name, info in json.loads(gzip.decompress(FIXTURE.read_bytes())).items()
}

CHECKPOINT = "CheckpointLoaderSimple"
TEXT_TO_IMAGE = [
    {"op": "add_node", "class_type": CHECKPOINT, "alias": "model", "params": {"ckpt_name": "a.safetensors"}},
    *(
        {
            "op": "add_node",
            "class_type": "CLIPTextEncode",
            "alias": alias,
            "params": {"text": text},
            "inputs": {"clip": {"node_id": "$model"}},
        }
        for alias, text in [("good", "a cat"), ("bad", "ugly")]
    ),
    {"op": "add_node", "class_type": "EmptyLatentImage", "alias": "size"},
    {
        "op": "add_node",
        "class_type": "KSampler",
        "alias": "sampler",
        "inputs": {
            "model": {"node_id": "$model"},
            "positive": ["$good", 0],
            "negative": ["$bad", 0],
            "latent_image": {"node_id": "$size"},
        },
    },
    {"op": "add_node", "class_type": "VAEDecode", "alias": "image"},
    {"op": "connect", "source_node_id": "$sampler", "target_node_id": "$image"},
    {"op": "connect", "source_node_id": "$model", "target_node_id": "$image"},
    {"op": "add_node", "class_type": "SaveImage", "inputs": {"images": {"node_id": "$image"}}},
]


def text_to_image():
    return apply({}, TEXT_TO_IMAGE, SPECS).graph


def test_a_workflow_is_made_of_nothing():
    result = apply({}, TEXT_TO_IMAGE, SPECS, validate=True)
    # the definitions were read where there was no model
    assert [(each.code, each.input) for each in result.findings] == [("UNKNOWN_OPTION", "ckpt_name")]
    assert result.graph["5"]["inputs"] == {
        "seed": 0,
        "steps": 20,
        "cfg": 8.0,
        "sampler_name": "euler",
        "scheduler": "simple",
        "denoise": 1.0,
        "model": ["1", 0],
        "positive": ["2", 0],
        "negative": ["3", 0],
        "latent_image": ["4", 0],
    }
    assert apply(result.graph, list(result.inverse), SPECS).graph == {}


def test_every_class_can_be_added_with_values_that_it_takes():
    faults = {}
    for name, spec in SPECS.items():
        result = apply({}, [{"op": "add_node", "class_type": name}], SPECS)
        inputs = result.graph["1"]["inputs"]
        params = {param.name: param for param in live_params(spec, inputs)}
        bad = [key for key, value in inputs.items() if not suits(params[key], value)]
        codes = {
            (found.code, found.input)
            for found in check(result.graph, SPECS, ["1"])
            if found.code != "MISSING_INPUT" or (found.input in params and params[found.input].options)
        }
        if bad or codes:
            faults[name] = (bad, codes)
    assert faults == {}


def test_every_class_can_take_the_place_of_every_other_kind_of_node_and_give_it_back():
    graph = text_to_image()
    for number, name in enumerate(SPECS):
        for target in (str(number % 7 + 1), "5"):
            result = apply(graph, [{"op": "replace_node", "node_id": target, "class_type": name}], SPECS)
            assert result.graph[target]["class_type"] == name
            assert replayed(graph, result.changes) == result.graph
            assert exactly(apply(result.graph, list(result.inverse), SPECS).graph) == exactly(graph)


def test_every_class_goes_into_a_link_or_says_why_not():
    graph = text_to_image()
    codes = {}
    for name, spec in SPECS.items():
        for where in ({"target_node_id": "5", "input": "model"}, {"target_node_id": "7", "input": "images"}):
            try:
                result = apply(graph, [{"op": "insert_node", "class_type": name, **where}], SPECS)
            except ApiError as error:
                codes.setdefault(error.code, []).append(name)
                continue
            kind = "MODEL" if where["input"] == "model" else "IMAGE"
            assert any(kind in output.type or output.type == "*" for output in spec.outputs)
            assert result.graph[where["target_node_id"]]["inputs"][where["input"]][0] == "8"
            assert exactly(apply(result.graph, list(result.inverse), SPECS).graph) == exactly(graph)
    assert codes.keys() <= {"NO_FITTING_PORT", "AMBIGUOUS_PORT"}
    assert "ImageScaleBy" not in codes["AMBIGUOUS_PORT"]
    assert "ImageBatch" in codes["AMBIGUOUS_PORT"]


def test_a_lora_takes_model_and_clip_and_its_bypass_gives_them_back():
    graph = text_to_image()
    insert = {"op": "insert_node", "class_type": "LoraLoader", "target_node_id": "5", "input": "model"}
    result = apply(graph, [insert], SPECS)
    assert rewired(graph, result) == {
        "8.model": "1.0",
        "8.clip": "1.1",
        "5.model": "8.0",
        "2.clip": "8.1",
        "3.clip": "8.1",
    }
    bypassed = apply(result.graph, [{"op": "bypass", "node_id": "8"}], SPECS)
    assert rewired(graph, bypassed) == {"8.model": "1.0", "8.clip": "1.1"}


def test_a_growing_input_and_a_dynamic_combo_are_filled_in():
    graph = text_to_image()
    ops = [
        {"op": "add_node", "class_type": "BatchImagesNode", "alias": "batch"},
        {"op": "connect", "source_node_id": "6", "target_node_id": "$batch"},
        {"op": "connect", "source_node_id": "6", "target_node_id": "$batch"},
        {"op": "insert_node", "class_type": "ResizeImageMaskNode", "target_node_id": "7", "alias": "size"},
        {"op": "set_param", "node_id": "$size", "param": "resize_type", "value": "scale by multiplier"},
        {"op": "set_param", "node_id": "$size", "param": "resize_type.multiplier", "value": 2.0},
    ]
    made = apply(graph, ops, SPECS, validate=True)
    assert made.findings == ()
    assert made.graph["8"] == node(
        "BatchImagesNode", **{"images.image0": ["6", 0], "images.image1": ["6", 0]}
    )
    assert made.graph["9"]["inputs"] == {
        "resize_type": "scale by multiplier",
        "resize_type.multiplier": 2.0,
        "scale_method": "area",
        "input": ["6", 0],
    }
