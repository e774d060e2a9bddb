"""What headers say."""

import json

import pytest
from backplane.models.base_models import by_tensors, by_words
from backplane.models.facts import (
    facts_from_text,
    facts_to_text,
    format_name,
    has_header,
    origin_from_text,
    origin_to_text,
    read_facts,
    read_metadata,
)
from backplane.models.values import Facts, Origin
from fake_models import gguf, safetensors

TAGS = {"10_mycat": {"mycat": 20, "sitting": 12, " ": 3, "odd": "x"}, "5_more": {"mycat": 5, "grass": 7}}


def facts(tmp_path, content, name="a.safetensors"):
    path = tmp_path / name
    path.write_bytes(content)
    return read_facts(path)


def test_what_sd_scripts_writes_is_read(tmp_path):
    found = facts(
        tmp_path,
        safetensors(
            {
                "ss_base_model_version": "sdxl_base_v1-0",
                "ss_output_name": "my cat",
                "ss_tag_frequency": json.dumps(TAGS),
                "ss_resolution": "(1024, 768)",
                "ss_network_dim": "16",
                "ss_network_alpha": "8.0",
                "ss_sd_model_name": "None",
            },
            {"x": ("BF16", [4, 4]), "y": ("F32", [2])},
        ),
    )
    assert found == Facts(
        base_model="sdxl",
        base_model_from="metadata",
        title="my cat",
        trigger_words=("mycat", "sitting", "grass"),
        tags={"mycat": 25, "sitting": 12, "grass": 7},
        resolution="1024x768",
        precision="bf16",
        dtypes={"BF16": 32, "F32": 8},
        tensors=2,
        parameters=18,
        network_dim="16",
        network_alpha="8.0",
    )


def test_the_modelspec_goes_before_what_sd_scripts_writes(tmp_path):
    found = facts(
        tmp_path,
        safetensors(
            {
                "modelspec.architecture": "flux-1-dev/lora",
                "modelspec.title": "Spec",
                "modelspec.trigger_phrase": "a cat, mycat , a cat",
                "modelspec.resolution": "1024",
                "modelspec.prediction_type": "epsilon",
                "ss_base_model_version": "sd_v1",
                "ss_output_name": "other",
                "ss_tag_frequency": json.dumps(TAGS),
            }
        ),
    )
    assert (found.base_model, found.title, found.resolution) == ("flux", "Spec", "1024x1024")
    assert found.trigger_words == ("a cat", "mycat")
    assert found.prediction_type == "epsilon"


def test_words_that_are_not_known_are_shown_as_they_are(tmp_path):
    found = facts(tmp_path, safetensors({"modelspec.architecture": "Brand-New-9"}))
    assert (found.base_model, found.base_model_from) == ("Brand-New-9", "metadata")


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "not json", '{"a": 1}', '{"a": {"b": true}}', "[" * 100_000]
)
def test_odd_tags_are_no_fault(tmp_path, text):
    assert facts(tmp_path, safetensors({"ss_tag_frequency": text})).trigger_words == ()


def test_a_damaged_header_is_told_and_not_more(tmp_path):
    for content in (b"", b"<html>", safetensors()[:-1], (2**40).to_bytes(8, "little") + b"{"):
        found = facts(tmp_path, content)
        assert found.damaged
        assert found == Facts(damaged=found.damaged)


def test_gguf_is_read(tmp_path):
    found = facts(
        tmp_path, gguf(general__architecture="wan", general__name="Wan 14B", general__file_type=15), "a.gguf"
    )
    assert (found.base_model, found.title, found.precision) == ("wan", "Wan 14B", "Q4_K_M")
    assert facts(tmp_path, gguf(general__architecture="t5encoder"), "b.gguf").base_model == "t5encoder"
    assert facts(tmp_path, b"GGUF", "c.gguf").damaged


@pytest.mark.parametrize(
    ("said", "family"),
    [
        ("sd_v1", "sd15"),
        ("sd_1.5", "sd15"),
        ("SD 1.5", "sd15"),
        ("stable-diffusion-v1", "sd15"),
        ("sd_v2", "sd2"),
        ("stable-diffusion-v2-768-v", "sd2"),
        ("sdxl_base_v1-0", "sdxl"),
        ("stable-diffusion-xl-v1-base/lora", "sdxl"),
        ("Illustrious", "sdxl"),
        ("sd3m", "sd3"),
        ("stable-diffusion-3-medium", "sd3"),
        ("flux1", "flux"),
        ("flux-1-dev", "flux"),
        ("Flux.2 D", "flux2"),
        ("Wan Video 14B t2v", "wan"),
        ("hunyuan_video", "hunyuan_video"),
        ("qwen-image", "qwen_image"),
        ("something else", None),
    ],
)
def test_families_by_words(said, family):
    assert by_words(said) == family


@pytest.mark.parametrize(
    ("names", "family"),
    [
        (
            {"model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768)},
            "sd15",
        ),
        (
            {"model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024)},
            "sd2",
        ),
        ({"down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (640, 2048)}, "sdxl"),
        (
            {
                "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.alpha": (),
                "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight": (16, 2048),
            },
            "sdxl",
        ),
        (
            {
                "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (
                    8,
                    768,
                )
            },
            "sd15",
        ),
        (
            {
                "model.diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale": (128,),
                "model.diffusion_model.single_blocks.0.linear1.weight": (9, 9),
            },
            "flux",
        ),
        ({"joint_blocks.0.context_block.attn.qkv.weight": (9, 9)}, "sd3"),
        ({"blocks.0.cross_attn.k.weight": (9, 9), "head.modulation": (1, 2, 9)}, "wan"),
        ({"diffusion_model.blocks.3.cross_attn.k.lora_A.weight": (16, 9)}, "wan"),
        (
            {
                "lora_unet_double_blocks_18_img_attn_qkv.lora_down.weight": (8, 9),
                "lora_unet_single_blocks_37_linear1.lora_down.weight": (8, 9),
            },
            "flux",
        ),
        (
            {
                "transformer.transformer_blocks.18.attn.to_q.lora_A.weight": (8, 9),
                "transformer.single_transformer_blocks.37.attn.to_q.lora_A.weight": (8, 9),
            },
            "flux",
        ),
        ({"lora_unet_double_blocks_1_img_attn_qkv.lora_down.weight": (8, 9)}, None),
        ({"decoder.conv_in.weight": (512, 4, 3, 3)}, None),
        ({"transformer_blocks.0.attn2.to_k.weight": (9, 2048)}, None),
        ({}, None),
    ],
)
def test_families_by_tensors(names, family):
    assert by_tensors(names) == family


def test_the_family_by_tensors_is_said_to_be_that(tmp_path):
    content = safetensors(None, {"joint_blocks.0.context_block.attn.qkv.weight": ("F8_E4M3", [2, 2])})
    found = facts(tmp_path, content)
    assert (found.base_model, found.base_model_from, found.precision) == ("sd3", "tensors", "fp8_e4m3")


def test_metadata_is_bounded(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(
        safetensors({"small": "x", "large": "y" * 100_000, **{f"k{i}": "z" * 60_000 for i in range(10)}})
    )
    kept, left_out = read_metadata(path)
    assert kept["small"] == "x"
    assert "large" in left_out
    assert 7 <= len(kept) <= 9
    assert sum(map(len, kept.values())) <= 512 * 1024


def test_formats_by_name():
    assert [
        format_name(name) for name in ("a.safetensors", "a.SFT", "a.gguf", "a.pth", "a.onnx", "a.xyz", "a")
    ] == [
        "safetensors",
        "safetensors",
        "gguf",
        "pickle",
        "onnx",
        "xyz",
        "unknown",
    ]
    assert [has_header(name) for name in ("a.sft", "a.gguf", "a.ckpt", "a.onnx")] == [
        True,
        True,
        False,
        False,
    ]


def test_the_store_gives_back_what_it_was_given():
    facts = Facts(base_model="sdxl", trigger_words=("a", "b"), tags={"x": 3}, tensors=0)
    origin = Origin(page="https://example.org/1", source="civitai", trigger_words=("c",))
    assert facts_from_text(facts_to_text(facts)) == facts
    assert origin_from_text(origin_to_text(origin)) == origin


@pytest.mark.parametrize("text", [None, "", "nonsense", "[]", "{}", '{"version":0,"title":"x"}'])
def test_facts_of_another_version_are_none(text):
    assert facts_from_text(text) is None
