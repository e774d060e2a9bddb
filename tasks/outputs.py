"""What a run hands to the user, from ComfyUI's ``ui`` values to outputs with kind, size and address.

Nothing is dropped: files of every kind, text, numbers, and what is none of these as JSON.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import mimetypes
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, cast

from ..errors import JSON

log = logging.getLogger("backplane")

FindFile = Callable[[str, str, str], "Path | None"]
"""(filename, subfolder, type) → the file, as the host finds it."""

HASHED_BYTES = 64 * 1024 * 1024
"""Files up to this size are hashed as the run ends; about 0.1 s of one core."""

MEDIA_TYPES: Mapping[str, str] = {
    # what the mimetypes module does not know, or knows only on some systems
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".exr": "image/x-exr",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
    ".m4a": "audio/mp4",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".obj": "model/obj",
    ".stl": "model/stl",
    ".fbx": "model/x-fbx",
    ".usdz": "model/vnd.usdz+zip",
    ".ply": "model/x-ply",
    ".splat": "model/x-splat",
    ".ksplat": "model/x-ksplat",
    ".spz": "model/x-spz",
    ".json": "application/json",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".srt": "text/plain",
    ".svg": "image/svg+xml",
    ".latent": "application/octet-stream",
    ".safetensors": "application/octet-stream",
}

KINDS: Mapping[str, str] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "model": "3d",
    "text": "text",
}
"""First part of a media type → kind; any other file is of kind ``file``."""

FLAGS = frozenset({"animated"})
"""Keys of ``ui`` that say something about the others and are no output."""


@dataclass(frozen=True, slots=True)
class Output:
    """One result of one node. Sizes in bytes and pixels; what is not known is None."""

    node_id: str
    """Node of the submitted workflow."""
    kind: str
    """``image``, ``video``, ``audio``, ``3d``, ``text``, ``number``, ``boolean``, ``json`` or ``file``."""
    name: str
    """The key under which the node gave it: ``images``, ``text``, …"""
    media_type: str
    filename: str | None = None
    subfolder: str | None = None
    type: str | None = None
    """The folder a file is in: ``output``, ``temp`` or ``input``."""
    value: Any = None
    """The value itself, where it is no file."""
    size: int | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None

    def to_json(self) -> JSON:
        """Give the output as tasks carry it, but for its address."""
        document: JSON = {
            "node_id": self.node_id,
            "kind": self.kind,
            "name": self.name,
            "filename": self.filename,
            "subfolder": self.subfolder,
            "type": self.type,
            "media_type": self.media_type,
            "size": self.size,
            "sha256": self.sha256,
            "width": self.width,
            "height": self.height,
        }
        if self.filename is None:
            document["value"] = self.value
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Output:
        """Read back what :meth:`to_json` gave."""
        known = cls.__dataclass_fields__
        return cls(**{key: value for key, value in document.items() if key in known})

    def content(self) -> bytes:
        """The bytes of an output that is no file."""
        text = self.value if isinstance(self.value, str) else json.dumps(self.value)
        return text.encode()


def media_type_of(filename: str) -> str:
    """Give the media type by the file's ending; ``application/octet-stream`` if it says nothing."""
    ending = PurePosixPath(filename).suffix.lower()
    return MEDIA_TYPES.get(ending) or mimetypes.guess_type(filename)[0] or "application/octet-stream"


def read_ui(node_id: str, ui: Mapping[str, Any]) -> Iterator[Output]:
    """Give the outputs in one node's ``ui``, in its order; files are not looked at."""
    for name, values in ui.items():
        if name in FLAGS:
            continue
        listed: list[Any] = [values]
        if isinstance(values, list | tuple):
            listed = list(cast("list[Any]", values))
        for value in listed:
            try:
                yield _output(node_id, _clean(str(name)), value)
            except Exception:  # whatever a pack hands out: it costs only itself
                log.debug("an output of node %s", node_id, exc_info=True)
                yield _value(node_id, "text", "unreadable", type(value).__name__, "text/plain")


def _output(node_id: str, name: str, value: Any) -> Output:
    if isinstance(value, dict):
        about = cast("JSON", value)
        filename = about.get("filename")
        if isinstance(filename, str) and filename:
            media_type = media_type_of(filename)
            declared = about.get("format")  # video nodes say "video/h264-mp4"
            if media_type == "application/octet-stream" and isinstance(declared, str) and "/" in declared:
                media_type = declared
            return Output(
                node_id,
                KINDS.get(media_type.partition("/")[0], "file"),
                name,
                media_type,
                filename=_clean(filename),
                subfolder=_clean(str(about.get("subfolder") or "")),
                type=_clean(str(about.get("type") or "output")),
            )
    if isinstance(value, str):
        return _value(node_id, "text", name, _clean(value), "text/plain")
    if isinstance(value, int | float):
        return _number(node_id, name, value)
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        plain = json.loads(_clean(text))
    except (TypeError, ValueError, RecursionError):
        return _value(node_id, "text", name, _clean(str(cast("object", value))[:MOST_TEXT]), "text/plain")
    return _value(node_id, "json", name, plain, "application/json")


def _number(node_id: str, name: str, value: float) -> Output:
    if isinstance(value, bool):
        return _value(node_id, "boolean", name, value, "application/json")
    if isinstance(value, int):
        if value.bit_length() > MOST_BITS:
            return _value(node_id, "text", name, f"{value:#x}"[:MOST_TEXT], "text/plain")
        return _value(node_id, "number", name, value, "application/json")
    finite = value if math.isfinite(value) else None  # JSON has no NaN and no infinities
    return _value(node_id, "number", name, finite, "application/json")


def _clean(text: str) -> str:
    """Replace halves of surrogate pairs, which UTF-8 has no bytes for."""
    return text.encode("utf-8", "replace").decode()


MOST_BITS = 1024
"""Longer whole numbers are shown as text: readers of JSON, Python's too, refuse them."""

MOST_TEXT = 10_000
"""How much is kept of a value that is no JSON, in characters."""


def _value(node_id: str, kind: str, name: str, value: Any, media_type: str) -> Output:
    made = Output(node_id, kind, name, media_type, value=value)
    return replace(made, size=len(made.content()))


def measure(output: Output, find: FindFile) -> Output:
    """Add what only the file tells: size, hash, pixels. Touches the disk; never raises."""
    if output.filename is None:
        return output
    try:
        path = find(output.filename, output.subfolder or "", output.type or "output")
        if path is None:
            return output
        size = path.stat().st_size
        sha256 = content_hash(path) if size <= HASHED_BYTES else None
        width, height = _pixels(path) if output.kind == "image" else (None, None)
    except OSError:
        return output
    return replace(output, size=size, sha256=sha256, width=width, height=height)


def content_hash(path: Path) -> str:
    """Give the sha256 of a file, in hex. Blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            digest.update(chunk)
    return digest.hexdigest()


def _pixels(path: Path) -> tuple[int | None, int | None]:
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - not before there is an image

    try:
        with Image.open(path) as image:  # reads the header only
            return image.size
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return None, None
