"""What happens to tasks, as events that many may follow at once.

Every event is kept in one bounded log and in its task's own; a reader has only a place in one of them, so
a thousand readers cost a thousand numbers, not a thousand queues. An id names the process too
(``<epoch>-<number>``): after a restart an old id is recognised as unknown, and the reader starts anew from
the state.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..wire import dumps

LOG_EVENTS = 20_000
"""Events kept for /ext/events: about 20 runs of 1,000 nodes, some 10 MB."""

TASK_EVENTS = 4_000
"""Events kept per task: a run of 1,000 nodes has about 2,000."""

TASKS_KEPT = 512
"""Tasks whose events are kept after they ended."""

WAKE_SLICE = 16
"""Readers woken before the loop gets a turn; each then writes to its socket, some 30 µs."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event, its data encoded once for all readers."""

    number: int
    name: str
    """E.g. ``status``, ``node``, ``progress``; of the queue ``queue.changed``."""
    task_id: str | None
    data: bytes


class Log:
    """The newest events, oldest first."""

    def __init__(self, size: int) -> None:
        self._events: deque[Event] = deque(maxlen=size)
        self._dropped = -1
        """Number of the newest event that is no longer here."""

    def append(self, event: Event) -> None:
        """Add an event; the oldest goes if there are too many."""
        if len(self._events) == self._events.maxlen:
            self._dropped = self._events[0].number
        self._events.append(event)

    def has_all_after(self, number: int) -> bool:
        """Whether no event after *number* is missing."""
        return number >= self._dropped

    def after(self, number: int) -> list[Event]:
        """Give the events after *number*."""
        found: list[Event] = []
        for event in reversed(self._events):
            if event.number <= number:
                break
            found.append(event)
        found.reverse()
        return found


class Hub:
    """Takes events in and wakes who waits for them. On the event loop only."""

    def __init__(self) -> None:
        self.epoch = uuid.uuid4().hex[:8]
        self._number = 0
        self._log = Log(LOG_EVENTS)
        self._tasks: dict[str, Log] = {}
        self._ended: dict[str, None] = {}
        self._waiting: dict[str | None, dict[asyncio.Future[bool], None]] = {}
        self._to_wake: deque[asyncio.Future[bool]] = deque()

    @property
    def newest(self) -> int:
        """Number of the newest event."""
        return self._number

    def publish(self, name: str, data: Mapping[str, Any], task_id: str | None = None) -> None:
        """Tell what happened. O(1) but for the readers, who are woken in slices."""
        self._number += 1
        body = data if task_id is None else {"task_id": task_id, **data}
        event = Event(self._number, name, task_id, dumps(body).encode())
        self._log.append(event)
        if task_id is not None:
            log = self._tasks.get(task_id)
            if log is None:
                log = self._tasks[task_id] = Log(TASK_EVENTS)
            log.append(event)
            self._wake(task_id)
        self._wake(None)

    def ended(self, task_id: str) -> None:
        """Say that no event of this task follows: its log is kept for a while."""
        self._ended[task_id] = None
        while len(self._ended) > TASKS_KEPT:
            oldest = next(iter(self._ended))
            del self._ended[oldest]
            self._tasks.pop(oldest, None)

    def open(self, task_id: str) -> bool:
        """Whether events of this task were told here and its end was not."""
        return task_id in self._tasks and task_id not in self._ended

    def changed(self, task_id: str) -> None:
        """Wake who waits for this task without an event (its place in the queue moved)."""
        self._wake(task_id)

    def event_id(self, number: int) -> str:
        """Give the id that a client sends back as ``Last-Event-ID``."""
        return f"{self.epoch}-{number}"

    def place(self, event_id: str | None, task_id: str | None) -> int | None:
        """Give the number to go on from after *event_id*; None if events after it may be missing."""
        epoch, _, text = (event_id or "").partition("-")
        if epoch != self.epoch or not (text.isascii() and text.isdigit()) or len(text) > 15:
            return None
        number = int(text)
        log = self._log if task_id is None else self._tasks.get(task_id)
        if log is None or number > self._number or not log.has_all_after(number):
            return None
        return number

    def after(self, number: int, task_id: str | None) -> list[Event] | None:
        """Give the events after *number*; None if some of them are gone (the reader was too slow)."""
        log = self._log if task_id is None else self._tasks.get(task_id)
        if log is None:
            return []
        return log.after(number) if log.has_all_after(number) else None

    async def wait(self, task_id: str | None, timeout_s: float) -> bool:
        """Wait until something happens to this task (None: to any); False if it did not in time."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        self._waiting.setdefault(task_id, {})[future] = None
        # A timer, as wait_for costs a reader twice as much.
        expiring = loop.call_later(timeout_s, _settle, future, False)
        try:
            return await future
        finally:
            expiring.cancel()
            waiting = self._waiting.get(task_id)
            if waiting is not None and waiting.pop(future, True) is None and not waiting:
                del self._waiting[task_id]

    def _wake(self, task_id: str | None) -> None:
        futures = self._waiting.pop(task_id, None)
        if not futures:
            return
        idle = not self._to_wake
        self._to_wake.extend(futures)
        if idle:
            asyncio.get_running_loop().call_soon(self._wake_slice)

    def _wake_slice(self) -> None:
        for _ in range(min(WAKE_SLICE, len(self._to_wake))):
            _settle(self._to_wake.popleft(), True)
        if self._to_wake:
            asyncio.get_running_loop().call_soon(self._wake_slice)


def _settle(future: asyncio.Future[bool], woken: bool) -> None:
    if not future.done():
        future.set_result(woken)
