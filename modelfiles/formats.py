"""The formats of model files: by their suffix, and by their first bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .names import suffix_of

Kind = Literal["model", "pickle", "archive", "companion"]
"""``model``: holds data only. ``pickle``: can run code when it is loaded. ``archive``: is unpacked, never
kept. ``companion``: lies beside a model: its configuration, its tokenizer, its picture."""

Looks = Literal[
    "safetensors",
    "gguf",
    "zip",
    "pickle",
    "html",
    "xml",
    "json",
    "text",
    "lfs pointer",
    "gzip",
    "7z",
    "rar",
    "tar",
    "program",
    "png",
    "jpeg",
    "webp",
    "pdf",
]
"""What first bytes look like."""

HEAD = 512
"""Bytes of the beginning that :func:`looks_like` looks at; fewer will do, tar files apart."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format and what to expect of its files."""

    name: str
    kind: Kind
    looks: frozenset[Looks] | None = None
    """What its first bytes look like; None: nothing marks them, or nothing that is told here."""

    @property
    def safe(self) -> bool:
        """Whether loading it runs no code."""
        return self.kind in {"model", "companion"}

    @property
    def pickle(self) -> bool:
        """Whether loading it may run code."""
        return self.kind == "pickle"


_PICKLED: frozenset[Looks] = frozenset({"zip", "pickle", "tar"})
_TEXTS: frozenset[Looks] = frozenset({"json", "text"})

FORMATS: Mapping[str, Format] = {
    **dict.fromkeys((".safetensors", ".sft"), Format("safetensors", "model", frozenset({"safetensors"}))),
    ".gguf": Format("gguf", "model", frozenset({"gguf"})),
    ".onnx": Format("onnx", "model"),
    **dict.fromkeys((".ckpt", ".pt", ".pth", ".pt2", ".pkl"), Format("pickle", "pickle", _PICKLED)),
    ".bin": Format("pickle", "pickle"),  # mostly PyTorch's, but anything may be called so
    ".zip": Format("zip", "archive", frozenset({"zip"})),
    **dict.fromkeys((".json", ".txt", ".yaml", ".yml", ".md"), Format("text", "companion", _TEXTS)),
    ".model": Format("sentencepiece", "companion"),
    ".png": Format("image", "companion", frozenset({"png"})),
    **dict.fromkeys((".jpg", ".jpeg"), Format("image", "companion", frozenset({"jpeg"}))),
    ".webp": Format("image", "companion", frozenset({"webp"})),
}
"""Suffix, lower-case and with its dot → format."""


def format_of(name: str) -> Format | None:
    """Give the format that a file's name promises; None: none that is known."""
    return FORMATS.get(suffix_of(name))


_MAGIC: tuple[tuple[bytes, Looks], ...] = (
    *((b"GGUF", "gguf"), (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"\x1f\x8b", "gzip")),
    *((b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07", "rar"), (b"\x7fELF", "program"), (b"#!", "program")),
    *((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"%PDF-", "pdf")),
    (b"version https://git-lfs.github.com/spec/", "lfs pointer"),
)
_HTML = re.compile(rb"<(!doctype\s+html|html|head|body|script|title|meta|!--)", re.IGNORECASE)
_XML = re.compile(rb"<(\?xml|[a-z!][a-z0-9_.:-]*[\s/>])", re.IGNORECASE)
_JSON = re.compile(rb"(\{\s*[\"}]|\[\s*([\[{\"\]0-9-]|true|false|null))")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def looks_like(head: bytes) -> Looks | None:
    """Say what a file is by its first bytes, up to :data:`HEAD` of them; None: binary, of no known kind."""
    head = head[:HEAD]
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    return _binary(head) or _text(head)


def _binary(head: bytes) -> Looks | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[257:262] == b"ustar":
        return "tar"
    if head[:2] == b"MZ" and _CONTROL.search(head):
        return "program"
    if head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") < 2**40:
        return "safetensors"
    if head[:1] == b"\x80" and head[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}:
        return "pickle"
    return None


def _text(head: bytes) -> Looks | None:
    text = head
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):  # UTF-8, and UTF-16 of either order
        if text.startswith(mark):
            text = text[len(mark) :].replace(b"\x00", b"")
    text = text.lstrip()
    if _HTML.match(text):
        return "html"
    if _XML.match(text):
        return "html" if b"<html" in text.lower() else "xml"
    if not text or _CONTROL.search(text):
        return None
    return "json" if _JSON.match(text) else "text"
