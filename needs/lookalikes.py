"""Which of many names look like a name: first by the words they share, then letter by letter."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import close_matches

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^\W\d_A-Za-z]+")
_LONGEST = 200
_MOST_COMPARED = 40
"""Letter by letter, a name takes about 30 µs."""


class Lookalikes:
    """Compares with *names*. Making one takes about 1 µs a name, asking it somewhat less."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [(_marks(name), name) for name in names if len(name) <= _LONGEST]

    def of(self, name: str, *, limit: int) -> tuple[str, ...]:
        """Give up to *limit* of the names, the most alike first."""
        if len(name) > _LONGEST:
            return ()
        marks = _marks(name)
        scored = [(-len(marks & others), other) for others, other in self._names if marks & others]
        scored.sort()
        return tuple(close_matches(name, [other for _, other in scored[:_MOST_COMPARED]], limit=limit))


def _marks(name: str) -> frozenset[str]:
    """Give the words of a name in small letters, and how it begins, for when the only word is misspelt."""
    folded = name[:3].casefold()
    return frozenset({f"^{folded}", *(word.casefold() for word in _WORDS.findall(name))})
