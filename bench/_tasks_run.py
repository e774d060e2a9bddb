"""What runs cost: to follow one of many nodes, in memory over thousands, and whether polls tell the truth."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import zlib
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from _load import MEGABYTE, TERMINAL, node, pair, picture, quick
from _sandbox import Server, Wire, folder, sandbox
from _servers import free_port, running
from _table import show
from progress import chain

PROXY = os.environ.get("COMFY_API_PROXY")
"""The executable of comfy-api-proxy, if it is to be measured."""


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
            url = f"http://127.0.0.1:{port}/api/v2/health"
            with running(command, url, data / "proxy.txt", seconds=60.0):
                found["comfy-api-proxy"] = await honest(port, "/api/v2/jobs", options.proxy_jobs)
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
