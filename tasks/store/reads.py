"""What is read of tasks. Each function takes a connection and finds its way by an index."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from ..engine import Query, Remembered
from ..task import FINISHED, STATUSES
from . import marks
from .rows import FROM, SELECT, TEMPLATE, label

DAY_S = 86_400.0
"""How long an answer to an Idempotency-Key is kept."""

MANY = 500
"""Values in one IN (…): SQLite before 3.32 takes 999."""

Row = tuple[Any, ...]

UNFINISHED = tuple(status for status in STATUSES if status not in FINISHED)


def one(db: sqlite3.Connection, key: str | int) -> Row | None:
    """Give the row of the task with this id or seq."""
    column = "id" if isinstance(key, str) else "seq"
    return db.execute(f"{SELECT} {FROM} WHERE t.{column}=?", (key,)).fetchone()


def many(db: sqlite3.Connection, keys: Sequence[str | int]) -> list[Row]:
    """Give the rows of the tasks with these ids or seqs (not both), the newest first."""
    column = "id" if keys and isinstance(keys[0], str) else "seq"
    keys = list(dict.fromkeys(keys))
    found: list[Row] = []
    for start in range(0, len(keys), MANY):
        part = keys[start : start + MANY]
        found += db.execute(f"{SELECT} {FROM} WHERE t.{column} IN ({_marks(part)})", part)
    return sorted(found, key=lambda row: row[1], reverse=True)


def changes(db: sqlite3.Connection, since: int) -> tuple[list[Row], int]:
    """Give the tasks changed after *since* (with 0: the unfinished ones) and the newest rev."""
    newest = int(db.execute("SELECT value FROM counters WHERE name='rev'").fetchone()[0])
    # The index is named: for the order by seq SQLite would walk over all tasks instead.
    if since > 0:
        source = "tasks t INDEXED BY tasks_rev JOIN details d ON d.seq = t.seq WHERE t.rev > ?"
        values: tuple[Any, ...] = (since,)
    else:
        source = (
            "tasks t INDEXED BY tasks_status JOIN details d ON d.seq = t.seq"
            f" WHERE t.status IN ({_marks(UNFINISHED)})"
        )
        values = UNFINISHED
    rows = db.execute(f"{SELECT} FROM {source}", values).fetchall()
    return sorted(rows, key=lambda row: row[1]), newest


def counts(db: sqlite3.Connection, batch_id: str | None) -> dict[str, int]:
    """Count by status, zeros included: all of a batch, or all that is unfinished."""
    if batch_id is None:
        found: dict[str, int] = dict.fromkeys(UNFINISHED, 0)
        rows = db.execute(
            f"SELECT status, count(*) FROM tasks WHERE status IN ({_marks(UNFINISHED)}) GROUP BY status",  # noqa: S608
            UNFINISHED,
        )
    else:
        found = dict.fromkeys(STATUSES, 0)
        rows = db.execute("SELECT status, count(*) FROM tasks WHERE batch_id=? GROUP BY status", (batch_id,))
    found.update(rows.fetchall())
    return found


def page(db: sqlite3.Connection, query: Query) -> tuple[list[Row], int | None]:
    """Give a page of a list and the seq to go on before."""
    found = [row[0] for sql, values in page_sql(query) for row in db.execute(sql, values)]
    found.sort(reverse=True)
    shown = found[: query.limit]
    return many(db, shown), shown[-1] if len(found) > query.limit and shown else None


def page_sql(query: Query) -> list[tuple[str, list[Any]]]:
    """Give statements that find seqs; the greatest of all they find are the page, and one more.

    A list by status or kind reads one range of an index for each combination, in order already; one
    statement with IN would sort all that is in them.
    """
    labels = _labels_of(query)
    common = _common(query)
    for pair in labels[1:]:
        common.add("EXISTS (SELECT 1 FROM labels m WHERE m.name=? AND m.value=? AND m.seq=t.seq)", *pair)
    if labels or query.batch_id is not None or query.favourite or query.rating is not None:
        # Far fewer than there are tasks of any sort.
        for column, wanted in (("status", query.statuses), ("kind", query.kinds)):
            if wanted:  # the + keeps SQLite from choosing another index
                common.add(f"+t.{column} IN ({_marks(wanted)})", *wanted)
        if labels:
            if query.batch_id is not None:
                common.add("+t.batch_id=?", query.batch_id)
            common.add("l.name=? AND l.value=? AND l.seq < ?", *labels[0], common.values[0])
            return [common.page("labels l CROSS JOIN tasks t ON t.seq = l.seq", query.limit, order="l.seq")]
        if query.batch_id is None:
            return [common.page("tasks t NOT INDEXED", query.limit)]
        common.add("t.batch_id=?", query.batch_id)
        return [common.page("tasks t INDEXED BY tasks_batch", query.limit)]
    statuses = tuple(dict.fromkeys(query.statuses or (STATUSES if query.kinds else ())))
    if not statuses:
        return [common.page("tasks t NOT INDEXED", query.limit)]
    if not query.kinds:
        by_status = (_Where(common).add("t.status=?", status) for status in statuses)
        return [where.page("tasks t INDEXED BY tasks_status", query.limit) for where in by_status]
    by_kind = (
        _Where(common).add("t.kind=? AND t.status=?", kind, status)
        for kind in dict.fromkeys(query.kinds)
        for status in statuses
    )
    return [where.page("tasks t INDEXED BY tasks_kind", query.limit) for where in by_kind]


def _common(query: Query) -> _Where:
    """Give what holds for every way to a page: where it begins, since when, and what is noted of outputs."""
    common = _Where().add("t.seq < ?", 2**63 - 1 if query.before is None else query.before)
    if query.since is not None:
        common.add("t.created_at >= ?", query.since)
        common.add(
            "t.seq >= (SELECT min(c.seq) FROM tasks c INDEXED BY tasks_created WHERE c.created_at >= ?)",
            query.since,
        )
    marked = marks.wanted(query)
    return common if marked is None else common.add(marked[0], *marked[1])


def _labels_of(query: Query) -> list[tuple[str, str]]:
    template = [] if query.template is None else [(TEMPLATE, label(query.template))]
    return [*template, *((label(name), label(value)) for name, value in query.metadata.items())]


def recall(db: sqlite3.Connection, scope: str, key: str, now: float) -> Remembered | None:
    """Give the answer to an Idempotency-Key, unless it is older than a day."""
    row = db.execute(
        "SELECT scope, key, body_sha256, status, answer, created_at FROM answers"
        " WHERE scope=? AND key=? AND created_at > ?",
        (scope, key, now - DAY_S),
    ).fetchone()
    return None if row is None else Remembered(*row)


class _Where:
    """Conditions, and the values for their marks in the same order."""

    def __init__(self, other: _Where | None = None) -> None:
        self.conditions: list[str] = [] if other is None else list(other.conditions)
        self.values: list[Any] = [] if other is None else list(other.values)

    def add(self, condition: str, *values: Any) -> _Where:
        self.conditions.append(condition)
        self.values += values
        return self

    def page(self, source: str, limit: int, *, order: str = "t.seq") -> tuple[str, list[Any]]:
        """Give the statement for a page and one more, and its values."""
        where = " AND ".join(self.conditions)
        sql = f"SELECT t.seq FROM {source} WHERE {where} ORDER BY {order} DESC LIMIT ?"  # noqa: S608
        return sql, [*self.values, limit + 1]


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
