"""The files a fresh data folder starts with, so that the example requests run as they are."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from .files import Files
from .nodes.picture import Recipe, paint
from .nodes.pixels import to_pillow

CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"
LORA = "sandbox-placeholder-lora.safetensors"


def create(files: Files) -> None:
    """Put the placeholders where they are missing. Raises OSError."""
    _placeholder_model(files.models("checkpoints") / CHECKPOINT)
    _placeholder_model(files.models("loras") / LORA)
    example = files.folder("input") / "example.png"
    if not example.exists():
        picture = to_pillow(paint(512, 512, Recipe(prompt="a lake in the mountains at sunset", seed=6)))
        part = example.with_suffix(".part")
        picture.save(part, format="PNG", compress_level=1)  # a quick start counts more
        part.replace(example)


def _placeholder_model(path: Path) -> None:
    """Write a valid safetensors file (8-byte length, JSON header) that holds no tensors."""
    if path.exists():
        return
    header = json.dumps(
        {
            "__metadata__": {
                "format": "pt",
                "modelspec.title": "Backplane sandbox placeholder",
                "modelspec.description": "A placeholder of Backplane's sandbox without weights.",
                "backplane": "placeholder",
            }
        }
    ).encode()
    header += b" " * (-len(header) % 8)  # the format asks for the data to begin 8-byte aligned
    path.write_bytes(struct.pack("<Q", len(header)) + header)
