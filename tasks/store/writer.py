"""The one thread that writes: operations queue up and are written in groups, one commit for each group.

A commit waits for the disk, so while one is under way the next group gathers by itself. Each operation runs
in a savepoint: what it raises fails only itself. Whoever asked is answered after the commit.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import TypeVar

from .lane import Job, closed, settle
from .trouble import StoreError, translated

Result = TypeVar("Result")

GROUP = 256
"""Most operations in one transaction: others that share the file wait no longer than that takes."""


class Transaction:
    """What an operation writes with. *db*: the connection, inside a transaction."""

    __slots__ = ("_before", "_rev", "db")

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self._before = self._rev = int(
            db.execute("SELECT value FROM counters WHERE name='rev'").fetchone()[0]
        )

    def rev(self) -> int:
        """Count up, over all processes that share the file, and give the new number."""
        self._rev += 1
        return self._rev

    def finish(self) -> None:
        """Write the counter; once, before the commit."""
        if self._rev != self._before:
            self.db.execute("UPDATE counters SET value=? WHERE name='rev'", (self._rev,))


Work = Callable[[Transaction], Result]


class Writer:
    """Owns the connection *db* in its own thread; *told* hears how each group went (None: well)."""

    def __init__(
        self,
        db: sqlite3.Connection,
        *,
        told: Callable[[BaseException | None], object],
        let_go: Callable[[sqlite3.Connection], object],
    ) -> None:
        self._db = db
        self._told = told
        self._let_go = let_go
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="backplane-store-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Work[Result], undo: Callable[[Result], object] | None = None) -> Result:
        """Do *work* in a transaction; give its result once that is on the disk.

        *work* may be called twice and must change nothing but the database. If the caller was cancelled
        meanwhile, *undo* is called with the result, on the event loop. StoreError if the file fails.
        """
        job = self.put(work, undo)
        result: Result = await job.future
        return result

    def put(self, work: Work[Result], undo: Callable[[Result], object] | None = None) -> Job:
        """Queue *work* without waiting for it. On the event loop."""
        if self._closed:
            raise closed()
        loop = asyncio.get_running_loop()
        job = Job(work, loop, loop.create_future(), undo)
        self._jobs.put(job)
        return job

    async def close(self) -> None:
        """Write what was asked for before, then end the thread."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        serving = True
        while serving:
            found = [self._jobs.get()]
            while len(found) < GROUP:
                try:
                    found.append(self._jobs.get_nowait())
                except queue.Empty:
                    break
            serving = None not in found
            self._write([job for job in found if job is not None and not job.future.cancelled()])
            del found
        self._let_go(self._db)

    def _write(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        try:
            self._commit(jobs)
        except BaseException as error:
            self._roll_back()
            problem = translated(error)
            if isinstance(problem, StoreError) and problem.code == "STORE_FULL" and len(jobs) > 1:
                for job in jobs:  # a large one must not take the small ones with it
                    self._write([job])
                return
            for job in jobs:
                job.result, job.error = None, problem
            self._told(problem)
        else:
            failed = [job.error for job in jobs if isinstance(job.error, StoreError)]
            self._told(failed[0] if failed else None)
        settle(jobs)

    def _commit(self, jobs: list[Job]) -> None:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        transaction = Transaction(db)
        for job in jobs:
            job.result = job.error = None
            db.execute("SAVEPOINT job")
            try:
                job.result = job.work(transaction)
            except BaseException as error:
                if not db.in_transaction:  # SQLite gave the whole group up: the disk is full, or fails
                    raise
                db.execute("ROLLBACK TO job")
                job.error = translated(error)
            db.execute("RELEASE job")
        transaction.finish()
        db.execute("COMMIT")

    def _roll_back(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # SQLite has rolled back by itself
