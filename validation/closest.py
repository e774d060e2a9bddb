"""The closest of many names, within a bound: comparing takes microseconds each, and folders are large."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..errors import close_matches

MOST_COMPARED = 40_000
"""How many names one call compares; what comes after that is told without close matches."""
SHOWN_OPTIONS = 50
"""How many options a finding lists."""


class Closest:
    """Looks for close names, each question once."""

    def __init__(self, most: int = MOST_COMPARED) -> None:
        self._left = most
        self._known: dict[tuple[int, str], tuple[object, list[str]]] = {}
        self._texts: dict[int, tuple[object, dict[str, Any]]] = {}
        # what was asked for is kept with the answers, for the keys are ids

    def of(self, name: str, known: Collection[str]) -> list[str]:
        """Give up to five names of *known* that look like *name*, the closest first.

        A file of the same name in another folder is closest of all.
        """
        key = (id(known), name)
        if key not in self._known:
            self._known[key] = (known, self._searched(name, known))
        return self._known[key][1]

    def _searched(self, name: str, known: Collection[str]) -> list[str]:
        if len(name) > _LONGEST or self._left < len(known):
            return []
        self._left -= len(known)
        leaf = _leaf(name)
        same = [each for each in known if _leaf(each) == leaf][:_MOST]
        return [*same, *(each for each in close_matches(name, known) if each not in same)][:_MOST]

    def options(self, value: Any, options: tuple[Any, ...]) -> list[Any]:
        """Give the options that look like *value*, the closest first."""
        if not isinstance(value, str | int | float):
            return []
        if id(options) not in self._texts:
            self._texts[id(options)] = (options, {str(each): each for each in options})
        texts = self._texts[id(options)][1]
        return [texts[match] for match in self.of(str(value), texts)]


_LONGEST = 500
_MOST = 5


def _leaf(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2].casefold()
