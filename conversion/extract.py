"""A workflow out of a file: pictures, films, sounds and models that ComfyUI wrote, and JSON as it is wrapped.

Not covered: AVIF and HEIC, XMP, A1111's ``parameters`` (they are no workflow), and WebM streams of unknown
length whose tags come behind the first cluster.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from ..errors import JSON, InvalidRequest
from . import images, media
from .plain import member
from .texts import LONGEST, Text

Format = Literal["ui", "api"]

_NAMES: Mapping[str, Format] = {"workflow": "ui", "prompt": "api"}
_INNER = ("workflow", "prompt", "output", "extra_pnginfo", "extra_data")
"""Where a workflow stands in what wraps it: bodies of POST /prompt, exports, metadata."""
_DEEPEST_WRAPPING = 4
_MOST_TEXT = 3 * LONGEST
"""Bytes of all texts of a file that are looked at."""
_SVG = re.compile(rb"<metadata[^>]{0,1000}>\s{0,1000}<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_READ = "PNG, WebP, JPEG, MP4, WebM, MKV, FLAC, Ogg, MP3, GLB, SVG, safetensors and JSON"


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a file carries: in UI format, in API format (what ran), or both."""

    carrier: str
    """``png``, ``webp``, ``jpeg``, ``mp4``, ``matroska``, ``flac``, ``ogg``, ``mp3``, ``glb``, ``svg``,
    ``safetensors`` or ``json``."""
    ui: JSON | None = None
    api: JSON | None = None

    @property
    def document(self) -> JSON:
        """The workflow as it was edited, else as it ran."""
        return self.ui if self.ui is not None else self.api or {}

    @property
    def format(self) -> Format:
        """The format of :attr:`document`."""
        return "api" if self.ui is None else "ui"


def extract(data: bytes, filename: str = "") -> Extracted:
    """Read the workflow that a file carries; its first bytes tell what it is, *filename* is for messages.

    Raises ApiError INVALID_JSON for text that is no JSON, and WORKFLOW_MISSING for a file without a workflow
    or of a kind that is not read.
    """
    carrier, texts = _texts(data)
    named = f" {filename[:200]!r}" if filename else ""
    if carrier is None:
        raise InvalidRequest(
            "WORKFLOW_MISSING",
            f"The file{named} is of no kind that workflows are read from.",
            hint=f"Read are {_READ}.",
        )
    found: dict[Format, JSON] = {}
    room = _MOST_TEXT
    for keyword, text in texts:
        room -= len(text)
        if room < 0 or len(found) == 2:
            break
        _take(keyword.lower(), text, found)
    if not found:
        if carrier == "json" and _parsed(data) is None:
            raise InvalidRequest(
                "INVALID_JSON", f"The file{named} is neither JSON nor a file that carries a workflow."
            )
        raise InvalidRequest(
            "WORKFLOW_MISSING",
            f"The file{named} carries no workflow.",
            hint="Programs that strip metadata remove it; the file as ComfyUI saved it has it.",
        )
    return Extracted(carrier, found.get("ui"), found.get("api"))


def format_of(document: Any) -> Format | None:
    """Say which format a document has, or None if it is no workflow."""
    if not isinstance(document, dict):
        return None
    fields = cast("JSON", document)
    if isinstance(fields.get("nodes"), list):
        return "ui"
    return "api" if any(isinstance(member(node, "class_type"), str) for node in fields.values()) else None


def unwrapped(document: Any) -> dict[Format, JSON]:
    """Give the workflows in *document*, or in what wraps them: ``{"workflow": …}``, ``{"prompt": …}``."""
    found: dict[Format, JSON] = {}
    _unwrap(document, found, 0)
    return found


def _unwrap(value: Any, found: dict[Format, JSON], depth: int) -> None:
    if isinstance(value, str) and value[:1] == "{" and len(value) <= LONGEST:
        value = _parsed(value.encode("utf-8", "replace"))
    kind = format_of(value)
    if kind is not None:
        found.setdefault(kind, cast("JSON", value))
    elif isinstance(value, dict) and depth < _DEEPEST_WRAPPING:
        for name in _INNER:
            _unwrap(cast("JSON", value).get(name), found, depth + 1)


def _texts(data: bytes) -> tuple[str | None, Iterable[Text]]:
    for carrier, fits, read in _KINDS:
        if fits(data):
            return carrier, read(data)
    return None, ()


def _take(keyword: str, text: bytes, found: dict[Format, JSON]) -> None:
    """Take a text as a workflow, if it is one: by its keyword, or as ``workflow:{…}``, or by what it is."""
    if len(text) > LONGEST:
        return
    if keyword not in _NAMES:
        name, colon, rest = text.partition(b":")
        if colon and name.strip().lower() in {b"workflow", b"prompt"}:
            text = rest
        elif keyword and keyword not in {"comment", "description", "extra_pnginfo"}:
            return
    value = _parsed(text.strip(b"\0 \t\r\n"))
    for kind, workflow in unwrapped(value).items():
        found.setdefault(kind, workflow)


def _parsed(data: bytes) -> Any:
    """Read JSON as Python writes it (it knows NaN); None if it is none, or nested too deeply."""
    if (
        data[:1] not in {b"{", b"["}
        and data[:3] != b"\xef\xbb\xbf"
        and not data[:40].lstrip().startswith(b"{")
    ):
        return None
    try:
        return json.loads(data.decode("utf-8-sig", "replace"), parse_constant=lambda _name: None)
    except (ValueError, RecursionError):
        return None


def _of_json(data: bytes) -> Iterator[Text]:
    yield "extra_pnginfo", data


def _of_svg(data: bytes) -> Iterator[Text]:
    match = _SVG.search(data, 0, 2 * LONGEST)
    if match is not None:
        yield "comment", match[1]


def _of_glb(data: bytes) -> Iterator[Text]:
    extras = member(member(_parsed(media.glb_json(data).rstrip(b" ")), "asset"), "extras")
    yield "comment", json.dumps(extras).encode() if isinstance(extras, dict) else b""


def _of_safetensors(data: bytes) -> Iterator[Text]:
    about = member(_parsed(media.safetensors_json(data).rstrip(b" ")), "__metadata__")
    yield "comment", json.dumps(about).encode() if isinstance(about, dict) else b""


def _is_svg(data: bytes) -> bool:
    start = data[:1000].lstrip()
    return start.startswith(b"<") and b"<svg" in data[:100_000]


def _is_safetensors(data: bytes) -> bool:
    return data[8:9] == b"{" and 2 <= int.from_bytes(data[:8], "little") <= 100_000_000


_KINDS: tuple[tuple[str, Callable[[bytes], bool], Callable[[bytes], Iterable[Text]]], ...] = (
    ("png", lambda data: data.startswith(images.PNG), images.in_png),
    ("webp", lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", images.in_webp),
    ("jpeg", lambda data: data[:3] == b"\xff\xd8\xff", images.in_jpeg),
    ("mp4", lambda data: data[4:8] in {b"ftyp", b"moov", b"wide"}, media.in_mp4),
    ("matroska", lambda data: data[:4] == b"\x1aE\xdf\xa3", media.in_matroska),
    ("flac", lambda data: data[:4] == b"fLaC", media.in_flac),
    ("ogg", lambda data: data[:4] == b"OggS", media.in_ogg),
    ("mp3", lambda data: data[:3] == b"ID3" and len(data) > 10, media.in_mp3),
    ("glb", lambda data: data[:4] == b"glTF", _of_glb),
    ("svg", _is_svg, _of_svg),
    ("safetensors", _is_safetensors, _of_safetensors),
    ("json", lambda data: data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}, _of_json),
)
