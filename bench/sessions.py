"""How fast a session is edited, each edit on the disk before it is answered, and what the loop feels of it.

Usage::

    python bench/sessions.py [--rounds 60]

A workflow of ten nodes and one of 1,000, of ComfyUI 0.33 (tests/data). Beside a patch stand parts of it, done
alone: the change itself, judging the whole, and a write of the same bytes to a file with fsync.
BENCH_FOLDER says on which disk.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from _sandbox import folder
from _table import milliseconds, show
from patch import infos, thousand, unit

sessions_room: Any = importlib.import_module("backplane.sessions")
work: Any = importlib.import_module("backplane.sessions.work")
parse: Any = importlib.import_module("backplane.nodespec").parse
apply: Any = importlib.import_module("backplane.patch_engine").apply
judge: Any = importlib.import_module("backplane.validation").judge
encoded: Any = importlib.import_module("backplane.routes._http").encoded

CLIENTS = 16
TICK_S = 0.0005


class Classes:
    """The node classes, read once."""

    def __init__(self) -> None:
        self.all = {name: parse({"name": name, **info}) for name, info in infos().items()}

    async def specs(self, *, fresh: bool) -> dict[str, Any]:  # noqa: ARG002 - as the catalogue has it
        """Give them."""
        return self.all

    def learn(self, graph: Any) -> None:
        """Learn nothing."""


class Nobody:
    """No tasks."""

    async def status(self, task_id: str) -> None:
        """Know of none."""

    async def workflow(self, task_id: str) -> Any:
        """Have none."""
        raise KeyError(task_id)


def untold(name: str, data: dict[str, Any]) -> None:
    """Tell nobody."""


def steps(node_id: str, value: int) -> list[dict[str, Any]]:
    """Give a patch of one operation."""
    return [{"op": "set_param", "node_id": node_id, "param": "steps", "value": value}]


async def lag(doing: Awaitable[Any]) -> tuple[Any, float]:
    """Give the result of *doing* and the longest time in s for which the loop did not turn meanwhile."""
    worst = 0.0
    over = False

    async def tick() -> None:
        nonlocal worst
        while not over:
            begun = time.perf_counter()
            await asyncio.sleep(TICK_S)
            worst = max(worst, time.perf_counter() - begun - TICK_S)

    ticking = asyncio.ensure_future(tick())
    result = await doing
    over = True
    await ticking
    return result, worst


async def timed(rounds: int, once: Callable[[int], Awaitable[Any]]) -> tuple[float, float]:
    """Give the median seconds of *once*, and the median of the loop's longest stops."""
    taken: list[float] = []
    stops: list[float] = []
    for number in range(rounds):
        begun = time.perf_counter()
        _, stop = await lag(once(number))
        taken.append(time.perf_counter() - begun)
        stops.append(stop)
    return statistics.median(taken), statistics.median(stops)


def write(path: Path, data: bytes) -> None:
    """Write bytes so that they are on the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


async def measure(path: Path, rounds: int) -> None:
    """Measure and print."""
    classes = Classes()
    bounds = sessions_room.Bounds(versions=500)
    sessions = sessions_room.Sessions(
        path / "sessions.sqlite3", classes, Nobody(), bounds=bounds, tell=untold
    )
    rows: list[list[str]] = []
    for title, graph, node_id in (("10 nodes", unit(1), "5"), ("1,000 nodes", thousand(), "505")):
        made = await sessions.create(await sessions.from_workflow(graph), sessions_room.Description())
        session_id = made.session.id
        packed = work.pack(graph).body

        def bare(number: int, graph: Any = graph, node_id: str = node_id) -> Any:
            return asyncio.to_thread(apply, graph, steps(node_id, 21 + number), classes.all)

        def judged(_: int, graph: Any = graph) -> Any:
            return asyncio.to_thread(judge, graph, classes.all)

        def synced(number: int, packed: bytes = packed) -> Any:
            return asyncio.to_thread(write, path / f"bare-{number % 2}", packed)

        async def patched(number: int, session_id: str = session_id, node_id: str = node_id) -> None:
            edited = await sessions.patch(session_id, steps(node_id, 21 + number))
            await asyncio.to_thread(encoded, edited.graph)

        async def undone(number: int, session_id: str = session_id) -> None:
            await sessions.step(session_id, 1, back=number % 2 == 0)

        async def read(_: int, session_id: str = session_id) -> None:
            await sessions.graph_of(session_id)

        for what, once in (
            ("the change alone, in a thread", bare),
            ("judging the whole alone, in a thread", judged),
            ("a write with fsync alone", synced),
            ("patch of a session", patched),
            ("undo, redo", undone),
            ("read", read),
        ):
            await timed(5, once)
            taken, stop = await timed(rounds, once)
            rows.append([title, what, milliseconds(taken), milliseconds(stop)])
    show(f"One edit, {rounds} times: medians", ["workflow", "what", "takes", "the loop stands still"], rows)
    await many(sessions, rounds)
    await sessions.stop()


async def many(sessions: Any, rounds: int) -> None:
    """Measure clients that edit at once, each a session of its own, and all the same one."""
    origin = await sessions.from_workflow(unit(1))
    ids = [(await sessions.create(origin, sessions_room.Description())).session.id for _ in range(CLIENTS)]

    async def client(session_id: str, first: int) -> None:
        for number in range(rounds):
            await sessions.patch(session_id, steps("5", 1 + (first + number) % 9_000))

    rows: list[list[str]] = []
    for what, work_ in (
        ("1 client", [client(ids[0], 100)]),
        (f"{CLIENTS} clients, a session each", [client(each, 1000) for each in ids]),
        (f"{CLIENTS} clients on one session", [client(ids[0], 200 * at) for at in range(CLIENTS)]),
    ):
        begun = time.perf_counter()
        _, stop = await lag(asyncio.gather(*work_))
        rate = len(work_) * rounds / (time.perf_counter() - begun)
        rows.append([what, f"{rate:,.0f}", milliseconds(stop)])
    show("Edits of ten nodes, all on the disk", ["who", "edits/s", "longest stop of the loop"], rows)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    with folder() as path:
        asyncio.run(measure(path, rounds))


if __name__ == "__main__":
    main()
