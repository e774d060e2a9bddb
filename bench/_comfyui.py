"""A real ComfyUI for benchmarks: started on a free port with a base directory of its own, and stopped again.

``COMFYUI_PATH`` is the folder of its main.py, ``COMFYUI_PYTHON`` the interpreter to run it with.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from _servers import free_port, running
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
        port = free_port()
        options = ["--cpu", "--disable-auto-launch", "--base-directory", str(base), "--port", str(port)]
        command = [python, "main.py", *options, "--database-url", "sqlite:///:memory:"]
        url = f"http://127.0.0.1:{port}/prompt"
        with running(command, url, base / "log", seconds=START_LIMIT_S, cwd=path):
            yield port
    finally:
        shutil.rmtree(base, ignore_errors=True)
