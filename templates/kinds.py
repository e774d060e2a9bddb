"""The types that inputs of templates have. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from .files import FILE_TYPES, Unfit, read_file

TYPES = ("string", "integer", "number", "boolean", "seed", *FILE_TYPES, "model")
NUMBERS = frozenset({"integer", "number", "seed"})
RANDOM = "random"
"""As a seed: draw one."""


def is_number(value: Any) -> bool:
    """Say whether it is a number that JSON has."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)


def fits(kind: str, value: Any) -> Any:
    """Give *value* as an input of type *kind* takes it, limits apart; a file as it was read. Raises Unfit."""
    if kind in FILE_TYPES:
        return read_file(value)
    if kind in {"integer", "seed"} and is_number(value) and value == int(value):
        return int(value)  # 1.0 is a whole number for JSON Schema
    if _WANTED[kind][0](value):
        return value
    raise Unfit(f"must be {_WANTED[kind][1]}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_WANTED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "string": (_is_text, "a text"),
    "model": (_is_text, "a text"),
    "boolean": (lambda value: isinstance(value, bool), "true or false"),
    "number": (is_number, "a number"),
    "integer": (lambda _: False, "a whole number"),
    "seed": (lambda value: value == RANDOM, f'a whole number or "{RANDOM}"'),
}
