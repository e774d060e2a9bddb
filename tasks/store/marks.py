"""What people note of outputs: rows of their own beside tasks, which never change once they have ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from ..engine import Mark, Query
from .writer import Transaction

NAMES = tuple(field.name for field in fields(Mark))
assert NAMES[-1] == "filename"  # noqa: S101 - the one that is written otherwise

_CELLS = "||'/'||".join(("m.place", *(f"coalesce(m.{name},'')" for name in NAMES[:-1]), "hex(m.filename)"))
SELECT = f"(SELECT group_concat({_CELLS},'/') FROM marks m WHERE m.seq = t.seq)"  # noqa: S608
"""All marks of a task in one cell of its row; a file's name, which may have anything in it, as hex digits."""


def read(cell: str | None) -> dict[int, Mark]:
    """Give the marks in a cell of :data:`SELECT`, by the number of the output."""
    parts = cell.split("/") if cell else []
    width = len(NAMES) + 1
    return {
        int(parts[start]): _mark(*parts[start + 1 : start + width]) for start in range(0, len(parts), width)
    }


def _mark(favourite: str, rating: str, deleted_at: str, trashed: str, filename: str) -> Mark:
    return Mark(
        favourite=favourite == "1",
        rating=rating or None,  # pyright: ignore[reportArgumentType] - only such are written
        deleted_at=float(deleted_at) if deleted_at else None,
        trashed=trashed or None,
        filename=bytes.fromhex(filename).decode() or None,
    )


def change(tx: Transaction, task_id: str, place: int, changes: Mapping[str, Any]) -> Mark | None:
    """Change the mark of an output; gives it as it is then, None if no finished task has this id."""
    found = tx.db.execute(
        "SELECT seq FROM tasks WHERE id=? AND finished_at IS NOT NULL", (task_id,)
    ).fetchone()
    if found is None:
        return None
    seq = int(found[0])
    mark = replace(of(tx.db, seq).get(place, Mark()), **changes)
    put(tx.db, seq, {place: mark})
    tx.db.execute("UPDATE tasks SET rev=? WHERE seq=?", (tx.rev(), seq))
    return mark


def of(db: sqlite3.Connection, seq: int) -> dict[int, Mark]:
    """Give the marks of a task."""
    row = db.execute(f"SELECT {SELECT} FROM tasks t WHERE t.seq=?", (seq,)).fetchone()  # noqa: S608
    return read(row[0] if row else None)


def put(db: sqlite3.Connection, seq: int, marks: Mapping[int, Mark]) -> None:
    """Write marks; one that says nothing any more goes."""
    db.executemany("DELETE FROM marks WHERE seq=? AND place=?", [(seq, place) for place in marks])
    names, signs = ",".join(NAMES), ",".join("?" * len(NAMES))
    db.executemany(
        f"INSERT INTO marks (seq, place, {names}) VALUES (?,?,{signs})",  # noqa: S608
        [(seq, place, *asdict(mark).values()) for place, mark in marks.items() if mark != Mark()],
    )


def wanted(query: Query) -> tuple[str, list[Any]] | None:
    """Give the condition for tasks ``t`` by the marks of their outputs; None if it is not asked for.

    Deleted outputs do not count.
    """
    if query.favourite is None and query.rating is None:
        return None
    conditions: list[str] = []
    if query.favourite is False:
        conditions.append(f"t.seq NOT IN ({_TASKS} m.favourite=1)")
    rated = "" if query.rating is None else "m.rating=?"
    loved = "m.favourite=1" if query.favourite else ""
    if rated or loved:
        conditions.append(f"t.seq IN ({_TASKS} {' AND '.join(filter(None, (rated, loved)))})")
    return " AND ".join(conditions), [] if query.rating is None else [query.rating]


_TASKS = "SELECT m.seq FROM marks m WHERE m.deleted_at IS NULL AND"
