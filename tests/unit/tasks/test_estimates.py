"""How long a run will take, learned from those before."""

import copy
import json
import math
from pathlib import Path

import pytest
from backplane.tasks.estimates import KEPT, MOST_KEYS, Estimates, Key, Running, keys_of, size_of
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]
GRAPH = json.loads((ROOT / "docs/requests/text_to_image.json").read_text())["workflow"]
A, B = Key("A", ""), Key("B", "")


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def changed(node_id, **inputs):
    graph = copy.deepcopy(GRAPH)
    graph[node_id]["inputs"] |= inputs
    return graph


def test_a_samplers_size_has_steps_pixels_frames_and_model():
    assert size_of(GRAPH, "3") == "steps=17 px=36 n=0 model=v1-5-pruned-emaonly-fp16.safetensors"


@pytest.mark.parametrize(
    ("node_id", "inputs"),
    [
        ("3", {"steps": 40}),
        ("5", {"width": 1024}),
        ("5", {"batch_size": 4}),
        ("4", {"ckpt_name": "xl.safetensors"}),
    ],
)
def test_what_makes_a_sampler_slower_changes_its_size(node_id, inputs):
    assert size_of(changed(node_id, **inputs), "3") != size_of(GRAPH, "3")


@pytest.mark.parametrize(
    ("node_id", "inputs"),
    [
        ("3", {"seed": 1, "cfg": 3.0}),
        ("6", {"text": "other"}),
        ("5", {"width": 520}),
        ("9", {"filename_prefix": "x"}),
    ],
)
def test_what_does_not_keeps_it(node_id, inputs):
    assert size_of(changed(node_id, **inputs), "3") == size_of(GRAPH, "3")


def test_the_size_comes_along_the_picture_to_the_nodes_behind():
    assert size_of(GRAPH, "8") == "px=36 n=0"
    assert size_of(GRAPH, "9") == "px=36 n=0"


def test_a_loaders_size_is_its_file():
    assert size_of(changed("4", ckpt_name="a/b\\xl.safetensors"), "4") == "model=xl.safetensors"


def test_parts_of_a_custom_sampler_and_primitives_count():
    graph = {
        "1": node("SamplerCustomAdvanced", sigmas=["2", 0], latent_image=["3", 0], guider=["4", 0]),
        "2": node("SplitSigmas", sigmas=["5", 0], step=2),
        "3": node("Empty", width=["6", 0], height=1024, batch_size=1),
        "4": node("CFGGuider", model=["7", 0], cfg=1.0),
        "5": node("BasicScheduler", steps=8),
        "6": node("PrimitiveInt", value=1024),
        "7": node("UNETLoader", unet_name="flux.safetensors"),
    }
    assert size_of(graph, "1") == "steps=12 px=40 n=0 model=flux.safetensors"


def test_steps_that_a_sampler_leaves_out_do_not_count():
    whole = {"1": node("KSamplerAdvanced", steps=20, start_at_step=0, end_at_step=10000)}
    half = {"1": node("KSamplerAdvanced", steps=20, start_at_step=10, end_at_step=10000)}
    assert size_of(whole, "1") == "steps=17"
    assert size_of(half, "1") == "steps=13"


def test_an_upscale_by_a_factor_has_its_own_size():
    graph = {**GRAPH, "20": node("LatentUpscaleBy", samples=["3", 0], scale_by=2.0)}
    assert size_of(graph, "20") == "px=40 n=0"


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -5, 0, True, "x", None, [], 10**400, ["9", 0], ["1", 0]]
)
def test_odd_values_have_no_size_and_do_no_harm(value):
    assert "px" not in size_of({"1": node("X", width=value, height=value, steps=value)}, "1")


def test_a_switch_leads_on_by_its_branch():
    graph = {
        "1": node("KSampler", steps=["2", 0], latent_image=["3", 0]),
        "2": node("ComfySwitchNode", switch=False, on_true=["4", 0], on_false=["5", 0]),
        "3": node("ComfySwitchNode", switch=True, on_true=["6", 0], on_false=["6", 0]),
        "4": node("PrimitiveInt", value=50),
        "5": node("PrimitiveInt", value=4),
        "6": node("Empty", width=1024, height=1024),
    }
    assert size_of(graph, "1") == "steps=8 px=40"
    loop = {"1": node("ComfySwitchNode", switch=True, on_true=["1", 0], on_false=["1", 0])}
    assert size_of(loop, "1") == ""


def test_a_circle_ends():
    graph = {"1": node("X", image=["2", 0], model=["2", 0], sigmas=["2", 0]),
             "2": node("X", image=["1", 0], model=["1", 0], sigmas=["1", 0])}  # fmt: skip
    assert size_of(graph, "1") == ""


def test_nodes_that_are_not_there_have_no_key():
    assert keys_of(GRAPH, ["3", "99"]).keys() == {"3"}


def test_the_median_of_earlier_runs_is_expected():
    made = Estimates()
    for seconds in (2.0, 90.0, 3.0):  # the second loaded the model
        made.learn({"1": A}, {"1": seconds})
    assert made.estimate({"1": A}) == 3.0


def test_nothing_is_said_until_every_node_is_known():
    made = Estimates()
    made.learn({"1": A}, {"1": 5.0})
    assert made.estimate({"1": A, "2": B}) is None
    assert made.estimate({"1": A, "2": B}, done={"2"}) == 5.0
    made.learn({"2": B}, {"2": 1.0})
    assert made.estimate({"1": A, "2": B}) == 6.0
    assert made.estimate({}) == 0.0


def test_another_size_of_a_class_is_not_known():
    made = Estimates()
    for _ in range(5):
        made.learn({"1": Key("A", "px=36")}, {"1": 5.0})
    assert made.estimate({"1": Key("A", "px=40")}) is None


def test_a_class_that_always_was_quick_takes_no_time_at_any_size():
    made = Estimates()
    for run in range(3):
        assert made.estimate({"1": Key("A", "new")}) is None
        made.learn({"1": Key("A", str(run))}, {"1": 0.01})
    assert made.estimate({"1": Key("A", "new")}) == 0.0
    made.learn({"1": Key("A", "big")}, {"1": 3.0})
    assert made.estimate({"1": Key("A", "new")}) is None


def test_what_runs_counts_by_what_is_left_of_it():
    made = Estimates()
    made.learn({"1": A}, {"1": 10.0})
    assert made.estimate({"1": A}, running={"1": Running(0.75, 100.0)}) == 2.5
    assert made.estimate({"1": A}, running={"1": Running(0.0, 4.0)}) == 6.0
    assert made.estimate({"1": A}, running={"1": Running(0.0, 40.0)}) == 0.0
    assert made.estimate({"1": A}, done={"1"}) == 0.0


def test_only_known_nodes_and_real_times_are_learned():
    made = Estimates()
    made.learn({"1": A}, {"1": math.nan, "1.0.0": 3.0})
    made.learn({"1": A}, {"1": -1.0})
    assert made.estimate({"1": A}) is None


def test_old_runs_are_forgotten():
    made = Estimates()
    for seconds in [100.0] * 50 + [1.0] * KEPT:
        made.learn({"1": A}, {"1": seconds})
    assert made.estimate({"1": A}) == 1.0


def test_what_was_not_used_longest_is_forgotten():
    made = Estimates()
    for number in range(MOST_KEYS):
        made.learn({"1": Key("A", str(number))}, {"1": 1.0})
    made.expected(Key("A", "0"))
    made.learn({"1": Key("A", "new")}, {"1": 1.0})
    assert made.expected(Key("A", "0")) == 1.0
    assert made.expected(Key("A", "1")) is None
    assert len(made.to_json()["nodes"]) == MOST_KEYS


def test_what_was_learned_is_kept_as_json():
    made = Estimates()
    made.learn(keys_of(GRAPH, GRAPH), {"3": 12.5, "8": 0.75})
    read = Estimates.from_json(json.loads(json.dumps(made.to_json())))
    assert read.to_json() == made.to_json()
    assert read.estimate(keys_of(GRAPH, ["3", "8"])) == 13.25


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["version", "nodes", "classes", "x"]), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_anything_can_be_read_back(document):
    assert Estimates.from_json(document).estimate({}) == 0.0
    Estimates.from_json({"version": 1, "nodes": document, "classes": document}).to_json()


@given(st.dictionaries(st.sampled_from("abcd"), st.floats(0, 1e6), min_size=1))
def test_an_estimate_never_grows_as_nodes_get_done(durations):
    made = Estimates()
    keys = {node_id: Key(node_id, "") for node_id in durations}
    made.learn(keys, durations)
    done, last = set(), made.estimate(keys)
    for node_id in durations:
        done.add(node_id)
        left = made.estimate(keys, done=done)
        assert left <= last + 1e-6
        last = left
    assert last == 0.0
