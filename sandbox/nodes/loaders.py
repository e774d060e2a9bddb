"""Loaders of models in parts, simulated: only the names of the files count."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from .base import Node, inputs, number
from .stand_ins import Model
from .text_to_image import PICTURE_VAE

_LOADERS = "model/loaders"
_FILE: tuple[list[str]] = ([],)
"""A list of files, filled in by MODEL_FOLDERS; declared for its place."""


@dataclass(frozen=True, slots=True)
class ControlNet:
    """Stands for a CONTROL_NET."""

    name: str


@dataclass(frozen=True, slots=True)
class Upscaler:
    """Stands for an UPSCALE_MODEL."""

    name: str


class UNETLoader(Node):
    """Names a diffusion model; nothing is read."""

    DISPLAY_NAME = "Load Diffusion Model"
    CATEGORY = _LOADERS
    INPUTS = inputs(
        {
            "unet_name": _FILE,
            "weight_dtype": (["default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"], {"advanced": True}),
        }
    )
    RETURN_TYPES = ("MODEL",)
    MODEL_FOLDERS = MappingProxyType({"unet_name": "diffusion_models"})
    FILE_LISTS = frozenset({"diffusion_models"})

    def execute(self, unet_name: str, weight_dtype: str) -> tuple[Model]:
        """Give a stand-in."""
        del weight_dtype
        return (Model(unet_name),)


class DualCLIPLoader(Node):
    """Names two text encoders; nothing is read."""

    DISPLAY_NAME = "Load CLIP (Dual)"
    CATEGORY = _LOADERS
    INPUTS = inputs(
        {
            "clip_name1": _FILE,
            "clip_name2": _FILE,
            "type": (
                [
                    *("sdxl", "sd3", "flux", "hunyuan_video", "hidream", "hunyuan_image", "hunyuan_video_15"),
                    *("kandinsky5", "kandinsky5_image", "ltxv", "newbie", "ace"),
                ],
            ),
        },
        {"device": (["default", "cpu"], {"advanced": True})},
    )
    RETURN_TYPES = ("CLIP",)
    MODEL_FOLDERS = MappingProxyType({"clip_name1": "text_encoders", "clip_name2": "text_encoders"})
    FILE_LISTS = frozenset({"text_encoders"})

    def execute(self, clip_name1: str, clip_name2: str, type: str, device: str = "default") -> tuple[Model]:  # noqa: A002
        """Give a stand-in."""
        del device
        return (Model(f"{clip_name1} {clip_name2} {type}"),)


class VAELoader(Node):
    """Names a VAE; nothing is read."""

    DISPLAY_NAME = "Load VAE"
    CATEGORY = _LOADERS
    INPUTS = inputs({"vae_name": _FILE})
    RETURN_TYPES = ("VAE",)
    MODEL_FOLDERS = MappingProxyType({"vae_name": "vae"})
    FILE_LISTS = frozenset({"vae"})

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 (ComfyUI's name)
        """Give the files, and the one VAE that is none."""
        return {"required": {"vae_name": ([*cls.studio.files.model_files("vae"), "pixel_space"],)}}

    def execute(self, vae_name: str) -> tuple[str]:
        """Give a stand-in."""
        del vae_name
        return (PICTURE_VAE,)


class LoraLoaderModelOnly(Node):
    """Names a LoRA for the model alone; it changes the picture, nothing is read."""

    DISPLAY_NAME = "Load LoRA"
    CATEGORY = _LOADERS
    ESSENTIALS_CATEGORY = "Image Generation"
    INPUTS = inputs(
        {"model": ("MODEL",), "lora_name": _FILE, "strength_model": number(1.0, -100.0, 100.0, 0.01)}
    )
    RETURN_TYPES = ("MODEL",)
    MODEL_FOLDERS = MappingProxyType({"lora_name": "loras"})
    FILE_LISTS = frozenset({"loras"})
    SEARCH_ALIASES = ("lora", "load lora", "apply lora")

    def execute(self, model: Model, lora_name: str, strength_model: float) -> tuple[Model]:
        """Add the LoRA's name if it has any strength."""
        if not strength_model:
            return (model,)
        return (replace(model, loras=(*model.loras, f"{lora_name}@{strength_model:g}")),)


class ControlNetLoader(Node):
    """Names a ControlNet; nothing is read."""

    DISPLAY_NAME = "Load ControlNet Model"
    CATEGORY = _LOADERS
    INPUTS = inputs({"control_net_name": _FILE})
    RETURN_TYPES = ("CONTROL_NET",)
    MODEL_FOLDERS = MappingProxyType({"control_net_name": "controlnet"})
    FILE_LISTS = frozenset({"controlnet"})
    SEARCH_ALIASES = ("controlnet", "control net", "load controlnet")

    def execute(self, control_net_name: str) -> tuple[ControlNet]:
        """Give a stand-in."""
        return (ControlNet(control_net_name),)


class UpscaleModelLoader(Node):
    """Names an upscale model; nothing is read."""

    V3 = True
    DISPLAY_NAME = "Load Upscale Model"
    CATEGORY = _LOADERS
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_upscale_model"
    RETURN_TYPES = ("UPSCALE_MODEL",)
    MODEL_FOLDERS = MappingProxyType({"model_name": "upscale_models"})
    FILE_LISTS = frozenset({"upscale_models"})

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 (ComfyUI's name)
        """Give the files, as V3 writes a list."""
        options = {"multiselect": False, "options": cls.studio.files.model_files("upscale_models")}
        return {"required": {"model_name": ("COMBO", options)}}

    def execute(self, model_name: str) -> tuple[Upscaler]:
        """Give a stand-in."""
        return (Upscaler(model_name),)


CLASSES = (
    UNETLoader,
    DualCLIPLoader,
    VAELoader,
    LoraLoaderModelOnly,
    ControlNetLoader,
    UpscaleModelLoader,
)
