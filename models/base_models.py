"""Which family of models a file belongs to, by what it says and by its tensors' names.

The names follow the models' own code: ldm for Stable Diffusion 1, 2 and XL, sd-scripts and diffusers for
LoRAs, the published checkpoints for the rest. Where two families cannot be told apart, none is given.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

_SAID: tuple[tuple[str, str], ...] = (
    ("flux2", r"flux[-_. ]?2"),
    ("flux", r"flux|kontext"),
    ("chroma", r"\bchroma"),
    ("sdxl", r"stable-diffusion-xl|sd[-_ ]?xl|\bxl[-_ ]?v?1|\bpony\b|illustrious|noobai"),
    ("sd3", r"stable-diffusion-3|stable diffusion 3|\bsd[-_ ]?3"),
    ("sd2", r"stable-diffusion-v?2|stable diffusion 2|\bsd[-_ ]?v?2"),
    ("sd15", r"stable-diffusion-v?1|stable diffusion 1|\bsd[-_ ]?v?1"),
    ("hunyuan_video", r"hunyuan[-_ ]?video|hyvid"),
    ("wan", r"\bwan"),
    ("qwen_image", r"qwen[-_ ]?image"),
    ("ltxv", r"\bltx"),
    ("lumina2", r"lumina[-_ ]?(image[-_ ]?)?2"),
    ("auraflow", r"aura(?:[-_ ]?flow)?\b"),
    ("hidream", r"hidream"),
)
_PATTERNS = tuple((family, re.compile(pattern)) for family, pattern in _SAID)

_PREFIXES = ("", "model.diffusion_model.", "diffusion_model.", "transformer.")
_MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("chroma", ("distilled_guidance_layer.layers.0.in_layer.weight",)),
    ("flux2", ("double_stream_modulation_img.lin.weight",)),
    ("hunyuan_video", ("txt_in.individual_token_refiner.blocks.0.norm1.weight",)),
    ("flux", ("double_blocks.0.img_attn.norm.key_norm.scale", "single_blocks.0.linear1.weight")),
    ("sd3", ("joint_blocks.0.context_block.attn.qkv.weight",)),
    ("wan", ("blocks.0.cross_attn.k.weight", "head.modulation")),
    ("qwen_image", ("transformer_blocks.0.img_mod.1.weight", "txt_norm.weight")),
    ("ltxv", ("patchify_proj.weight", "adaln_single.linear.weight")),
    ("lumina2", ("cap_embedder.1.weight", "noise_refiner.0.attention.qkv.weight")),
    ("auraflow", ("cond_seq_linear.weight",)),
    ("hidream", ("caption_projection.0.linear.weight",)),
)
"""Family → tensors that it has, all of them; the first family that fits."""

_UNET_KEYS = re.compile(
    r"(?:input|down|mid|middle|output|up)_blocks?[._].*attn2[._]to_k[._](?:lora_down\.|lora_A\.|lora\.down\.)?weight$"
)
_UNET_WIDTHS = {768: "sd15", 1024: "sd2", 2048: "sdxl"}
"""How wide the text is that a UNet's cross attention reads."""
_SINGLE = re.compile(r"single(?:_transformer)?_blocks[._](\d+)[._]")
_DOUBLE = re.compile(r"(?:double|(?<!single_)transformer)_blocks[._](\d+)[._]")
_DEPTHS = {(18, 37): "flux", (19, 39): "hunyuan_video"}
"""(last double, last single block): their LoRAs have the same names otherwise."""
_WAN_LORA = re.compile(r"blocks[._]\d+[._]cross_attn[._]k\.(?:lora_down|lora_A)")


def by_words(text: str) -> str | None:
    """Give the family that *text* (``ss_base_model_version``, ``modelspec.architecture``) names."""
    lowered = text.lower().replace("_", "-")
    for family, pattern in _PATTERNS:
        if pattern.search(lowered):
            return family
    return None


def by_tensors(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Give the family that the tensors' names and shapes show, None if they do not."""
    for family, marks in _MARKS:
        if any(_all_in(shapes, prefix, marks) for prefix in _PREFIXES):
            return family
    for name, shape in shapes.items():
        if len(shape) > 1 and _UNET_KEYS.search(name):
            return _UNET_WIDTHS.get(shape[1])
    return _lora(shapes)


def _all_in(names: Collection[str], prefix: str, marks: Iterable[str]) -> bool:
    return all(prefix + mark in names for mark in marks)


def _lora(names: Iterable[str]) -> str | None:
    single = double = -1
    for name in names:
        if "lora" not in name:
            continue
        if _WAN_LORA.search(name):
            return "wan"
        if found := _SINGLE.search(name):
            single = max(single, int(found[1]))
        elif found := _DOUBLE.search(name):
            double = max(double, int(found[1]))
    return _DEPTHS.get((double, single))
