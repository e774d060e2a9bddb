"""The store: protocol in, statements on the file out. Opened in a thread, used on the event loop."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ...tasks.engine import Remembered
from ...tasks.store.file import Opened, open_file, suspect
from ...tasks.store.lane import Lane
from ...tasks.store.retention import forget_answers, shrink
from ...tasks.store.trouble import StoreError
from ...tasks.store.writer import Writer
from ..values import Bounds, Edit, NewSession, Remember, Run, Session, Version
from . import moves, reads, thinning
from .schema import MIGRATIONS, TABLES

log = logging.getLogger("backplane")

Result = TypeVar("Result")

BUSY_S = 10.0


def open_store(
    path: Path, bounds: Bounds, *, busy_s: float = BUSY_S, migrations: tuple[str, ...] = MIGRATIONS
) -> SqliteStore:
    """Open the store at *path*. Blocks, for up to *busy_s* if the file is locked.

    Raises StoreError; a damaged file raises nothing, but is moved aside, which ``notice`` says.
    """
    return SqliteStore(path, open_file(path, busy_s=busy_s, migrations=migrations, tables=TABLES), bounds)


class SqliteStore:
    """Keeps sessions in one SQLite file: :class:`~..engine.Store`. Three threads: one writes, two read.

    Every method raises StoreError if the file fails. A call that is cancelled may still have been done.
    """

    def __init__(self, path: Path, opened: Opened, bounds: Bounds) -> None:
        self._path = path
        self._bounds = bounds
        self._problem: StoreError | None = None
        self._notice = opened.notice
        self._writer = Writer(opened.writer, told=self._told, let_go=sqlite3.Connection.close)
        quick, slow = opened.readers
        self._quick = Lane("session", quick, sqlite3.Connection.close)
        self._slow = Lane("sessions", slow, sqlite3.Connection.close)

    @property
    def notice(self) -> str | None:
        """What a person should know of the file: that it was damaged, that its disk is slow."""
        return self._notice

    @property
    def problem(self) -> StoreError | None:
        """Why the last write failed, None if it did not."""
        return self._problem

    async def close(self) -> None:
        """Finish what was begun and let go of the file."""
        await self._quick.close()
        await self._slow.close()
        await self._writer.close()

    # Changes

    async def create(self, new: NewSession, now: float, remember: Remember | None) -> Session:
        """Keep a new session."""
        return await self._writer.run(lambda tx: moves.create(tx, new, self._bounds, now, remember))

    async def change(
        self, session_id: str, rev: int, edit: Edit, now: float, remember: Remember | None
    ) -> Session | None:
        """Change a session, if its rev still is *rev*."""
        return await self._writer.run(
            lambda tx: moves.change(tx, session_id, rev, edit, self._bounds, now, remember)
        )

    async def remove(self, session_id: str, rev: int | None, now: float) -> bool:
        """Forget a session, if its rev still is *rev*."""
        since = self._bounds.kept_since(now)
        return await self._writer.run(lambda tx: moves.remove(tx, session_id, rev, since))

    async def use(self, session_id: str, now: float) -> None:
        """Note that a session is used."""
        await self._writer.run(lambda tx: moves.use(tx, session_id, now))

    async def began(self, session_id: str, version: int, task_id: str, now: float) -> Session | None:
        """Note that a task runs a version."""
        return await self._writer.run(lambda tx: moves.began(tx, session_id, version, task_id, now))

    async def ended(self, task_id: str, status: str, now: float) -> tuple[Session, bool] | None:
        """Note how a task ended, and go back from what failed if the session says so."""
        return await self._writer.run(lambda tx: moves.ended(tx, task_id, status, self._bounds, now))

    async def keep_answer(self, answer: Remembered) -> None:
        """Keep what was answered to an Idempotency-Key. Raises AlreadyRememberedError."""
        await self._writer.run(lambda tx: moves.keep_answer(tx.db, answer))

    async def sweep(self, now: float) -> int:
        """Forget sessions that are too old, and answers, in small steps between which others write."""
        since = self._bounds.kept_since(now)
        total = 0
        while gone := await self._writer.run(lambda tx: thinning.forget_expired(tx.db, since)):
            total += len(gone)
        while await self._writer.run(lambda tx: forget_answers(tx, now)):
            pass
        while await self._writer.run(shrink):
            pass
        return total

    # What is read

    async def find(self, session_id: str, now: float) -> Session:
        """Give a session."""
        return await self._quick.run(self._reading(lambda db: reads.find(db, session_id, self._since(now))))

    async def read(
        self, session_id: str, versions: Sequence[int | None], now: float
    ) -> tuple[Session, list[tuple[Version, bytes]]]:
        """Give a session and some of its versions with their workflows."""

        def work(db: sqlite3.Connection) -> tuple[Session, list[tuple[Version, bytes]]]:
            session = reads.find(db, session_id, self._since(now))
            wanted = [session.version if number is None else number for number in versions]
            return session, [reads.version(db, session, number) for number in wanted]

        return await self._quick.run(self._reading(work))

    async def ops(self, session_id: str, number: int) -> bytes | None:
        """Give the operations that a version was made with."""

        def work(db: sqlite3.Connection) -> bytes | None:
            row = db.execute(
                "SELECT o.body FROM ops o JOIN sessions s ON s.seq = o.session WHERE s.id = ? AND o.n = ?",
                (session_id, number),
            ).fetchone()
            return None if row is None else row[0]

        return await self._quick.run(work)

    async def walk(
        self, session_id: str, steps: int, now: float, *, back: bool
    ) -> tuple[Session, tuple[int, ...]]:
        """Give a session, its head, and up to *steps* versions that undo or redo leads to."""

        def work(db: sqlite3.Connection) -> tuple[Session, tuple[int, ...]]:
            session = reads.find(db, session_id, self._since(now))
            return session, reads.path(db, session, steps, back=back)

        return await self._quick.run(self._reading(work))

    async def versions(
        self, session_id: str, limit: int, before: int | None, now: float
    ) -> tuple[Session, list[Version], int | None]:
        """Give versions, the newest first."""

        def work(db: sqlite3.Connection) -> tuple[Session, list[Version], int | None]:
            session = reads.find(db, session_id, self._since(now))
            return session, *reads.versions(db, session, limit, before)

        return await self._slow.run(self._reading(work))

    async def page(self, limit: int, before: int | None, now: float) -> tuple[list[Session], int | None]:
        """Give sessions, the one changed last first."""
        return await self._slow.run(self._reading(lambda db: reads.page(db, limit, before, self._since(now))))

    async def open_runs(self, session_id: str) -> list[Run]:
        """Give the runs of which it is not known how they ended."""
        return await self._quick.run(lambda db: reads.open_runs(db, session_id))

    async def recall(self, scope: str, key: str, now: float) -> Remembered | None:
        """Give what was answered to this Idempotency-Key within the last day."""
        return await self._quick.run(lambda db: reads.recall(db, scope, key, now))

    def _since(self, now: float) -> float:
        return self._bounds.kept_since(now)

    def _reading(
        self, work: Callable[[sqlite3.Connection], Result]
    ) -> Callable[[sqlite3.Connection], Result]:
        def whole(db: sqlite3.Connection) -> Result:
            with _moment(db):
                return work(db)

        return whole

    def _told(self, problem: BaseException | None) -> None:
        """Note how a group of writes went. In the writer's thread."""
        if not isinstance(problem, StoreError):
            self._problem = None
            return
        if self._problem is None or self._problem.code != problem.code:
            log.error("%s: %s", self._path.name, problem.message)
        self._problem = problem
        if problem.code == "STORE_DAMAGED":
            suspect(self._path)


@contextmanager
def _moment(db: sqlite3.Connection) -> Generator[None, None, None]:
    """Let several reads see one and the same moment."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")
