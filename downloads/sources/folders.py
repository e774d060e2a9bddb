"""Which model folder suits a file, as its source names things."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...modelfiles.formats import FORMATS
from ...modelfiles.kinds import USUAL

MODEL_SUFFIXES = tuple(suffix for suffix, known in FORMATS.items() if known.kind in {"model", "pickle"})
"""What a file that may be a model ends in. Whether it may be downloaded is judged elsewhere."""

_VAGUE = frozenset({"model", "stable_diffusion", "te", "ti", "patch", "upscale", "classifier", "diffuser"})
"""Usual names that say nothing as the name of a folder in a repository."""
_OF_WORD = {
    **{folder: folder for folders in USUAL.values() for folder in folders[:1]},
    **{word: folders[0] for word, folders in USUAL.items() if word not in _VAGUE},
}
_IN_NAMES = {
    "lora": "loras",
    "locon": "loras",
    "lycoris": "loras",
    "vae": "vae",
    "controlnet": "controlnet",
    "t5xxl": "text_encoders",
    "esrgan": "upscale_models",
}
_OF_CIVITAI = {
    "checkpoint": "checkpoints",
    "lora": "loras",
    "locon": "loras",
    "dora": "loras",
    "textualinversion": "embeddings",
    "hypernetwork": "hypernetworks",
    "controlnet": "controlnet",
    "upscaler": "upscale_models",
    "vae": "vae",
    "unet": "diffusion_models",
    "textencoder": "text_encoders",
    "clipvision": "clip_vision",
    "motionmodule": "animatediff_models",
}


def by_path(path: str, tags: Iterable[str] = ()) -> str | None:
    """Judge by the folders a file lies in (the inmost first), then by its name, then by its page's tags."""
    *folders, name = [part.lower().replace("-", "_") for part in path.split("/")]
    for part in reversed(folders):
        folder = _OF_WORD.get(part) or _OF_WORD.get(part.removesuffix("s"))
        if folder is not None and part.removesuffix("s") not in _VAGUE:
            return folder
    for word in re.split(r"[^a-z0-9]+", name.replace("_", " ")):
        if word in _IN_NAMES:
            return _IN_NAMES[word]
    known = {tag.lower() for tag in tags}
    return next((folder for tag, folder in _IN_NAMES.items() if tag in known), None)


def by_civitai(model_type: str, file_type: str) -> str | None:
    """Judge by Civitai's type of a file, where that says something, and else of its model."""
    for named in (file_type, model_type):
        folder = _OF_CIVITAI.get(re.sub(r"[^a-z0-9]", "", named.lower()))
        if folder is not None:
            return folder
    return None
