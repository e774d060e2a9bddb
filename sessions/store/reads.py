"""What is read from the file: rows to values."""

# ruff: noqa: S608 - statements are put together of texts in this file alone

from __future__ import annotations

import sqlite3
from typing import Any, Literal

from ...tasks.engine import Remembered
from ...tasks.store.rows import decode
from ..trouble import no_session, no_version
from ..values import Run, Session, Version

DAY_S = 86_400.0

_SESSION = (
    "SELECT s.seq, s.id, s.label, s.parent, s.source, s.head, s.latest, s.rev, s.seen, s.changed,"
    " s.created_at, s.updated_at, s.used_at, s.on_failure, s.metadata, v.base, v.next, v.valid,"
    " v.near_valid, v.near_ran"
    " FROM sessions s JOIN versions v ON v.session = s.seq AND v.n = s.head"
)
_VERSION = (
    "SELECT v.n, v.base, v.kind, v.same_as, v.changes, v.summary, v.made_at, v.valid, v.ran, v.because,"
    " v.session, {} FROM versions v JOIN graphs g ON g.id = v.graph"
)
_BACK = (
    "WITH RECURSIVE back (n, base, hit, graph) AS ("
    " SELECT n, base, {hit}, graph FROM versions WHERE session = :session AND n = :n"
    " UNION ALL"
    " SELECT v.n, v.base, v.{hit}, v.graph FROM back"
    " JOIN versions v ON v.session = :session AND v.n = back.base"
    ") SELECT n FROM back WHERE hit = 1 AND graph <> :graph LIMIT 1"
)

What = Literal["valid", "ran"]


def find(db: sqlite3.Connection, session_id: str, since: float) -> Session:
    """Give a session that was used after *since*. Raises SESSION_NOT_FOUND."""
    row = db.execute(f"{_SESSION} WHERE s.id = ? AND s.used_at >= ?", (session_id, since)).fetchone()
    if row is None:
        raise no_session(session_id)
    return _session(db, row)


def by_seq(db: sqlite3.Connection, seq: int) -> Session:
    """Give a session that is there."""
    return _session(db, db.execute(f"{_SESSION} WHERE s.seq = ?", (seq,)).fetchone())


def page(
    db: sqlite3.Connection, limit: int, before: int | None, since: float
) -> tuple[list[Session], int | None]:
    """Give sessions that were used after *since*, the one changed last first."""
    where, values = "s.used_at >= ?", [since, limit + 1]
    if before is not None:
        where, values = f"{where} AND s.changed < ?", [since, before, limit + 1]
    rows = db.execute(f"{_SESSION} WHERE {where} ORDER BY s.changed DESC LIMIT ?", values).fetchall()
    found = [_session(db, row) for row in rows[:limit]]
    return found, found[-1].changed if len(rows) > limit else None


def version(db: sqlite3.Connection, session: Session, number: int) -> tuple[Version, bytes]:
    """Give a version with its workflow. Raises VERSION_NOT_FOUND."""
    row = db.execute(
        f"{_VERSION.format('g.body')} WHERE v.session = ? AND v.n = ?", (session.seq, number)
    ).fetchone()
    if row is None:
        oldest = db.execute("SELECT min(n) FROM versions WHERE session = ?", (session.seq,)).fetchone()[0]
        raise no_version(session, number, oldest)
    return _version(db, row), row[-1]


def versions(
    db: sqlite3.Connection, session: Session, limit: int, before: int | None
) -> tuple[list[Version], int | None]:
    """Give versions, the newest first."""
    rows = db.execute(
        f"{_VERSION.format('NULL')} WHERE v.session = ? AND v.n < ? ORDER BY v.n DESC LIMIT ?",
        (session.seq, session.latest + 1 if before is None else before, limit + 1),
    ).fetchall()
    found = [_version(db, row) for row in rows[:limit]]
    return found, found[-1].number if len(rows) > limit else None


def path(db: sqlite3.Connection, session: Session, steps: int, *, back: bool) -> tuple[int, ...]:
    """Give the head and up to *steps* versions that undo or redo leads to."""
    column = "base" if back else "next"
    found = [session.version]
    while len(found) <= steps:
        row = db.execute(
            f"SELECT {column} FROM versions WHERE session = ? AND n = ?",
            (session.seq, found[-1]),
        ).fetchone()
        if row is None or row[0] is None:
            break
        found.append(row[0])
    return tuple(found)


def nearest(db: sqlite3.Connection, seq: int, number: int, what: What, *, other_than: int) -> int | None:
    """Give the nearest version back from *number*, itself included, that is so and has another graph."""
    statement = _BACK.format(hit=what)
    row = db.execute(statement, {"session": seq, "n": number, "graph": other_than}).fetchone()
    return None if row is None else int(row[0])


def open_runs(db: sqlite3.Connection, session_id: str) -> list[Run]:
    """Give the runs of which it is not known how they ended."""
    rows = db.execute(
        "SELECT r.task_id, r.n, r.status FROM runs r JOIN sessions s ON s.seq = r.session"
        " WHERE s.id = ? AND r.status IS NULL ORDER BY r.rowid",
        (session_id,),
    )
    return [Run(*row) for row in rows]


def recall(db: sqlite3.Connection, scope: str, key: str, now: float) -> Remembered | None:
    """Give what was answered to this Idempotency-Key within the last day."""
    row = db.execute(
        "SELECT scope, key, body_sha256, status, answer, created_at FROM answers"
        " WHERE scope = ? AND key = ? AND created_at > ?",
        (scope, key, now - DAY_S),
    ).fetchone()
    if row is None:
        return None
    *about, answer, created_at = row
    return Remembered(*about, answer=decode(answer), created_at=created_at)


def _session(db: sqlite3.Connection, row: tuple[Any, ...]) -> Session:
    seq, session_id, label, parent, source, head, latest, rev, seen, changed = row[:10]
    created_at, updated_at, used_at, on_failure, metadata, base, following, valid, near_valid, near_ran = row[
        10:
    ]
    return Session(
        seq=seq,
        id=session_id,
        label=_or_none(label),
        parent=_or_none(parent),
        source=decode(source),
        version=head,
        latest=latest,
        rev=rev,
        seen=seen,
        changed=changed,
        created_at=created_at,
        updated_at=updated_at,
        used_at=used_at,
        on_failure=on_failure,
        metadata=decode(metadata),
        base=base,
        following=following,
        valid=_flag(valid),
        last_valid=_newest(db, seq, "valid") if near_valid is None else near_valid,
        last_ran=_newest(db, seq, "ran") if near_ran is None else near_ran,
        last_run=_run(db, seq, None),
        running=_running(db, seq),
    )


def _version(db: sqlite3.Connection, row: tuple[Any, ...]) -> Version:
    number, base, kind, same_as, changes, summary, made_at, valid, ran, because, seq, *_ = row
    return Version(
        number=number,
        base=base,
        kind=kind,
        same_as=same_as,
        changes=changes,
        summary=decode(summary),
        made_at=made_at,
        valid=_flag(valid),
        ran=bool(ran),
        run=_run(db, seq, number),
        because=_or_none(because),
    )


def _newest(db: sqlite3.Connection, seq: int, what: What) -> int | None:
    found = db.execute(f"SELECT max(n) FROM versions WHERE session = ? AND {what} = 1", (seq,)).fetchone()
    return found[0]


def _run(db: sqlite3.Connection, seq: int, number: int | None) -> Run | None:
    """Give the newest run of a version, or of any."""
    row = db.execute(
        "SELECT task_id, n, status FROM runs WHERE session = :seq AND (:n IS NULL OR n = :n)"
        " ORDER BY rowid DESC LIMIT 1",
        {"seq": seq, "n": number},
    ).fetchone()
    return None if row is None else Run(*row)


def _running(db: sqlite3.Connection, seq: int) -> bool:
    row = db.execute("SELECT 1 FROM runs WHERE session = ? AND status IS NULL LIMIT 1", (seq,)).fetchone()
    return row is not None


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _or_none(cell: str | bytes | None) -> Any:
    return None if cell is None else decode(cell)
