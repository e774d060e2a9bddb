"""Reading what strangers wrote: every helper takes anything and gives a sound value or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, cast

from ..errors import ApiError, InvalidWorkflow

UNSET: Final = object()
"""What a widget holds that has no value at all; such a value is not sent."""

ASIDE: Final = "backplane"
"""The node property in which :func:`~.to_ui.to_ui` puts aside what UI format cannot say: ``{"inputs": {name:
value}, "unset": [names]}``."""

_LONGEST_ID = 200
_DEEPEST = 100
"""How deep a widget's value may be nested."""


class Room:
    """How much more there may be of something that is small in a document and large when it is read."""

    def __init__(self, most: int, error: Callable[[], ApiError]) -> None:
        self._left = most
        self._error = error

    def take(self, count: int) -> None:
        """Use some of it; raises the error where there is too little."""
        self._left -= count
        if self._left < 0:
            raise self._error()


def ident(value: Any) -> str | None:
    """Give the id of a node or a link as text; the page writes most as numbers."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if -(2**63) < value < 2**63 else None
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_ID else None


def place(value: Any) -> int | None:
    """Give the number of a slot, counted from 0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def member(value: Any, key: str) -> Any:
    """Give a member of an object; None where there is none, or *value* is no object."""
    return cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None


def items(value: Any) -> list[Any]:
    """Give a list as it is, anything else as an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def at(value: Any, index: int | None) -> Any:
    """Give an item of a list; None where there is none."""
    listed = items(value)
    return listed[index] if index is not None and index < len(listed) else None


def text(value: Any) -> str:
    """Give *value* if it is text, else an empty one."""
    return value if isinstance(value, str) else ""


def as_page_sends(value: Any, depth: int = 0) -> Any:
    """Give a value as the page writes it: 1.0 is 1, and what JSON lacks is null.

    Raises ApiError WORKFLOW_INVALID for a value that is nested too deeply to be one.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    if isinstance(value, dict | list):
        if depth > _DEEPEST:
            raise InvalidWorkflow("WORKFLOW_INVALID", "A widget's value is nested too deeply.")
        if isinstance(value, list):
            return [as_page_sends(item, depth + 1) for item in cast("list[Any]", value)]
        return {key: as_page_sends(item, depth + 1) for key, item in cast("dict[str, Any]", value).items()}
    return value
