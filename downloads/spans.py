"""Which bytes of a file are there: sorted, disjoint spans ``(start, end)``. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

Span = tuple[int, int]
"""The bytes from the first number on, up to but without the second."""


class Spans:
    """A set of bytes that grows. Not for several threads at once."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in spans:
            self.add(start, end)

    def add(self, start: int, end: int) -> None:
        """Add the bytes from *start* up to *end*."""
        if start >= end:
            return
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < last:  # it touches or overlaps these: they become one
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last], self._ends[first:last] = [start], [end]

    @property
    def frontier(self) -> int:
        """How many bytes are there without a gap from the first on."""
        return self._ends[0] if self._starts and self._starts[0] == 0 else 0

    @property
    def total(self) -> int:
        """How many bytes are there."""
        return sum(self._ends) - sum(self._starts)

    def all(self) -> tuple[Span, ...]:
        """Give them."""
        return tuple(zip(self._starts, self._ends, strict=True))

    def holes(self, size: int | None) -> list[tuple[int, int | None]]:
        """Give what is missing of a file of *size* bytes; of an unknown size, the last hole has no end."""
        found: list[tuple[int, int | None]] = []
        at = 0
        for start, end in self.all():
            if at < start:
                found.append((at, start))
            at = end
        if size is None:
            found.append((at, None))
        elif at < size:
            found.append((at, size))
        return found

    def split(self, start: int, end: int) -> list[tuple[int, int, bool]]:
        """Cut ``(start, end)`` into pieces, each there as a whole (True) or not at all (False)."""
        found: list[tuple[int, int, bool]] = []
        at = start
        for low, high in self.all():
            low, high = max(low, start), min(high, end)  # noqa: PLW2901 - clipped
            if low >= high:
                continue
            if at < low:
                found.append((at, low, False))
            found.append((low, high, True))
            at = high
        if at < end:
            found.append((at, end, False))
        return found

    def cut(self, size: int) -> None:
        """Forget what is at *size* and after it."""
        kept = [(start, min(end, size)) for start, end in self.all() if start < size]
        self._starts, self._ends = [start for start, _ in kept], [end for _, end in kept]
