"""Pages of templates. Blocks: for threads."""

from __future__ import annotations

from itertools import islice

from ..errors import JSON, InvalidRequest
from .shelf import Row, Shelf
from .values import is_name


def page_of(shelf: Shelf, q: str, kind: str | None, tag: str | None, limit: int, cursor: str | None) -> JSON:
    """Give *limit* templates after *cursor*, by name, of those that are as asked for.

    All words of *q* must be in a template's name, title, description, tags or base models, case ignored. A
    file that is none is found by its name alone, and has no kind and no tag. Raises InvalidRequest for a
    cursor of no page.
    """
    if cursor is not None and not is_name(cursor):
        raise InvalidRequest(
            "INVALID_REQUEST",
            "cursor must be the next_cursor of another page.",
            details={"fields": {"cursor": "no next_cursor"}},
        )
    words = q.casefold().split()
    found = (
        {**row.to_json(), "versions": count}
        for row, count in shelf.newest()
        if (cursor is None or row.name > cursor) and _is_wanted(row, words, kind, tag)
    )
    items = list(islice(found, limit + 1))
    more = len(items) > limit
    return {"items": items[:limit], "next_cursor": items[limit - 1]["name"] if more else None}


def _is_wanted(row: Row, words: list[str], kind: str | None, tag: str | None) -> bool:
    about = row.about or {}
    if kind is not None and about.get("kind") != kind:
        return False
    if tag is not None and tag not in about.get("tags", ()):
        return False
    texts = [row.name, about.get("title") or "", about.get("description") or ""]
    texts += [*about.get("tags", ()), *about.get("base_models", ())]
    text = "\n".join(texts).casefold()
    return all(word in text for word in words)
