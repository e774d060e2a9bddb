"""A real ComfyUI for benchmarks: started on a free port with a base directory of its own, and stopped again.

``COMFYUI_PATH`` is the folder of its main.py, ``COMFYUI_PYTHON`` the interpreter to run it with.
"""

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
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from _table import ROOT

START_LIMIT_S = 240.0


@contextmanager
def comfyui(
    path: Path, *, with_backplane: bool = True, packs: Mapping[str, Path] | None = None
) -> Generator[int]:
    """Run the ComfyUI in *path* with *packs* (name → folder); give its port once it answers."""
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    base = Path(tempfile.mkdtemp(prefix="backplane-bench-"))
    try:
        custom_nodes = base / "custom_nodes"
        custom_nodes.mkdir()
        linked = {**(packs or {}), **({"backplane": ROOT} if with_backplane else {})}
        for name, folder in linked.items():
            (custom_nodes / name).symlink_to(folder, target_is_directory=True)
        port = _free_port()
        options = ["--cpu", "--disable-auto-launch", "--base-directory", str(base), "--port", str(port)]
        command = [python, "main.py", *options, "--database-url", "sqlite:///:memory:"]
        with (base / "log").open("wb") as log:
            server = subprocess.Popen(command, cwd=path, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(server, port, base / "log")
            yield port
        finally:
            server.terminate()
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/prompt", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise SystemExit("ComfyUI does not answer:\n" + log.read_text(errors="replace")[-4000:])
