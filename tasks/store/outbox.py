"""The webhooks that wait: what ``tasks.webhooks.Outbox`` asks for, inside the same file."""

from __future__ import annotations

import sqlite3

from ..webhooks import LEASE_S, Delivery
from .writer import Transaction

FIRST_OF_ITS_TASK = (
    "NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.task_id=d.task_id AND e.state='pending'"
    " AND e.url=d.url AND e.number<d.number)"
)
"""The order of a task's events is kept."""


def due(tx: Transaction, owner: str, now: float, limit: int) -> list[Delivery]:
    """Take what is due; nobody else is given it for LEASE_S."""
    rows = tx.db.execute(
        "SELECT id, task_id, url, event, payload, attempt, created_at"  # noqa: S608
        " FROM deliveries d INDEXED BY deliveries_due"
        " WHERE state='pending' AND next_at<=? AND (owner IS NULL OR owner_until<=?)"
        f" AND {FIRST_OF_ITS_TASK} ORDER BY next_at LIMIT ?",
        (now, now, limit),
    ).fetchall()
    tx.db.executemany(
        "UPDATE deliveries SET owner=?, owner_until=? WHERE id=?",
        [(owner, now + LEASE_S, row[0]) for row in rows],
    )
    return [Delivery(*row) for row in rows]


def give_back(tx: Transaction, owner: str, deliveries: list[Delivery]) -> None:
    """Let others take what was taken and never came to who asked."""
    tx.db.executemany(
        "UPDATE deliveries SET owner=NULL, owner_until=NULL WHERE id=? AND owner=?",
        [(delivery.id, owner) for delivery in deliveries],
    )


def delivered(tx: Transaction, delivery_id: str, attempt: int, status: int, now: float) -> None:
    """It arrived, whoever brought it: it is never sent again."""
    _settle(tx, delivery_id, "delivered", attempt, status, None, now)


def dead(tx: Transaction, delivery_id: str, attempt: int, reason: str, now: float) -> None:
    """It is given up."""
    _settle(tx, delivery_id, "dead", attempt, None, reason, now)


def retry(tx: Transaction, owner: str, delivery_id: str, attempt: int, at: float, reason: str) -> None:
    """Try again, unless another process has taken it meanwhile."""
    tx.db.execute(
        "UPDATE deliveries SET attempt=?, next_at=?, reason=?, owner=NULL, owner_until=NULL"
        " WHERE id=? AND state='pending' AND (owner IS NULL OR owner=?)",
        (attempt, at, reason, delivery_id, owner),
    )


def next_due(db: sqlite3.Connection) -> float | None:
    """Say when :func:`due` may next give something."""
    free = db.execute(
        "SELECT next_at FROM deliveries d INDEXED BY deliveries_due"  # noqa: S608
        f" WHERE state='pending' AND owner IS NULL AND {FIRST_OF_ITS_TASK} ORDER BY next_at LIMIT 1"
    ).fetchone()
    taken = db.execute(
        "SELECT min(max(owner_until, next_at)) FROM deliveries INDEXED BY deliveries_owned"
        " WHERE owner IS NOT NULL AND state='pending'"
    ).fetchone()
    times = [row[0] for row in (free, taken) if row is not None and row[0] is not None]
    return min(times, default=None)


def _settle(
    tx: Transaction,
    delivery_id: str,
    state: str,
    attempt: int,
    status: int | None,
    reason: str | None,
    now: float,
) -> None:
    tx.db.execute(
        "UPDATE deliveries SET state=?, attempt=?, status=?, reason=?, ended_at=?,"
        " owner=NULL, owner_until=NULL, payload=CASE WHEN ?='delivered' THEN NULL ELSE payload END"
        " WHERE id=? AND state='pending'",
        (state, attempt, status, reason, now, state, delivery_id),
    )
    # Of a task that was forgotten meanwhile nothing stays.
    tx.db.execute(
        "DELETE FROM deliveries WHERE id=? AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.id=task_id)",
        (delivery_id,),
    )
