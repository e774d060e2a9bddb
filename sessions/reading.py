"""Where sessions stand, how their runs ended: the half of :class:`~.service.Sessions` without edits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import JSON, ApiError
from ..host.protocol import Check
from ..tasks import FINISHED
from ..tasks.engine import Remembered
from . import work
from .engine import Store
from .lookups import TaskLookups
from .values import Bounds, Session, Version
from .views import etag

log = logging.getLogger("backplane")

USE_EVERY_S = 3600.0
"""How often reading a session is noted as a use of it: more often would write for every read."""
SWEEP_EVERY_S = 3600.0
MOST_ASKED = 50
"""Tasks whose end is asked for in one reading."""

OpenStore = Callable[[Path, Bounds], Store]


class Reading:
    """Finds sessions. *path*: the file they are in, opened when it is first needed.

    *open_store* blocks, and is called in a thread. *tell* publishes an event, on the event loop. *clock*
    gives Unix seconds.
    """

    def __init__(
        self,
        path: Path,
        tasks: TaskLookups,
        *,
        bounds: Bounds,
        tell: Callable[[str, JSON], None],
        open_store: OpenStore | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.bounds = bounds
        self._path = path
        self._tasks = tasks
        self._publish = tell
        self._open_store = open_store or _open
        self._clock = clock
        self._opening: asyncio.Task[Store] | None = None
        self._sweeping: asyncio.Task[None] | None = None

    # Life

    def start(self) -> None:
        """Begin to forget what expires. On the event loop."""
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep_now_and_then())

    async def stop(self) -> None:
        """Let go of the file."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])
        if self._opening is not None:
            await asyncio.wait([self._opening])
            if self._opening.exception() is None:
                await self._opening.result().close()

    def check(self) -> Check:
        """Say how the file is, for ``/ext/health``."""
        name, opening = "session_store", self._opening
        if opening is None or not opening.done() or opening.cancelled():
            return Check(name, ok=True, detail="not in use")
        failed = opening.exception()
        if failed is not None:
            return Check(name, ok=False, detail=f"it cannot be opened ({type(failed).__name__})")
        store = opening.result()
        problem = store.problem
        return Check(name, problem is None, (problem and problem.message) or store.notice or "writable")

    async def sweep(self) -> int:
        """Forget what has expired; give how many sessions."""
        return await (await self._store()).sweep(self._clock())

    async def _sweep_now_and_then(self) -> None:
        while True:
            try:
                if await asyncio.to_thread(self._path.exists):
                    await self.sweep()
            except ApiError as error:
                log.warning("Old sessions cannot be removed: %s", error.message)
            await asyncio.sleep(SWEEP_EVERY_S)

    async def _store(self) -> Store:
        """Give the store, opened. Raises StoreError; the next call tries again."""
        opening = self._opening
        if opening is None or (opening.done() and (opening.cancelled() or opening.exception() is not None)):
            opening = self._opening = asyncio.create_task(
                asyncio.to_thread(self._open_store, self._path, self.bounds)
            )
            opening.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(opening)

    # What is read

    async def get(self, session_id: str, version: int | None = None) -> tuple[Session, Version, bytes]:
        """Give a session with one of its versions, packed (:func:`~.work.unpack`); None: the head."""
        session, [(found, body)] = await self._read(session_id, [version])
        return session, found, body

    async def graph_of(self, session_id: str, version: int | None = None) -> tuple[dict[str, JSON], int]:
        """Give the workflow to run, and which version it is. Raises SESSION_NOT_FOUND, VERSION_NOT_FOUND."""
        _, found, body = await self.get(session_id, version)
        return await asyncio.to_thread(work.unpack, body), found.number

    async def page(self, limit: int, before: int | None) -> tuple[list[Session], int | None]:
        """Give sessions, the one changed last first, and where to go on."""
        return await (await self._store()).page(limit, before, self._clock())

    async def versions(
        self, session_id: str, limit: int, before: int | None
    ) -> tuple[Session, list[Version], int | None]:
        """Give versions of a session, the newest first, and the number to go on before."""
        await self._read(session_id, [])
        return await (await self._store()).versions(session_id, limit, before, self._clock())

    async def version(self, session_id: str, number: int) -> tuple[Session, Version, bytes, JSON]:
        """Give a version with its workflow, packed, and its ``changes`` since its base and ``ops``."""
        session, [(found, body)] = await self._read(session_id, [number])
        changes: list[JSON] = []
        if found.base is not None:
            changes = (await self.diff(session_id, found.base, number))[2]
        ops = await (await self._store()).ops(session_id, number)
        return session, found, body, {"changes": changes, "ops": work.read_ops(ops)}

    async def diff(
        self, session_id: str, old: int | None, new: int | None
    ) -> tuple[int | None, int, list[JSON]]:
        """Give the changes between two versions; by default from the head's base to the head."""
        _, [(later, after)] = await self._read(session_id, [new])
        older = later.base if old is None else old
        if older is None:
            return None, later.number, []
        _, [(_, before)] = await self._read(session_id, [older])
        return older, later.number, await asyncio.to_thread(work.differences, before, after)

    async def recall(self, scope: str, key: str) -> Remembered | None:
        """Give what was answered to this Idempotency-Key within the last day."""
        return await (await self._store()).recall(scope, key, self._clock())

    async def _read(
        self, session_id: str, versions: Sequence[int | None]
    ) -> tuple[Session, list[tuple[Version, bytes]]]:
        """Read a session as it is once it is known how its runs ended."""
        store, now = await self._store(), self._clock()
        found = await store.read(session_id, versions, now)
        if found[0].running and await self._ask(session_id):
            found = await store.read(session_id, versions, now)
        age_s = self.bounds.age_s
        every = USE_EVERY_S if age_s is None else min(USE_EVERY_S, age_s / 24)
        if now - found[0].used_at > every:
            await store.use(session_id, now)
            found = await store.read(session_id, versions, now)
        return found

    # Runs

    async def ran(self, session_id: str, version: int, task_id: str) -> None:
        """Note that a task was made of a version: it validated. Raises nothing; the task is queued anyhow."""
        try:
            session = await (await self._store()).began(session_id, version, task_id, self._clock())
        except ApiError as error:
            log.warning("Session %s does not know of its task %s: %s", session_id, task_id, error.message)
            return
        if session is not None:
            self._tell(session, "run")

    async def ended(self, task_id: str, status: str) -> None:
        """Note how a task ended, if it is of a session; the session's policy may go back. Raises nothing.

        It may be called twice, and not at all: reading a session asks for what is not known.
        """
        try:
            await self._over(task_id, status)
        except ApiError as error:
            log.warning("A session does not know that its task %s ended: %s", task_id, error.message)

    async def _over(self, task_id: str, status: str) -> bool:
        found = await (await self._store()).ended(task_id, status, self._clock())
        if found is None:
            return False
        session, rolled_back = found
        self._tell(session, "rollback" if rolled_back else "run")
        return True

    async def _ask(self, session_id: str) -> bool:
        """Ask how runs ended; say whether any had."""
        runs = (await (await self._store()).open_runs(session_id))[:MOST_ASKED]
        found = False
        for run in runs:
            status = await self._tasks.status(run.task_id)
            if status is None or status in FINISHED:
                await self._over(run.task_id, status or "unknown")
                found = True  # by whoever noted it first
        return found

    def _tell(self, session: Session, what: str) -> None:
        told: JSON = {"id": session.id, "version": session.version, "rev": session.rev}
        self._publish("session.changed", {**told, "etag": etag(session), "change": what})


def _open(path: Path, bounds: Bounds) -> Store:
    from .store import open_store  # noqa: PLC0415 - loads SQLite's library

    return open_store(path, bounds)
