"""Holds the queue: claims tasks from the store, hands them to ComfyUI, writes down how they ended.

ComfyUI's own queue is kept just full enough that the GPU never waits: one prompt running and one behind
it, whoever queued them. Everything else waits here, where it can be reordered, paused and survive a
restart. One coroutine drives it all; it is woken by submits, ends and cancels, and by a clock.

A task ends here only after its end is on the disk. If the store cannot be written (a full disk), the task
stays as it is and the write is tried again until it succeeds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, TypeVar

from ..errors import ApiError, Unavailable
from ..host.protocol import NewPrompt, PromptRejected, RunEnded
from ..validation import from_host, refuse
from .engine import Claimed, Ending, Engine, QueuedRow, Retention, StoredTask
from .events import Hub
from .forecast import Forecast
from .handover import Finished, copied, live_task, recorded
from .live import LiveTasks
from .notices import Notices
from .ports import NodeClasses, OtherTasks, TaskHost
from .queue import FairQueue
from .retry import error_of, pause_s
from .task import Task, TaskError

log = logging.getLogger("backplane")

CLIENT_ID = "backplane"
"""Client id of runs that name none: ComfyUI tells outputs only for prompts that have one."""

PROMPT = "prompt"
"""The kind of the tasks that ComfyUI runs."""

DEPTH = 2
"""Prompts in ComfyUI's own queue: one that runs and one that waits behind it."""

LEASE_S = 60.0
BEAT_S = 15.0
SYNC_S = 1.0
"""Seconds between two looks at what other processes changed in the store."""
REAP_S = 15.0
PRUNE_S = 600.0
CLAIM_CANDIDATES = 16
ETA_PLACES = 200
"""Up to which place in the queue the time until a task's end is told."""
HOST_PAUSE_S = 5.0
"""Seconds until a host that took no prompt is asked again."""
WRITE_AGAIN_S = 2.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Policy:
    """How tasks are run: the settings that concern it."""

    rerun_interrupted: bool = True
    """Whether a task whose process died runs again (within its attempts) or fails."""
    retention: Retention = Retention(None, None, None)  # noqa: RUF009 - frozen


class Runner:
    """Runs what is queued on *host*. *node* names this process in the store."""

    def __init__(  # noqa: PLR0913 - the parts that it drives
        self,
        engine: Engine,
        host: TaskHost,
        live: LiveTasks,
        hub: Hub,
        classes: NodeClasses,
        *,
        node: str,
        policy: Policy,
        notices: Notices,
        ended: Callable[[Task], None],
        remarked: Callable[[str], None],
        others: Mapping[str, OtherTasks] | None = None,
    ) -> None:
        self.queue = FairQueue()
        self.forecast = Forecast()
        self.paused = False
        self._engine = engine
        self._host = host
        self._live = live
        self._hub = hub
        self._classes = classes
        self._node = node
        self._policy = policy
        self._notices = notices
        self._ended = ended
        self._remarked = remarked
        self._others = dict(others or {})
        self._woken = asyncio.Event()
        self._rev = 0
        self._host_waits_until = 0.0
        self._memory_failures: dict[str, int] = {}
        self._next: dict[Callable[[float], Awaitable[None]], float] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._driving: asyncio.Task[None] | None = None
        self._stopping = False
        self.fault: str | None = None
        """What keeps the store from being written just now, for /ext/health."""

    # For the service

    async def start(self) -> None:
        """Take back what this machine's dead processes left, then begin."""
        now = time.time()
        self.paused = bool(await self._engine.load("paused"))
        self.forecast = Forecast(await self._engine.load("estimates"))
        await self._reap(now)
        await self._sync(now)
        ticks = time.monotonic()
        self._next = {
            self._sync: ticks + SYNC_S,
            self._beat: ticks + BEAT_S,
            self._reap: ticks + REAP_S,
            self._prune: ticks + PRUNE_S / 10,
        }
        self._driving = asyncio.get_running_loop().create_task(self._drive())

    async def stop(self) -> None:
        """Begin nothing more; what runs goes on, and is taken up again by the next start."""
        self._stopping = True
        self.wake()
        if self._driving is not None:
            await asyncio.wait({self._driving}, timeout=5)
            self._driving.cancel()
        if self._endings:
            await asyncio.wait(self._endings, timeout=5)

    def wake(self) -> None:
        """Say that there may be something to do."""
        self._woken.set()

    def enqueue(self, row: QueuedRow) -> None:
        """Take up a task that was submitted just now."""
        self.queue.add(row, now=time.time())
        self.wake()

    async def pause(self, *, paused: bool) -> None:
        """Stop handing tasks to ComfyUI, or go on; kept over a restart."""
        await self._engine.save("paused", paused)
        if self.paused != paused:
            self.paused = paused
            self._hub.publish("queue.changed", {"paused": paused, "length": len(self.queue)})
        self.wake()

    def place(self, task_id: str) -> int | None:
        """Give a task's place: those in ComfyUI's own queue come first."""
        task = self._live.get(task_id)
        if task is not None:
            return self._live.place(task) if task.status == "queued" else None
        place = self.queue.position(task_id)
        return None if place is None else place + self._live.waiting

    def eta_s(self, task_id: str) -> float | None:
        """Give the seconds until a task's end, or None where one of those before it is not known."""
        task = self._live.get(task_id)
        if task is not None and task.status != "queued":
            left = self.forecast.remaining(task)
            return None if left is None else round(left, 1)
        ahead = [one for one in self._live.all() if one.id != task_id and one.status != "queued"]
        parts = [self.forecast.remaining(one) for one in ahead]
        if task is not None:
            parts.append(self.forecast.remaining(task))
        else:
            place = self.queue.position(task_id)
            if place is None or place > ETA_PLACES:
                return None
            waiting = [one for one in self._live.all() if one.status == "queued"]
            parts += [self.forecast.remaining(one) for one in waiting]
            parts += [self.forecast.expected(one) for one in self.queue.first(place)]
        total = 0.0
        for part in parts:
            if part is None:
                return None
            total += part
        return round(total, 1)

    # The loop

    async def _drive(self) -> None:
        # A flag, not a cancel: before Python 3.12 wait_for may swallow a cancel that comes with its result.
        while not self._stopping:
            try:
                ticks = time.monotonic()  # the time of day may be set
                for work, at in list(self._next.items()):
                    if ticks >= at:
                        self._next[work] = ticks + _EVERY[work.__name__]
                        await work(time.time())
                self.queue.due(time.time())
                await self._feed()
                self.fault = None
            except Exception as error:
                self.fault = f"{type(error).__name__}: {error}"
                log.exception("The task queue met an error and goes on")
                await asyncio.sleep(WRITE_AGAIN_S)
            await self._rest()

    async def _rest(self) -> None:
        pause = min(self._next.values()) - time.monotonic()
        due = self.queue.next_due()
        if due is not None:
            pause = min(pause, due - time.time())
        with suppress(asyncio.TimeoutError, TimeoutError):
            await asyncio.wait_for(self._woken.wait(), max(pause, 0.001))
        self._woken.clear()

    def _room(self) -> int:
        """How many more prompts ComfyUI's own queue shall take."""
        queue = self._host.queue()
        return DEPTH - len(queue.running) - len(queue.pending)

    async def _feed(self) -> None:
        while not (self._stopping or self.paused) and len(self.queue) and self._room() > 0:
            now = time.time()
            if time.monotonic() < self._host_waits_until:
                return
            ids = self.queue.first(CLAIM_CANDIDATES)
            empty = self._room() == DEPTH
            if not empty:
                # The last attempt must not be lost while it only waits: it goes when it can begin at once.
                ids = list(takewhile(lambda task_id: not self._is_last(task_id), ids))
            if not ids:
                return
            # What the queue has let in is due, whatever a clock that was set back says.
            due = max(now, *(row.not_before for row in map(self.queue.get, ids) if row is not None))
            claimed = await self._engine.claim(self._node, ids, now=due, lease_s=LEASE_S)
            if claimed is None:
                await self._sync(now)  # others took them, or they were cancelled
                if self.queue.first(CLAIM_CANDIDATES) == ids:
                    for task_id in ids:
                        self.queue.remove(task_id)
                return
            self.queue.taken(claimed.task.id)
            if empty:
                await self._engine.begin(claimed.lease, now)
            await self._dispatch(claimed)

    def _is_last(self, task_id: str) -> bool:
        row = self.queue.get(task_id)
        return row is not None and row.last

    async def _dispatch(self, claimed: Claimed) -> None:
        task = live_task(claimed)
        self._live.add(task)
        self._hub.changed(task.id)
        await self.forecast.began(task)
        prompt = NewPrompt(
            task.prompt_id,
            copied(task.graph or {}),
            str(task.request.get("client_id") or CLIENT_ID),
            task.progress.targets if task.request.get("partial") else None,
            dict(task.request.get("extra_data") or {}),
        )
        try:
            await self._host.submit(prompt)
            if task.cancel_asked:  # while ComfyUI looked at it
                self.cancel_live(task)
        except PromptRejected as rejection:
            specs = await self._classes.specs(fresh=True)
            refusal = refuse(from_host(rejection.error, rejection.node_errors, specs))
            task.error = TaskError(refusal.code, refusal.message)
            await self._conclude(task, RunEnded(task.prompt_id, time.time(), "failed"), refused=True)
        except Unavailable as refusal:
            self._host_waits_until = time.monotonic() + HOST_PAUSE_S
            log.warning("Task %s waits: %s", task.id, refusal.message)
            await self._give_back(task)
        except Exception as error:
            log.exception("Task %s could not be handed to ComfyUI", task.id)
            task.error = TaskError("INTERNAL", f"It could not be queued: {type(error).__name__}.")
            await self._conclude(task, RunEnded(task.prompt_id, time.time(), "failed"), refused=True)

    async def _give_back(self, task: Task) -> None:
        self._live.drop(task)
        if task.lease is not None:
            await self._engine.release(task.lease)
        await self._sync(time.time())

    # Ends

    def began(self, task: Task) -> None:
        """The host says that a run began: from now on it is an attempt, also if the process ends."""
        lease, at = task.lease, task.started_at
        if lease is None or at is None:
            return

        async def note() -> None:
            with suppress(ApiError):  # if it cannot be written, its end will say so
                await self._engine.begin(lease, at)

        self._aside(note())

    def over(self, task: Task, event: RunEnded) -> None:
        """A run is over: write it down, once; of what is taken from its queue the host tells, too."""
        if not task.over:
            task.over = True
            self._aside(self._conclude(task, event))

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        self._endings.add(ending := asyncio.get_running_loop().create_task(work))
        ending.add_done_callback(self._endings.discard)

    async def _conclude(self, task: Task, event: RunEnded, *, refused: bool = False) -> None:
        try:
            await self._end(task, event, refused=refused)
        except Exception:
            log.exception("Task %s could not be ended", task.id)
        self.wake()

    async def _end(self, task: Task, event: RunEnded, *, refused: bool) -> None:
        if task.finished:
            return
        progress = task.progress
        progress.ended(event)
        error = task.error
        retry_at: float | None = None
        if event.status in {"failed", "lost"} and not refused:
            error = error_of(event.error, lost=event.status == "lost")
            retry_at = self._retry_at(task, error)
        if retry_at is not None and task.lease is not None and task.status != "canceling":
            ending = Ending("failed", event.at, {}, None if error is None else error.to_json())
            lease = task.lease
            kept = await self._durably(lambda: self._engine.fail(lease, ending, retry_at=retry_at))
            self._live.drop(task)
            if kept:
                data = {"status": "queued", "attempt": task.attempt, "error": ending.error}
                self._hub.publish("status", data, task.id)
            await self._sync(time.time())
            return
        await self._finish(task, event, error)

    def _retry_at(self, task: Task, error: TaskError) -> float | None:
        if task.attempt >= task.max_attempts:
            return None
        pause = pause_s(error, task.attempt, memory_failures=self._memory_failures.get(task.id, 0))
        if pause is None:
            return None
        if error.code == "OUT_OF_MEMORY":
            self._memory_failures[task.id] = self._memory_failures.get(task.id, 0) + 1
            self._host.free_memory()
        return time.time() + pause

    async def _finish(self, task: Task, event: RunEnded, error: TaskError | None) -> None:
        """End a task for good: on the disk first, then for everyone to see."""
        status = {"succeeded": "succeeded", "interrupted": "cancelled", "removed": "cancelled"}.get(
            event.status, "failed"
        )
        done = Finished(task, status, event.at, error)
        final = done.task
        ending = Ending(
            final.status if final.status in {"succeeded", "cancelled"} else "failed",  # pyright: ignore[reportArgumentType]
            event.at,
            final.result(),
            None if error is None else error.to_json(),
            self._notices(final),
        )
        lease = task.lease
        if lease is not None:
            kept = await self._durably(lambda: self._engine.complete(lease, ending))
            if not kept:
                log.warning("Task %s was taken over by another process; its result is dropped", task.id)
                self._live.drop(task)
                return
        else:
            await self._durably(lambda: self._engine.record(recorded(final)))
        done.show()
        if status == "succeeded" and task.graph is not None:
            self._classes.learn(task.graph)
        self._memory_failures.pop(task.id, None)
        self.forecast.ended(task)
        self._live.touch(task)
        data = {
            "status": task.status,
            "finished_at": ending.at,
            "error": ending.error,
            "progress": 1.0 if status == "succeeded" else round(min(task.progress.fraction, 0.9999), 4),
        }
        self._hub.publish("status", data, task.id)
        self._hub.ended(task.id)
        self._live.drop(task)
        self._ended(task)

    async def _durably(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write until it succeeds: an end must not be lost because the disk is full just now."""
        while True:
            try:
                answer = await write()
            except ApiError as error:
                self.fault = error.message
                log.error("The task store cannot be written: %s", error.message)  # noqa: TRY400
                await asyncio.sleep(WRITE_AGAIN_S)
            else:
                return answer

    # The clock

    async def _sync(self, _now: float) -> None:
        """Learn what changed in the store, by this process or another."""
        tasks, self._rev = await self._engine.changes(self._rev)
        before = len(self.queue)
        for task in tasks:
            self._changed(task)
        if len(self.queue) != before:
            self._hub.publish("queue.changed", {"paused": self.paused, "length": len(self.queue)})

    def _changed(self, task: StoredTask) -> None:
        other = self._others.get(task.kind)
        if other is not None:
            other.changed(task)
        elif task.kind != PROMPT:
            return  # of a newer Backplane that shares the store
        elif task.status == "queued":
            last = task.attempt + 1 >= task.max_attempts
            row = QueuedRow(
                task.id, task.seq, task.client, task.priority, task.not_before, task.attempt, last
            )
            self.queue.add(row, now=time.time())
        else:
            self.queue.remove(task.id)
        mine = self._live.get(task.id)
        if mine is not None and task.cancel_requested and task.node == self._node:
            self.cancel_live(mine)
        if mine is None and (other is None or other.live(task.id) is None):
            (self._remarked if task.marks else self._hub.changed)(task.id)
            if task.finished_at is not None and self._hub.open(task.id):  # another process ran it
                data = {"status": task.status, "finished_at": task.finished_at, "error": task.error}
                self._hub.publish("status", data, task.id)
                self._hub.ended(task.id)

    def cancel_live(self, task: Task) -> None:
        """Stop a task that is in ComfyUI's queue: gone at once if it waits there, else interrupted."""
        task.cancel_asked = True
        outcome = self._host.cancel(task.prompt_id)
        if outcome == "removed":
            self.over(task, RunEnded(task.prompt_id, time.time(), "removed"))
        elif outcome == "interrupting" and task.status != "canceling":
            task.status = "canceling"
            self._live.touch(task)
            self._hub.publish("status", {"status": "canceling"}, task.id)

    async def _beat(self, now: float) -> None:
        leases = [task.lease for task in self._live.all() if task.lease is not None]
        leases += [lease for other in self._others.values() for lease in other.leases()]
        beat = await self._engine.beat(self._node, leases, now=now, lease_s=LEASE_S)
        for task_id in beat.lost:
            task = self._live.get(task_id)
            if task is not None:
                log.warning("Task %s was taken over by another process", task_id)
                self._host.cancel(task.prompt_id)
                self._live.drop(task)
            for other in self._others.values():
                other.lost(task_id)
        for task_id in beat.cancel:
            task = self._live.get(task_id)
            if task is not None:
                self.cancel_live(task)
            for other in self._others.values():
                other.stop(task_id)
        for task in self._live.all():
            if task.lease is not None and task.status == "running":
                await self._engine.progress(task.lease, task.result())

    async def _reap(self, now: float) -> None:
        def ending(lost: StoredTask) -> Ending:
            if lost.cancel_requested:
                status, error = "cancelled", None
            else:
                status, error = "failed", INTERRUPTED
            deliveries = self._notices.of_stored(lost, status, now, error, self._others.get(lost.kind))
            return Ending(status, now, {}, None if error is None else error.to_json(), deliveries)

        rerun = self._policy.rerun_interrupted
        reaped = await self._engine.reap(self._node, now=now, rerun=rerun, ending=ending)
        for one in reaped:
            log.warning("Task %s was left by a process that ended: %s", one.task_id, one.status)

    async def _prune(self, now: float) -> None:
        if self.forecast.changed:
            await self._engine.save("estimates", self.forecast.to_json())
        count = await self._engine.prune(self._policy.retention, now=now)
        if count:
            log.info("%d finished tasks were forgotten by age, number or size", count)


INTERRUPTED = TaskError("TASK_INTERRUPTED", "The server ended while the task ran.", retryable=True)

_EVERY = {"_sync": SYNC_S, "_beat": BEAT_S, "_reap": REAP_S, "_prune": PRUNE_S}
