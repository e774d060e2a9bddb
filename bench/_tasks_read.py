"""How late the events of one run come to very many readers."""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import re
import resource
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from time import perf_counter

from _load import MEGABYTE, node, pair
from _sandbox import Wire, folder, sandbox
from _table import milliseconds, show

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
