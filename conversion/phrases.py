"""Texts that the page fills in when it sends a prompt: choices like ``{a|b}``, and ``%…%`` in names of files.

Source: ComfyUI's front end 1.49.6, ``processDynamicPrompt``, ``applyTextReplacements`` and ``formatDate``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime

Choose = Callable[[Sequence[str]], str]
"""Takes one of several texts."""

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n\r\u2028\u2029]*", re.DOTALL)
_ESCAPED = re.compile(r"\\([{}|])")
_PLACE = re.compile("%([^%]+)%")
_DATE = re.compile("dd?|MM?|hh?|mm?|ss?|yyy?y?")
_NOT_IN_NAMES = re.compile('[/?<>\\\\:*|"\x00-\x1f\x7f]')
_DEEPEST = 16
"""How deep choices may be nested."""


def chosen_text(given: str, choose: Choose, depth: int = 0) -> str:
    r"""Leave out comments, and take one of each ``{a|b}``, which may be nested; ``\{`` is a brace."""
    source = _COMMENT.sub("", given)
    if "{" not in source and "\\" not in source:
        return source
    found: list[str] = []
    at = 0
    while at < len(source):
        char = source[at]
        at += 1
        if char == "\\":
            found.append(source[at - 1 : at + 1])
            at += 1
        elif char == "{":
            options, at = _options(source, at)
            option = choose(options)
            found.append(chosen_text(option, choose, depth + 1) if depth < _DEEPEST else option)
        else:
            found.append(char)
    return _ESCAPED.sub(r"\1", "".join(found))


def _options(source: str, at: int) -> tuple[list[str], int]:
    """Read what stands in braces, from behind the first one; also gives where it ends."""
    options: list[str] = []
    option: list[str] = []
    depth = 0
    while at < len(source):
        char = source[at]
        at += 1
        if char == "\\":
            option.append(source[at - 1 : at + 1])
            at += 1
            continue
        if char == "}" and depth == 0:
            break
        depth += (char == "{") - (char == "}")
        if char == "|" and depth == 0:
            options.append("".join(option))
            option = []
        else:
            option.append(char)
    return [*options, "".join(option)], at


def filled(given: str, value_of: Callable[[str, str], object], now: datetime) -> str:
    """Fill in ``%date:FORMAT%`` and ``%NODE.WIDGET%``; *value_of* gives None for what is not there."""

    def fill(match: re.Match[str]) -> str:
        parts = match[1].split(".")
        if len(parts) != 2:
            return _date(parts[0][5:], now) if parts[0].startswith("date:") else match[0]
        value = value_of(parts[0], parts[1])
        return match[0] if value is None else _NOT_IN_NAMES.sub("_", _said(value))

    return _PLACE.sub(fill, given)


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _date(form: str, now: datetime) -> str:
    parts = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}

    def write(match: re.Match[str]) -> str:
        letters = match[0]
        if letters == "yy":
            return f"{now.year}"[2:]
        if letters == "yyyy":
            return str(now.year)
        return str(parts[letters[0]]).zfill(len(letters)) if letters[0] in parts else letters

    return _DATE.sub(write, form)
