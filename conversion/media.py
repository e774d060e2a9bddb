"""Texts in films, sounds and models: MP4, Matroska and WebM, FLAC, Ogg, MP3, GLB and safetensors.

ComfyUI writes them through FFmpeg (SaveVideo, SaveWEBM, SaveAudio…): in MP4 as ``moov/udta/meta`` with
``keys`` and ``ilst``, in Matroska as tags, in FLAC and Ogg as Vorbis comments, in MP3 as ID3v2 ``TXXX``
frames. Every walk ends at the end of the bytes and steps over what it does not know, and no length in the
file makes it read more.
"""

from __future__ import annotations

from collections.abc import Iterator

from .texts import LONGEST, Text

_MOST_STEPS = 200_000
"""Boxes, elements and pages that are looked at."""
_MOST_KEYS = 1000
_MP4_HOLDERS = frozenset({b"moov", b"udta", b"trak", b"meta", b"ilst"})
_COMMENTS = frozenset({b"\xa9cmt", b"\xa9des", b"desc"})

_SEGMENT, _TAGS, _TAG, _SIMPLE_TAG = 0x18538067, 0x1254C367, 0x7373, 0x67C8
_TAG_NAME, _TAG_STRING = 0x45A3, 0x4487
_EBML_HOLDERS = frozenset({_SEGMENT, _TAGS, _TAG})

_GLB_JSON = b"JSON"


def in_mp4(data: bytes) -> Iterator[Text]:
    """Give the texts of an MP4 or QuickTime film."""
    waiting: list[tuple[int, int, bytes]] = [(0, len(data), b"")]
    names: list[str] = []
    steps = 0
    while waiting:
        at, end, holder = waiting.pop()
        while at + 8 <= end and steps < _MOST_STEPS:
            steps += 1
            size, kind, body = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
            if size == 1:
                size, body = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
            stop = end if size == 0 else min(at + size, end)
            if stop < body:
                break
            if kind == b"keys":
                names = _mp4_keys(data, body, stop)
            elif holder == b"ilst":
                index = int.from_bytes(kind, "big") - 1
                text = _mp4_data(data, body, stop)
                if text is not None and (0 <= index < len(names) or kind in _COMMENTS):
                    yield (names[index] if 0 <= index < len(names) else ""), text
            elif kind in _MP4_HOLDERS:
                # what stands behind it, once all that is in it has been seen: ilst needs the keys before it
                waiting.append((stop, end, holder))
                is_full = kind == b"meta" and data[body + 4 : body + 8] != b"hdlr"
                at, end, holder = (body + 4 if is_full else body), stop, kind
                continue
            at = stop


def _mp4_keys(data: bytes, at: int, end: int) -> list[str]:
    names: list[str] = []
    at += 8
    while at + 8 <= end and len(names) < _MOST_KEYS:
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8:
            break
        names.append(data[at + 8 : min(at + size, end)][:200].decode("utf-8", "replace"))
        at += size
    return names


def _mp4_data(data: bytes, at: int, end: int) -> bytes | None:
    size = int.from_bytes(data[at : at + 4], "big")
    if data[at + 4 : at + 8] != b"data" or size < 16:
        return None
    return data[at + 16 : min(at + size, end, at + 16 + LONGEST)]


def in_matroska(data: bytes) -> Iterator[Text]:
    """Give the tags of a Matroska or WebM film."""
    waiting = [(0, len(data))]
    steps = 0
    while waiting:
        at, end = waiting.pop()
        while at < end and steps < _MOST_STEPS:
            steps += 1
            kind, at = _ebml_number(data, at, keep_marker=True)
            size, at = _ebml_number(data, at, keep_marker=False)
            if kind is None or at > end:
                break
            stop = end if size is None else min(at + size, end)
            if kind in _EBML_HOLDERS:
                waiting.append((stop, end))
                end = stop
            elif kind == _SIMPLE_TAG:
                yield from _simple_tag(data, at, stop)
                at = stop
            elif size is None:
                break  # a live cluster: where it ends cannot be told
            else:
                at = stop


def _simple_tag(data: bytes, at: int, end: int) -> Iterator[Text]:
    name, value = "", b""
    while at < end:
        kind, at = _ebml_number(data, at, keep_marker=True)
        size, at = _ebml_number(data, at, keep_marker=False)
        if kind is None or size is None:
            break
        stop = min(at + size, end)
        if kind == _TAG_NAME:
            name = data[at:stop][:200].decode("utf-8", "replace")
        elif kind == _TAG_STRING:
            value = data[at : min(stop, at + LONGEST)]
        at = stop
    if name:
        yield name, value


def _ebml_number(data: bytes, at: int, *, keep_marker: bool) -> tuple[int | None, int]:
    """Read a number of 1 to 8 bytes; None for an unknown size or at the end of the bytes."""
    if at >= len(data) or data[at] == 0:
        return None, len(data) + 1 if at >= len(data) else at + 1
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length], "big")
    if keep_marker:
        return value, at + length
    value &= (1 << (7 * length)) - 1
    return (None if value == (1 << (7 * length)) - 1 else value), at + length


def in_flac(data: bytes) -> Iterator[Text]:
    """Give the Vorbis comments of a FLAC file."""
    at = 4
    while at + 4 <= len(data):
        head, length = data[at], int.from_bytes(data[at + 1 : at + 4], "big")
        if head & 0x7F == 4:
            yield from _vorbis_comments(data[at + 4 : at + 4 + length])
        if head & 0x80:
            return
        at += 4 + length


def in_ogg(data: bytes) -> Iterator[Text]:
    """Give the comments of an Ogg file: the second packet of Opus or Vorbis."""
    packets: list[bytearray] = [bytearray()]
    at = steps = 0
    while data[at : at + 4] == b"OggS" and at + 27 <= len(data) and steps < _MOST_STEPS:
        steps += 1
        lengths = data[at + 27 : at + 27 + data[at + 26]]
        at += 27 + len(lengths)
        for length in lengths:
            packets[-1] += data[at : at + length]
            at += length
            if len(packets[-1]) > LONGEST:
                return
            if length < 255:
                if len(packets) == 2:
                    body = bytes(packets[1])
                    yield from _vorbis_comments(body[8:] if body.startswith(b"OpusTags") else body[7:])
                    return
                packets.append(bytearray())


def _vorbis_comments(body: bytes) -> Iterator[Text]:
    at = 4 + int.from_bytes(body[:4], "little")
    count = int.from_bytes(body[at : at + 4], "little")
    at += 4
    for _ in range(min(count, _MOST_KEYS)):
        length = int.from_bytes(body[at : at + 4], "little")
        if at + 4 >= len(body):
            return
        name, found, text = body[at + 4 : at + 4 + length].partition(b"=")
        if found:
            yield name[:200].decode("ascii", "replace"), text
        at += 4 + length


def in_mp3(data: bytes) -> Iterator[Text]:
    """Give the user texts (``TXXX``) and comments of an MP3's ID3v2 tag."""
    version = data[3]
    end = min(10 + _syncsafe(data[6:10]), len(data))
    at = 10
    if data[5] & 0x40:  # an extended header
        size = _syncsafe(data[10:14]) if version == 4 else int.from_bytes(data[10:14], "big") + 4
        at += size
    while at + 10 <= end and data[at] != 0 and version in {3, 4}:
        kind = data[at : at + 4]
        raw = data[at + 4 : at + 8]
        length = _syncsafe(raw) if version == 4 else int.from_bytes(raw, "big")
        body = data[at + 10 : min(at + 10 + length, end)]
        if kind == b"TXXX" and body:
            yield _described(body[0], body[1:])
        elif kind == b"COMM" and len(body) > 4:
            yield "", _described(body[0], body[4:])[1]
        at += 10 + length


def _syncsafe(raw: bytes) -> int:
    value = 0
    for byte in raw:
        value = value << 7 | byte & 0x7F
    return value


def _described(encoding: int, body: bytes) -> Text:
    """Take a description and the text behind it apart."""
    if encoding in {1, 2}:
        name = "utf-16-be" if encoding == 2 else "utf-16"
        for at in range(0, len(body) - 1, 2):
            if body[at : at + 2] == b"\0\0":
                text = body[at + 2 :].decode(name, "replace").rstrip("\0").encode("utf-8", "replace")
                return body[:at][:400].decode(name, "replace"), text
        return "", b""
    description, _, text = body.partition(b"\0")
    if encoding == 0:
        text = text.decode("latin-1").encode()
    return description[:200].decode("utf-8", "replace"), text.rstrip(b"\0")


def glb_json(data: bytes) -> bytes:
    """Give the JSON of a binary glTF, whose ``asset.extras`` SaveGLB writes workflows into."""
    length = int.from_bytes(data[12:16], "little")
    return data[20 : 20 + min(length, LONGEST)] if data[16:20] == _GLB_JSON else b""


def safetensors_json(data: bytes) -> bytes:
    """Give the header of a safetensors file, whose ``__metadata__`` the nodes that save models write into."""
    return data[8 : 8 + min(int.from_bytes(data[:8], "little"), LONGEST)]
