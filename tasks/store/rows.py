"""Between values and rows: what is JSON is text in the row, or compressed where that is long."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..engine import Ending, NewTask, StoredTask
from ..webhooks import encoded, new_id
from . import marks

COLUMNS = (
    *("id", "seq", "kind", "origin", "status", "client", "priority", "attempt", "max_attempts", "created_at"),
    *("started_at", "finished_at", "not_before", "node", "cancel_requested", "batch_id", "retry_of", "rev"),
)
SELECT = (
    f"SELECT {', '.join('t.' + name for name in COLUMNS)},"
    f" d.request, d.metadata, d.result, d.error, {marks.SELECT}"
)
FROM = "FROM tasks t JOIN details d ON d.seq = t.seq"

TEMPLATE = "\x01template"
"""The label of a task's template; no key that a person writes is called so."""

LONG = 1024
"""Characters from which on JSON is worth compressing."""
LABEL = 200
"""Characters from which on a metadata value is kept in the index as its hash."""


def encode(value: Any) -> str | bytes:
    """Give JSON for a row. Always ASCII, for a lone surrogate cannot be bound."""
    text = json.dumps(value, separators=(",", ":"))
    return text if len(text) < LONG else zlib.compress(text.encode("ascii"), 1)


def decode(cell: str | bytes | None) -> Any:
    """Read what :func:`encode` gave; an empty object for NULL."""
    if cell is None or cell == "{}":
        return {}
    return json.loads(zlib.decompress(cell) if isinstance(cell, bytes) else cell)


class Packed:
    """A task ready to be written: made in a thread of its own, before the transaction."""

    __slots__ = ("graph", "graph_sha256", "labels", "metadata", "request")

    def __init__(
        self, request: Mapping[str, Any], metadata: Mapping[str, Any], graph: Mapping[str, Any] | None
    ) -> None:
        self.request = encode(request)
        self.metadata = encode(metadata)
        self.labels = labels(metadata, request)
        text = None if graph is None else json.dumps(graph, separators=(",", ":")).encode("ascii")
        self.graph_sha256 = None if text is None else hashlib.sha256(text).digest()
        self.graph = None if text is None else zlib.compress(text, 1)


def pack(tasks: Iterable[NewTask]) -> list[Packed]:
    """Encode new tasks."""
    return [Packed(task.request, task.metadata, task.graph) for task in tasks]


class PackedEnding:
    """An ending ready to be written. *result* may be set to None, to keep the last progress."""

    __slots__ = ("at", "deliveries", "empty", "error", "result", "status")

    def __init__(self, ending: Ending) -> None:
        self.status = ending.status
        self.at = ending.at
        self.empty = not ending.result
        self.result: str | bytes | None = encode(ending.result)
        self.error = None if ending.error is None else encode(ending.error)
        self.deliveries = [
            (new_id(), delivery.url, delivery.event, body(delivery.payload)) for delivery in ending.deliveries
        ]


def body(payload: Mapping[str, Any]) -> bytes:
    """Give a webhook's body; what JSON or UTF-8 lack becomes null or an escape, for the task must end."""
    try:
        return encoded(payload)
    except ValueError:
        clean = json.loads(json.dumps(payload), parse_constant=lambda _: None)
        return json.dumps(clean, separators=(",", ":")).encode("ascii")


def labels(metadata: Mapping[str, Any], request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give what can be asked for, as text: the top-level keys of *metadata*, and the template."""
    found = template_labels(request.get("template"))
    for name, value in metadata.items():
        if isinstance(value, str):
            found.append((label(name), label(value)))
        elif value is None or isinstance(value, bool | int | float):
            found.append((label(name), label(json.dumps(value))))
    return found


def template_labels(about: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Give the labels of a task that was made from a template, with and without its version."""
    if not about:
        return []
    name = str(about.get("name"))
    return [(TEMPLATE, label(name)), (TEMPLATE, label(f"{name}@{about.get('version')}"))]


def label(text: str) -> str:
    """Give a name or value as the index has it."""
    safe = text.encode("utf-8", "backslashreplace")
    return safe.decode() if len(safe) < LABEL else "sha256:" + hashlib.sha256(safe).hexdigest()


def read_task(row: Sequence[Any], graph: Mapping[str, Any] | None = None) -> StoredTask:
    """Give the task of a row of :data:`SELECT`."""
    fields = dict(zip(COLUMNS, row, strict=False))
    fields["cancel_requested"] = bool(fields["cancel_requested"])
    request, metadata, result, error, marked = row[len(COLUMNS) : len(COLUMNS) + 5]
    return StoredTask(
        **fields,
        request=decode(request),
        metadata=decode(metadata),
        result=decode(result),
        error=None if error is None else decode(error),
        graph=graph,
        marks=marks.read(marked),
    )


def graph_of(db: sqlite3.Connection, seq: int) -> bytes | None:
    """Give the compressed graph of a task, None if it has none."""
    found = db.execute(
        "SELECT g.body FROM tasks t JOIN graphs g ON g.id = t.graph WHERE t.seq = ?", (seq,)
    ).fetchone()
    return None if found is None else found[0]
