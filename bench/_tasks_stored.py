"""How many tasks are taken, and what looking at very many of them costs."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import random
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _load import node, pair, text_to_image, timed
from _sandbox import Server, Wire, folder, sandbox
from _table import load_package, milliseconds, show


async def accepts(options: argparse.Namespace) -> None:
    """Measure how many tasks are taken, each on the disk before its 202."""

    async def one(wire: Wire) -> None:
        await wire.json("POST", "/ext/tasks", {"workflow": text_to_image()})

    async def batch(wire: Wire) -> None:
        tasks = [{"workflow": text_to_image()} for _ in range(100)]
        await wire.json("POST", "/ext/tasks/batch", {"tasks": tasks})

    rows: list[list[str]] = []
    with folder() as data, sandbox(data, BACKPLANE_MAX_QUEUED="1000000") as server:
        async with Wire(server.port) as wire:
            await wire.json("POST", "/ext/queue/pause")
        for name, work, clients, each in [
            ("one client", one, 1, 1),
            ("32 clients", one, 32, 1),
            ("batches of 100, one client", batch, 1, 100),
            ("batches of 100, two clients", batch, 2, 100),
        ]:
            cpu = server.cpu_s()
            taken, wall = await timed(server.port, work, seconds=options.seconds, clients=clients)
            used = (server.cpu_s() - cpu) / (len(taken) * each)
            rows.append([name, f"{len(taken) * each / wall:,.0f}", *pair(taken), milliseconds(used)])
    show(
        "Durable accepts of ComfyUI's default workflow (7 nodes), the queue paused",
        ["", "tasks/s", "p50 of a request", "p99", "server's CPU per task"],
        rows,
    )


def stored(number: int) -> Any:
    """Give a finished task of seven nodes."""
    values: Any = importlib.import_module("backplane.tasks.engine")
    at = time.time() - 86_400 + number / 10
    graph = text_to_image()
    done = {"status": "done", "value": None, "max": None, "started_at": "2026-01-31T12:00:00.000Z"}
    done |= {"title": "Node", "duration_s": 0.25, "vram_peak": None, "ram_peak": None, "parent": None}
    output = {"node_id": "9", "kind": "image", "name": "images", "filename": f"ComfyUI_{number:05}_.png"}
    output |= {"subfolder": "", "type": "output", "media_type": "image/png", "size": 400_000}
    output |= {"sha256": "0" * 64, "width": 1024, "height": 1024}
    task_id = str(uuid.uuid4())
    result = {
        "prompt_id": task_id,
        "progress": 1.0,
        "nodes_total": len(graph),
        "nodes_done": len(graph),
        "current": [],
        "nodes": {node_id: {"class_type": one["class_type"], **done} for node_id, one in graph.items()},
        "outputs": [output],
        "warnings": [],
    }
    return values.StoredTask(
        id=task_id,
        seq=0,
        kind="prompt",
        origin="api",
        status="failed" if number % 50 == 0 else "succeeded",
        client=f"c{number % 10}",
        priority=0,
        attempt=1,
        max_attempts=3,
        created_at=at,
        started_at=at + 1,
        finished_at=at + 3,
        not_before=0.0,
        node=None,
        cancel_requested=False,
        batch_id=None,
        retry_of=None,
        request={},
        metadata={"order": str(number), "user": number % 1000},
        result=result,
        error=None,
        graph=graph,
    )


async def fill(path: Path, count: int) -> list[str]:
    """Write so many finished tasks into a store; give their ids."""
    store: Any = importlib.import_module("backplane.tasks.store")
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = await asyncio.to_thread(store.open_engine, path, node=uuid.uuid4().hex)
    ids: list[str] = []
    for start in range(0, count, 1000):
        made = [stored(number) for number in range(start, min(start + 1000, count))]
        await asyncio.gather(*(engine.record(task) for task in made))
        ids += [task.id for task in made]
    await engine.close()
    return ids


async def polls(options: argparse.Namespace) -> None:
    """Measure what looking costs where very many tasks are stored."""
    load_package()
    with folder() as data:
        ids = await fill(data / "user" / "__backplane" / "tasks.sqlite3", options.stored)
        with sandbox(data) as server:
            rows = await _polls(server, ids, options.seconds)
    title = f"Polls and lists with {options.stored:,} finished tasks stored, one request after the other"
    show(title, ["", "requests/s", "p50", "p99", "bytes"], rows)


async def _polls(server: Server, ids: list[str], seconds: float) -> list[list[str]]:
    async with Wire(server.port) as wire:
        ticks = {"1": node("FaultTicks", ticks=100_000, seconds=0.25, salt="")}
        ticks["2"] = node("ContractShow", value=["1", 0])
        running_id = (await wire.json("POST", "/ext/tasks", {"workflow": ticks}))["id"]
        _, headers, _ = await wire.ask("GET", f"/ext/tasks/{ids[0]}")
        page = await wire.json("GET", "/ext/tasks?limit=50")
    etag = headers[b"etag"].decode()
    deep = int(page["next_cursor"]) // 2
    paths: list[tuple[str, Callable[[], str], dict[str, str]]] = [
        ("a stored task", lambda: f"/ext/tasks/{random.choice(ids)}", {}),
        ("the same, unchanged (304)", lambda: f"/ext/tasks/{ids[0]}", {"If_None_Match": etag}),
        ("the task that runs", lambda: f"/ext/tasks/{running_id}", {}),
        ("50 tasks by ?ids=", lambda: "/ext/tasks?ids=" + ",".join(random.sample(ids, 50)), {}),
        ("the newest 50", lambda: "/ext/tasks?limit=50", {}),
        ("50 from the middle", lambda: f"/ext/tasks?limit=50&cursor={deep}", {}),
        ("50 that failed", lambda: "/ext/tasks?status=failed&limit=50", {}),
        ("by metadata", lambda: f"/ext/tasks?metadata.order={random.randrange(len(ids))}&limit=50", {}),
    ]
    rows: list[list[str]] = []
    for name, path, sent in paths:
        size = 0

        async def look(wire: Wire, path: Callable[[], str] = path, sent: dict[str, str] = sent) -> None:
            nonlocal size
            status, _, body = await wire.ask("GET", path(), b"", **sent)
            if status != (304 if sent else 200):
                raise SystemExit(f"{status}: {body[:300]!r}")
            size = len(body)

        taken, wall = await timed(server.port, look, seconds=seconds)
        rows.append([name, f"{len(taken) / wall:,.0f}", *pair(taken), f"{size:,}"])
    return rows
