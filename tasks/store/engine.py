"""The engine: protocol in, operations on the file out. Everything here runs on the event loop and waits."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ..engine import (
    Beat,
    CancelOutcome,
    Claimed,
    Ending,
    Lease,
    Mark,
    NewTask,
    Query,
    Reaped,
    Remembered,
    Retention,
    StoredTask,
)
from ..webhooks import Delivery
from . import marks, moves, outbox, reads
from . import retention as pruning
from .file import Opened, open_file, suspect
from .lane import Lane
from .nodes import Nodes, this_process
from .rows import COLUMNS, Packed, PackedEnding, decode, encode, graph_of, pack, read_task
from .trouble import StoreError, translated
from .writer import Transaction, Writer

log = logging.getLogger("backplane")

Result = TypeVar("Result")

BUSY_S = 10.0


@dataclass(frozen=True, slots=True)
class StoreState:
    """How the store is, for health checks. *problem*: why the last write failed, None if it did not."""

    path: Path
    writable: bool
    problem: StoreError | None
    notice: str | None


def open_engine(
    path: Path,
    *,
    node: str,
    clock: Callable[[], float] = time.time,
    ticks: Callable[[], float] = time.monotonic,
    busy_s: float = BUSY_S,
) -> SqliteEngine:
    """Open the store at *path* for the process *node*. Blocks, for up to *busy_s* if the file is locked.

    *clock* gives Unix seconds, *ticks* those of a clock that nobody sets. Raises StoreError; a damaged
    file raises nothing, but is moved aside, which :attr:`SqliteEngine.notice` says.
    """
    opened = open_file(path, busy_s=busy_s)
    nodes = Nodes(this_process(), ticks)
    try:
        opened.writer.execute("BEGIN IMMEDIATE")
        transaction = Transaction(opened.writer)
        nodes.beat(transaction, node, clock())
        nodes.forget_dead(transaction)
        transaction.finish()
        opened.writer.execute("COMMIT")
    except BaseException as error:
        for connection in (opened.writer, *opened.readers):
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise translated(error) from error
        raise
    return SqliteEngine(path, opened, nodes, node=node, clock=clock)


class SqliteEngine:
    """Keeps tasks in one SQLite file: :class:`~..engine.Engine` and :class:`~..webhooks.Outbox`.

    Four threads: one writes, one reads single tasks, one reads lists, one encodes and decodes. Every method
    raises StoreError if the file fails. A call that is cancelled may still have been done.
    """

    def __init__(
        self, path: Path, opened: Opened, nodes: Nodes, *, node: str, clock: Callable[[], float]
    ) -> None:
        self._path = path
        self._node = node
        self._nodes = nodes
        self._clock = clock
        self._problem: StoreError | None = None
        self._notice = opened.notice
        self._writer = Writer(opened.writer, told=self._told, let_go=self._leave)
        quick, slow = opened.readers
        self._quick = Lane("read", quick, sqlite3.Connection.close)
        self._slow = Lane("list", slow, sqlite3.Connection.close)
        self._coder = Lane("code", None, lambda _: None)

    @property
    def notice(self) -> str | None:
        """What the operator should know of the file: that it was damaged, that its disk is slow."""
        return self._notice

    @property
    def state(self) -> StoreState:
        """How the store is. Costs nothing: it is what the last write said."""
        return StoreState(self._path, self._problem is None, self._problem, self._notice)

    async def close(self) -> None:
        """Finish what was begun and let go of the file."""
        await self._coder.close()
        await self._quick.close()
        await self._slow.close()
        await self._writer.close()

    # The queue

    async def submit(self, tasks: Sequence[NewTask], remember: Remembered | None = None) -> list[int]:
        """Queue all of *tasks* or none. ValueError if an id is taken."""
        packed = await self._coder.run(lambda _: pack(tasks))
        now = self._clock()
        return await self._writer.run(lambda tx: moves.submit(tx, tasks, packed, remember, now))

    async def recall(self, scope: str, key: str) -> Remembered | None:
        """Give what was answered to this Idempotency-Key within the last day."""
        now = self._clock()
        return await self._quick.run(lambda db: reads.recall(db, scope, key, now))

    async def changes(self, since: int) -> tuple[list[StoredTask], int]:
        """Give what changed after rev *since*, in the order of submission, and the newest rev."""

        def read(db: sqlite3.Connection) -> tuple[list[StoredTask], int]:
            with _moment(db):
                rows, newest = reads.changes(db, since)
            return [read_task(row) for row in rows], newest

        return await self._quick.run(read)

    async def claim(self, node: str, ids: Sequence[str], *, now: float, lease_s: float) -> Claimed | None:
        """Claim the first of *ids* that is queued and due. If the caller is cancelled, it is given back."""

        def work(tx: Transaction) -> tuple[tuple[Any, ...], bytes | None] | None:
            row = moves.claim(tx, self._nodes, node, ids, now=now, lease_s=lease_s)
            return None if row is None else (row, graph_of(tx.db, row[1]))

        def lease_of(row: tuple[Any, ...]) -> Lease:
            return Lease(row[0], row[COLUMNS.index("attempt")], node)

        def undo(found: tuple[tuple[Any, ...], bytes | None] | None) -> None:
            if found is not None:
                lease = lease_of(found[0])
                self._afterwards(lambda tx: moves.release(tx, lease))

        found = await self._writer.run(work, undo)
        if found is None:
            return None
        try:
            task = await self._coder.run(lambda _: _with_graph(*found))
        except BaseException:
            undo(found)
            raise
        return Claimed(lease_of(found[0]), task)

    async def beat(self, node: str, leases: Sequence[Lease], *, now: float, lease_s: float) -> Beat:
        """Say that *node* lives and holds *leases*."""
        return await self._writer.run(
            lambda tx: moves.beat(tx, self._nodes, node, leases, now=now, lease_s=lease_s)
        )

    async def begin(self, lease: Lease, at: float) -> bool:
        """Note that a claimed task runs since *at*."""
        return await self._writer.run(lambda tx: moves.begin(tx, lease, at))

    async def progress(self, lease: Lease, result: Mapping[str, Any]) -> bool:
        """Write down how far a run is."""
        encoded = await self._coder.run(lambda _: encode(result))
        return await self._writer.run(lambda tx: moves.progress(tx, lease, encoded))

    async def complete(self, lease: Lease, ending: Ending) -> bool:
        """End a task for good, its webhooks in the outbox with it."""
        packed = await self._coder.run(lambda _: PackedEnding(ending))
        return await self._writer.run(lambda tx: moves.complete(tx, lease, packed))

    async def fail(self, lease: Lease, ending: Ending, *, retry_at: float | None) -> bool:
        """End an attempt, and without *retry_at* or attempts left the task."""
        packed = await self._coder.run(lambda _: PackedEnding(ending))
        return await self._writer.run(lambda tx: moves.fail(tx, lease, packed, retry_at))

    async def release(
        self, lease: Lease, *, not_before: float = 0.0, result: Mapping[str, Any] | None = None
    ) -> bool:
        """Give a task back: queued again, the attempt not counted."""
        encoded = None if result is None else await self._coder.run(lambda _: encode(result))
        return await self._writer.run(lambda tx: moves.release(tx, lease, not_before, encoded))

    async def defer(self, task_id: str, not_before: float) -> bool:
        """Say when a queued task may begin."""
        return await self._writer.run(lambda tx: moves.defer(tx, task_id, not_before))

    async def cancel(self, task_id: str, ending: Ending) -> CancelOutcome:
        """End a queued task as *ending*; of a running one note that its end was asked for."""
        packed = await self._coder.run(lambda _: PackedEnding(ending))
        return await self._writer.run(lambda tx: moves.cancel(tx, task_id, packed))

    async def prioritise(self, task_id: str, priority: int) -> bool:
        """Change the priority of a queued task."""
        return await self._writer.run(lambda tx: moves.prioritise(tx, task_id, priority))

    async def record(self, task: StoredTask) -> None:
        """Keep a finished task that never was in this queue."""
        packed = await self._coder.run(lambda _: Packed(task.request, task.metadata, task.graph))
        await self._writer.run(lambda tx: moves.record(tx, task, packed))

    async def reap(
        self, node: str, *, now: float, rerun: bool, ending: Ending | Callable[[StoredTask], Ending]
    ) -> list[Reaped]:
        """Take back the tasks of dead nodes. See :class:`~..engine.Engine`."""
        make = _ending_of(ending) if isinstance(ending, Ending) else ending
        return await self._writer.run(
            lambda tx: moves.reap(tx, self._nodes, node, now=now, rerun=rerun, ending=make)
        )

    # What is read

    async def get(self, task_id: str, *, graph: bool = False) -> StoredTask | None:
        """Give one task."""

        def read(db: sqlite3.Connection) -> StoredTask | None:
            row = reads.one(db, task_id)
            if row is None:
                return None
            return _with_graph(row, graph_of(db, row[1])) if graph else read_task(row)

        return await self._quick.run(read)

    async def get_many(self, ids: Sequence[str]) -> list[StoredTask]:
        """Give those of *ids* that exist, the newest first."""
        return await self._quick.run(lambda db: [read_task(row) for row in reads.many(db, ids)])

    async def list(self, query: Query) -> tuple[list[StoredTask], int | None]:
        """Give a page, without graphs, and the seq to go on before."""

        def read(db: sqlite3.Connection) -> tuple[list[StoredTask], int | None]:
            with _moment(db):
                rows, before = reads.page(db, query)
            return [read_task(row) for row in rows], before

        return await self._slow.run(read)

    async def counts(self, batch_id: str | None = None) -> Mapping[str, int]:
        """Count tasks by status, those with none too: of one batch, or all unfinished ones."""
        return await self._slow.run(lambda db: reads.counts(db, batch_id))

    # What is noted, forgotten and kept

    async def mark(self, task_id: str, place: int, changes: Mapping[str, Any]) -> Mark | None:
        """Change what is noted of an output of a finished task."""
        return await self._writer.run(lambda tx: marks.change(tx, task_id, place, changes))

    async def delete(self, task_id: str) -> bool:
        """Forget a finished task; its webhooks are still delivered."""

        def work(tx: Transaction) -> bool:
            found = tx.db.execute(
                "SELECT seq FROM tasks WHERE id=? AND finished_at IS NOT NULL", (task_id,)
            ).fetchone()
            if found is not None:
                moves.forget(tx, found[0])
            return found is not None

        return await self._writer.run(work)

    async def prune(self, retention: Retention, *, now: float) -> int:
        """Forget what is beyond *retention*, in small steps between which others write."""
        total = 0
        while done := await self._writer.run(lambda tx: pruning.forget_some(tx, retention, now)):
            total += done
        while await self._writer.run(lambda tx: pruning.forget_answers(tx, now)):
            pass
        while await self._writer.run(pruning.shrink):
            pass
        return total

    async def load(self, name: str) -> Any:
        """Give a small value kept by :meth:`save`."""

        def read(db: sqlite3.Connection) -> Any:
            row = db.execute("SELECT value FROM saved WHERE name=?", (name,)).fetchone()
            return None if row is None else json.loads(row[0])

        return await self._quick.run(read)

    async def save(self, name: str, value: Any) -> None:
        """Keep a small JSON value."""
        text = json.dumps(value)
        await self._writer.run(
            lambda tx: tx.db.execute("INSERT OR REPLACE INTO saved VALUES (?,?)", (name, text))
        )

    # Webhooks

    async def due(self, now: float, limit: int) -> list[Delivery]:
        """Give and take what is to be delivered."""

        def undo(found: list[Delivery]) -> None:
            self._afterwards(lambda tx: outbox.give_back(tx, self._node, found))

        return await self._writer.run(lambda tx: outbox.due(tx, self._node, now, limit), undo)

    async def delivered(self, delivery_id: str, attempt: int, status: int, now: float) -> None:
        """Settle: it arrived."""
        await self._writer.run(lambda tx: outbox.delivered(tx, delivery_id, attempt, status, now))

    async def retry(self, delivery_id: str, attempt: int, at: float, reason: str) -> None:
        """Settle for now: it is tried again *at*."""
        await self._writer.run(lambda tx: outbox.retry(tx, self._node, delivery_id, attempt, at, reason))

    async def dead(self, delivery_id: str, attempt: int, reason: str, now: float) -> None:
        """Settle: it is given up."""
        await self._writer.run(lambda tx: outbox.dead(tx, delivery_id, attempt, reason, now))

    async def next_due(self) -> float | None:
        """Say when :meth:`due` may next give something."""
        return await self._quick.run(outbox.next_due)

    def _afterwards(self, work: Callable[[Transaction], object]) -> None:
        """Write something nobody waits for. Once closed there is no need: leaving gives all back."""
        with suppress(StoreError):
            future = self._writer.put(work).future
            future.add_done_callback(lambda done: done.cancelled() or done.exception())

    # In the writer's thread

    def _told(self, problem: BaseException | None) -> None:
        """Note how a group of writes went."""
        if not isinstance(problem, StoreError):
            self._problem = None
            return
        if self._problem is None or self._problem.code != problem.code:
            log.error("%s", problem.message)
        self._problem = problem
        if problem.code == "STORE_DAMAGED":
            suspect(self._path)

    def _leave(self, db: sqlite3.Connection) -> None:
        try:
            db.execute("BEGIN IMMEDIATE")
            self._nodes.leave(Transaction(db), self._node)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            log.warning("The task store could not be told that this process ends: %s", error)
        finally:
            db.close()


@contextmanager
def _moment(db: sqlite3.Connection) -> Generator[None, None, None]:
    """Let several reads see one and the same moment."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")


def _with_graph(row: tuple[Any, ...], packed: bytes | None) -> StoredTask:
    return read_task(row, None if packed is None else decode(packed))


def _ending_of(ending: Ending) -> Callable[[StoredTask], Ending]:
    def make(task: StoredTask) -> Ending:
        return replace(ending, status="cancelled", error=None) if task.cancel_requested else ending

    return make
