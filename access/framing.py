"""How long the body of an answer is, as its headers say. Pure.

Stricter than RFC 9112 asks of clients: where two readers could disagree about a body's end, it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_LENGTH = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Framing:
    """*length* in bytes; None: until the last chunk if *chunked*, else until the connection closes."""

    length: int | None
    chunked: bool = False


def framing(method: str, status: int, headers: Iterable[tuple[str, str]]) -> Framing:
    """Say how the body of an answer is framed. Raises ValueError with what is wrong, for people to read."""
    lengths, codings, encodings = list[str](), list[str](), list[str]()
    gathered = {"content-length": lengths, "transfer-encoding": codings, "content-encoding": encodings}
    for name, value in headers:
        if name.lower() in gathered:
            gathered[name.lower()].append(value.strip(" \t"))
    if method == "HEAD" or status in {204, 304}:
        return Framing(0)
    if any(each.lower() not in {"", "identity"} for each in encodings):
        raise ValueError("sent a compressed body unasked")
    if codings:
        if lengths:
            raise ValueError("sent both Content-Length and Transfer-Encoding")
        if [each.lower() for each in codings] != ["chunked"]:
            raise ValueError("sent a Transfer-Encoding that is not chunked")
        return Framing(None, chunked=True)
    if not lengths:
        return Framing(None)
    if len(lengths) > 1 or _LENGTH.fullmatch(lengths[0]) is None:
        raise ValueError("sent a Content-Length that is not one number")
    return Framing(int(lengths[0]))
