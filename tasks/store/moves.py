"""What is written of a task on its way from submit to its end. All inside a writer's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from ..engine import (
    AlreadyRememberedError,
    Beat,
    CancelOutcome,
    Ending,
    Lease,
    Mark,
    NewTask,
    Reaped,
    Remembered,
    StoredTask,
)
from . import marks
from .nodes import Nodes
from .reads import one, recall
from .rows import Packed, PackedEnding, decode, encode, labels, read_task
from .writer import Transaction

HELD = "id=? AND attempt=? AND node=? AND status IN ('running', 'canceling')"
"""The fence: true only for who holds the lease."""

PROMPT = "prompt"
"""The kind of task that begins anew at each attempt. Every other keeps its result and goes on from there."""

FREED = "node=NULL, lease_until=NULL, lease_ticks=NULL"


def submit(
    tx: Transaction,
    tasks: Sequence[NewTask],
    packed: Sequence[Packed],
    remember: Remembered | None,
    now: float,
) -> list[int]:
    """Queue tasks and remember the answer."""
    if remember is not None:
        first = recall(tx.db, remember.scope, remember.key, now)
        if first is not None:
            raise AlreadyRememberedError(first)
        tx.db.execute(
            "INSERT OR REPLACE INTO answers VALUES (?,?,?,?,?,?)",
            (
                *(remember.scope, remember.key, remember.body_sha256, remember.status),
                *(remember.created_at, remember.answer),
            ),
        )
    seqs: list[int] = []
    for task, ready in zip(tasks, packed, strict=True):
        row = {
            "id": task.id,
            "kind": task.kind,
            "origin": "api",
            "status": "queued",
            "client": task.client,
            "priority": task.priority,
            "attempt": 0,
            "max_attempts": task.max_attempts,
            "created_at": task.created_at,
            "not_before": 0.0,
            "cancel_requested": 0,
            "batch_id": task.batch_id,
            "retry_of": task.retry_of,
        }
        seqs.append(_insert(tx, row, ready, result=None, error=None))
    return seqs


def record(tx: Transaction, task: StoredTask, ready: Packed) -> None:
    """Keep a finished task of another client; again if it is told again, but never over one of ours."""
    known = tx.db.execute("SELECT seq, origin FROM tasks WHERE id=?", (task.id,)).fetchone()
    noted: dict[int, Mark] = {}
    if known is not None:
        if known[1] != "comfyui":
            return
        noted = marks.of(tx.db, known[0])
        forget(tx, known[0])
    row = {
        name: getattr(task, name)
        for name in (
            *(
                "id",
                "kind",
                "origin",
                "status",
                "client",
                "priority",
                "attempt",
                "max_attempts",
                "created_at",
            ),
            *("started_at", "finished_at", "not_before", "node", "batch_id", "retry_of"),
        )
    }
    row["cancel_requested"] = int(task.cancel_requested)
    error = None if task.error is None else encode(task.error)
    marks.put(tx.db, _insert(tx, row, ready, result=encode(task.result), error=error), noted)


def claim(
    tx: Transaction, nodes: Nodes, node: str, ids: Sequence[str], *, now: float, lease_s: float
) -> tuple[Any, ...] | None:
    """Give the first that is queued and due to *node*; its row of :data:`~.rows.SELECT`."""
    for task_id in ids:
        found = tx.db.execute(
            "SELECT seq, kind FROM tasks"
            " WHERE id=? AND status='queued' AND not_before<=? AND cancel_requested=0",
            (task_id, now),
        ).fetchone()
        if found is None:
            continue
        seq, kind = found
        nodes.beat(tx, node, now)
        tx.db.execute(
            "UPDATE tasks SET status='running', node=?, attempt=attempt+1, started_at=NULL,"
            " lease_until=?, lease_ticks=?, rev=? WHERE seq=?",
            (node, now + lease_s, nodes.until(lease_s), tx.rev(), seq),
        )
        tx.db.execute("UPDATE details SET error=NULL WHERE seq=?", (seq,))
        _begin_anew(tx, seq, kind)
        return one(tx.db, task_id)
    return None


def beat(
    tx: Transaction, nodes: Nodes, node: str, leases: Sequence[Lease], *, now: float, lease_s: float
) -> Beat:
    """Renew leases; say which are lost and which are to be cancelled."""
    nodes.beat(tx, node, now)
    until, ticks = now + lease_s, nodes.until(lease_s)
    lost: set[str] = set()
    cancel: set[str] = set()
    for lease in leases:
        held = _held(tx, lease)
        if held is None or lease.node != node:
            lost.add(lease.task_id)
            continue
        seq, asked = held
        tx.db.execute("UPDATE tasks SET lease_until=?, lease_ticks=? WHERE seq=?", (until, ticks, seq))
        if asked:
            cancel.add(lease.task_id)
    return Beat(frozenset(lost), frozenset(cancel))


def begin(tx: Transaction, lease: Lease, at: float) -> bool:
    """Note that a claimed task runs."""
    held = _held(tx, lease)
    if held is None:
        return False
    tx.db.execute("UPDATE tasks SET started_at=?, rev=? WHERE seq=?", (at, tx.rev(), held[0]))
    return True


def progress(tx: Transaction, lease: Lease, result: str | bytes) -> bool:
    """Write down how far a run is."""
    held = _held(tx, lease)
    if held is None:
        return False
    tx.db.execute("UPDATE details SET result=? WHERE seq=?", (result, held[0]))
    tx.db.execute("UPDATE tasks SET rev=? WHERE seq=?", (tx.rev(), held[0]))
    return True


def complete(tx: Transaction, lease: Lease, ending: PackedEnding) -> bool:
    """End a task whose lease is held."""
    held = _held(tx, lease)
    if held is None:
        return False
    _end(tx, held[0], lease.task_id, ending)
    return True


def fail(tx: Transaction, lease: Lease, ending: PackedEnding, retry_at: float | None) -> bool:
    """End an attempt, and the task if it is not to be tried again."""
    held = tx.db.execute(
        f"SELECT seq, kind, attempt < max_attempts FROM tasks WHERE {HELD}",  # noqa: S608
        _fence(lease),
    ).fetchone()
    if held is None:
        return False
    seq, kind, left = held
    if retry_at is None or not left:
        _end(tx, seq, lease.task_id, ending)
        return True
    _requeue(tx, seq, not_before=retry_at)
    result = None if ending.empty else ending.result
    tx.db.execute(
        "UPDATE details SET result=coalesce(?, result), error=? WHERE seq=?", (result, ending.error, seq)
    )
    _begin_anew(tx, seq, kind)
    return True


def release(
    tx: Transaction, lease: Lease, not_before: float = 0.0, result: str | bytes | None = None
) -> bool:
    """Give a task back; the attempt does not count."""
    held = tx.db.execute(f"SELECT seq, kind FROM tasks WHERE {HELD}", _fence(lease)).fetchone()  # noqa: S608
    if held is None:
        return False
    seq, kind = held
    _requeue(tx, seq, not_before=not_before)
    tx.db.execute("UPDATE tasks SET attempt=attempt-1 WHERE seq=?", (seq,))
    tx.db.execute("UPDATE details SET result=coalesce(?, result) WHERE seq=?", (result, seq))
    _begin_anew(tx, seq, kind)
    return True


def defer(tx: Transaction, task_id: str, not_before: float) -> bool:
    """Say when a queued task may begin."""
    found = tx.db.execute("SELECT seq FROM tasks WHERE id=? AND status='queued'", (task_id,)).fetchone()
    if found is None:
        return False
    tx.db.execute("UPDATE tasks SET not_before=?, rev=? WHERE seq=?", (not_before, tx.rev(), found[0]))
    return True


def cancel(tx: Transaction, task_id: str, ending: PackedEnding) -> CancelOutcome:
    """End a queued task, or ask for the end of a running one."""
    found = tx.db.execute("SELECT seq, status FROM tasks WHERE id=?", (task_id,)).fetchone()
    if found is None:
        return "absent"
    seq, status = found
    if status == "queued":
        _end(tx, seq, task_id, ending)
        return "cancelled"
    if status == "running":
        tx.db.execute(
            "UPDATE tasks SET status='canceling', cancel_requested=1, rev=? WHERE seq=?", (tx.rev(), seq)
        )
    return "requested" if status in {"running", "canceling"} else "finished"


def prioritise(tx: Transaction, task_id: str, priority: int) -> bool:
    """Change the priority of a queued task."""
    found = tx.db.execute("SELECT seq FROM tasks WHERE id=? AND status='queued'", (task_id,)).fetchone()
    if found is None:
        return False
    tx.db.execute("UPDATE tasks SET priority=?, rev=? WHERE seq=?", (priority, tx.rev(), found[0]))
    return True


def reap(
    tx: Transaction,
    nodes: Nodes,
    node: str,
    *,
    now: float,
    rerun: bool,
    ending: Callable[[StoredTask], Ending],
) -> list[Reaped]:
    """Take back what dead nodes held, and end what was to be cancelled as it was given back."""
    taken: list[Reaped] = []
    waiting = tx.db.execute("SELECT seq FROM tasks WHERE status='queued' AND cancel_requested=1").fetchall()
    for seq in [*(row[0] for row in waiting), *nodes.lapsed(tx, node, now)]:
        task = read_task(one(tx.db, seq) or ())
        goes_on = task.kind != PROMPT  # its process ended, which is no failure of its own
        waited = task.started_at is None and task.status != "queued" and not goes_on
        if waited and not task.cancel_requested:
            # It waited behind another in ComfyUI's queue. The attempt counts all the same: it may have begun
            # in the moment before the end.
            _requeue(tx, seq, not_before=0.0)
            _begin_anew(tx, seq, task.kind)
            taken.append(Reaped(task.id, "queued"))
            continue
        if not task.cancel_requested and (goes_on or (rerun and task.attempt < task.max_attempts)):
            _requeue(tx, seq, not_before=0.0)
            if goes_on:
                tx.db.execute("UPDATE tasks SET attempt=attempt-1 WHERE seq=?", (seq,))
            _begin_anew(tx, seq, task.kind)
            taken.append(Reaped(task.id, "queued"))
            continue
        last = PackedEnding(ending(task))
        if last.empty:
            last.result = None  # the last progress says more
        _end(tx, seq, task.id, last)
        taken.append(Reaped(task.id, "cancelled" if last.status == "cancelled" else "failed"))
    nodes.forget_dead(tx)
    return taken


def forget(tx: Transaction, seq: int) -> None:
    """Delete a task with everything of it, but not what is still to be delivered."""
    db = tx.db
    task_id, graph = db.execute("SELECT id, graph FROM tasks WHERE seq=?", (seq,)).fetchone()
    details = db.execute("SELECT metadata, request FROM details WHERE seq=?", (seq,)).fetchone()
    if details is not None:
        old = _labels_of(details[0], details[1], seq)
        db.executemany("DELETE FROM labels WHERE name=? AND value=? AND seq=?", old)
    db.execute("DELETE FROM marks WHERE seq=?", (seq,))
    db.execute("DELETE FROM details WHERE seq=?", (seq,))
    db.execute("DELETE FROM deliveries WHERE task_id=? AND state<>'pending'", (task_id,))
    db.execute("DELETE FROM tasks WHERE seq=?", (seq,))
    if graph is not None:
        db.execute("UPDATE graphs SET refs=refs-1 WHERE id=?", (graph,))
        db.execute("DELETE FROM graphs WHERE id=? AND refs<=0", (graph,))


def _insert(
    tx: Transaction,
    row: dict[str, Any],
    ready: Packed,
    *,
    result: str | bytes | None,
    error: str | bytes | None,
) -> int:
    row |= {"rev": tx.rev(), "graph": _keep_graph(tx.db, ready)}
    marks = ",".join("?" * len(row))
    try:
        added = tx.db.execute(
            f"INSERT INTO tasks ({','.join(row)}) VALUES ({marks})",  # noqa: S608
            tuple(row.values()),
        )
    except sqlite3.IntegrityError as error_:
        raise ValueError(f"there is already a task {row['id']!r}") from error_
    seq = added.lastrowid
    assert seq is not None  # noqa: S101
    tx.db.execute(
        "INSERT INTO details VALUES (?,?,?,?,?)", (seq, ready.request, ready.metadata, result, error)
    )
    tx.db.executemany(
        "INSERT OR IGNORE INTO labels VALUES (?,?,?)", [(name, value, seq) for name, value in ready.labels]
    )
    return seq


def _keep_graph(db: sqlite3.Connection, ready: Packed) -> int | None:
    if ready.graph is None:
        return None
    known = db.execute("SELECT id FROM graphs WHERE sha256=?", (ready.graph_sha256,)).fetchone()
    if known is not None:
        db.execute("UPDATE graphs SET refs=refs+1 WHERE id=?", known)
        return int(known[0])
    return db.execute(
        "INSERT INTO graphs (sha256, refs, body) VALUES (?,1,?)", (ready.graph_sha256, ready.graph)
    ).lastrowid


def _end(tx: Transaction, seq: int, task_id: str, ending: PackedEnding) -> None:
    tx.db.execute(
        f"UPDATE tasks SET status=?, finished_at=?, {FREED}, rev=? WHERE seq=?",  # noqa: S608
        (ending.status, ending.at, tx.rev(), seq),
    )
    tx.db.execute(
        "UPDATE details SET result=coalesce(?, result), error=? WHERE seq=?",
        (ending.result, ending.error, seq),
    )
    tx.db.executemany(
        "INSERT INTO deliveries (id, task_id, state, url, event, attempt, created_at, next_at, payload)"
        " VALUES (?,?,'pending',?,?,0,?,?,?)",
        [
            (name, task_id, url, event, ending.at, ending.at, body)
            for name, url, event, body in ending.deliveries
        ],
    )


def _requeue(tx: Transaction, seq: int, *, not_before: float) -> None:
    tx.db.execute(
        f"UPDATE tasks SET status='queued', started_at=NULL, not_before=?, {FREED}, rev=? WHERE seq=?",  # noqa: S608
        (not_before, tx.rev(), seq),
    )


def _begin_anew(tx: Transaction, seq: int, kind: str) -> None:
    if kind == PROMPT:
        tx.db.execute("UPDATE details SET result=NULL WHERE seq=?", (seq,))


def _held(tx: Transaction, lease: Lease) -> tuple[int, bool] | None:
    return tx.db.execute(f"SELECT seq, cancel_requested FROM tasks WHERE {HELD}", _fence(lease)).fetchone()  # noqa: S608


def _fence(lease: Lease) -> tuple[str, int, str]:
    return (lease.task_id, lease.attempt, lease.node)


def _labels_of(metadata: str | bytes, request: str | bytes, seq: int) -> list[tuple[str, str, int]]:
    return [(name, value, seq) for name, value in labels(decode(metadata), decode(request))]
