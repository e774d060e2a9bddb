"""Engines on one file with clocks that are set by hand, and tasks: what tests of the store share."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from backplane.tasks.engine import Claimed, Ending, NewTask, StoredTask
from backplane.tasks.store import SqliteEngine, open_engine

NOW = 1_800_000_000.0
GRAPH = {"1": {"class_type": "LoadImage", "inputs": {"image": "é\ud800.png"}}}
SUCCEEDED = Ending("succeeded", NOW + 5, {"outputs": [1]})
FAILED = Ending("failed", NOW + 5, {"nodes": {}}, {"code": "NODE_FAILED"})
CANCELLED = Ending("cancelled", NOW + 5)

names = (f"task-{number}" for number in itertools.count())


def new(**fields: Any) -> NewTask:
    return NewTask(**({"id": next(names), "created_at": NOW, "graph": GRAPH} | fields))


class Ticks:
    """A clock that is set by hand."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class Rig:
    """Engines on one file, with clocks that are set by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Ticks(NOW)
        self.ticks = Ticks(100.0)
        self.engines: list[SqliteEngine] = []

    def open(self, node: str) -> SqliteEngine:
        engine = open_engine(self.path, node=node, clock=self.clock, ticks=self.ticks)
        self.engines.append(engine)
        return engine

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Rig"]:
        try:
            yield self
        finally:
            for engine in self.engines:
                await engine.close()


async def submitted(engine: SqliteEngine, **fields: Any) -> str:
    task = new(**fields)
    await engine.submit([task])
    return task.id


async def claimed(engine: SqliteEngine, node: str = "a", **fields: Any) -> Claimed:
    """Submit a task, claim it, and let it begin."""
    task_id = await submitted(engine, **fields)
    found = await engine.claim(node, [task_id], now=NOW, lease_s=60)
    assert found is not None
    assert await engine.begin(found.lease, NOW)
    return found


async def got(engine: SqliteEngine, task_id: str, *, graph: bool = False) -> StoredTask:
    task = await engine.get(task_id, graph=graph)
    assert task is not None
    return task
