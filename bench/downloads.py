"""How fast files come in, and what that costs the event loop they come in beside.

    python bench/downloads.py [speed loop] [--mib 1024] [--rounds 5] [--only NAME …]

A server on the loopback, in a process of its own, sends one file from the page cache; each client fetches it
onto the disk, in a process of its own, in rounds, each of which begins with another client, so that all meet
the same noise. Start-up of interpreters is not counted. Nobody waits for the disk at the end (the "published"
row does). BENCH_FOLDER says on which disk. Clients that are not installed are left out, and that is said.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import importlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from _sandbox import folder
from _table import load_package, milliseconds, show

MIB = 2**20
GB = 1e9
TICK_S = 0.005


@dataclass(frozen=True, slots=True)
class Given:
    """What is fetched, and where to."""

    url: str
    size: int
    sha256: str
    into: Path


# The server


def serve(path: Path) -> None:
    """Send the file to whoever asks, with ranges, until killed; the port is printed first."""
    file = path.open("rb")
    size = path.stat().st_size

    def answer(sock: socket.socket) -> None:
        with sock, suppress(OSError):
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = sock.recv(65536)
                    if not piece:
                        return
                    head += piece
                start, end, said = 0, size, "200 OK"
                where = ""
                for line in head.decode("latin-1").split("\r\n"):
                    if line.lower().startswith("range: bytes="):
                        first, _, last = line.partition("=")[2].partition("-")
                        start, end = int(first), int(last) + 1 if last else size
                        said, where = (
                            "206 Partial Content",
                            f"Content-Range: bytes {start}-{end - 1}/{size}\r\n",
                        )
                fields = f'Content-Length: {end - start}\r\n{where}Accept-Ranges: bytes\r\nETag: "one"\r\n'
                sock.sendall(f"HTTP/1.1 {said}\r\n{fields}\r\n".encode())
                asked = re.search(rb"pace=(\d+)", head)
                pace = 0.0 if asked is None else float(asked[1])
                begun, first_byte = perf_counter(), start
                while start < end:
                    most = end - start if not pace else min(end - start, MIB // 4)
                    start += os.sendfile(sock.fileno(), file.fileno(), start, most)
                    if pace:
                        time.sleep(max(0.0, begun + (start - first_byte) / pace - perf_counter()))

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        print(listening.getsockname()[1], flush=True)
        while True:
            sock, _ = listening.accept()
            threading.Thread(target=answer, args=(sock,), daemon=True).start()


@contextmanager
def served(data: Path, mib: int) -> Generator[Given]:
    """Make a file of random bytes and serve it."""
    path, digest = data / "source.bin", hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(mib):
            piece = os.urandom(MIB)
            digest.update(piece)
            file.write(piece)
    command = [sys.executable, __file__, "--serve", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None:
            raise SystemExit("no output")
        port = int(process.stdout.readline())
        url = f"http://127.0.0.1:{port}/model.safetensors"
        yield Given(url, mib * MIB, digest.hexdigest(), data / "fetched.bin")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


# The clients


def _job(given: Given) -> tuple[Any, Any, Any, Any]:
    load_package()
    transfer: Any = importlib.import_module("backplane.downloads.transfer")
    plan: Any = importlib.import_module("backplane.downloads.plan")
    access: Any = importlib.import_module("backplane.access")
    stopping: Any = importlib.import_module("backplane.downloads.stopping")
    importlib.import_module("backplane.access.pinned")
    streams = access.Streams(access.Rules(allow_http=True, allow_private=True))
    job = transfer.Job(
        address=lambda: plan.Address(given.url),
        part=given.into,
        size=given.size,
        sha256=given.sha256,
        declared_by="huggingface",
        max_bytes=given.size,
    )
    return transfer.transfer, job, streams, stopping.Stopper()


def _nothing(_: object) -> None:
    """Take what is told."""


def backplane(given: Given) -> Any:
    """Fetch, hash and check with Backplane's own transfer."""
    transfer, job, streams, stop = _job(given)
    return lambda: transfer(job, streams, stop, _nothing, _nothing)


def backplane_published(given: Given) -> Any:
    """Do the same, and put the file in its place once all of it is on the disk."""
    fetch = backplane(given)
    publish: Any = importlib.import_module("backplane.downloads.publish")

    def work() -> None:
        fetch()
        publish.publish(given.into, given.into.with_name("published.bin"), overwrite=True)

    return work


def _requests(given: Given, digest: Any) -> Any:
    requests: Any = importlib.import_module("requests")

    def work() -> None:
        with requests.get(given.url, stream=True, timeout=60) as response, given.into.open("wb") as file:
            for piece in response.iter_content(MIB):
                file.write(piece)
                if digest is not None:
                    digest.update(piece)
        if digest is not None and digest.hexdigest() != given.sha256:
            raise SystemExit("wrong bytes")

    return work


def requests_plain(given: Given) -> Any:
    """Fetch with requests."""
    return _requests(given, None)


def requests_hashed(given: Given) -> Any:
    """Fetch and hash with requests, in one thread."""
    return _requests(given, hashlib.sha256())


def hub(given: Given) -> Any:
    """Fetch with huggingface_hub's own HTTP path."""
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    file_download: Any = importlib.import_module("huggingface_hub.file_download")

    def work() -> None:
        with given.into.open("wb") as file:
            file_download.http_get(given.url, file, expected_size=given.size)

    return work


IN_PYTHON = {
    "backplane": backplane,
    "backplane, published": backplane_published,
    "requests": requests_plain,
    "requests + sha256": requests_hashed,
    "huggingface_hub": hub,
}
VERIFIED = {"backplane", "backplane, published", "requests + sha256", "aria2c -x4 --checksum"}


def commands(given: Given) -> dict[str, list[str]]:
    """Give the clients that are programs."""
    aria2 = [
        "aria2c",
        "-q",
        "-x4",
        "-s4",
        "-k1M",
        "--file-allocation=falloc",
        "--no-conf",
        "--allow-overwrite",
    ]
    aria2 += ["-d", str(given.into.parent), "-o", given.into.name]
    return {
        "curl": ["curl", "-s", "-o", str(given.into), given.url],
        "aria2c -x4": [*aria2, given.url],
        "aria2c -x4 --checksum": [*aria2, f"--checksum=sha-256={given.sha256}", given.url],
    }


def one(name: str, given: Given) -> None:
    """Fetch once with a client in Python; print the seconds: passed, of the processor."""
    work = IN_PYTHON[name](given)
    begun, cpu = perf_counter(), time.process_time()
    work()
    print(json.dumps([perf_counter() - begun, time.process_time() - cpu]))


def even(given: Given) -> None:
    """Have nobody pay for what another one wrote, nor for pages that a virtual machine gave back to its host.

    Without it, whoever comes after a slow client takes three times the processor's time.
    """
    zeros = bytes(MIB)
    with given.into.open("wb") as file:
        for _ in range(given.size // MIB):
            file.write(zeros)
    given.into.unlink()
    os.sync()


def measured(name: str, given: Given) -> tuple[float, float]:
    """Fetch once in a process of its own; give the seconds: passed, of the processor."""
    even(given)
    if name in IN_PYTHON:
        facts = [given.url, str(given.size), given.sha256, str(given.into)]
        done = subprocess.run(
            [sys.executable, __file__, "--one", name, *facts], check=True, stdout=subprocess.PIPE, text=True
        )
        wall, cpu = json.loads(done.stdout.splitlines()[-1])
    else:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begun = perf_counter()
        subprocess.run(commands(given)[name], check=True, stdout=subprocess.DEVNULL)
        wall = perf_counter() - begun
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    for path in given.into.parent.glob("*ed.bin*"):
        if path.name.startswith(("fetched", "published")):
            path.unlink()
    return wall, cpu


def speed(options: argparse.Namespace) -> None:
    """Measure all clients in turn."""
    with folder() as data, served(data, options.mib) as given:
        names = [*IN_PYTHON, *commands(given)]
        missing = [name for name in names if name not in IN_PYTHON and not shutil.which(name.split()[0])]
        names = [name for name in names if name not in missing and name in (options.only or names)]
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for turn in range(options.rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                taken[name].append(measured(name, given))
    rate = {name: given.size / GB / statistics.median(wall for wall, _ in taken[name]) for name in names}

    def ratio(name: str, other: str) -> str:
        return f"{rate[name] / rate[other]:.2f}x" if other in rate else "-"

    rows = [
        [
            name,
            "yes" if name in VERIFIED else "no",
            f"{rate[name]:.2f}",
            f"{given.size / GB / min(wall for wall, _ in taken[name]):.2f}",
            f"{statistics.median(cpu for _, cpu in taken[name]) / (given.size / GB):.2f}",
            ratio(name, "curl"),
            ratio(name, "aria2c -x4 --checksum"),
        ]
        for name in sorted(names, key=lambda name: -rate[name])
    ]
    head = ["client", "verified", "GB/s, median", "best", "CPU-s/GB", "to curl", "to aria2c --checksum"]
    show(f"{options.mib} MiB over HTTP on the loopback, onto the disk; {options.rounds} rounds", head, rows)
    if missing:
        print(f"\nNot installed, left out: {', '.join(missing)}.")


# The event loop


async def ticking(over: asyncio.Event) -> list[float]:
    """Send a message on an aiohttp websocket every 5 ms; give how late each one was, in seconds."""
    web: Any = importlib.import_module("aiohttp.web")
    aiohttp: Any = importlib.import_module("aiohttp")
    late: list[float] = []

    async def handler(request: Any) -> Any:
        socket_ = web.WebSocketResponse()
        await socket_.prepare(request)
        due = perf_counter()
        while not over.is_set():
            due += TICK_S
            await asyncio.sleep(max(due - perf_counter(), 0))
            late.append(perf_counter() - due)
            due = max(due, perf_counter() - TICK_S)
            await socket_.send_json({"type": "progress", "data": {"value": len(late), "max": 100}})
        await socket_.close()
        return socket_

    app = web.Application()
    app.router.add_get("/ws", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{port}/ws") as wire:
        async for _ in wire:
            pass
    await runner.cleanup()
    return late


async def beside(work: Any, seconds: float) -> list[float]:
    """Tick while *work* runs in a thread, again and again, for at least so many seconds."""
    over = asyncio.Event()
    ticks = asyncio.create_task(ticking(over))
    begun = perf_counter()
    while perf_counter() - begun < seconds:
        await asyncio.to_thread(work)
    over.set()
    return (await ticks)[20:]


def loop(options: argparse.Namespace) -> None:
    """Measure how late a websocket's ticks are while a download runs beside it.

    curl is a process of its own: what its row has more than the idle one is the machine's doing.
    """
    with folder() as data, served(data, options.mib) as given:
        for pace, words in [(250_000_000, "at 250 MB/s (2 Gbit)"), (0, "as fast as it goes")]:
            paced = replace(given, url=f"{given.url}?pace={pace}")
            rows = _late(paced, options)
            show(
                f"How late the ticks of a websocket are (every 5 ms) beside a download {words}",
                ["", "ticks", "p50", "p99", "p99.9", "worst", "over 10 ms"],
                rows,
            )


def _late(given: Given, options: argparse.Namespace) -> list[list[str]]:
    transfer, job, streams, stop = _job(given)

    def download() -> None:
        transfer(job, streams, stop, _nothing, _nothing)
        given.into.unlink()

    def curl() -> None:
        subprocess.run(commands(given)["curl"], check=True, capture_output=True)
        given.into.unlink()

    def idle() -> None:
        time.sleep(0.2)

    works = {
        "idle": idle,
        "curl, another process": curl,
        "backplane": download,
        "requests": requests_plain(given),
    }
    late: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(options.rounds):
        for name, work in works.items():
            even(given)
            late[name] += asyncio.run(beside(work, options.seconds))
    rows: list[list[str]] = []
    for name, ticks in late.items():
        quantiles = statistics.quantiles(ticks, n=1000)
        cells = [quantiles[499], quantiles[989], quantiles[998], max(ticks)]
        over = sum(tick > 0.01 for tick in ticks) / len(ticks)
        rows.append([name, str(len(ticks)), *map(milliseconds, cells), f"{over:.2%}"])
    return rows


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", choices=["speed", "loop", []], help="default: both")
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement of the loop")
    parser.add_argument("--only", nargs="*", help="clients")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
    elif options.one:
        name, url, size, sha256, into = options.one
        one(name, Given(url, int(size), sha256, Path(into)))
    else:
        for what, run in [("speed", speed), ("loop", loop)]:
            if what in (options.what or ["speed", "loop"]):
                run(options)


if __name__ == "__main__":
    main()
