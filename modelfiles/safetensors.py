"""The header of a safetensors file, checked strictly, without loading a tensor.

The format (https://github.com/huggingface/safetensors): eight bytes with the header's length N, little
endian; N bytes of JSON, ``{name: {"dtype", "shape", "data_offsets": [begin, end]}}`` and with it
``"__metadata__": {str: str}``; then the tensors' bytes, without holes. Hence the header tells the size of
the whole file, and half a file, or one with something behind it, is known for what it is.

Stricter than the reference in two points: no name may come twice, and the header's first byte is ``{``.
More lenient in one: a dtype that is not known yet.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from .trouble import FormatError, Short

HEADER_MAX = 16 * 1024**2
"""Longest header that is read, in bytes. Known ones stay below 2 MB; 16 MiB are about 130,000 tensors, take
about half a second to read. The reference stops at 100 MB."""

BRACKETS_MAX = 600_000
"""Most ``[`` and ``{`` in a header; a tensor has three. Bounds what a header made for it costs: reading lists
of lists holds all other threads up, 16 MiB of them for seconds, and takes 600 MB of memory."""

LEAD = 9
"""Bytes that :func:`header_length` looks at."""

DTYPE_BITS: Mapping[str, int] = {
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
"""Bits of one element."""

_DTYPE = re.compile(r"[A-Z][A-Z0-9_]{0,31}")


class Tensor(NamedTuple):
    """One tensor; *begin* and *end* count bytes from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file says of itself."""

    length: int
    """Of the JSON, in bytes; the tensors begin at ``8 + length``."""
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    total: int
    """Size of the whole file, in bytes."""

    def dtypes(self) -> dict[str, int]:
        """Give the bytes that each dtype takes up, the largest first: the first is the file's precision."""
        sizes: Counter[str] = Counter()
        for dtype, _, begin, end in self.tensors.values():
            sizes[dtype] += end - begin
        return dict(sizes.most_common())


def header_length(lead: bytes, *, size: int | None = None, limit: int = HEADER_MAX) -> int:
    """Read the JSON's length from the first :data:`LEAD` bytes of a file of *size* bytes.

    Raises FormatError; Short if there are fewer bytes.
    """
    if len(lead) < LEAD:
        raise Short(LEAD)
    length = int.from_bytes(lead[:8], "little")
    if lead[8] != 0x7B:
        raise FormatError("its header does not begin with {")
    if length < 2:
        raise FormatError("its header is empty")
    if length > limit:
        raise FormatError(f"its header claims {length} bytes; more than {limit} are not read")
    if size is not None and 8 + length > size:
        raise FormatError(f"its header claims {length} bytes, and the file has {size}")
    return length


def parse(header: bytes, *, length: int | None = None, size: int | None = None) -> Header:
    """Read the JSON, without the eight bytes before it, and *length* bytes of it as these tell.

    *size* is the whole file's, if known. Raises FormatError; Short if there are less than *length* bytes.
    """
    if length is not None and len(header) < length:
        raise Short(8 + length)
    if header.count(b"[") + header.count(b"{") > BRACKETS_MAX:
        raise FormatError("its header has too many parts")
    try:
        found = json.loads(header.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except FormatError:
        raise
    except (ValueError, RecursionError):
        raise FormatError("its header is not JSON") from None
    if not isinstance(found, dict):
        raise FormatError("its header is no JSON object")
    entries = cast("dict[str, Any]", found)
    metadata = _metadata(entries.pop("__metadata__", None))
    try:
        tensors = {name: _tensor(entry) for name, entry in entries.items()}
    except (TypeError, KeyError, ValueError):
        raise FormatError("a tensor in its header is not described as the format asks") from None
    total = 8 + len(header) + _covered(tensors)
    if size is not None and total != size:
        raise FormatError(f"by its header it has {total} bytes, and not {size}")
    return Header(len(header), tensors, metadata, total)


def read(read_at: Callable[[int, int], bytes], size: int, *, limit: int = HEADER_MAX) -> Header:
    """Read the header of a file of *size* bytes; *read_at* takes an offset and a length.

    Raises FormatError, and what *read_at* raises.
    """
    length = header_length(read_at(0, LEAD), size=size, limit=limit)
    return parse(read_at(8, length), length=length, size=size)


def read_file(path: Path, *, limit: int = HEADER_MAX) -> Header:
    """Read the header of a file. Raises FormatError, OSError. Blocks."""
    with path.open("rb") as file:
        size = file.seek(0, 2)

        def read_at(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        return read(read_at, size, limit=limit)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FormatError("a name comes twice in its header")
    return found


def _no_constant(_: str) -> None:
    raise FormatError("its header is not JSON")  # Python alone reads NaN and Infinity


def _metadata(found: Any) -> dict[str, str]:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise FormatError("its __metadata__ is no JSON object")
    metadata = cast("dict[str, Any]", found)
    if not all(isinstance(value, str) for value in metadata.values()):
        raise FormatError("its __metadata__ has values that are no text")
    return metadata


def _tensor(entry: dict[str, Any]) -> Tensor:
    """Check one entry. Raises TypeError, KeyError and ValueError for all that is not as it should be."""
    dtype: str = entry["dtype"]
    shape: list[int] = entry["shape"]
    begin, end = offsets = entry["data_offsets"]
    # type(), not isinstance: true is no number here; and it must be quick, for tens of thousands of tensors
    if type(offsets) is not list or type(begin) is not int or type(end) is not int or type(shape) is not list:
        raise TypeError
    for side in shape:
        if type(side) is not int or not 0 <= side < 2**64:
            raise TypeError
    bits = DTYPE_BITS.get(dtype)
    if bits is None:
        if not _DTYPE.fullmatch(dtype):
            raise ValueError
    elif math.prod(shape) * bits != (end - begin) * 8:
        raise FormatError("a tensor's shape does not go with its bytes")
    return Tensor(dtype, tuple(shape), begin, end)


def _covered(tensors: Mapping[str, Tensor]) -> int:
    """Give the bytes that the tensors take up together. Raises FormatError for holes and overlaps."""
    at = 0
    for begin, end in sorted((tensor.begin, tensor.end) for tensor in tensors.values()):
        if begin != at or end < begin:
            raise FormatError("its tensors overlap, or leave holes")
        at = end
    return at
