"""Values by what they mean, on workflows of real node classes."""

import copy
import gzip
import itertools
import json
from pathlib import Path

import pytest
from backplane.errors import ApiError
from backplane.nodespec import parse
from backplane.tasks.params import WELL_KNOWN, apply_params, read_params
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]
WANTED = {
    *("KSampler", "KSamplerAdvanced", "CheckpointLoaderSimple", "CLIPTextEncode", "EmptyLatentImage"),
    *("VAEDecode", "SaveImage", "ConditioningZeroOut", "ConditioningCombine", "ControlNetApplyAdvanced"),
    *("SamplerCustomAdvanced", "RandomNoise", "CFGGuider", "BasicGuider", "BasicScheduler", "KSamplerSelect"),
    *("FluxGuidance", "Flux2Scheduler", "PrimitiveInt", "PrimitiveStringMultiline", "LatentUpscale"),
    *("UNETLoader", "DualCLIPLoader", "CLIPTextEncodeFlux", "StringConcatenate", "LoraLoader"),
    *("EmptyFlux2LatentImage", "LoraLoaderModelOnly", "CLIPTextEncodeSDXL", "TextEncodeBooguEdit"),
    *(
        "ComfySwitchNode",
        "PrimitiveBoolean",
        "ResizeImageMaskNode",
        "EmptyImage",
        "ConditioningSetTimestepRange",
        "SplitSigmas",
    ),
}
with gzip.open(ROOT / "tests/data/object_info-0.33.0.json.gz") as file:
    SPECS = {name: parse(info, folders={}) for name, info in json.load(file).items() if name in WANTED}

TEXT_TO_IMAGE = json.loads((ROOT / "docs/requests/text_to_image.json").read_text())["workflow"]


def node(class_type, title=None, **inputs):
    made = {"class_type": class_type, "inputs": inputs}
    return {**made, "_meta": {"title": title}} if title else made


def applied(graph, **params):
    before = copy.deepcopy(graph)
    done = apply_params(graph, SPECS, params, random_seed=lambda: 4711)
    assert graph == before
    return done


def refused(graph, **params):
    with pytest.raises(ApiError) as caught:
        apply_params(graph, SPECS, params, random_seed=lambda: 4711)
    return caught.value


def two_stages(**second):
    graph = copy.deepcopy(TEXT_TO_IMAGE)
    graph["10"] = node("LatentUpscale", samples=["3", 0], upscale_method="area", width=1024, height=1024)
    graph["11"] = node("KSampler", **{**graph["3"]["inputs"], "latent_image": ["10", 0], **second})
    graph["8"]["inputs"]["samples"] = ["11", 0]
    return graph


def flux():
    return {
        "1": node("UNETLoader", unet_name="flux.safetensors", weight_dtype="default"),
        "2": node("DualCLIPLoader", clip_name1="a", clip_name2="b", type="flux", device="default"),
        "3": node("CLIPTextEncode", text="a cat", clip=["2", 0]),
        "4": node("FluxGuidance", conditioning=["3", 0], guidance=3.5),
        "5": node("BasicGuider", model=["1", 0], conditioning=["4", 0]),
        "6": node("RandomNoise", noise_seed=1),
        "7": node("KSamplerSelect", sampler_name="euler"),
        "8": node("BasicScheduler", model=["1", 0], scheduler="simple", steps=20, denoise=1.0),
        "9": node("EmptyLatentImage", width=["20", 0], height=["21", 0], batch_size=1),
        "10": node(
            "SamplerCustomAdvanced",
            noise=["6", 0],
            guider=["5", 0],
            sampler=["7", 0],
            sigmas=["8", 0],
            latent_image=["9", 0],
        ),
        "11": node("SaveImage", images=["12", 0], filename_prefix="x"),
        "12": node("VAEDecode", samples=["10", 0], vae=["1", 0]),
        "20": node("PrimitiveInt", "Width", value=1024),
        "21": node("PrimitiveInt", "Height", value=768),
    }


def test_every_well_known_value_of_a_plain_workflow_is_found():
    done = applied(
        TEXT_TO_IMAGE,
        prompt="a cat",
        negative_prompt="a dog",
        seed=7,
        steps=9,
        cfg=2.5,
        sampler_name="dpmpp_2m",
        scheduler="karras",
        denoise=0.5,
        width=640,
        height=384,
        batch_size=2,
        checkpoint="sdxl.safetensors",
    )
    assert done.graph["6"]["inputs"]["text"] == "a cat"
    assert done.graph["7"]["inputs"]["text"] == "a dog"
    assert done.graph["5"]["inputs"] == {"width": 640, "height": 384, "batch_size": 2}
    assert done.graph["4"]["inputs"] == {"ckpt_name": "sdxl.safetensors"}
    sampler = done.graph["3"]["inputs"]
    assert (sampler["seed"], sampler["steps"], sampler["cfg"], sampler["denoise"]) == (7, 9, 2.5, 0.5)
    assert (sampler["sampler_name"], sampler["scheduler"]) == ("dpmpp_2m", "karras")
    assert sampler["positive"] == ["6", 0]
    assert len(done.changes) == 12


def test_a_random_seed_is_drawn_once_and_reported():
    graph = two_stages(seed=5)
    draws = itertools.count(100)
    done = apply_params(graph, SPECS, {"seed": "random"}, random_seed=lambda: next(draws))
    assert done.graph["3"]["inputs"]["seed"] == done.graph["11"]["inputs"]["seed"] == 100
    assert [change.to_json() for change in done.changes] == [
        {"param": "seed", "node_id": node_id, "input": "seed", "value": 100, "also": []}
        for node_id in ("3", "11")
    ]


def test_the_parts_of_a_custom_sampler_are_found_by_its_links():
    done = applied(flux(), prompt="a dog", seed="random", steps=4, sampler_name="lcm", scheduler="beta")
    assert done.graph["3"]["inputs"]["text"] == "a dog"
    assert done.graph["6"]["inputs"]["noise_seed"] == 4711
    assert done.graph["7"]["inputs"]["sampler_name"] == "lcm"
    assert done.graph["8"]["inputs"]["scheduler"] == "beta"
    assert done.graph["8"]["inputs"]["steps"] == 4


def test_a_linked_value_is_set_at_the_primitive_it_comes_from():
    done = applied(flux(), width=512)
    assert done.graph["20"]["inputs"]["value"] == 512
    assert done.graph["9"]["inputs"]["width"] == ["20", 0]
    assert done.graph["21"]["inputs"]["value"] == 768


def test_other_users_of_a_primitive_are_named():
    graph = flux()
    graph["9"]["inputs"]["height"] = ["20", 0]
    assert [change.also for change in applied(graph, width=512).changes] == [("9.height",)]


def test_one_primitive_for_two_values_that_differ_is_refused():
    graph = flux()
    graph["9"]["inputs"]["height"] = ["20", 0]
    assert refused(graph, width=512, height=256).code == "PARAM_AMBIGUOUS"
    assert applied(graph, width=512, height=512).graph["20"]["inputs"]["value"] == 512


def test_a_value_that_a_node_computes_is_refused():
    graph = flux()
    graph["30"] = node("StringConcatenate", string_a="a", string_b="b", delimiter=" ")
    graph["3"]["inputs"]["text"] = ["30", 0]
    assert refused(graph, prompt="x").code == "PARAM_NOT_FOUND"
    graph["30"] = node("PrimitiveStringMultiline", value="old")
    assert applied(graph, prompt="x").graph["30"]["inputs"]["value"] == "x"


@pytest.mark.parametrize("switch", [True, ["41", 0]])
def test_a_switch_that_is_set_leads_on_by_its_branch(switch):
    graph = flux() | {
        "30": node("PrimitiveInt", value=4),
        "31": node("PrimitiveInt", value=20),
        "40": node("ComfySwitchNode", switch=switch, on_true=["30", 0], on_false=["31", 0]),
        "41": node("PrimitiveBoolean", value=True),
        "50": node("UNETLoader", unet_name="other.safetensors", weight_dtype="default"),
        "51": node("CLIPTextEncode", text="unused", clip=["2", 0]),
        "52": node("ComfySwitchNode", switch=switch, on_true=["3", 0], on_false=["51", 0]),
    }
    graph["8"]["inputs"]["steps"] = ["40", 0]
    graph["4"]["inputs"]["conditioning"] = ["52", 0]
    done = applied(graph, steps=6, prompt="a dog")
    assert (done.graph["30"]["inputs"]["value"], done.graph["31"]["inputs"]["value"]) == (6, 20)
    assert (done.graph["3"]["inputs"]["text"], done.graph["51"]["inputs"]["text"]) == ("a dog", "unused")
    graph["40"]["inputs"]["switch"] = ["10", 0]
    assert "ComfySwitchNode" in refused(graph, steps=6).message


def test_without_a_sampler_a_param_of_that_name_is_meant():
    graph = {"1": node("PrimitiveInt", value=1), "2": node("EmptyImage", width=1, height=1, batch_size=1)}
    assert applied(graph, width=8).graph["2"]["inputs"]["width"] == 8
    graph["3"] = node("EmptyImage", width=2, height=1, batch_size=1)
    assert refused(graph, width=8).code == "PARAM_AMBIGUOUS"
    assert applied(graph, height=8).graph["3"]["inputs"]["height"] == 8


def test_a_zeroed_conditioning_is_no_negative_prompt():
    graph = copy.deepcopy(TEXT_TO_IMAGE)
    graph["7"] = node("ConditioningZeroOut", conditioning=["6", 0])
    assert refused(graph, negative_prompt="x").code == "PARAM_NOT_FOUND"
    assert applied(graph, prompt="x").graph["6"]["inputs"]["text"] == "x"


def test_one_text_for_both_is_no_negative_prompt():
    graph = copy.deepcopy(TEXT_TO_IMAGE)
    graph["3"]["inputs"]["negative"] = ["6", 0]
    assert refused(graph, negative_prompt="x").code == "PARAM_NOT_FOUND"


def test_a_control_net_passes_each_text_on_by_its_own_way():
    graph = copy.deepcopy(TEXT_TO_IMAGE)
    graph["20"] = node(
        "ControlNetApplyAdvanced",
        positive=["6", 0],
        negative=["7", 0],
        control_net=["21", 0],
        image=["22", 0],
        strength=1.0,
    )
    graph["3"]["inputs"] |= {"positive": ["20", 0], "negative": ["20", 1]}
    done = applied(graph, prompt="p", negative_prompt="n")
    assert done.graph["6"]["inputs"]["text"] == "p"
    assert done.graph["7"]["inputs"]["text"] == "n"


def test_texts_that_differ_are_refused_and_listed():
    graph = copy.deepcopy(TEXT_TO_IMAGE)
    graph["20"] = node("CLIPTextEncode", "Style", text="oil", clip=["4", 1])
    graph["21"] = node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["20", 0])
    graph["3"]["inputs"]["positive"] = ["21", 0]
    error = refused(graph, prompt="x")
    assert error.code == "PARAM_AMBIGUOUS"
    assert {entry["key"] for entry in error.details["candidates"]} == {"6.text", "20.text"}
    assert applied(graph, **{"Style.text": "ink"}).graph["20"]["inputs"]["text"] == "ink"


def test_the_same_text_said_twice_is_set_twice():
    graph = flux()
    graph["3"] = node("CLIPTextEncodeFlux", clip=["2", 0], clip_l="a cat", t5xxl="a cat", guidance=3.5)
    done = applied(graph, prompt="a dog").graph["3"]["inputs"]
    assert (done["clip_l"], done["t5xxl"]) == ("a dog", "a dog")
    graph["3"]["inputs"]["clip_l"] = "cat"
    assert refused(graph, prompt="x").code == "PARAM_AMBIGUOUS"


def test_steps_of_two_samplers_are_set_only_where_they_are_the_same():
    done = applied(two_stages(), steps=5)
    assert done.graph["3"]["inputs"]["steps"] == done.graph["11"]["inputs"]["steps"] == 5
    assert refused(two_stages(denoise=0.5), denoise=0.7).code == "PARAM_AMBIGUOUS"


def test_the_size_is_that_of_the_latent_and_not_of_an_upscale():
    done = applied(two_stages(), width=256)
    assert done.graph["5"]["inputs"]["width"] == 256
    assert done.graph["10"]["inputs"]["width"] == 1024


def test_a_schedule_that_knows_the_size_follows_it():
    graph = flux()
    graph["9"] = node("EmptyFlux2LatentImage", width=1024, height=1024, batch_size=1)
    graph["8"] = node("Flux2Scheduler", steps=20, width=1024, height=768)
    done = applied(graph, width=512, height=512)
    assert done.graph["9"]["inputs"] == {"width": 512, "height": 512, "batch_size": 1}
    assert done.graph["8"]["inputs"] == {"steps": 20, "width": 512, "height": 768}


def test_samplers_that_no_output_needs_do_not_count():
    graph = copy.deepcopy(TEXT_TO_IMAGE)
    graph["50"] = node("KSampler", **{**graph["3"]["inputs"], "steps": 99})
    assert applied(graph, steps=5).graph["50"]["inputs"]["steps"] == 99


def test_any_value_is_set_by_its_node_id():
    done = applied(TEXT_TO_IMAGE, **{"9.filename_prefix": "out/x", "3.steps": 1, "steps": 40})
    assert done.graph["9"]["inputs"]["filename_prefix"] == "out/x"
    assert done.graph["3"]["inputs"]["steps"] == 1


def test_ids_and_names_may_hold_dots_and_colons():
    graph = {
        "1": node("ResizeImageMaskNode", input=["2", 0], resize_type="scale dimensions"),
        "1.2": node("EmptyImage", width=1, height=1, batch_size=1, color=0),
        "3:4": node("EmptyImage", width=1, height=1, batch_size=1, color=0),
    }
    done = applied(graph, **{"1.resize_type.width": 64, "1.2.width": 2, "3:4.width": 3})
    assert done.graph["1"]["inputs"]["resize_type.width"] == 64
    assert done.graph["1.2"]["inputs"]["width"] == 2
    assert done.graph["3:4"]["inputs"]["width"] == 3


def test_a_value_is_set_by_its_nodes_title():
    done = applied(flux(), Width=640)
    assert done.graph["20"]["inputs"]["value"] == 640
    assert refused(TEXT_TO_IMAGE, **{"Empty Latent Image": 3}).code == "PARAM_AMBIGUOUS"


def test_a_value_is_set_by_a_name_that_only_one_node_has():
    assert applied(flux(), guidance=2.0).graph["4"]["inputs"]["guidance"] == 2.0
    assert refused(TEXT_TO_IMAGE, text="x").code == "PARAM_AMBIGUOUS"


def test_what_is_not_there_is_refused_with_close_names():
    error = refused(TEXT_TO_IMAGE, stpes=3)
    assert (error.code, error.details["close_matches"][0]) == ("PARAM_NOT_FOUND", "steps")
    error = refused(TEXT_TO_IMAGE, **{"3.step": 3})
    assert (error.code, error.details["close_matches"]) == ("PARAM_NOT_FOUND", ["steps"])
    assert refused(TEXT_TO_IMAGE, **{"3.model": 3}).code == "PARAM_NOT_FOUND"
    assert refused({"1": node("EmptyImage", width=1)}, steps=1).code == "PARAM_NOT_FOUND"


def test_a_list_is_a_value_and_never_becomes_a_link():
    done = applied(TEXT_TO_IMAGE, **{"6.text": ["4", 0]})
    assert done.graph["6"]["inputs"]["text"] == {"__value__": ["4", 0]}


@pytest.mark.parametrize(
    ("key", "value"),
    [("prompt", 3), ("seed", "dice"), ("seed", True), ("steps", 2.5), ("cfg", "7"), ("width", None)],
)
def test_a_well_known_value_of_the_wrong_kind_is_refused(key, value):
    with pytest.raises(ApiError) as caught:
        read_params({key: value})
    assert caught.value.code == "INVALID_REQUEST"
    assert list(caught.value.details["fields"]) == [f"params.{key}"]


def test_params_must_be_an_object():
    assert read_params(None) == {}
    with pytest.raises(ApiError):
        read_params([])
    assert read_params({"seed": "random", "cfg": 7, "6.text": "x"})["cfg"] == 7


@given(
    st.dictionaries(
        st.sampled_from([*WELL_KNOWN, "9.filename_prefix", "6.text", "5.batch_size"]),
        st.integers(0, 99),
        max_size=6,
    ),
    st.sampled_from(["plain", "two", "flux"]),
)
def test_every_other_input_is_kept(params, which):
    graph = {"plain": TEXT_TO_IMAGE, "two": two_stages(), "flux": flux()}[which]
    before = copy.deepcopy(graph)
    try:
        done = apply_params(graph, SPECS, params, random_seed=lambda: 0)
    except ApiError:
        return
    finally:
        assert graph == before
    changed = {(change.node_id, change.input) for change in done.changes}
    assert done.graph.keys() == graph.keys()
    for node_id, entry in graph.items():
        for name, value in entry["inputs"].items():
            if (node_id, name) not in changed:
                assert done.graph[node_id]["inputs"][name] == value
        added = done.graph[node_id]["inputs"].keys() - entry["inputs"].keys()
        assert {(node_id, name) for name in added} <= changed


def test_a_drawn_seed_is_written_down_with_its_places():
    done = applied(TEXT_TO_IMAGE, seed="random")
    assert [each.to_json() for each in done.drawn] == [
        {"name": "seed", "places": [["3", "seed"]], "least": 0, "most": None}
    ]
    assert applied(TEXT_TO_IMAGE, seed=5).drawn == ()


def test_a_drawn_seed_that_is_then_set_by_name_stays_as_it_was_set():
    done = applied(TEXT_TO_IMAGE, **{"seed": "random", "3.seed": 7})
    assert done.drawn == ()
    assert done.graph["3"]["inputs"]["seed"] == 7
