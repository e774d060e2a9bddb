"""The prompts that wait, the one that runs, and what became of the others."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import JSON
from ..host.protocol import QueuedPrompt, QueueSnapshot, RunError

HISTORY_KEPT = 10_000
"""Finished prompts that are remembered, as in ComfyUI."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A prompt in the queue. Everyone shares it: nobody changes it."""

    number: float
    """Smaller runs first."""
    prompt: QueuedPrompt
    extra_data: JSON
    secrets: JSON
    """Keys of partner services: for the nodes that ask, never in a reply."""
    interrupt: threading.Event = field(default_factory=threading.Event)
    """Set to stop it. It belongs to this prompt alone, so a stop can neither be lost nor hit another one."""

    def listed(self) -> list[Any]:
        """Give the prompt as ``/queue`` and ``/history`` list it."""
        prompt = self.prompt
        return [self.number, prompt.prompt_id, prompt.graph, self.extra_data, list(prompt.targets)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    status: Literal["succeeded", "failed", "interrupted"]
    messages: list[tuple[str, JSON]] = field(default_factory=list[tuple[str, JSON]])
    """What was told on the way, for the history."""
    outputs: dict[str, JSON] = field(default_factory=dict[str, JSON])
    """Unique node id → ui."""
    meta: dict[str, JSON] = field(default_factory=dict[str, JSON])
    error: RunError | None = None

    def display_ids(self) -> dict[str, str]:
        """Unique node id → id in the submitted workflow, where they differ."""
        shown = {node_id: str(meta["display_node"]) for node_id, meta in self.meta.items()}
        return {node_id: display for node_id, display in shown.items() if node_id != display}


Removed = Callable[[Item], None]
Done = Callable[[Item, Outcome], None]
Changed = Callable[[QueueSnapshot], None]


class PromptQueue:
    """Queue and history of one sandbox; every method may be called from any thread.

    The callbacks are called under the queue's lock, so that they see changes in their order: they may
    only hand over. *removed*: a prompt left before it began. *done*: a prompt is in the history.
    """

    def __init__(
        self, *, removed: Removed, done: Done, changed: Changed, history: int = HISTORY_KEPT
    ) -> None:
        self._removed = removed
        self._done = done
        self._changed = changed
        self._kept = history
        self._lock = threading.Condition(threading.RLock())
        self._pending: list[tuple[float, int, Item]] = []
        self._running: Item | None = None
        self._history: dict[str, JSON] = {}
        self._order = 0
        self._closed = False

    def put(self, item: Item) -> None:
        """Queue *item* behind all of the same number."""
        with self._lock:
            self._order += 1
            bisect.insort(self._pending, (item.number, self._order, item), key=lambda entry: entry[:2])
            self._changed(self.snapshot())
            self._lock.notify()

    def get(self) -> Item | None:
        """Wait for the next prompt and make it the running one; None once the queue is closed."""
        with self._lock:
            while not self._pending and not self._closed:
                self._lock.wait()
            if self._closed:
                return None
            self._running = self._pending.pop(0)[2]
            self._changed(self.snapshot())
            return self._running

    def finish(self, item: Item, outcome: Outcome) -> None:
        """Move the running *item* to the history."""
        with self._lock:
            self._running = None
            prompt_id = item.prompt.prompt_id
            self._history.pop(prompt_id, None)  # an id used again counts as new
            self._history[prompt_id] = {
                "prompt": item.listed(),
                "outputs": outcome.outputs,
                "status": {
                    "status_str": "success" if outcome.status == "succeeded" else "error",
                    "completed": outcome.status == "succeeded",
                    "messages": [list(message) for message in outcome.messages],
                },
                "meta": outcome.meta,
            }
            while len(self._history) > self._kept:
                del self._history[next(iter(self._history))]
            self._done(item, outcome)
            self._changed(self.snapshot())

    def close(self) -> None:
        """Let :meth:`get` return None, and stop the running prompt."""
        with self._lock:
            self._closed = True
            if self._running is not None:
                self._running.interrupt.set()
            self._lock.notify_all()

    def remove(self, prompt_ids: Sequence[object] | None = None) -> int:
        """Take pending prompts away, all of them if *prompt_ids* is None; answers how many."""
        with self._lock:
            gone: list[Item] = []
            kept: list[tuple[float, int, Item]] = []
            for entry in self._pending:
                if prompt_ids is None or entry[2].prompt.prompt_id in prompt_ids:
                    gone.append(entry[2])
                else:
                    kept.append(entry)
            if gone:
                self._pending = kept
                for item in gone:
                    self._removed(item)
                self._changed(self.snapshot())
            return len(gone)

    def interrupt(self, prompt_id: str | None = None) -> bool:
        """Stop the running prompt, if it is *prompt_id* or None was given; says whether one was told."""
        with self._lock:
            if self._running is None or prompt_id not in (None, self._running.prompt.prompt_id):
                return False
            self._running.interrupt.set()
            return True

    def cancel(self, prompt_id: str) -> Literal["removed", "interrupting", "absent"]:
        """Take a prompt away or stop it, wherever it is now."""
        with self._lock:
            removed = self.remove([prompt_id])
            if self.interrupt(prompt_id):
                return "interrupting"
            return "removed" if removed else "absent"

    def snapshot(self) -> QueueSnapshot:
        """The queue now, pending prompts in the order in which they will run."""
        with self._lock:
            running = () if self._running is None else (self._running.prompt,)
            return QueueSnapshot(running, tuple(entry[2].prompt for entry in self._pending))

    def items(self) -> tuple[list[Item], list[Item]]:
        """What runs and what waits, in order."""
        with self._lock:
            running = [] if self._running is None else [self._running]
            return running, [entry[2] for entry in self._pending]

    def remaining(self) -> int:
        """How many prompts run or wait."""
        with self._lock:
            return len(self._pending) + (self._running is not None)

    def history(self, *, limit: int | None = None, offset: int | None = None) -> dict[str, JSON]:
        """The finished prompts, oldest first: *limit* of them from *offset*, or the last *limit*."""
        with self._lock:
            ids = list(self._history)
            if limit is not None and (offset is None or offset < 0):
                offset = max(0, len(ids) - limit)
            start = max(0, offset or 0)
            end = None if limit is None else start + max(0, limit)
            return {prompt_id: self._history[prompt_id] for prompt_id in ids[start:end]}

    def finished(self, prompt_id: str) -> JSON | None:
        """One finished prompt."""
        with self._lock:
            return self._history.get(prompt_id)

    def forget(self, prompt_ids: Sequence[object] | None = None) -> None:
        """Drop finished prompts, all of them if *prompt_ids* is None."""
        with self._lock:
            for prompt_id in list(self._history):
                if prompt_ids is None or prompt_id in prompt_ids:
                    del self._history[prompt_id]
