"""Runs queued downloads, a few at a time, each in a thread of its own. On the event loop.

A download is claimed from the store like a prompt, under a lease; pausing gives it back until further
notice, a failure that may pass until later, the end of the process at once. Its threads are daemons:
ComfyUI ends without waiting for them, and the next start goes on where they were.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, TypeVar

from ..errors import JSON, ApiError
from ..tasks.engine import Claimed, Ending, Lease, QueuedRow, StoredTask
from ..tasks.ports import Ready
from ..tasks.queue import FairQueue
from ..tasks.task import FINISHED
from ..tasks.views import shown as task_shown
from .job import Order, Tools, Work, discard
from .plan import Pace, Target, Wanted
from .publish import translate_os_error
from .record import KEPT, PAUSED, Record, view, wanted_of
from .stopping import Stopper
from .trouble import DownloadError, Stopped

log = logging.getLogger("backplane")

LEASE_S = 60.0
CANDIDATES = 64
PER_HOST = 2
"""Downloads from one host at once."""
PAUSES_S = (10.0, 60.0, 240.0)
"""Before the second, third and later attempts of a download whose failure may pass."""
WRITE_AGAIN_S = 2.0
KNOWN_LIMIT_S = 30.0
NICE = 10
"""Linux: how far its threads stand back behind the model that runs."""

Why = Literal["cancel", "pause", "exit", "lost"]
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Run:
    """A download that runs here. Changed on the event loop only."""

    task: StoredTask
    lease: Lease
    wanted: Wanted
    host: str
    record: Record
    stopper: Stopper = field(default_factory=Stopper)
    why: Why | None = None
    """Why it was told to stop."""
    version: int = 0
    dirty: bool = False
    """Whether the record is newer than the store's."""
    writing: asyncio.Task[None] | None = None
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it runs here no longer."""

    def show(self, **changes: Any) -> None:
        """Change what is seen of it."""
        self.version += 1
        self.task = replace(self.task, result=self.record.to_json(), rev=-self.version, **changes)

    def stop(self, why: Why) -> None:
        """End its threads; the first reason counts, but a cancel goes over a pause."""
        if self.why is None or (why in {"cancel", "lost"} and self.why in {"pause", "exit"}):
            self.why = why
        self.stopper.stop()


class Line:
    """The queue of downloads and those that run. *wanted* gives a task's request, with what is secret in it.

    *arrived* is awaited when files are in their place, before the task is seen to have ended; *known_hash*
    gives the SHA-256 of a file that is there, if the library knows it. *ended* is told of each end that is
    on the disk.
    """

    def __init__(
        self,
        tools: Tools,
        *,
        concurrency: int,
        wanted: Callable[[StoredTask], Wanted],
        host_of: Callable[[str], str],
        arrived: Callable[[Record], Awaitable[None]],
        known_hash: Callable[[Target], Awaitable[str | None]],
        ended: Callable[[StoredTask], None],
    ) -> None:
        self._tools = tools
        self._concurrency = concurrency
        self._wanted = wanted
        self._host_of = host_of
        self._arrived = arrived
        self._known_hash = known_hash
        self._ended = ended
        self._queue = FairQueue()
        self._hosts: dict[str, str] = {}
        self._doomed: set[str] = set()
        """Cancelled after the store gave them to this process, and before they began."""
        self.turn = asyncio.Lock()
        """Held while one is claimed: until it is known whether it runs here, or waits."""
        self._runs: dict[str, Run] = {}
        self._ends: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._stopping = False
        self._driving: asyncio.Task[None] | None = None
        self._ready: Ready | None = None

    @property
    def ready(self) -> Ready:
        """What the store's opening gave."""
        assert self._ready is not None  # noqa: S101 - nothing is claimed before start
        return self._ready

    def start(self, ready: Ready) -> None:
        """Begin."""
        self._ready = ready
        self._driving = asyncio.get_running_loop().create_task(self._drive())

    async def stop(self) -> None:
        """Stop what runs and give it back."""
        self._stopping = True
        self._woken.set()
        for run in list(self._runs.values()):
            run.stop("exit")
        if self._driving is not None:
            await asyncio.wait({self._driving}, timeout=5)
            self._driving.cancel()
        # Their threads look at the stopper many times a second.
        waiting = [asyncio.ensure_future(run.gone.wait()) for run in self._runs.values()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=10)
            for each in late:
                each.cancel()

    # What others see of it

    def __len__(self) -> int:
        return len(self._queue)

    def run(self, task_id: str) -> Run | None:
        """Give a download that runs here."""
        return self._runs.get(task_id)

    def runs(self) -> Sequence[Run]:
        """Give all that run here."""
        return list(self._runs.values())

    def place(self, task_id: str) -> int | None:
        """Give a queued download's place, 1 for the next."""
        return self._queue.position(task_id)

    def cancel(self, task_id: str) -> None:
        """Stop a download that runs here, or is just about to."""
        run = self._runs.get(task_id)
        if run is None:
            if self.turn.locked():
                self._doomed.add(task_id)
            return
        self._doomed.discard(task_id)
        run.show(status="canceling")
        run.stop("cancel")
        self.ready.hub.publish("status", {"status": "canceling"}, task_id)

    def changed(self, task: StoredTask) -> None:
        """Learn how a download is in the store."""
        if task.status in FINISHED:
            self._doomed.discard(task.id)
        if task.status != "queued" or task.not_before >= PAUSED:
            self._queue.remove(task.id)
            self._hosts.pop(task.id, None)
        elif task.id not in self._runs:
            row = QueuedRow(task.id, task.seq, task.client, task.priority, task.not_before, task.attempt)
            self._queue.add(row, now=time.time())
            self._hosts[task.id] = self._host_of(wanted_of(task.request).url)
            self._woken.set()

    # The loop

    async def _drive(self) -> None:
        while not self._stopping:
            try:
                self._queue.due(time.time())
                while not self._stopping and len(self._runs) < self._concurrency:
                    async with self.turn:
                        if not await self._claim():
                            break
            except Exception:
                log.exception("The line of downloads met an error and goes on")
                await asyncio.sleep(WRITE_AGAIN_S)
            due = self._queue.next_due()
            pause = 60.0 if due is None else min(max(due - time.time(), 0.01), 60.0)
            with suppress(asyncio.TimeoutError, TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause)
            self._woken.clear()

    async def _claim(self) -> bool:
        """Begin the next download that may; False if there is none."""
        busy = Counter(run.host for run in self._runs.values())
        waiting = self._queue.first(len(self._queue))  # all: a host's long line keeps no other host out
        ids = [one for one in waiting if busy[self._hosts.get(one, "")] < PER_HOST][:CANDIDATES]
        if not ids:
            return False
        engine = self.ready.engine
        # What the queue has let in is due, whatever a clock that was set back says.
        due = max(time.time(), *(row.not_before for row in map(self._queue.get, ids) if row is not None))
        claimed = await engine.claim(self.ready.node, ids, now=due, lease_s=LEASE_S)
        if claimed is None:
            for one in ids:  # gone, or another process has them: the store tells if they come back
                self._queue.remove(one)
            return len(self._queue) > 0
        self._queue.taken(claimed.task.id)
        self._begin(claimed)
        return True

    def _begin(self, claimed: Claimed) -> None:
        task = claimed.task
        now = time.time()
        wanted = self._wanted(task)
        record = replace(Record.from_json(task.result or task.request.get("resume") or {}), phase="resolving")
        run = Run(task, claimed.lease, wanted, self._hosts.pop(task.id, ""), record)
        run.show(status="running", started_at=now, error=None)
        self._runs[task.id] = run
        loop = asyncio.get_running_loop()

        def from_thread(call: Callable[..., None], *args: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed: the process ends
                loop.call_soon_threadsafe(call, *args)

        def keep(noted: Record, wait: bool) -> None:
            landed = threading.Event()
            from_thread(self._keep, run, noted, landed if wait else None)
            while wait and not landed.wait(0.1):
                run.stopper.check()

        def known_hash(target: Target) -> str | None:
            asking = asyncio.run_coroutine_threadsafe(_awaited(self._known_hash(target)), loop)
            return asking.result(KNOWN_LIMIT_S)

        work = Work(
            Order(task.id, wanted, record),
            self._tools,
            run.stopper,
            lambda pace: from_thread(self._paced, run, pace),
            keep,
            known_hash,
            lambda: run.why != "cancel",
        )

        def body() -> None:
            outcome = _outcome(work)
            from_thread(self._over, run, work, outcome)

        self.ready.hub.publish("status", {"status": "running", "attempt": run.lease.attempt}, task.id)
        if task.id in self._doomed:
            self.cancel(task.id)
        if self._stopping:
            run.stop("exit")
        self._spawn(self._began(run, now))
        try:
            threading.Thread(target=body, name=f"backplane-{task.id[:12]}", daemon=True).start()
        except RuntimeError:
            error = DownloadError("DOWNLOAD_INTERNAL_ERROR", "The system gives ComfyUI no further thread.")
            self._over(run, work, error)

    async def _began(self, run: Run, at: float) -> None:
        with suppress(ApiError):
            await self.ready.engine.begin(run.lease, at)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    # How they go

    def _paced(self, run: Run, pace: Pace) -> None:
        if run.task.id not in self._runs:
            return
        run.record = replace(run.record, phase=pace.phase, pace=pace)
        run.show()
        record = run.record
        data: JSON = {
            "phase": pace.phase,
            "received": pace.received,
            "size": record.size,
            "speed": pace.speed,
            "eta_s": record.eta_s,
            "connections": pace.connections,
            "note": pace.note,
            "progress": record.progress,
        }
        self.ready.hub.publish("progress", data, run.task.id)

    def _keep(self, run: Run, record: Record, landed: threading.Event | None) -> None:
        run.record = replace(record, phase=run.record.phase, pace=run.record.pace)
        run.show()
        run.dirty = True
        if run.writing is None or run.writing.done() or landed is not None:
            run.writing = asyncio.get_running_loop().create_task(self._write(run, run.writing, landed))

    async def _write(
        self, run: Run, before: asyncio.Task[None] | None, landed: threading.Event | None
    ) -> None:
        if before is not None:
            await asyncio.wait({before})
        progress = self.ready.engine.progress
        if landed is not None:
            run.dirty = False
            held = await self._durably(partial(progress, run.lease, run.record.to_json()))
            if held:
                landed.set()
            elif held is False:
                run.stop("lost")
        while run.dirty:
            run.dirty = False
            with suppress(ApiError):  # the next one, or the end, says it again
                await progress(run.lease, run.record.to_json())

    async def _durably(self, write: Callable[[], Awaitable[T]]) -> T | None:
        """Write until it succeeds: an end must not be lost because the disk is full just now."""
        while True:
            try:
                return await write()
            except ApiError as error:
                log.error("The task store cannot be written: %s", error.message)  # noqa: TRY400
                if self._stopping:
                    return None
                await asyncio.sleep(WRITE_AGAIN_S)

    # Ends

    def _over(self, run: Run, work: Work, outcome: Record | ApiError | None) -> None:
        self._spawn(self._conclude(run, work, outcome))

    async def _conclude(self, run: Run, work: Work, outcome: Record | ApiError | None) -> None:
        try:
            if run.writing is not None:
                await asyncio.wait({run.writing})
            run.record = replace(work.record, phase=run.record.phase, pace=run.record.pace)
            if run.why == "lost":
                log.warning("Download %s was taken over by another process", run.task.id)
            elif isinstance(outcome, Record):
                await self._succeed(run, outcome)
            elif isinstance(outcome, ApiError) and run.why is None:
                await self._fail(run, outcome)
            else:
                await self._stopped(run)
        except Exception:
            log.exception("Download %s could not be ended", run.task.id)
        finally:
            self._runs.pop(run.task.id, None)
            run.gone.set()
            self._woken.set()

    async def _succeed(self, run: Run, record: Record) -> None:
        size = record.received.size if record.received else 0
        pace = replace(run.record.pace, received=size, size=size, note=None)
        run.record = replace(record, phase="completed", pace=pace)
        try:
            await self._arrived(run.record)
        except Exception:
            log.exception("The library could not take note of what download %s brought", run.task.id)
        await self._end(run, "succeeded", None)

    async def _stopped(self, run: Run) -> None:
        engine, record = self.ready.engine, run.record
        if run.why == "cancel":
            await self._cancelled(run)
            return
        paused = run.why == "pause"
        run.record = replace(record, phase="paused" if paused else "queued")
        document = run.record.to_json()
        not_before = PAUSED if paused else 0.0
        await self._durably(lambda: engine.release(run.lease, not_before=not_before, result=document))
        await self._back(run)

    async def _fail(self, run: Run, error: ApiError) -> None:
        engine, task = self.ready.engine, run.task
        retryable = isinstance(error, DownloadError) and error.retryable
        document = _error_json(error, retryable=retryable)
        if retryable and run.lease.attempt < task.max_attempts:
            pause = PAUSES_S[min(run.lease.attempt, len(PAUSES_S)) - 1]
            asked = error.retry_after_s if isinstance(error, DownloadError) else None
            retry_at = time.time() + min(max(pause, asked or 0.0), 300.0)
            run.record = replace(run.record, phase="retrying")
            ending = Ending("failed", time.time(), run.record.to_json(), document)
            await self._durably(lambda: engine.fail(run.lease, ending, retry_at=retry_at))
            await self._back(run)
            return
        if error.code not in KEPT:
            await asyncio.to_thread(discard, run.record)
            run.record = replace(run.record, part=None, journal=None)
        run.record = replace(run.record, phase="failed")
        await self._end(run, "failed", document)

    async def _cancelled(self, run: Run, *, held: bool = True) -> None:
        await asyncio.to_thread(discard, run.record)
        run.record = replace(run.record, phase="cancelled", part=None, journal=None)
        await self._end(run, "cancelled", None, held=held)

    async def _back(self, run: Run) -> None:
        """Let a download be seen as queued again."""
        self._runs.pop(run.task.id, None)
        task = await self.ready.engine.get(run.task.id)
        if task is None:
            return
        if task.status == "queued" and task.cancel_requested:
            await self._cancelled(run, held=False)  # that came while it was given back
            return
        self.changed(task)
        data = {"status": task.status, "phase": run.record.phase, "error": task.error}
        self.ready.hub.publish("status", data, task.id)

    async def _end(
        self,
        run: Run,
        status: Literal["succeeded", "failed", "cancelled"],
        error: JSON | None,
        *,
        held: bool = True,
    ) -> None:
        """End a download for good: on the disk first, then for everyone to see. *held*: by its lease."""
        ready, at = self.ready, time.time()
        run.task = replace(run.task, result=run.record.to_json())
        final = replace(run.task, status=status, finished_at=at, error=error)
        document = {
            **task_shown(final, place=None, eta_s=None),
            "download": view(final),
        }
        deliveries = ready.notices(document, final.request.get("webhook"))
        ending = Ending(status, at, final.result, error, deliveries)

        async def write() -> bool:
            if held:
                return await ready.engine.complete(run.lease, ending)
            return await ready.engine.cancel(run.task.id, ending) == "cancelled"

        kept = await self._durably(write)
        self._runs.pop(run.task.id, None)
        if not kept:
            log.warning("Download %s was taken over by another process", run.task.id)
            return
        self._ended(final)
        data = {"status": status, "finished_at": at, "error": error, "progress": run.record.progress}
        ready.hub.publish("status", data, run.task.id)
        ready.hub.ended(run.task.id)
        if deliveries:
            ready.told()


def _outcome(work: Work) -> Record | ApiError | None:
    """Run in the worker thread: the record of the end, the error, or None if it was told to stop."""
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        with suppress(OSError):  # there a thread has a priority of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
    try:
        return work.run()
    except Stopped:
        return None
    except ApiError as error:
        return error
    except OSError as error:
        return translate_os_error(error, "The file could not be written")
    except BaseException as error:
        log.exception("A download met a fault in Backplane")
        return DownloadError("DOWNLOAD_INTERNAL_ERROR", f"A fault in Backplane: {type(error).__name__}.")


async def _awaited(answer: Awaitable[T]) -> T:
    return await answer


def _error_json(error: ApiError, *, retryable: bool) -> JSON:
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "details": error.details,
        "retryable": retryable,
        "node_id": None,
        "class_type": None,
        "exception_type": None,
    }
