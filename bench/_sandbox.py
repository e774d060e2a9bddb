"""The sandbox as a process of its own, for benchmarks: started on a free port, measured from outside."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from _table import ROOT

PACKS = (ROOT / "tests" / "data" / "contract_pack", ROOT / "tests" / "data" / "fault_pack")
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


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, path: str, log: Path, **environ: str) -> Generator[Server]:
    """Run a server until the block ends; it is there once *path* answers."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **environ})
    try:
        _wait(process, f"http://127.0.0.1:{port}{path}", log)
        yield Server(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def sandbox(data: Path, **environ: str) -> Generator[Server]:
    """Run the sandbox with *data* as its data folder."""
    data.mkdir(parents=True, exist_ok=True)
    port = free_port()
    start = str(ROOT / "tests" / "contract" / "start_sandbox.py")
    command = [sys.executable, start, "--port", str(port), "--data-dir", str(data)]
    for pack in PACKS:
        command += ["--node-pack", str(pack)]
    with running(command, port, "/ext", data / "log.txt", **environ) as server:
        yield server


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise SystemExit(f"The server does not answer at {url}:\n" + log.read_text(errors="replace")[-4000:])
