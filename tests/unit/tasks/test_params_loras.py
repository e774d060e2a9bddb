"""LoRAs that are put into workflows."""

import copy

import pytest
from backplane.errors import ApiError
from backplane.tasks.loras import Lora, file_of, insert_loras, read_loras
from backplane.tasks.params import apply_params
from fakes import spec
from hypothesis import given
from hypothesis import strategies as st

FILES = ["style/Ink.safetensors", "detail.safetensors", "old/detail_v2.pt", "a/same.pt", "b/same.pt"]
LORA = {"lora_name": (FILES, {}), "strength_model": ("FLOAT", {})}
SPECS = {
    each.name: each
    for each in (
        spec("Checkpoint", {"ckpt_name": (["x"], {})}, ("MODEL", "CLIP", "VAE")),
        spec("Unet", {"unet_name": (["x"], {})}, ("MODEL",)),
        spec("Clip", {"clip_name": (["x"], {})}, ("CLIP",)),
        spec("Patch", {"model": ("MODEL", {})}, ("MODEL",)),
        spec("Encode", {"clip": ("CLIP", {}), "text": ("STRING", {})}, ("CONDITIONING",)),
        spec("Sample", {"model": ("MODEL", {}), "positive": ("CONDITIONING", {})}, ("LATENT",)),
        spec(
            "LoraLoader",
            {"model": ("MODEL", {}), "clip": ("CLIP", {}), **LORA, "strength_clip": ("FLOAT", {})},
            ("MODEL", "CLIP"),
        ),
        spec("LoraLoaderModelOnly", {"model": ("MODEL", {}), **LORA}, ("MODEL",)),
    )
}


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def checkpoint():
    return {
        "1": node("Checkpoint", ckpt_name="x"),
        "2": node("Encode", clip=["1", 1], text="a"),
        "3": node("Patch", model=["1", 0]),
        "4": node("Sample", model=["3", 0], positive=["2", 0]),
        "5": node("Sample", model=["1", 0], positive=["2", 0]),
    }


def apart(unets=1):
    graph = {"c": node("Clip", clip_name="x"), "e": node("Encode", clip=["c", 0], text="a")}
    for number in range(unets):
        graph[f"u{number}"] = node("Unet", unet_name="x")
        graph[f"s{number}"] = node("Sample", model=[f"u{number}", 0], positive=["e", 0])
    return graph


def inserted(graph, *loras, specs=SPECS):
    before = copy.deepcopy(graph)
    made, done = insert_loras(graph, specs, loras)
    assert graph == before
    return made, done


def test_a_lora_takes_model_and_clip_of_a_checkpoint_and_all_their_users():
    made, done = inserted(checkpoint(), Lora("detail.safetensors", 0.8))
    assert made["lora_1"]["class_type"] == "LoraLoader"
    assert made["lora_1"]["inputs"] == {
        "model": ["1", 0],
        "clip": ["1", 1],
        "lora_name": "detail.safetensors",
        "strength_model": 0.8,
        "strength_clip": 0.8,
    }
    assert made["lora_1"]["_meta"] == {"title": "LoRA detail"}
    assert made["3"]["inputs"]["model"] == made["5"]["inputs"]["model"] == ["lora_1", 0]
    assert made["2"]["inputs"]["clip"] == ["lora_1", 1]
    assert made["4"]["inputs"]["model"] == ["3", 0]
    assert [each.to_json()["node_id"] for each in done] == ["lora_1"]


def test_several_are_chained_in_their_order():
    made, _ = inserted(checkpoint(), Lora("detail.safetensors"), Lora("style/Ink.safetensors", 0.5, 0.25))
    assert made["lora_2"]["inputs"]["model"] == ["lora_1", 0]
    assert made["lora_2"]["inputs"]["clip"] == ["lora_1", 1]
    assert made["lora_2"]["inputs"]["strength_clip"] == 0.25
    assert made["3"]["inputs"]["model"] == ["lora_2", 0]


def test_one_model_loader_and_one_clip_loader_belong_together():
    made, _ = inserted(apart(), Lora("detail"))
    assert made["lora_1"]["inputs"]["clip"] == ["c", 0]
    assert made["e"]["inputs"]["clip"] == ["lora_1", 1]


def test_two_model_loaders_each_get_the_lora_without_the_clip():
    made, done = inserted(apart(2), Lora("detail"))
    assert [each.class_type for each in done] == ["LoraLoaderModelOnly"] * 2
    assert made["s0"]["inputs"]["model"] == ["lora_1", 0]
    assert made["s1"]["inputs"]["model"] == ["lora_2", 0]
    assert made["e"]["inputs"]["clip"] == ["c", 0]


def test_a_clip_that_nothing_uses_is_left_alone():
    graph = checkpoint()
    graph["2"]["inputs"]["clip"] = ["9", 0]
    made, _ = inserted(graph, Lora("detail"))
    assert made["lora_1"]["class_type"] == "LoraLoaderModelOnly"


def test_without_the_loader_for_both_only_the_model_is_changed():
    specs = {name: each for name, each in SPECS.items() if name != "LoraLoader"}
    made, _ = inserted(checkpoint(), Lora("detail"), specs=specs)
    assert made["lora_1"]["class_type"] == "LoraLoaderModelOnly"
    assert made["2"]["inputs"]["clip"] == ["1", 1]


def test_a_server_without_a_loader_refuses():
    specs = {name: each for name, each in SPECS.items() if "Lora" not in name}
    with pytest.raises(ApiError) as caught:
        insert_loras(checkpoint(), specs, [Lora("detail")])
    assert caught.value.code == "UNKNOWN_NODE_CLASS"


def test_a_workflow_without_a_model_refuses():
    with pytest.raises(ApiError) as caught:
        insert_loras({"1": node("Clip", clip_name="x")}, SPECS, [Lora("detail")])
    assert caught.value.code == "PARAM_NOT_FOUND"


def test_ids_that_are_taken_are_not_used():
    graph = checkpoint() | {"lora_1": node("Encode", clip=["1", 1], text="b")}
    made, _ = inserted(graph, Lora("detail"))
    assert made["lora_2"]["class_type"] == "LoraLoader"
    assert made["lora_1"]["inputs"]["clip"] == ["lora_2", 1]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("style/Ink.safetensors", "style/Ink.safetensors"),
        ("ink", "style/Ink.safetensors"),
        ("INK.safetensors", "style/Ink.safetensors"),
        ("style\\ink", "style/Ink.safetensors"),
        ("detail", "detail.safetensors"),
        ("detail_v2", "old/detail_v2.pt"),
        ("b/same", "b/same.pt"),
    ],
)
def test_a_lora_is_found_by_its_name(name, file):
    assert file_of(name, FILES) == file


@pytest.mark.parametrize(
    ("name", "matches"),
    [
        ("same", ["a/same.pt", "b/same.pt"]),
        ("detial", ["detail.safetensors", "old/detail_v2.pt"]),
        ("xyz", []),
    ],
)
def test_a_lora_that_is_not_there_or_twice_is_refused_with_close_names(name, matches):
    with pytest.raises(ApiError) as caught:
        file_of(name, FILES)
    assert caught.value.code == "LORA_NOT_FOUND"
    assert caught.value.details["close_matches"] == matches


def test_a_list_of_files_that_is_not_known_takes_any_name():
    assert file_of("x", None) == "x"


def test_loras_are_read_from_a_request():
    assert read_loras(None) == ()
    assert read_loras([{"name": "a"}, {"name": "b", "weight": 1, "clip_weight": 0.5}]) == (
        Lora("a", 1.0, None),
        Lora("b", 1, 0.5),
    )


@pytest.mark.parametrize(
    "value",
    [{}, ["a"], [{}], [{"name": ""}], [{"name": "a", "weight": "1"}], [{"name": "a", "strength": 1}],
     [{"name": "a", "weight": True}], [{"name": "a", "weight": float("nan")}], [{"name": "a"}] * 51],
)  # fmt: skip
def test_loras_of_another_form_are_refused(value):
    with pytest.raises(ApiError) as caught:
        read_loras(value)
    assert caught.value.code == "INVALID_REQUEST"


def test_params_and_loras_go_together():
    done = apply_params(checkpoint(), SPECS, {"2.text": "b"}, [Lora("detail")], random_seed=lambda: 0)
    assert done.graph["2"]["inputs"] == {"clip": ["lora_1", 1], "text": "b"}
    assert [change.to_json()["param"] for change in done.changes] == ["2.text", "loras"]


@given(st.integers(0, 3), st.integers(1, 4), st.booleans())
def test_only_links_to_the_loaders_change(unets, count, with_checkpoint):
    graph = apart(unets) | (checkpoint() if with_checkpoint or not unets else {})
    made, done = inserted(graph, *[Lora("detail", number / 10) for number in range(count)])
    assert made.keys() - graph.keys() == {each.node_id for each in done}
    assert len({each.node_id for each in done}) == len(done)
    for node_id, entry in graph.items():
        assert made[node_id]["inputs"].keys() == entry["inputs"].keys()
        for name, value in entry["inputs"].items():
            now = made[node_id]["inputs"][name]
            if now != value:
                assert name in {"model", "clip"}
                assert now[0].startswith("lora_")
