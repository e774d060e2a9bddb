"""Byte ranges: how they are asked for, what answers say of them, and who fetches which."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.IGNORECASE)
_UNSATISFIED = re.compile(r"bytes \*/([0-9]{1,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ContentRange:
    """Bytes from *start* up to but without *end*, of *total* if that is known."""

    start: int
    end: int
    total: int | None


def parse_content_range(value: str | None) -> ContentRange | None:
    """Read the header of a 206; None if it is none, or says what cannot be."""
    found = _CONTENT_RANGE.fullmatch((value or "").strip())
    if found is None:
        return None
    start, end = int(found[1]), int(found[2]) + 1
    total = None if found[3] == "*" else int(found[3])
    return ContentRange(start, end, total) if start < end <= (total or end) else None


def parse_unsatisfied(value: str | None) -> int | None:
    """Read the header of a 416: the whole file's size; None if it does not say."""
    found = _UNSATISFIED.fullmatch((value or "").strip())
    return None if found is None else int(found[1])


def range_header(start: int, end: int | None) -> str:
    """Ask for the bytes from *start* up to but without *end*; to the last one without *end*."""
    return f"bytes={start}-" if end is None else f"bytes={start}-{end - 1}"


def is_strong(etag: str | None) -> bool:
    """Say whether an ETag promises the same bytes (RFC 9110, 8.8.1)."""
    return etag is not None and etag.startswith('"') and etag.endswith('"') and len(etag) > 2


class Segment:
    """Bytes that one connection fetches: at *at* now, up to *end* (None: as far as it goes)."""

    __slots__ = ("at", "end")

    def __init__(self, at: int, end: int | None) -> None:
        self.at = at
        self.end = end


class Work:
    """What is left to be fetched, shared out among connections. For any thread.

    Each connection takes one long segment, for servers that limit the speed of a connection start slowly
    with each; who has finished takes the second half of the longest one that is under way.
    """

    def __init__(self, holes: Iterable[tuple[int, int | None]], *, least: int) -> None:
        self._holes = list(holes)
        self._least = least
        self._active: list[Segment] = []
        self._lock = threading.Lock()

    def take(self) -> Segment | None:
        """Take a segment; None if nothing is left that is worth another connection."""
        with self._lock:
            if self._holes:
                segment = Segment(*self._holes.pop(0))
            else:
                longest = max(self._active, key=_left, default=None)
                if longest is None or longest.end is None or _left(longest) < 2 * self._least:
                    return None
                middle = longest.at + _left(longest) // 2
                segment, longest.end = Segment(middle, longest.end), middle
            self._active.append(segment)
            return segment

    def left(self, segment: Segment, most: int) -> int:
        """Say how many bytes, up to *most*, are to be fetched of *segment* next."""
        with self._lock:
            return most if segment.end is None else max(0, min(most, segment.end - segment.at))

    def advance(self, segment: Segment, count: int) -> None:
        """Note that *count* more bytes of *segment* landed."""
        with self._lock:
            segment.at += count

    def release(self, segment: Segment) -> None:
        """Give a segment back: what is left of it is for others."""
        with self._lock:
            self._active.remove(segment)
            if segment.end is None or segment.at < segment.end:
                self._holes.append((segment.at, segment.end))
                self._holes.sort()

    def bound(self, size: int) -> None:
        """Note that the file has *size* bytes."""
        with self._lock:
            for segment in self._active:
                if segment.end is None:
                    segment.end = size


def _left(segment: Segment) -> int:
    return 0 if segment.end is None else segment.end - segment.at
