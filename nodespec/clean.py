"""Values of node definitions made fit for JSON: packs put anything at all into them."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping, ValuesView
from collections.abc import Set as AbstractSet
from pathlib import PurePath
from typing import Any, Final, cast

DROPPED: Final = object()
"""What :func:`cleaned` gives for a value that JSON cannot say."""

_DEEPEST = 32
_WIDEST_INT = 1024
"""Bits; json.dumps refuses numbers of more than 4300 digits."""
_LISTS = (list, tuple, AbstractSet, ValuesView)


def cleaned(value: Any, _path: tuple[int, ...] = ()) -> Any:
    """Give *value* as plain JSON, or :data:`DROPPED`.

    Enum members become their value, paths and str subclasses plain text, numpy scalars numbers, sets sorted
    lists. NaN, infinities, functions, bytes and other objects are dropped, from lists and objects too.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, enum.Enum):
        return cleaned(value.value, _path)
    if isinstance(value, str | int | float | PurePath):
        return _cleaned_scalar(value)
    if isinstance(value, type) or id(value) in _path or len(_path) > _DEEPEST:
        return DROPPED
    return _cleaned_container(value, (*_path, id(value)))


def _cleaned_container(value: Any, path: tuple[int, ...]) -> Any:
    if isinstance(value, Mapping):
        return _cleaned_object(value, path)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, _LISTS):
        return _cleaned_list(value, path)  # pyright: ignore[reportUnknownArgumentType]
    plain = getattr(value, "tolist", None)  # numpy and torch, neither of which is imported for this
    return cleaned(plain(), path) if callable(plain) else DROPPED


def _cleaned_scalar(value: str | float | PurePath) -> Any:
    if isinstance(value, str):
        return str.__str__(value)  # packs override == and != of str to make a wildcard type
    if isinstance(value, int):
        return int.__int__(value) if int.bit_length(value) <= _WIDEST_INT else DROPPED
    if isinstance(value, float):
        return float.__float__(value) if math.isfinite(value) else DROPPED
    return str(value)


def _cleaned_object(value: Mapping[Any, Any], path: tuple[int, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, item in value.items():
        name, content = cleaned(key), cleaned(item, path)
        if content is not DROPPED and isinstance(name, str | int | float):
            found[name if isinstance(name, str) else str(name)] = content
    return found


def _cleaned_list(value: Iterable[Any], path: tuple[int, ...]) -> list[Any]:
    items = [item for item in (cleaned(item, path) for item in value) if item is not DROPPED]
    return sorted(items, key=repr) if isinstance(value, AbstractSet) else items


def options_of(value: Any) -> tuple[Any, ...] | None:
    """Give the options of a COMBO, or None if *value* is no list of them."""
    if not is_listing(value):
        return None
    listing = list(cast("Iterable[Any]", value)) if isinstance(value, list | Mapping) else value
    if isinstance(listing, list) and all(type(item) is str for item in cast("list[Any]", listing)):
        return tuple(cast("list[str]", listing))
    listed = cleaned(listing)
    return tuple(cast("list[Any]", listed)) if isinstance(listed, list) else None


def is_listing(value: Any) -> bool:
    """Say whether *value* lists something: a list, tuple, set, view or mapping, or a numpy array."""
    return isinstance(value, (*_LISTS, Mapping)) or (
        not isinstance(value, str | type)
        and callable(getattr(value, "tolist", None))
        and truth(value, "shape")
    )


def number(value: Any) -> float | None:
    """Give *value* if it is a number; the type says float, an int stays one."""
    plain = cleaned(value)
    return plain if type(plain) in {int, float} else None


def text(value: Any) -> str | None:
    """Give *value* if it is text and not empty."""
    plain = cleaned(value)
    return plain if isinstance(plain, str) and plain else None


def truth(value: Any, attribute: str | None = None) -> bool:
    """Say whether *value* (or that attribute of it) counts as true; a value that will not say is false."""
    try:
        return bool(value if attribute is None else getattr(value, attribute, None))
    except Exception:
        return False
