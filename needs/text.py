"""Reading what strangers wrote: every helper takes anything and gives a sound value or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from ..modelfiles.formats import FORMATS

SUFFIXES = tuple(suffix for suffix, about in FORMATS.items() if about.kind in {"model", "pickle"})
"""Suffixes of model files."""

EMBEDDING_SUFFIXES = (".safetensors", ".pt", ".bin")
"""What ComfyUI tries behind the name of an embedding (comfy/sd1_clip.py, ``load_embed``)."""

_LONGEST_NAME = 512
_LONGEST_SUFFIX = max(map(len, SUFFIXES))
_MOST_VALUES = 10_000
"""How many values inside one widget are looked at."""
_EMBEDDING = re.compile(r"(?:^|(?<=[\s()]))embedding:((?:\\[()]|[^\s<\[():,])+)")
_SHA256 = re.compile("[0-9a-fA-F]{64}")


def text(value: Any, most: int = _LONGEST_NAME) -> str | None:
    """Give *value* if it is text of 1 to *most* characters that UTF-8 can hold (no lone surrogates)."""
    if not isinstance(value, str) or not 0 < len(value) <= most:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def ident(value: Any) -> str | None:
    """Give a node's id as text; UI format writes most as numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if -(2**63) < value < 2**63 else None
    return text(value, 200)


def member(value: Any, key: str) -> Any:
    """Give a member of an object; None where there is none, or *value* is no object."""
    return cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None


def items(value: Any) -> list[Any]:
    """Give a list as it is, anything else as an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def sha256_of(value: Any, kind: Any) -> str | None:
    """Give a hash if *kind* says that it is a SHA-256 and it looks like one."""
    if not isinstance(kind, str) or kind.upper().replace("-", "") != "SHA256":
        return None
    return value.lower() if isinstance(value, str) and _SHA256.fullmatch(value) else None


def normal(name: str) -> str:
    """Give a file's name with ``/`` between its parts; Windows writes backslashes."""
    return name.replace("\\", "/")


def base(name: str) -> str:
    """Give the last part of a :func:`normal` name."""
    return name.rpartition("/")[2]


def stem(name: str) -> str:
    """Give a name without the suffix of a model file, if it has one."""
    suffix = next((each for each in SUFFIXES if name.lower().endswith(each)), "")
    return name[: len(name) - len(suffix)]


def has_suffix(value: str) -> bool:
    """Say whether it ends as model files do."""
    return value[-_LONGEST_SUFFIX:].lower().endswith(SUFFIXES)


def is_file(value: str) -> bool:
    """Say whether it reads like the name of a model file: neither a URL nor several lines."""
    return has_suffix(value) and "\n" not in value and "://" not in value and text(value) is not None


def file_names(key: str | None, value: Any) -> Iterator[tuple[str | None, str, bool]]:
    """Give each name of a model file in a value, however it is nested: (key, name, whether it is on).

    What lies in an object that says ``"on": false`` is off: so the loaders of several LoRAs write it.
    """
    stack: list[tuple[str | None, Any, bool]] = [(key, value, True)]
    for _ in range(_MOST_VALUES):
        if not stack:
            return
        key, value, on = stack.pop()
        if isinstance(value, str):
            if is_file(value):
                yield key, value, on
        elif isinstance(value, dict):
            inside = cast("dict[str, Any]", value)
            on = on and inside.get("on") is not False
            stack.extend((text(name), item, on) for name, item in inside.items())
        elif isinstance(value, list):
            stack.extend((key, item, on) for item in cast("list[Any]", value))


def embeddings_in(value: Any) -> Iterator[str]:
    """Give the names that a prompt calls as ``embedding:name``.

    ComfyUI takes the word where it stands alone or opens a bracket, up to a space, ``<`` or ``[``; a comma
    behind it and a weight (``:1.2``) are no part of the name (comfy/sd1_clip.py, ``tokenize_with_weights``).
    """
    if isinstance(value, str) and "embedding:" in value:
        for found in _EMBEDDING.finditer(value):
            name = text(found[1].replace("\\(", "(").replace("\\)", ")"))
            if name is not None:
                yield name
