"""The sandbox as a process of its own, for benchmarks: started on a free port, measured from outside."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from _servers import CONTRACT_PACK, FAULT_PACK, free_port, running, sandbox_command

START_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    port: int
    process: psutil.Process

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def rss(self) -> int:
        """Give the memory that it holds, in bytes."""
        return int(self.process.memory_info().rss)

    def cpu_s(self) -> float:
        """Give the processor time that it has used, in seconds."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def folder() -> Generator[Path]:
    """Give a folder that is gone afterwards; BENCH_FOLDER says on which disk."""
    made = Path(tempfile.mkdtemp(prefix="backplane-bench-", dir=os.environ.get("BENCH_FOLDER")))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def sandbox(data: Path, **environ: str) -> Generator[Server]:
    """Run the sandbox with *data* as its data folder."""
    data.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = sandbox_command(port, data, packs=[CONTRACT_PACK, FAULT_PACK])
    url, log = f"http://127.0.0.1:{port}/ext", data / "log.txt"
    with running(command, url, log, seconds=START_LIMIT_S, environ=environ) as process:
        yield Server(port, psutil.Process(process.pid))


class Wire:
    """One connection that speaks just enough HTTP: little of what is measured shall be the client."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Wire:  # noqa: PYI034 - Self came with Python 3.11
        self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**26)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._streams is not None:
            self._streams[1].close()

    async def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        """Send one request; give (status, headers in lower case, body as it came)."""
        if self._streams is None:
            raise RuntimeError("not connected")
        reader, writer = self._streams
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        writer.write(head.encode() + b"\r\n" + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        status = int(lines[0].split()[1])
        got = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines[1:])}
        if b"content-length" in got and status not in {204, 304}:
            return status, got, await reader.readexactly(int(got[b"content-length"]))
        return status, got, b"" if status in {204, 304} else await _chunks(reader)

    async def json(self, method: str, path: str, value: Any = None) -> Any:
        """Send one request with a JSON body and give the JSON that it answers."""
        body = b"" if value is None else json.dumps(value).encode()
        status, _, answer = await self.ask(method, path, body)
        if status >= 400:
            raise SystemExit(f"{method} {path} answered {status}: {answer[:500].decode(errors='replace')}")
        return json.loads(answer) if answer else None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(parts)
