"""Forgets what is too old or too much: whole sessions, and the oldest versions of one."""

from __future__ import annotations

import sqlite3

from ..values import Bounds, Session
from . import reads

BATCH = 5
"""Sessions forgotten in one transaction, so that nobody who writes waits long."""


def forget_expired(db: sqlite3.Connection, since: float) -> list[str]:
    """Forget a few of the sessions that were not used since; give their ids."""
    rows = db.execute(
        "SELECT seq, id FROM sessions WHERE used_at < ? ORDER BY used_at LIMIT ?", (since, BATCH)
    ).fetchall()
    for seq, _ in rows:
        forget(db, seq)
    return [session_id for _, session_id in rows]


def forget(db: sqlite3.Connection, seq: int) -> None:
    """Forget a session and all its versions."""
    for table in ("runs", "ops", "versions", "graphs"):
        db.execute(f"DELETE FROM {table} WHERE session = ?", (seq,))  # noqa: S608 - one of four names
    db.execute("DELETE FROM sessions WHERE seq = ?", (seq,))


def thin(db: sqlite3.Connection, seq: int, bounds: Bounds) -> None:
    """Forget the oldest versions of a session beyond *bounds*.

    The head stays, and the last that validated, the last that ran, and what a run is not yet over of.
    """
    over = _over(db, seq, bounds)
    if not any(over):
        return
    session = reads.by_seq(db, seq)
    rows = db.execute("SELECT n FROM versions WHERE session = ? ORDER BY n", (seq,)).fetchall()
    for (number,) in rows:
        if not any(over):
            return
        if not _needed(db, session, number):
            _forget_version(db, seq, number)
            over = _over(db, seq, bounds)


def _over(db: sqlite3.Connection, seq: int, bounds: Bounds) -> tuple[bool, bool]:
    """Say whether a session has too many versions, and whether it takes too much room."""
    many = False
    if bounds.versions is not None:
        there = db.execute("SELECT count(*) FROM versions WHERE session = ?", (seq,)).fetchone()[0]
        many = there > bounds.versions
    taken = db.execute("SELECT bytes FROM sessions WHERE seq = ?", (seq,)).fetchone()[0]
    return many, bounds.session_bytes is not None and taken > bounds.session_bytes


def _needed(db: sqlite3.Connection, session: Session, number: int) -> bool:
    if number in {session.version, session.last_valid, session.last_ran}:
        return True
    open_run = db.execute(
        "SELECT 1 FROM runs WHERE session = ? AND n = ? AND status IS NULL", (session.seq, number)
    ).fetchone()
    return open_run is not None


def _forget_version(db: sqlite3.Connection, seq: int, number: int) -> None:
    """Take a version out of the chain: undo and redo pass over it."""
    base, following, graph, valid, ran = db.execute(
        "SELECT base, next, graph, valid, ran FROM versions WHERE session = ? AND n = ?", (seq, number)
    ).fetchone()
    freed = db.execute(
        "SELECT coalesce(sum(length(body)), 0) FROM ops WHERE session = ? AND n = ?", (seq, number)
    )
    taken = freed.fetchone()[0]
    db.execute("UPDATE versions SET base = ? WHERE session = ? AND base = ?", (base, seq, number))
    if base is not None:
        db.execute(
            "UPDATE versions SET next = ? WHERE session = ? AND n = ? AND next = ?",
            (following, seq, base, number),
        )
    for near, was in (("near_valid", valid), ("near_ran", ran)):
        if was:
            db.execute(
                f"UPDATE versions SET {near} = (SELECT {near} FROM versions WHERE session = ? AND n = ?)"  # noqa: S608
                f" WHERE session = ? AND {near} = ?",
                (seq, base, seq, number),
            )
    for table in ("runs", "ops", "versions"):
        db.execute(f"DELETE FROM {table} WHERE session = ? AND n = ?", (seq, number))  # noqa: S608
    if db.execute("SELECT 1 FROM versions WHERE graph = ? LIMIT 1", (graph,)).fetchone() is None:
        taken += db.execute("SELECT length(body) FROM graphs WHERE id = ?", (graph,)).fetchone()[0]
        db.execute("DELETE FROM graphs WHERE id = ?", (graph,))
    db.execute("UPDATE sessions SET bytes = bytes - ? WHERE seq = ?", (taken, seq))
