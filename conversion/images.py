"""Texts in pictures, where ComfyUI writes workflows: PNG's text chunks, and EXIF in WebP and JPEG."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from .texts import LONGEST, Text

PNG = b"\x89PNG\r\n\x1a\n"
_TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"comf"})
"""``comf`` is ComfyUI's own, in animated PNGs (SaveAnimatedPNG)."""
_MOST_ENTRIES = 1000
_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286
_ASCII, _UNDEFINED = 2, 7
_HAS_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
"""JPEG markers that stand alone."""


def in_png(data: bytes) -> Iterator[Text]:
    """Give (keyword, text) of each text chunk."""
    at = len(PNG)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], at + 8
        if kind in _TEXT_CHUNKS and length <= LONGEST and body + length <= len(data):
            found = _png_text(kind, data[body : body + length])
            if found is not None:
                yield found
        if kind == b"IEND":
            return
        at = body + length + 4


def _png_text(kind: bytes, body: bytes) -> Text | None:
    keyword, _, rest = body.partition(b"\0")
    if kind == b"zTXt":
        inflated = _inflated(rest[1:])
    elif kind == b"iTXt":
        compressed = rest[:1] == b"\x01"
        _, _, rest = rest[2:].partition(b"\0")
        _, _, rest = rest.partition(b"\0")
        inflated = _inflated(rest) if compressed else rest
    else:
        inflated = rest
    return None if inflated is None else (keyword.decode("latin-1"), inflated)


def _inflated(data: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(data, LONGEST)
    except zlib.error:
        return None


def in_webp(data: bytes) -> Iterator[Text]:
    """Give the texts of a WebP's EXIF."""
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"EXIF":
            body = data[at + 8 : at + 8 + min(length, LONGEST)]
            yield from in_tiff(body.removeprefix(b"Exif\0\0"))
        at += 8 + length + length % 2


def in_jpeg(data: bytes) -> Iterator[Text]:
    """Give the texts of a JPEG's EXIF."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # filler
            at += 1
            continue
        if marker in _HAS_NO_LENGTH:
            at += 2
            continue
        if marker in {0xD9, 0xDA}:  # the picture itself
            return
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + max(length, 2)]
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            yield from in_tiff(body[6:])
        at += 2 + max(length, 2)


def in_tiff(data: bytes) -> Iterator[Text]:
    """Give each text of an EXIF block, without a keyword: the text itself begins with one."""
    if data[:2] not in {b"II", b"MM"}:
        return
    order = "little" if data[:2] == b"II" else "big"
    waiting, seen, entries = [int.from_bytes(data[4:8], order)], set[int](), 0
    while waiting:
        at = waiting.pop()
        if at in seen or not 8 <= at <= len(data) - 2:
            continue
        seen.add(at)
        count = min(int.from_bytes(data[at : at + 2], order), _MOST_ENTRIES)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            entries += 1
            if entry + 12 > len(data) or entries > _MOST_ENTRIES:
                return
            tag, kind = (
                int.from_bytes(data[entry : entry + 2], order),
                int.from_bytes(data[entry + 2 : entry + 4], order),
            )
            length, offset = (int.from_bytes(data[entry + n : entry + n + 4], order) for n in (4, 8))
            if tag == _EXIF_IFD:
                waiting.append(offset)
            elif kind == _ASCII or (kind == _UNDEFINED and tag == _USER_COMMENT):
                start = entry + 8 if length <= 4 else offset
                yield "", _comment(data[start : start + min(length, LONGEST)])


def _comment(body: bytes) -> bytes:
    """Leave out what EXIF puts around a text."""
    for prefix, encoding in ((b"ASCII\0\0\0", "latin-1"), (b"UNICODE\0", "utf-16")):
        if body.startswith(prefix):
            rest = body[8:]
            if encoding == "utf-16":
                little = rest[1:2] == b"\0"
                return rest.decode("utf-16-le" if little else "utf-16-be", "replace").encode(
                    "utf-8", "replace"
                )
            return rest
    return body.rstrip(b"\0")
