"""What the task store costs: durable submits, polls, lists and claims, on a file with very many tasks.

    python bench/store.py [--stored 100000,200000] [--seconds 3] [--folder …]

Times include the way to the store's threads and back to the event loop, and every write waits for the
disk. Beside it, in the same run and folder: plain ``sqlite3`` with a commit for each row (the disk's own
limit), and persist-queue (PyPI) where it is installed, with its default settings.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import random
import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from _table import load_package, milliseconds, show

load_package()

values: Any = importlib.import_module("backplane.tasks.engine")
store_room: Any = importlib.import_module("backplane.tasks.store")

NODES = 12
"""Nodes of a workflow here, some 3 kB of JSON; each is a graph of its own, as another seed makes it."""


def graph(seed: int) -> dict[str, Any]:
    """Give a workflow of NODES nodes that no other task has."""
    text = "a photograph of a harbour at dawn, long exposure, mist over the water " * 2
    inputs = {"seed": seed, "steps": 20, "cfg": 7.5, "text": text}
    return {
        str(number): {
            "class_type": f"SomeNodeClass{number}",
            "inputs": inputs | {"model": [str(number - 1), 0] if number else "sd15.safetensors"},
            "_meta": {"title": f"Node {number}"},
        }
        for number in range(NODES)
    }


def result(seed: int) -> dict[str, Any]:
    """Give what is kept of a finished run of such a workflow."""
    done = {"status": "done", "value": 20, "max": 20, "duration_s": 0.25, "title": "Node", "parent": None}
    return {
        "prompt_id": uuid.uuid4().hex,
        "nodes": {str(number): {"class_type": f"SomeNodeClass{number}", **done} for number in range(NODES)},
        "outputs": [{"filename": f"ComfyUI_{seed:05}_.png", "type": "output", "sha256": "0" * 64}],
    }


def task(seed: int) -> Any:
    """Give a new task."""
    metadata = {"project": f"p{seed % 50}", "user": seed % 1000}
    return values.NewTask(
        uuid.uuid4().hex, time.time(), graph(seed), metadata=metadata, client=f"c{seed % 10}"
    )


async def timed(work: Callable[[], Awaitable[object]], *, seconds: float, callers: int = 1) -> list[float]:
    """Give the seconds of each call of *work*, by so many *callers* at once for so long."""
    taken: list[float] = []
    until = perf_counter() + seconds

    async def call() -> None:
        while (begun := perf_counter()) < until:
            await work()
            taken.append(perf_counter() - begun)

    await asyncio.gather(*(call() for _ in range(callers)))
    return taken


def p99(taken: list[float]) -> float:
    """Give the 99th percentile."""
    return statistics.quantiles(taken, n=100)[98] if len(taken) > 1 else taken[0]


def row(name: str, taken: list[float], wall: float, *, each: int = 1) -> list[str]:
    """Give a table's row: how many a second, and how long one took."""
    rate = f"{len(taken) * each / wall:,.0f}"
    return [name, rate, milliseconds(statistics.median(taken)), milliseconds(p99(taken))]


async def measured(
    name: str,
    work: Callable[[], Awaitable[object]],
    *,
    seconds: float,
    callers: int = 1,
    each: int = 1,
) -> list[str]:
    """Measure *work* and give its row."""
    begun = perf_counter()
    taken = await timed(work, seconds=seconds, callers=callers)
    return row(name, taken, perf_counter() - begun, each=each)


def plain(folder: Path, seconds: float) -> list[str]:
    """Measure one INSERT and COMMIT after the other with the standard library."""
    db = sqlite3.connect(folder / "plain.sqlite3", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE rows (id TEXT PRIMARY KEY, body TEXT)")
    taken: list[float] = []
    start = perf_counter()
    while (begun := perf_counter()) - start < seconds:
        body = json.dumps(graph(len(taken)))
        db.execute("INSERT INTO rows VALUES (?,?)", (uuid.uuid4().hex, body))
        taken.append(perf_counter() - begun)
    db.close()
    return row("plain sqlite3, WAL, FULL: one row, one commit", taken, perf_counter() - start)


def persist_queue(folder: Path, seconds: float) -> list[list[str]]:
    """Measure persist-queue's SQLite queue, if it is installed."""
    try:
        peer: Any = importlib.import_module("persistqueue")
    except ImportError:
        return []
    queue = peer.SQLiteAckQueue(str(folder / "persistqueue"), auto_commit=True)
    taken: list[float] = []
    start = perf_counter()
    while (begun := perf_counter()) - start < seconds:
        queue.put(graph(len(taken)))
        taken.append(perf_counter() - begun)
    wall = perf_counter() - start
    claimed: list[float] = []
    while (begun := perf_counter()) - start < wall + seconds and queue.size > 1:
        queue.ack(queue.get())
        claimed.append(perf_counter() - begun)
    return [
        row("persist-queue SQLiteAckQueue: put", taken, wall),
        row("persist-queue SQLiteAckQueue: get + ack", claimed, perf_counter() - start - wall),
    ]


async def fill(engine: Any, count: int, seen: list[str]) -> None:
    """Store finished tasks until there are *count* of them."""

    async def run(task_id: str) -> None:
        claimed = await engine.claim("bench", [task_id], now=time.time(), lease_s=60)
        await engine.complete(claimed.lease, values.Ending("succeeded", time.time(), result(1)))

    while len(seen) < count:
        tasks = [task(len(seen) + number) for number in range(min(500, count - len(seen)))]
        await engine.submit(tasks)
        ids = [one.id for one in tasks]
        await asyncio.gather(*map(run, ids))
        seen += ids


async def writes(folder: Path, seconds: float) -> list[list[str]]:
    """Measure submits into an empty store, and the peers."""
    engine = await asyncio.to_thread(store_room.open_engine, folder / "tasks.sqlite3", node="bench")

    def submit(count: int) -> Awaitable[object]:
        return engine.submit([task(time.perf_counter_ns()) for _ in range(count)])

    rows = [
        plain(folder, seconds),
        *persist_queue(folder, seconds),
        await measured("submit, 1 caller", lambda: submit(1), seconds=seconds),
        await measured("submit, 32 callers", lambda: submit(1), seconds=seconds, callers=32),
        await measured("submit in batches of 100", lambda: submit(100), seconds=seconds, each=100),
    ]
    await engine.close()
    return rows


async def reads(engine: Any, seen: list[str], seconds: float) -> list[list[str]]:
    """Measure what clients ask for, among *seen* finished tasks."""
    dice = random.Random(7)
    queries = {
        "newest 50": values.Query(50),
        "50 failed (there are none)": values.Query(50, statuses=("failed",)),
        "50 of one project": values.Query(50, metadata={"project": "p7"}),
        "50 of the last minute": values.Query(50, since=time.time() - 60),
    }
    half = seconds / 2
    return [
        await measured("get one (a poll)", lambda: engine.get(dice.choice(seen)), seconds=seconds),
        await measured(
            "get one, 32 callers", lambda: engine.get(dice.choice(seen)), seconds=seconds, callers=32
        ),
        await measured("get_many, 20", lambda: engine.get_many(dice.sample(seen, 20)), seconds=half),
        *[
            await measured(f"list, {name}", lambda query=query: engine.list(query), seconds=half)
            for name, query in queries.items()
        ],
        await measured("counts", engine.counts, seconds=half),
        await measured(
            "submit, 1 caller", lambda: engine.submit([task(time.perf_counter_ns())]), seconds=seconds
        ),
    ]


async def queue(engine: Any, seconds: float) -> list[list[str]]:
    """Measure what a scheduler asks for, with 10,000 tasks queued."""
    queued = [task(time.perf_counter_ns()) for _ in range(10_000)]
    for start in range(0, len(queued), 500):
        await engine.submit(queued[start : start + 500])
    waiting = [one.id for one in queued]
    random.Random(7).shuffle(waiting)
    _, newest = await engine.changes(0)

    async def claim() -> None:
        claimed = await engine.claim("bench", waiting[:8], now=time.time(), lease_s=60)
        waiting.remove(claimed.task.id)

    return [
        await measured("claim", claim, seconds=seconds),
        await measured("changes, nothing new", lambda: engine.changes(newest + 10**6), seconds=seconds / 2),
        await measured("changes(0), all queued", lambda: engine.changes(0), seconds=seconds / 2),
    ]


async def bench(folder: Path, stored: list[int], seconds: float) -> None:
    """Measure everything and print the tables."""
    head = ["what", "tasks/s", "p50 of a call", "p99 of a call"]
    show("Durable writes", head, await writes(folder, seconds))
    path = folder / "many.sqlite3"
    head = ["what", "calls/s", "p50", "p99"]
    seen: list[str] = []
    for count in stored:
        engine = await asyncio.to_thread(store_room.open_engine, path, node="bench")
        begun = perf_counter()
        await fill(engine, count, seen)
        filled = perf_counter() - begun
        await engine.close()
        begun = perf_counter()
        engine = await asyncio.to_thread(store_room.open_engine, path, node="bench")
        opened = milliseconds(perf_counter() - begun)
        size = f"{path.stat().st_size / 2**20:,.0f} MiB"
        title = f"With {count:,} finished tasks ({size}; filled in {filled:.0f} s; opened in {opened})"
        show(title, head, await reads(engine, seen, seconds))
        if count == stored[-1]:
            show(f"With 10,000 queued beside {count:,} finished", head, await queue(engine, seconds))
        await engine.close()


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stored", default="100000,200000")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where the files are made; default: temporary"
    )
    given = parser.parse_args()
    stored = [int(count) for count in given.stored.split(",")]
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        asyncio.run(bench(Path(folder), stored, given.seconds))


if __name__ == "__main__":
    main()
