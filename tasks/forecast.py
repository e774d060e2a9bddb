"""When tasks will end, from what past runs took. On the event loop; learned values are kept in the store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from ..errors import JSON
from .estimates import Estimates, Key, Running, keys_of
from .progress import SETTLED
from .task import Task

THREAD_NODES = 200
"""Workflows of more nodes are looked at in a thread: 1,000 take some 50 ms."""

KEPT = 20_000
"""Queued tasks whose seconds are remembered."""


class Forecast:
    """Expected seconds of the tasks that wait and of those that run."""

    def __init__(self, learned: object = None) -> None:
        self._estimates = Estimates.from_json(learned)
        self._keys: dict[str, Mapping[str, Key]] = {}
        self._queued: dict[str, float | None] = {}
        self.changed = False
        """Whether something was learned since :meth:`to_json`."""

    def to_json(self) -> JSON:
        """Give what was learned."""
        self.changed = False
        return self._estimates.to_json()

    async def queued(self, task_id: str, graph: Mapping[str, JSON], node_ids: list[str]) -> None:
        """Take up a task that was submitted."""
        if len(graph) > THREAD_NODES:
            keys = await asyncio.to_thread(keys_of, graph, node_ids)
        else:
            keys = keys_of(graph, node_ids)
        self._queued[task_id] = self._estimates.estimate(keys)
        while len(self._queued) > KEPT:
            del self._queued[next(iter(self._queued))]

    def expected(self, task_id: str) -> float | None:
        """Give the seconds that a queued task will run, or None."""
        return self._queued.get(task_id)

    async def began(self, task: Task) -> None:
        """Take up a task that is handed to ComfyUI."""
        self._queued.pop(task.id, None)
        graph, ids = task.graph or {}, list(task.progress.nodes)
        if len(graph) > THREAD_NODES:
            self._keys[task.id] = await asyncio.to_thread(keys_of, graph, ids)
        else:
            self._keys[task.id] = keys_of(graph, ids)

    def remaining(self, task: Task) -> float | None:
        """Give the seconds that a task in ComfyUI's queue still takes, or None."""
        keys = self._keys.get(task.id)
        if keys is None:
            return None
        nodes, now = task.progress.nodes, time.time()
        running = {
            node_id: Running(nodes[node_id].fraction, max(now - (nodes[node_id].started_at or now), 0.0))
            for node_id in task.progress.running
        }
        done = {node_id for node_id, node in nodes.items() if node.state in SETTLED}
        return self._estimates.estimate(keys, done=done, running=running)

    def ended(self, task: Task) -> None:
        """Learn from a run."""
        keys = self._keys.pop(task.id, None)
        if keys is None:
            return
        took = {
            node_id: node.duration_s
            for node_id, node in task.progress.nodes.items()
            if node.state == "done" and node.duration_s is not None
        }
        if took:
            self._estimates.learn(keys, took)
            self.changed = True
