"""The kinds of models, by the names that people use, and ComfyUI's folder for each."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

CLOSED_FOLDERS = frozenset({"configs", "custom_nodes", "datasets", "web", "input", "output", "temp", "user"})
"""Folders that hold no models; nothing is downloaded into them."""

_LORAS = ("lora", "lycoris", "locon", "loha", "lokr", "dora")

USUAL: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("checkpoint", "ckpt", "model", "stable_diffusion"), ("checkpoints",)),
    **dict.fromkeys(_LORAS, ("loras",)),
    **dict.fromkeys(("vae",), ("vae",)),
    **dict.fromkeys(("vae_approx", "taesd"), ("vae_approx",)),
    **dict.fromkeys(("controlnet", "control_net", "t2i_adapter", "control_lora"), ("controlnet",)),
    **dict.fromkeys(("embedding", "textual_inversion", "textualinversion", "ti"), ("embeddings",)),
    **dict.fromkeys(("upscale_model", "upscaler", "upscale", "esrgan", "realesrgan"), ("upscale_models",)),
    **dict.fromkeys(("latent_upscale_model", "latent_upscaler"), ("latent_upscale_models",)),
    **dict.fromkeys(("diffusion_model", "unet", "transformer", "dit"), ("diffusion_models", "unet")),
    **dict.fromkeys(("text_encoder", "clip", "te"), ("text_encoders", "clip")),
    **dict.fromkeys(("clip_vision", "image_encoder", "clipvision"), ("clip_vision",)),
    **dict.fromkeys(("style_model", "redux"), ("style_models",)),
    **dict.fromkeys(("hypernetwork",), ("hypernetworks",)),
    **dict.fromkeys(("gligen",), ("gligen",)),
    **dict.fromkeys(("photomaker",), ("photomaker",)),
    **dict.fromkeys(("classifier",), ("classifiers",)),
    **dict.fromkeys(("audio_encoder",), ("audio_encoders",)),
    **dict.fromkeys(("model_patch", "patch"), ("model_patches",)),
    **dict.fromkeys(("diffuser",), ("diffusers",)),
    **dict.fromkeys(("background_removal_model", "rembg"), ("background_removal",)),
    **dict.fromkeys(("frame_interpolation_model",), ("frame_interpolation",)),
    **dict.fromkeys(("ip_adapter", "ipadapter"), ("ipadapter",)),
    **dict.fromkeys(("motion_module", "motionmodule", "animatediff"), ("animatediff_models",)),
    **dict.fromkeys(("motion_lora",), ("animatediff_motion_lora",)),
    **dict.fromkeys(("detector", "detection_model"), ("detection",)),
}
"""Usual name, in the singular → folders, the first that there is."""

_BETWEEN = re.compile(r"[\s-]+")


def folder_of(type: str, folders: Collection[str], aliases: Mapping[str, str]) -> str | None:  # noqa: A002
    """Give the folder, of *folders*, that *type* means; None: none.

    A folder's own name goes first, those of node packs too; then its old name (*aliases*), then the usual
    names, whatever their case, in the singular or the plural, with ``-`` or ``_`` or a space between words.
    """
    for name in (type, aliases.get(type)):
        if name is not None and name in folders:
            return name
    plain = _plain(type)
    for folder in folders:
        if _plain(folder) == plain:
            return folder
    for name in (plain, plain.removesuffix("s")):
        old = next((today for alias, today in aliases.items() if _plain(alias) == name), None)
        for folder in (*USUAL.get(name, ()), *((old,) if old else ())):
            if folder in folders:
                return folder
    return next((folder for folder in folders if _plain(folder) == plain + "s"), None)


def known_types(folders: Collection[str]) -> list[str]:
    """Give the folders that take downloads, sorted, as the answer to a type that is not known."""
    return sorted(folder for folder in folders if folder not in CLOSED_FOLDERS)


def _plain(name: str) -> str:
    return _BETWEEN.sub("_", name.strip().casefold())
