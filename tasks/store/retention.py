"""Forgets old tasks, a few in each transaction, so that nobody who writes waits long."""

from __future__ import annotations

from ..engine import Retention
from .moves import forget
from .reads import DAY_S
from .writer import Transaction

BATCH = 50
PAGES = 256
"""Pages given back to the file system in one transaction."""


def forget_some(tx: Transaction, retention: Retention, now: float) -> int:
    """Forget a batch of the oldest finished tasks beyond *retention*; give how many, 0 when done.

    A task with webhooks still to be delivered stays, and one of which an output is a favourite or rated goes
    for nothing but want of room.
    """
    over = 0
    if retention.count is not None:
        kept = tx.db.execute("SELECT count(*) FROM tasks WHERE finished_at IS NOT NULL").fetchone()[0]
        over = max(0, kept - retention.count)
    done = 0
    if retention.age_s is not None:
        done += _forget(tx, f"finished_at < ? AND {_UNMARKED}", (now - retention.age_s,), BATCH)
    if over > done:
        done += _forget(tx, _UNMARKED, (), min(over, BATCH) - done)
    if retention.bytes is not None and done < BATCH and used_bytes(tx) > retention.bytes:
        done += _forget(tx, "1", (), BATCH - done)
    return done


_UNMARKED = "NOT EXISTS (SELECT 1 FROM marks m WHERE m.seq=t.seq AND (m.favourite=1 OR m.rating IS NOT NULL))"


def forget_answers(tx: Transaction, now: float) -> int:
    """Forget a batch of answers older than a day; give how many."""
    return tx.db.execute(
        "DELETE FROM answers WHERE rowid IN"
        " (SELECT rowid FROM answers WHERE created_at < ? ORDER BY created_at LIMIT 500)",
        (now - DAY_S,),
    ).rowcount


def shrink(tx: Transaction) -> bool:
    """Give some free pages back to the file system; False when there are few left."""
    free = tx.db.execute("PRAGMA freelist_count").fetchone()[0]
    if free < PAGES * 4:  # some are left for the next tasks
        return False
    tx.db.execute(f"PRAGMA incremental_vacuum({PAGES})").fetchall()
    return True


def used_bytes(tx: Transaction) -> int:
    """Give the size of what is in the file, free pages not counted."""
    pages, free, size = (
        tx.db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _forget(tx: Transaction, which: str, values: tuple[float, ...], limit: int) -> int:
    rows = tx.db.execute(
        "SELECT seq FROM tasks t INDEXED BY tasks_finished"  # noqa: S608
        f" WHERE {which} AND finished_at IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM deliveries d WHERE d.task_id=t.id AND d.state='pending')"
        " ORDER BY finished_at LIMIT ?",
        (*values, limit),
    ).fetchall()
    for (seq,) in rows:
        forget(tx, seq)
    return len(rows)
