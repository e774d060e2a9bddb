"""The header of a GGUF file: metadata, tensors, and how large the file must be at least.

The format (ggml's docs/gguf.md): ``GGUF``, a version, the counts of tensors and of key-value pairs, the
pairs, then name, shape, type and offset of each tensor, then, aligned, their bytes. Everything is bounded
before it is read: counts and lengths in a damaged or hostile file may be anything.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .gguf_types import FILE_TYPES, TYPES
from .trouble import FormatError, Short

MAGIC = b"GGUF"
HEADER_MAX = 64 * 1024**2
"""Longest header that is read, in bytes; large vocabularies take about 10 MB."""
COUNT_MAX = 1_000_000
"""Most tensors, and most key-value pairs."""
ITEMS_MAX = 8_000_000
"""Most items of one array; each takes a byte at least, so HEADER_MAX bounds them too."""
TEXT_MAX = 1024**2
"""Longest text, in bytes."""
NAME_MAX = 65535
"""Longest name of a tensor, in bytes."""
KEPT_TEXT = 4096
"""Texts up to this many characters are kept of the metadata; longer ones, and arrays, are passed over."""

Value = str | int | float | bool

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRUCTS = {kind: struct.Struct(layout) for kind, layout in _SCALARS.items()}
_TEXT, _ARRAY = 8, 9
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says of itself."""

    version: int
    metadata: Mapping[str, Value]
    """Numbers and short texts; arrays are left out."""
    types: Mapping[str, int]
    """Name of a tensor type → bytes it takes up, the largest first; types that are not known count 0."""
    tensors: int
    length: int
    """Bytes before the tensors' own, with the padding."""
    minimum: int
    """Bytes the whole file has at least."""

    @property
    def architecture(self) -> str | None:
        """E.g. ``flux``, ``t5encoder``."""
        found = self.metadata.get("general.architecture")
        return found if isinstance(found, str) else None

    @property
    def name(self) -> str | None:
        """The model's name, as its maker calls it."""
        found = self.metadata.get("general.name")
        return found if isinstance(found, str) else None

    @property
    def quantisation(self) -> str | None:
        """E.g. ``Q4_K_M``: as the file calls it, else the type that most of its bytes have."""
        found = self.metadata.get("general.file_type")
        if isinstance(found, int) and found in FILE_TYPES:
            return FILE_TYPES[found]
        return next(iter(self.types), None)


def parse(data: bytes | memoryview, *, size: int | None = None) -> Header:
    """Read the header from the first bytes of a file of *size* bytes.

    Raises Short (more bytes are needed), FormatError.
    """
    walk = _Walk(memoryview(data))
    version, tensors, pairs = _counts(walk, size)
    metadata: dict[str, Value] = {}
    for _ in range(pairs):
        key = walk.text()
        value = walk.value(walk.u32())
        if value is not None:
            metadata[key] = value
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1024**2:
        raise FormatError("its alignment is no sensible number")
    sizes: Counter[str] = Counter()
    end = 0
    for _ in range(tensors):
        name, taken, offset = walk.tensor()
        sizes[name] += taken
        end = max(end, offset + taken)
    length = -(-walk.at // alignment) * alignment
    minimum = length + end if tensors else walk.at
    if size is not None and size < minimum:
        raise FormatError(f"by its header it has at least {minimum} bytes, and not {size}")
    return Header(version, metadata, dict(sizes.most_common()), tensors, length, minimum)


def _counts(walk: _Walk, size: int | None) -> tuple[int, int, int]:
    """Give version, number of tensors, number of key-value pairs."""
    if walk.take(4) != MAGIC:
        raise FormatError("it does not begin with GGUF")
    version = walk.u32()
    if version in {0x02000000, 0x03000000}:
        raise FormatError("its numbers are big-endian, which ComfyUI does not read")
    if version not in {2, 3}:
        raise FormatError(f"GGUF version {version} is not known")
    tensors, pairs = walk.u64(), walk.u64()
    if tensors > COUNT_MAX or pairs > COUNT_MAX:
        raise FormatError(f"it claims {tensors} tensors and {pairs} metadata entries")
    if size is not None and 24 * tensors + 13 * pairs > size:
        raise FormatError("it claims more tensors than the file has room for")
    return version, tensors, pairs


def read_file(path: Path) -> Header:
    """Read the header of a file. Raises FormatError, OSError. Blocks."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        take = 65536
        while True:
            file.seek(0)
            data = file.read(take)
            try:
                return parse(data, size=size)
            except Short as short:
                if len(data) >= min(size, HEADER_MAX):
                    raise
                take = min(max(4 * take, short.need), HEADER_MAX)


class _Walk:
    """Reads on from one place of the header; Short past its end."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        begin = self.at
        self._go_to(begin + count)
        return bytes(self._data[begin : self.at])

    def _go_to(self, at: int) -> None:
        if at > HEADER_MAX:
            raise FormatError(f"its header is longer than {HEADER_MAX} bytes")
        if at > len(self._data):
            raise Short(at)
        self.at = at

    def u32(self) -> int:
        return _U32.unpack(self.take(4))[0]

    def u64(self) -> int:
        return _U64.unpack(self.take(8))[0]

    def text(self, limit: int = TEXT_MAX) -> str:
        length = self.u64()
        if length > limit:
            raise FormatError("a text in its header is too long")
        return self.take(length).decode(errors="replace")

    def value(self, kind: int) -> Value | None:
        """Give a number or a short text; pass over all else."""
        if kind == _TEXT:
            text = self.text()
            return text if len(text) <= KEPT_TEXT else None
        if kind == _ARRAY:
            self._array()
            return None
        layout = _STRUCTS.get(kind)
        if layout is None:
            raise FormatError("a metadata entry has a type that GGUF does not know")
        found: int | float | bool = layout.unpack(self.take(layout.size))[0]
        return found if math.isfinite(found) else None

    def _array(self) -> None:
        kind, count = self.u32(), self.u64()
        if count > ITEMS_MAX:
            raise FormatError("an array in its header is too long")
        if kind == _TEXT:
            self._texts(count)
        elif kind in _STRUCTS:
            self._go_to(self.at + _STRUCTS[kind].size * count)
        else:  # arrays of arrays are allowed by the format, and written by nothing
            raise FormatError("an array in its header has items that are not read")

    def _texts(self, count: int) -> None:
        """Pass over texts, quickly: vocabularies have hundreds of thousands."""
        data, at, end, length_at = self._data, self.at, len(self._data), _U64.unpack_from
        for _ in range(count):
            if at + 8 > end:
                break
            length: int = length_at(data, at)[0]
            if length > TEXT_MAX:
                raise FormatError("a text in its header is too long")
            at += 8 + length
        else:
            self._go_to(at)
            return
        self._go_to(at + 8)

    def tensor(self) -> tuple[str, int, int]:
        """Give a tensor's type, the bytes it takes up and where they begin."""
        self.text(limit=NAME_MAX)
        dimensions = self.u32()
        if dimensions > 8:
            raise FormatError("a tensor has too many dimensions")
        shape = struct.unpack(f"<{dimensions}Q", self.take(8 * dimensions))
        kind, offset = self.u32(), self.u64()
        count = math.prod(shape)
        if count >= 2**63 or offset >= 2**63:
            raise FormatError("a tensor is too large")
        if kind not in TYPES:
            return f"type {kind}", 0, offset
        name, block, width = TYPES[kind]
        return name, -(-count // block) * width, offset
