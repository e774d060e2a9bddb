"""What is written to the file, each in a transaction of its own."""

from __future__ import annotations

import sqlite3
from typing import Any

from ...tasks.engine import AlreadyRememberedError, Remembered
from ...tasks.store.retention import used_bytes
from ...tasks.store.rows import encode
from ...tasks.store.writer import Transaction
from ..summaries import back_to
from ..trouble import too_large, too_many
from ..values import (
    Bounds,
    Description,
    Edit,
    Move,
    NewSession,
    NewVersion,
    Packed,
    Remember,
    Rollback,
    Session,
)
from ..work import unpack
from . import reads, thinning

MOST_RUNS = 100
"""Ended runs that are kept of a session."""


def create(
    tx: Transaction, new: NewSession, bounds: Bounds, now: float, remember: Remember | None
) -> Session:
    """Keep a new session. Raises SESSION_LIMIT, SESSION_TOO_LARGE, AlreadyRememberedError."""
    if bounds.sessions is not None:
        since = bounds.kept_since(now)
        there = tx.db.execute("SELECT count(*) FROM sessions WHERE used_at >= ?", (since,)).fetchone()[0]
        if there >= bounds.sessions:
            raise too_many("max_sessions", bounds.sessions)
    about = new.about
    seq = tx.db.execute(
        "INSERT INTO sessions (id, label, parent, source, metadata, on_failure, head, latest, rev, seen,"
        " changed, bytes, created_at, updated_at, used_at) VALUES (?,?,?,?,?,?,1,1,1,0,?,0,?,?,?)",
        (
            *(new.id, _label(about.label), None if new.parent is None else encode(new.parent)),
            *(encode(new.source), encode(about.metadata), about.on_failure, tx.rev(), now, now, now),
        ),
    ).lastrowid
    assert seq is not None  # noqa: S101 - one row was inserted
    graph = _keep_graph(tx, seq, new.graph, bounds)
    _insert(
        tx.db,
        seq,
        n=1,
        kind="created",
        graph=graph,
        changes=0,
        summary=encode(new.summary),
        valid=new.valid,
        made_at=now,
    )
    return _remembered(tx, reads.by_seq(tx.db, seq), remember)


def change(
    tx: Transaction,
    session_id: str,
    rev: int,
    edit: Edit,
    bounds: Bounds,
    now: float,
    remember: Remember | None,
) -> Session | None:
    """Change a session, if its rev still is *rev*; None if it is not."""
    session = reads.find(tx.db, session_id, bounds.kept_since(now))
    if session.rev != rev:
        return None
    match edit:
        case NewVersion():
            _add(tx, session, edit, bounds, now)
        case Rollback():
            roll_back(tx.db, session, edit, now)
        case Move():
            _move(tx.db, session, edit)
        case Description():
            _describe(tx.db, session, edit)
    tx.db.execute(
        "UPDATE sessions SET rev = rev + 1, changed = ?, updated_at = ?, used_at = max(used_at, ?)"
        " WHERE seq = ?",
        (tx.rev(), now, now, session.seq),
    )
    if isinstance(edit, NewVersion | Rollback):
        thinning.thin(tx.db, session.seq, bounds)
    return _remembered(tx, reads.by_seq(tx.db, session.seq), remember)


def remove(tx: Transaction, session_id: str, rev: int | None, since: float) -> bool:
    """Forget a session; False if its rev is another than *rev*. Raises SESSION_NOT_FOUND."""
    session = reads.find(tx.db, session_id, since)
    if rev not in {None, session.rev}:
        return False
    thinning.forget(tx.db, session.seq)
    return True


def use(tx: Transaction, session_id: str, now: float) -> None:
    """Note that a session is used."""
    tx.db.execute(
        "UPDATE sessions SET used_at = ?, seen = seen + 1 WHERE id = ? AND used_at < ?",
        (now, session_id, now),
    )


def began(tx: Transaction, session_id: str, number: int, task_id: str, now: float) -> Session | None:
    """Note that a task runs a version."""
    found = tx.db.execute(
        "SELECT s.seq FROM sessions s JOIN versions v ON v.session = s.seq WHERE s.id = ? AND v.n = ?",
        (session_id, number),
    ).fetchone()
    if found is None:
        return None
    seq = found[0]
    tx.db.execute("INSERT OR IGNORE INTO runs VALUES (?,?,?,NULL)", (task_id, seq, number))
    news = tx.db.execute(
        "UPDATE versions SET valid = 1 WHERE session = ? AND n = ? AND valid IS NOT 1", (seq, number)
    ).rowcount
    if news:
        settle(tx.db, seq)
    tx.db.execute("UPDATE sessions SET used_at = max(used_at, ?), seen = seen + 1 WHERE seq = ?", (now, seq))
    tx.db.execute(
        "DELETE FROM runs WHERE rowid IN (SELECT rowid FROM runs WHERE session = ? AND status IS NOT NULL"
        " ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
        (seq, MOST_RUNS),
    )
    return reads.by_seq(tx.db, seq)


def ended(
    tx: Transaction, task_id: str, status: str, bounds: Bounds, now: float
) -> tuple[Session, bool] | None:
    """Note how a task ended, and go back from what failed if the session says so."""
    run = tx.db.execute(
        "SELECT r.session, r.n, v.graph, v.base FROM runs r"
        " JOIN versions v ON v.session = r.session AND v.n = r.n WHERE r.task_id = ? AND r.status IS NULL",
        (task_id,),
    ).fetchone()
    if run is None:
        return None
    seq, number, graph, base = run
    tx.db.execute("UPDATE runs SET status = ? WHERE task_id = ?", (status, task_id))
    tx.db.execute("UPDATE sessions SET seen = seen + 1 WHERE seq = ?", (seq,))
    if status == "succeeded":
        tx.db.execute("UPDATE versions SET ran = 1 WHERE graph = ?", (graph,))
        settle(tx.db, seq)
    session = reads.by_seq(tx.db, seq)
    if status != "failed" or session.on_failure != "rollback" or session.version != number:
        return session, False
    target = _resort(tx.db, seq, base, graph)
    if target is None:
        return session, False
    because = encode({"task_id": task_id, "version": number})
    roll_back(tx.db, session, Rollback(target, _differing(tx.db, seq, number, target)), now, because)
    tx.db.execute(
        "UPDATE sessions SET rev = rev + 1, changed = ?, updated_at = ? WHERE seq = ?", (tx.rev(), now, seq)
    )
    thinning.thin(tx.db, seq, bounds)
    return reads.by_seq(tx.db, seq), True


def roll_back(
    db: sqlite3.Connection, session: Session, edit: Rollback, now: float, because: str | bytes | None = None
) -> None:
    """Make a version with the workflow of another, which is there, the head."""
    graph, valid, same_as = db.execute(
        "SELECT graph, valid, coalesce(same_as, n) FROM versions WHERE session = ? AND n = ?",
        (session.seq, edit.to),
    ).fetchone()
    _insert(
        db,
        session.seq,
        n=session.latest + 1,
        base=session.version,
        kind="rollback",
        graph=graph,
        same_as=same_as,
        changes=edit.changes,
        summary=encode(back_to(edit.to, failed=session.version if because is not None else None)),
        valid=valid,
        because=because,
        made_at=now,
    )
    _set_head(db, session, session.latest + 1)


def keep_answer(db: sqlite3.Connection, answer: Remembered) -> None:
    """Keep what was answered to an Idempotency-Key. Raises AlreadyRememberedError."""
    first = reads.recall(db, answer.scope, answer.key, answer.created_at)
    if first is not None:
        raise AlreadyRememberedError(first)
    db.execute(
        "INSERT OR REPLACE INTO answers VALUES (?,?,?,?,?,?)",
        (
            *(answer.scope, answer.key, answer.body_sha256, answer.status),
            *(answer.created_at, encode(answer.answer)),
        ),
    )


def _add(tx: Transaction, session: Session, edit: NewVersion, bounds: Bounds, now: float) -> None:
    number = session.latest + 1
    _insert(
        tx.db,
        session.seq,
        n=number,
        base=session.version,
        kind=edit.kind,
        graph=_keep_graph(tx, session.seq, edit.graph, bounds),
        changes=edit.changes,
        summary=encode(edit.summary),
        valid=edit.valid,
        made_at=now,
    )
    if edit.ops is not None:
        tx.db.execute("INSERT INTO ops VALUES (?,?,?)", (session.seq, number, edit.ops))
        _count_bytes(tx.db, session.seq, len(edit.ops))
    _set_head(tx.db, session, number)


def _keep_graph(tx: Transaction, seq: int, packed: Packed, bounds: Bounds) -> int:
    """Keep a workflow once. Raises SESSION_TOO_LARGE, SESSION_LIMIT."""
    known = tx.db.execute(
        "SELECT id FROM graphs WHERE session = ? AND sha256 = ?", (seq, packed.sha256)
    ).fetchone()
    if known is not None:
        return int(known[0])
    size = len(packed.body)
    if bounds.session_bytes is not None and size > bounds.session_bytes:
        raise too_large(size, bounds.session_bytes)
    if bounds.store_bytes is not None and used_bytes(tx) + size > bounds.store_bytes:
        raise too_many("max_sessions_bytes", bounds.store_bytes)
    made = tx.db.execute(
        "INSERT INTO graphs (session, sha256, body) VALUES (?,?,?)", (seq, packed.sha256, packed.body)
    ).lastrowid
    assert made is not None  # noqa: S101 - one row was inserted
    _count_bytes(tx.db, seq, size)
    return made


def _move(db: sqlite3.Connection, session: Session, move: Move) -> None:
    if move.back:  # redo leads back the way that undo came
        db.executemany(
            "UPDATE versions SET next = ? WHERE session = ? AND n = ?",
            [(came, session.seq, base) for came, base in zip(move.path, move.path[1:], strict=False)],
        )
    db.execute("UPDATE sessions SET head = ? WHERE seq = ?", (move.path[-1], session.seq))


def _describe(db: sqlite3.Connection, session: Session, about: Description) -> None:
    values: dict[str, Any] = {
        "label": _label(about.label),
        "on_failure": about.on_failure,
        "metadata": encode(about.metadata),
    }
    for name in sorted(about.given):
        db.execute(
            f"UPDATE sessions SET {name} = ? WHERE seq = ?",  # noqa: S608 - one of three names
            (values[name], session.seq),
        )


def _set_head(db: sqlite3.Connection, session: Session, number: int) -> None:
    db.execute("UPDATE sessions SET head = ?, latest = ? WHERE seq = ?", (number, number, session.seq))


def settle(db: sqlite3.Connection, seq: int) -> None:
    """Find the nearest versions anew, after it was learned of one that it is valid, or ran."""
    rows = db.execute(
        "SELECT n, base, valid, ran, near_valid, near_ran FROM versions WHERE session = ? ORDER BY n", (seq,)
    ).fetchall()
    near: dict[int | None, tuple[int | None, int | None]] = {None: (None, None)}
    others: list[tuple[int | None, int | None, int, int]] = []
    for number, base, valid, ran, *were in rows:  # a base is always a smaller number
        back = near[base]
        found = near[number] = (number if valid else back[0], number if ran else back[1])
        if found != tuple(were):
            others.append((*found, seq, number))
    db.executemany("UPDATE versions SET near_valid = ?, near_ran = ? WHERE session = ? AND n = ?", others)


def _insert(db: sqlite3.Connection, seq: int, **fields: Any) -> None:
    number, base = fields["n"], fields.get("base")
    ran = db.execute(
        "SELECT 1 FROM versions WHERE graph = ? AND ran = 1 LIMIT 1", (fields["graph"],)
    ).fetchone()
    near = db.execute(
        "SELECT near_valid, near_ran FROM versions WHERE session = ? AND n = ?", (seq, base)
    ).fetchone() or (None, None)
    fields["ran"] = int(ran is not None)
    fields["near_valid"] = number if fields["valid"] else near[0]
    fields["near_ran"] = number if ran is not None else near[1]
    names = ("session", *fields)
    marks = ",".join("?" * len(names))
    db.execute(
        f"INSERT INTO versions ({', '.join(names)}) VALUES ({marks})",  # noqa: S608 - names of columns
        (seq, *fields.values()),
    )


def _count_bytes(db: sqlite3.Connection, seq: int, size: int) -> None:
    db.execute("UPDATE sessions SET bytes = bytes + ? WHERE seq = ?", (size, seq))


def _resort(db: sqlite3.Connection, seq: int, base: int | None, failed: int) -> int | None:
    """Give the version to go back to from a run that failed: the nearest that ran, else that validated."""
    if base is None:
        return None
    found = reads.nearest(db, seq, base, "ran", other_than=failed)
    return found if found is not None else reads.nearest(db, seq, base, "valid", other_than=failed)


def _differing(db: sqlite3.Connection, seq: int, one: int, other: int) -> int:
    from ...patch_engine import compare  # noqa: PLC0415 - seldom, and not at the start

    statement = (
        "SELECT g.body FROM versions v JOIN graphs g ON g.id = v.graph WHERE v.session = ? AND v.n = ?"
    )
    old, new = (unpack(db.execute(statement, (seq, number)).fetchone()[0]) for number in (one, other))
    return len(compare(old, new))


def _remembered(tx: Transaction, session: Session, remember: Remember | None) -> Session:
    if remember is not None:
        keep_answer(tx.db, remember(session))
    return session


def _label(label: str | None) -> str | bytes | None:
    return None if label is None else encode(label)
