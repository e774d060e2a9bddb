"""Turns what is seen of a server's runs into the ordered events of :mod:`.protocol`.

Two sources: reports put in by hooks (see :class:`~.feed.Feed`), and looks at the queue and the history.
The rule that keeps a run's story straight: a run is over when it is in the history, never because it is
absent somewhere. Its last report may still be on its way then, so the queue is looked at first and the
reports that led to it are handled before the look is judged.

::

    worker thread:  put(report) … wake()          event loop:  reports → sinks
                                                               look → flush → who left? → RunEnded
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from .feed import Feed
from .protocol import (
    NodeFinished,
    NodeProgressed,
    NodesCached,
    NodeStarted,
    QueueChanged,
    QueuedPrompt,
    QueueSnapshot,
    RunEnded,
    RunError,
    RunEvent,
    RunStarted,
)

log = logging.getLogger("backplane")

TICK_S = 2.0
"""How often the queue is looked at even if no hook called: also finds a worker that died."""

Progress = Callable[[], "tuple[str, Mapping[str, tuple[str, float, float]], Callable[[str], str]] | None"]
"""Gives (prompt_id, {node_id: (state, value, max)}, node_id → display id) of the current run."""


@dataclass(frozen=True, slots=True)
class Finishing:
    """The executor's last word on a prompt; its outputs are not in the history yet."""

    prompt_id: str
    status: Literal["succeeded", "failed", "interrupted"]
    error: RunError | None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A prompt that is over, as the history has it."""

    prompt: QueuedPrompt
    status: Literal["succeeded", "failed", "interrupted"]
    error: RunError | None
    outputs: Mapping[str, Mapping[str, object]]
    display_ids: Mapping[str, str]
    cached: tuple[str, ...]


Report = RunEvent | Finishing


class Watch:
    """Follows every run of one server. All methods but put and wake belong to the loop.

    *queue* and *history* read the server, *in_queue* says whether a prompt is pending or running,
    *worker_alive* whether anything will run, *ended* is told when a prompt is over.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        queue: Callable[[], QueueSnapshot],
        history: Callable[[str], HistoryEntry | None],
        in_queue: Callable[[str], bool],
        worker_alive: Callable[[], bool],
        ended: Callable[[str], None],
    ) -> None:
        self._feed: Feed[Report] = Feed(loop, self._handle, self._look)
        self._queue = queue
        self._history = history
        self._in_queue = in_queue
        self._worker_alive = worker_alive
        self._ended = ended
        self._sinks: list[Callable[[RunEvent], None]] = []
        self._active: dict[str, Finishing | None] = {}
        self._pending: dict[str, None] = {}
        self._last: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._tick_s = TICK_S
        self._progress: Progress | None = None
        self._polled: dict[str, tuple[str, float, float]] = {}
        self._polling = False
        self._ticking: asyncio.Task[None] | None = None

    # For the hooks

    def put(self, report: Report) -> None:
        """Report something that happened. Any thread; never blocks, never raises."""
        self._feed.put(report)

    def wake(self) -> None:
        """Say that the queue may have changed. Any thread; never blocks, never raises."""
        self._feed.wake()

    # For the host

    def subscribe(self, sink: Callable[[RunEvent], None]) -> None:
        """Deliver every event from now on to *sink*."""
        self._sinks.append(sink)

    def poll(self, interval_s: float, *, progress: Progress | None) -> None:
        """Look every *interval_s* seconds, at *progress* too if given, because a hook is missing."""
        self._polling = True
        self._tick_s = interval_s
        self._progress = progress

    def start(self) -> None:
        """Begin to look."""
        self._ticking = asyncio.get_running_loop().create_task(self._tick())

    def stop(self) -> None:
        """Look no more."""
        if self._ticking is not None:
            self._ticking.cancel()

    def expect(self, prompt_id: str) -> None:
        """Say that this prompt was queued just now: it may be over before the next look."""
        if prompt_id not in self._active:
            self._pending[prompt_id] = None

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._tick_s)
            try:
                self._look()
                if self._active and not self._worker_alive():
                    for prompt_id in list(self._active):
                        self._end_lost(prompt_id, "ComfyUI's prompt worker stopped during the run.")
            except Exception:
                log.exception("The queue could not be read")

    # Reports

    def _emit(self, event: RunEvent) -> None:
        for sink in self._sinks:
            try:
                sink(event)
            except Exception:
                log.exception("An event could not be handled: %s", type(event).__name__)

    def _handle(self, report: Report) -> None:
        if isinstance(report, RunStarted):
            self._begin(report)
        elif isinstance(report, Finishing):
            if report.prompt_id in self._active:
                self._active[report.prompt_id] = report
        elif isinstance(report, RunEnded | QueueChanged) or report.prompt_id in self._active:
            self._emit(report)

    def _begin(self, started: RunStarted) -> None:
        self._pending.pop(started.prompt_id, None)
        if started.prompt_id not in self._active:
            self._active[started.prompt_id] = None
            self._emit(started)

    # Looks

    def _look(self) -> None:
        snapshot = self._queue()
        # All that led to this queue has been reported by now; what comes later does no harm.
        self._feed.flush()
        running = {prompt.prompt_id: prompt for prompt in snapshot.running}
        waiting = {prompt.prompt_id for prompt in snapshot.pending}
        for prompt_id, prompt in running.items():
            if prompt_id not in self._active:
                self._begin(RunStarted(prompt_id, time.time(), prompt))
        if self._progress is not None:
            self._look_at_progress(self._progress)
        for prompt_id in [*self._active, *self._pending]:
            if prompt_id not in running and prompt_id not in waiting:
                self._judge(prompt_id)
        for prompt_id in waiting:
            self.expect(prompt_id)
        ids = (tuple(running), tuple(prompt.prompt_id for prompt in snapshot.pending))
        if ids != self._last:
            self._last = ids
            self._emit(QueueChanged(snapshot))

    def _judge(self, prompt_id: str) -> None:
        """Tell how a prompt ended that was not in the queue when it was looked at."""
        entry = self._history(prompt_id)
        if entry is None:
            if self._in_queue(prompt_id):
                return  # it came after the look
            # It may have ended between the two; queue and history change in one step.
            entry = self._history(prompt_id)
        if entry is not None:
            self._end(prompt_id, entry)
        elif prompt_id in self._active:
            self._end_lost(prompt_id, "The prompt left ComfyUI's queue without a result.")
        else:
            self._over(RunEnded(prompt_id, time.time(), "removed"))

    def _end(self, prompt_id: str, entry: HistoryEntry) -> None:
        now = time.time()
        if prompt_id not in self._active:
            self._begin(RunStarted(prompt_id, now, entry.prompt))
        if self._polling:  # a hook would have told when the run began
            self._emit(NodesCached(prompt_id, now, entry.cached))
        finishing = self._active.get(prompt_id)
        status, error = (
            (entry.status, entry.error) if finishing is None else (finishing.status, finishing.error)
        )
        self._over(RunEnded(prompt_id, now, status, entry.outputs, entry.display_ids, error))

    def _end_lost(self, prompt_id: str, why: str) -> None:
        finishing = self._active.get(prompt_id)
        now = time.time()
        if finishing is not None:  # its history was cleared before it was read
            self._over(RunEnded(prompt_id, now, finishing.status, error=finishing.error))
        else:
            self._over(RunEnded(prompt_id, now, "lost", error=RunError(why)))

    def _over(self, end: RunEnded) -> None:
        self._active.pop(end.prompt_id, None)
        self._pending.pop(end.prompt_id, None)
        self._polled = {}
        self._ended(end.prompt_id)
        self._emit(end)

    def _look_at_progress(self, progress: Progress) -> None:
        """Tell what changed since the last look, as the progress hook would have."""
        seen = progress()
        if seen is None or seen[0] not in self._active:
            return
        prompt_id, states, display_of = seen
        now = time.time()
        for node_id, (state, value, most) in states.items():
            before = self._polled.get(node_id)
            if before == (state, value, most) or state == "pending":
                continue
            self._polled[node_id] = (state, value, most)
            display = display_of(node_id)
            if before is None:
                parent = None if display == node_id else display
                self._emit(NodeStarted(prompt_id, now, node_id, display, parent, None))
            if state == "finished":
                self._emit(NodeFinished(prompt_id, now, node_id, display))
            elif before is not None or value:
                self._emit(NodeProgressed(prompt_id, now, node_id, value, most))
