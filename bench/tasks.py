"""What /ext/tasks does under load: a sandbox in a process of its own, measured over HTTP on the loopback.

    python bench/tasks.py [accepts polls readers chain memory honesty] [--stored 100000] [--runs 2000] …

Without names all of it is measured. The client runs on this machine too, and takes its share of the cores;
BENCH_FOLDER says on which disk the task store lies. COMFY_API_PROXY is the path of comfy-api-proxy's
executable (PyPI), which ``honesty`` then measures beside Backplane, in front of the same sandbox.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import multiprocessing
import os
import random
import re
import resource
import statistics
import time
import uuid
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

from _sandbox import Server, Wire, folder, free_port, running, sandbox
from _table import ROOT, load_package, milliseconds, show
from progress import chain

PROXY = os.environ.get("COMFY_API_PROXY")
MEGABYTE = 2**20
TERMINAL = frozenset({"succeeded", "failed", "cancelled", "canceled", "expired"})
"""Of Backplane and of comfy-api-proxy."""


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """Give one node of a workflow."""
    return {"class_type": class_type, "inputs": inputs}


def quick() -> dict[str, Any]:
    """Give the smallest workflow that no cache knows."""
    salt = uuid.uuid4().hex
    return {"1": node("ContractInt", value=1, salt=salt), "2": node("ContractShow", value=["1", 0])}


def picture() -> dict[str, Any]:
    """Give a tiny workflow that saves a file."""
    return {
        "1": node("EmptyImage", width=16, height=16, batch_size=1, color=0x336699),
        "2": node("SaveImage", images=["1", 0], filename_prefix=f"bench_{uuid.uuid4().hex}"),
    }


TEXT_TO_IMAGE = json.loads((ROOT / "docs" / "requests" / "text_to_image.json").read_text())["workflow"]


def text_to_image() -> dict[str, Any]:
    """Give ComfyUI's default workflow with another seed."""
    made: dict[str, Any] = json.loads(json.dumps(TEXT_TO_IMAGE))
    for one in made.values():
        if "seed" in one["inputs"]:
            one["inputs"]["seed"] = random.getrandbits(48)
    return made


def p(taken: Sequence[float], percent: int) -> str:
    """Give a percentile of seconds, as text."""
    if len(taken) < 2:
        return milliseconds(taken[0]) if taken else "-"
    return milliseconds(statistics.quantiles(taken, n=100)[percent - 1])


def pair(taken: Sequence[float]) -> list[str]:
    """Give the cells p50 and p99."""
    return [p(taken, 50), p(taken, 99)]


Work = Callable[[Wire], Awaitable[object]]


async def timed(port: int, work: Work, *, seconds: float, clients: int = 1) -> tuple[list[float], float]:
    """Let so many clients repeat *work* for so long; give the seconds of each call and of all."""
    taken: list[float] = []
    start = perf_counter()

    async def client() -> None:
        async with Wire(port) as wire:
            await work(wire)  # connects and warms up
            while (begun := perf_counter()) - start < seconds:
                await work(wire)
                taken.append(perf_counter() - begun)

    await asyncio.gather(*(client() for _ in range(clients)))
    return taken, perf_counter() - start


# accepts


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


# polls


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


# readers

TICK = re.compile(rb'"value": ?(\d{10}\.\d+)')
"""The node's own time in a progress event of FaultTicks."""


@dataclass(slots=True)
class Receipts:
    """When events arrived: the node's time of an event → the times of its arrivals."""

    at: dict[bytes, list[float]] = field(default_factory=dict[bytes, list[float]])
    ended: int = 0


class Reader(asyncio.Protocol):
    """One reader of a stream, as cheap as can be."""

    def __init__(self, request: bytes, receipts: Receipts) -> None:
        self._request = request
        self._receipts = receipts
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Note the arrival of whole events."""
        now = time.time()
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            found = TICK.search(event)
            if found is not None and b"event: progress" in event:
                self._receipts.at.setdefault(found[1], []).append(now)
            elif b'"finished_at"' in event and b"event: status" in event:
                self._receipts.ended += 1


def probe(port: int, pipe: Connection) -> None:
    """Ask for /ext/live every 5 ms until told to stop; each message on the pipe begins a new list."""

    async def ask() -> None:
        taken: list[float] = []
        async with Wire(port) as wire:
            while True:
                begun = perf_counter()
                await wire.ask("GET", "/ext/live")
                taken.append(perf_counter() - begun)
                if pipe.poll():
                    pipe.send(taken)
                    taken = []
                    if not pipe.recv():
                        return
                await asyncio.sleep(max(0.005 - (perf_counter() - begun), 0))

    asyncio.run(ask())


class Probe:
    """A process of its own that measures how long the server's event loop keeps others waiting."""

    def __init__(self, port: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=probe, args=(port, theirs), daemon=True)
        self._process.start()

    async def taken(self, *, on: bool = True) -> list[float]:
        """Give what was measured since the last call; without *on* it ends."""
        self._pipe.send(on)
        return await asyncio.to_thread(self._pipe.recv)


async def readers(options: argparse.Namespace) -> None:
    """Measure how late the events of one run come to very many readers, and what they cost."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = options.readers * 2 + 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))
    with folder() as data, sandbox(data) as server:
        measuring = Probe(server.port)
        await asyncio.sleep(1.0)
        await measuring.taken()
        await asyncio.sleep(3.0)
        idle = await measuring.taken()
        before = server.rss()
        receipts, transports = Receipts(), list[asyncio.BaseTransport]()
        async with Wire(server.port) as wire:
            await wire.json("POST", "/ext/queue/pause")
            graph = {"1": node("FaultTicks", ticks=options.ticks, seconds=0.25, salt="")}
            graph["2"] = node("ContractShow", value=["1", 0])
            task_id = (await wire.json("POST", "/ext/tasks", {"workflow": graph}))["id"]
            await _connect(server.port, task_id, options.readers, receipts, transports)
            connected = server.rss()
            await measuring.taken()
            await asyncio.sleep(2.0)
            quiet = await measuring.taken()
            cpu, begun = server.cpu_s(), perf_counter()
            await wire.json("POST", "/ext/queue/resume")
            while receipts.ended < options.readers and perf_counter() - begun < options.ticks + 30:  # noqa: ASYNC110 - polls
                await asyncio.sleep(0.1)
        cpu, wall = server.cpu_s() - cpu, perf_counter() - begun
        busy = await measuring.taken(on=False)
        after = server.rss()
        for transport in transports:
            transport.close()
    _show_readers(options, receipts, cpu / wall)
    show(
        "Meanwhile, on other connections: GET /ext/live every 5 ms",
        ["", "p50", "p99", "longest"],
        [
            ["nobody reads", *pair(idle), milliseconds(max(idle))],
            [f"{options.readers:,} readers, nothing happens", *pair(quiet), milliseconds(max(quiet))],
            [f"{options.readers:,} readers of the run", *pair(busy), milliseconds(max(busy))],
        ],
    )
    show(
        "The server's memory",
        ["", "MB", "kB per reader"],
        [
            ["before", f"{before / MEGABYTE:.1f}", ""],
            [
                "connected",
                f"{connected / MEGABYTE:.1f}",
                f"{(connected - before) / 1024 / options.readers:.1f}",
            ],
            ["after the run", f"{after / MEGABYTE:.1f}", f"{(after - before) / 1024 / options.readers:.1f}"],
        ],
    )


async def _connect(
    port: int, task_id: str, count: int, receipts: Receipts, transports: list[asyncio.BaseTransport]
) -> None:
    request = f"GET /ext/tasks/{task_id}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    for _ in range(count):
        transport, _ = await loop.create_connection(lambda: Reader(request, receipts), "127.0.0.1", port)
        transports.append(transport)
    await asyncio.sleep(2.0)  # every one has its state


def _show_readers(options: argparse.Namespace, receipts: Receipts, load: float) -> None:
    late = [at - float(tick) for tick, times in receipts.at.items() for at in times]
    spread = [at - min(times) for times in receipts.at.values() for at in times]
    first = [min(times) - float(tick) for tick, times in receipts.at.items()]
    complete = sum(len(times) == options.readers for times in receipts.at.values())
    show(
        f"{options.readers:,} readers of a run, 4 events a second: {complete} of {options.ticks} events came "
        f"to all, its end to {receipts.ended:,}; the server used {load:.0%} of a core",
        ["from … to …", "p50", "p99", "longest"],
        [
            ["the node's report → its receipt", *pair(late), milliseconds(max(late))],
            ["the node's report → its first receipt", *pair(first), milliseconds(max(first))],
            ["the first receipt → each", *pair(spread), milliseconds(max(spread))],
        ],
    )


# chain


@dataclass(slots=True)
class Followed:
    """What following one run cost."""

    messages: int = 0
    size: int = 0


async def nobody(_server: Server, wire: Wire, _task_id: str) -> Followed:
    """Wait for the end without following the run."""
    while (await wire.json("GET", "/ext/tasks?limit=1"))["items"][0]["finished_at"] is None:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    return Followed()


async def streamed(server: Server, _wire: Wire, task_id: str) -> Followed:
    """Read the stream of events."""
    async with Wire(server.port) as own:
        _, _, body = await own.ask("GET", f"/ext/tasks/{task_id}/events")
    return Followed(body.count(b"\nevent: "), len(body))


async def polled(server: Server, _wire: Wire, task_id: str) -> Followed:
    """Poll twice a second with the ETag, compressed."""
    got = Followed()
    etag = '""'
    async with Wire(server.port) as own:
        while True:
            status, headers, body = await own.ask(
                "GET", f"/ext/tasks/{task_id}", If_None_Match=etag, Accept_Encoding="gzip"
            )
            got.messages += 1
            got.size += len(body)
            if status == 200:
                etag = headers[b"etag"].decode()
                text = zlib.decompress(body, 47) if b"content-encoding" in headers else body
                if json.loads(text)["status"] in TERMINAL:
                    return got
            await asyncio.sleep(0.5)


def slow_chain(nodes: int) -> dict[str, Any]:
    """Give a chain of additions, one node of which takes 4 seconds in 40 steps."""
    graph = chain(nodes)
    graph[str(nodes // 2)] = node("ContractSleep", value=[str(nodes // 2 - 1), 0], seconds=4.0, steps=40)
    return graph


async def chain_(options: argparse.Namespace) -> None:
    """Measure what it costs to follow a run of very many nodes."""
    ways = {"nobody": nobody, "one stream of events": streamed, "polling twice a second, ETag": polled}
    costs: dict[str, list[float]] = {name: [] for name in ways}
    got: dict[str, Followed] = {}
    with folder() as data, sandbox(data) as server:
        async with Wire(server.port) as wire:
            for turn in range(options.chain_runs + 1):
                for name, follow in ways.items():
                    body = {"workflow": slow_chain(options.nodes)}
                    task = await wire.json("POST", "/ext/tasks", body)
                    cpu = server.cpu_s()
                    found = await follow(server, wire, task["id"])
                    while (await wire.json("GET", "/prompt"))["exec_info"]["queue_remaining"]:  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
                    if turn:  # the first one warms up
                        costs[name].append(server.cpu_s() - cpu)
                        got[name] = found
    alone = statistics.median(costs["nobody"])
    events = got["one stream of events"].messages
    rows: list[list[str]] = []
    for name, found in got.items():
        cpu = statistics.median(costs[name])
        more = max(cpu - alone, 0.0)
        rows.append(
            [
                name,
                f"{cpu:.2f}",
                f"{more / events * 1e6:,.0f} µs" if found.messages else "-",
                f"{found.messages:,}",
                f"{found.size:,}",
                f"{found.size / events:,.0f}" if found.messages else "-",
            ]
        )
    show(
        f"A run of {options.nodes:,} nodes with {events:,} events, median of {options.chain_runs}",
        ["who follows it", "server's CPU s", "more, per event", "messages", "bytes", "bytes per event"],
        rows,
    )


# memory


async def memory(options: argparse.Namespace) -> None:
    """Measure whether the server grows with the number of runs."""
    marks = sorted({500, 2000, options.runs // 2, options.runs})
    rows: list[list[str]] = []
    with folder() as data, sandbox(data) as server:
        async with Wire(server.port) as wire:
            rows.append(["0", f"{server.rss() / MEGABYTE:.1f}", ""])
            done, begun = 0, perf_counter()
            for mark in [mark for mark in marks if mark <= options.runs]:
                while done < mark:
                    tasks = [{"workflow": quick()} for _ in range(min(100, mark - done))]
                    batch = await wire.json("POST", "/ext/tasks/batch", {"tasks": tasks})
                    done += len(tasks)
                    await _until_done(wire, batch["url"], len(tasks))
                    # The history of the last 10,000 prompts and the results kept are the host's, not ours.
                    await wire.ask("POST", "/history", b'{"clear": true}')
                    await wire.ask("POST", "/free", b'{"free_memory": true}')
                rate = done / (perf_counter() - begun)
                rows.append([f"{mark:,}", f"{server.rss() / MEGABYTE:.1f}", f"{rate:,.0f}"])
    show(
        "Memory (RSS) over runs of two nodes, without the host's history; our logs are full after some 2,000",
        ["runs", "MB", "runs/s so far"],
        rows,
    )


async def _until_done(wire: Wire, url: str, count: int) -> None:
    while (await wire.json("GET", f"{url}&limit=1"))["counts"].get("succeeded", 0) < count:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


# honesty


@dataclass(slots=True)
class Honesty:
    """What polling tightly has shown."""

    submits: list[float] = field(default_factory=list[float])
    polls: list[float] = field(default_factory=list[float])
    wrong: int = 0
    """Jobs whose first terminal answer was not what they ended as, or came without the output."""
    jobs: int = 0


async def follow_job(wire: Wire, address: str, seen: Honesty) -> None:
    """Submit one job and poll it without a pause until it ends; then see whether that was true."""
    begun = perf_counter()
    made = await wire.json("POST", address, {"workflow": picture()})
    seen.submits.append(perf_counter() - begun)
    while True:
        begun = perf_counter()
        first = await wire.json("GET", f"{address}/{made['id']}")
        seen.polls.append(perf_counter() - begun)
        if first["status"] in TERMINAL:
            break
    until = perf_counter() + 0.1
    last = first
    while perf_counter() < until or last["status"] not in {"succeeded", "failed"}:
        last = await wire.json("GET", f"{address}/{made['id']}")
    seen.jobs += 1
    told = [(answer["status"], [one["node_id"] for one in answer["outputs"]]) for answer in (first, last)]
    seen.wrong += told[0] != told[1] or told[0] != ("succeeded", ["2"])


async def honest(port: int, address: str, jobs: int) -> Honesty:
    """Let four clients follow so many jobs."""
    seen = Honesty()
    left = iter(range(jobs))

    async def client() -> None:
        async with Wire(port) as wire:
            for _ in left:
                await follow_job(wire, address, seen)

    await asyncio.gather(*(client() for _ in range(4)))
    return seen


async def honesty(options: argparse.Namespace) -> None:
    """Measure whether fast polls are ever told a wrong end, ours and comfy-api-proxy's."""
    with folder() as data, sandbox(data) as server:
        found = {"Backplane": await honest(server.port, "/ext/tasks", options.jobs)}
        if PROXY:
            port = free_port()
            command = [PROXY, "run", "--comfyui", server.url, "--port", str(port)]
            command += ["--state-dir", str(data / "proxy")]
            with running(command, port, "/api/v2/health", data / "proxy.txt") as proxy:
                found["comfy-api-proxy"] = await honest(proxy.port, "/api/v2/jobs", options.proxy_jobs)
    rows: list[list[str]] = []
    for name, seen in found.items():
        rows.append(
            [
                name,
                f"{seen.wrong} of {seen.jobs:,}",
                *pair(seen.submits),
                *pair(seen.polls),
                f"{len(seen.polls):,}",
            ]
        )
    show(
        "Tiny jobs (EmptyImage → SaveImage), four clients, each polled without a pause",
        ["", "wrong ends", "p50 of a submit", "p99", "p50 of a poll", "p99", "polls"],
        rows,
    )
    if not PROXY:
        print("\ncomfy-api-proxy was not measured: COMFY_API_PROXY does not name its executable.")


SECTIONS: dict[str, Callable[[argparse.Namespace], Coroutine[Any, Any, None]]] = {
    "accepts": accepts,
    "polls": polls,
    "readers": readers,
    "chain": chain_,
    "memory": memory,
    "honesty": honesty,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"{', '.join(SECTIONS)}; all if none")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each row of accepts and polls")
    parser.add_argument("--stored", type=int, default=100_000, help="finished tasks in polls")
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--ticks", type=int, default=60, help="events of the run that is read")
    parser.add_argument("--nodes", type=int, default=1000, help="of the chain")
    parser.add_argument("--chain-runs", type=int, default=3)
    parser.add_argument("--runs", type=int, default=2000, help="in memory")
    parser.add_argument("--jobs", type=int, default=1000, help="of Backplane in honesty")
    parser.add_argument("--proxy-jobs", type=int, default=100)
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    for name in options.sections or SECTIONS:
        asyncio.run(SECTIONS[name](options))


if __name__ == "__main__":
    main()
