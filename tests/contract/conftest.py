"""One suite for two hosts: the sandbox always, a real ComfyUI where COMFYUI_PATH is set.

COMFYUI_PYTHON names the interpreter to start that ComfyUI with (default: this one). Each server is a
process of its own, on a free port, with a temporary base directory.
"""

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from api_client import Api
from servers import CONTRACT_PACK, free_port, running, sandbox_command

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Server:
    kind: str
    url: str
    models: Path
    log: Path
    process: subprocess.Popen


@contextmanager
def sandbox(folder, **environ):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = sandbox_command(port, folder / "data", "--step-seconds", "0.02", packs=[CONTRACT_PACK])
    log = folder / "log.txt"
    with running(command, f"{url}/ext", log, seconds=30, environ=environ) as process:
        yield Server("sandbox", url, folder / "data" / "models", log, process)


@contextmanager
def comfyui(folder, *options, **environ):
    path = Path(os.environ["COMFYUI_PATH"])
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    packs = folder / "base" / "custom_nodes"
    packs.mkdir(parents=True, exist_ok=True)
    for name, target in [("backplane", ROOT), ("contract_pack", CONTRACT_PACK)]:
        if not (packs / name).exists():
            (packs / name).symlink_to(target, target_is_directory=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [python, str(path / "main.py"), "--cpu", "--disable-auto-launch", "--port", str(port)]
    command += ["--base-directory", str(folder / "base"), "--database-url", "sqlite:///:memory:", *options]
    log = folder / "log.txt"
    environ = {"PYTHONDONTWRITEBYTECODE": "1", **environ}
    with running(command, f"{url}/ext", log, seconds=180, cwd=path, environ=environ) as process:
        yield Server("comfyui", url, folder / "base" / "models", log, process)


def start(kind, tmp_path_factory, **environ):
    if kind == "comfyui" and "COMFYUI_PATH" not in os.environ:
        pytest.skip("COMFYUI_PATH is not set: not run on a real ComfyUI")
    return (sandbox if kind == "sandbox" else comfyui)(tmp_path_factory.mktemp(kind), **environ)


def pytest_report_header():
    if "COMFYUI_PATH" not in os.environ:
        return "contract: on the sandbox only; set COMFYUI_PATH (and COMFYUI_PYTHON) for a real ComfyUI too"
    return f"contract: on the sandbox and on the ComfyUI in {os.environ['COMFYUI_PATH']}"


@pytest.fixture(scope="session", params=["sandbox", *(["comfyui"] if "COMFYUI_PATH" in os.environ else [])])
def server(request, tmp_path_factory):
    with start(request.param, tmp_path_factory) as started:
        yield started


@pytest.fixture(params=["sandbox", *(["comfyui"] if "COMFYUI_PATH" in os.environ else [])])
def lives(request, tmp_path_factory):
    """Start the same server again and again: each call gives a context with its next life."""
    folder = tmp_path_factory.mktemp("lives")
    return lambda **environ: (sandbox if request.param == "sandbox" else comfyui)(folder, **environ)


@pytest.fixture(scope="session")
def polled_server(tmp_path_factory):
    """A real ComfyUI in which Backplane may not hook anything."""
    with start("comfyui", tmp_path_factory, BACKPLANE_HOOKS="off") as started:
        yield started


@pytest.fixture
async def api(server):
    async with aiohttp.ClientSession(server.url) as session:
        yield Api(server, session)


@pytest.fixture
async def polled_api(polled_server):
    async with aiohttp.ClientSession(polled_server.url) as session:
        yield Api(polled_server, session)
