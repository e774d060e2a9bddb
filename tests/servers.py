"""Servers as processes of their own, for tests and benchmarks: on a free port, gone with the block."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).resolve().parent
CONTRACT_PACK = TESTS / "data" / "contract_pack"
FAULT_PACK = TESTS / "data" / "fault_pack"
"""Node packs of the sandbox: small nodes that count, wait, fail and log."""


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def sandbox_command(port: int, data: Path, *options: str, packs: Iterable[Path] = ()) -> list[str]:
    """Give the command that starts the sandbox of this checkout in this interpreter."""
    command = [sys.executable, str(TESTS / "contract" / "start_sandbox.py")]
    command += ["--port", str(port), "--data-dir", str(data), *options]
    for pack in packs:
        command += ["--node-pack", str(pack)]
    return command


def answers(url: str) -> bool:
    """Say whether a server answers there, whatever it says."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError as answer:
        answer.close()
        return True
    except (urllib.error.URLError, OSError):
        return False


def wait_until_up(process: subprocess.Popen[bytes], url: str, log: Path, seconds: float) -> None:
    """Wait until a server answers; RuntimeError with the end of its log if it does not, or has ended."""
    deadline = time.monotonic() + seconds
    while not answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            told = log.read_text(errors="replace")[-4000:]
            raise RuntimeError(f"The server does not answer at {url}:\n{told}")
        time.sleep(0.02)


@contextmanager
def running(
    command: Sequence[str],
    url: str,
    log: Path,
    *,
    seconds: float,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Generator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; it is there once *url* answers. *environ* is set beside ours."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(environ or {})}, cwd=cwd
        )
    try:
        wait_until_up(process, url, log, seconds)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
