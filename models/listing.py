"""Lists of models as JSON: searched, cut into pages, put together of parts that are ready."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from ..breath import Breath
from ..errors import InvalidRequest
from ..wire import dumps
from .details import Item
from .ready import Ready
from .scan import Entry


@dataclass(frozen=True, slots=True)
class Page:
    """Some files of a folder, and where to go on."""

    entries: Sequence[Entry]
    next_cursor: str | None

    def body(self, folder: str, items: Sequence[Item] | None) -> Ready:
        """Encode: model objects where there are *items*, else names."""
        shown = [dumps(entry.name).encode() for entry in self.entries] if items is None else _bodies(items)
        cursor = dumps(self.next_cursor).encode()
        listed = b",".join(shown)
        return Ready(
            b'{"folder":%s,"items":[%s],"next_cursor":%s}' % (dumps(folder).encode(), listed, cursor)
        )


def page_of(entries: Sequence[Entry], names: Collection[str] | None, limit: int, cursor: str | None) -> Page:
    """Give *limit* files after *cursor*, of those in *names* unless that is None.

    Raises InvalidRequest for a cursor that no page gave.
    """
    begin = 0 if cursor is None else bisect_right(entries, _decoded(cursor), key=attrgetter("key"))
    found: list[Entry] = []
    breath = Breath()
    for place in range(begin, len(entries)):
        breath.take()
        if names is None or entries[place].name in names:
            if len(found) == limit:
                return Page(found, _encoded(found[-1].key))
            found.append(entries[place])
    return Page(found, None)


def found_names(items: Sequence[Item], q: str) -> set[str]:
    """Give the names of the files that have all words of *q* in their name, folder or header."""
    return {item.entry.name for item in _found(items, q)}


def whole(found: Mapping[str, Sequence[Item]], q: str | None, detail: bool, last: Ready | None) -> Ready:
    """Encode ``{folder: […]}`` of what *q* finds; folders without a find are left out where there is a *q*.

    Gives *last* where it is the same.
    """
    breath = Breath()
    parts: list[bytes] = []
    for folder, items in found.items():
        some = _found(items, q) if q else items
        if q and not some:
            continue
        shown = _bodies(some) if detail else [dumps(item.entry.name).encode() for item in some]
        parts.append(dumps(folder).encode() + b":[" + b",".join(shown) + b"]")
        breath.take()
    body = b"{" + b",".join(parts) + b"}"
    return last if last is not None and last.body == body else Ready(body)


def _found(items: Sequence[Item], q: str) -> list[Item]:
    words = q.casefold().split()
    found: list[Item] = []
    breath = Breath()
    for item in items:
        breath.take()
        if all(word in item.words for word in words):
            found.append(item)
    return found


def _bodies(items: Sequence[Item]) -> list[bytes]:
    return [item.body for item in items]


def _encoded(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> str:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidRequest(
            "INVALID_REQUEST",
            "cursor must be the next_cursor of another page.",
            details={"fields": {"cursor": "no next_cursor"}},
        ) from None
