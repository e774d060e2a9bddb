"""One suite for two hosts: the sandbox always, a real ComfyUI where COMFYUI_PATH is set.

COMFYUI_PYTHON names the interpreter to start that ComfyUI with (default: this one). Each server is a
process of its own, on a free port, with a temporary base directory.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACK = ROOT / "tests" / "data" / "contract_pack"
FINISHED = {"succeeded", "failed", "cancelled"}


@dataclass(frozen=True)
class Server:
    kind: str
    url: str
    models: Path
    log: Path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(process, url, log, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{url}/ext", timeout=2):
            return
        time.sleep(0.1)
    raise AssertionError(f"The server did not come up:\n{log.read_text(errors='replace')[-4000:]}")


@contextmanager
def running(command, *, url, log, seconds, env, cwd=None):
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env, cwd=cwd)
    try:
        wait_until_up(process, url, log, seconds)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def sandbox(folder, **environ):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, str(ROOT / "tests" / "contract" / "start_sandbox.py")]
    command += ["--port", str(port), "--data-dir", str(folder / "data"), "--node-pack", str(PACK)]
    command += ["--step-seconds", "0.02"]
    log = folder / "log.txt"
    with running(command, url=url, log=log, seconds=30, env={**os.environ, **environ}):
        yield Server("sandbox", url, folder / "data" / "models", log)


@contextmanager
def comfyui(folder, *options, **environ):
    path = Path(os.environ["COMFYUI_PATH"])
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    packs = folder / "base" / "custom_nodes"
    packs.mkdir(parents=True)
    (packs / "backplane").symlink_to(ROOT, target_is_directory=True)
    (packs / "contract_pack").symlink_to(PACK, target_is_directory=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [python, str(path / "main.py"), "--cpu", "--disable-auto-launch", "--port", str(port)]
    command += ["--base-directory", str(folder / "base"), "--database-url", "sqlite:///:memory:", *options]
    log = folder / "log.txt"
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environ}
    with running(command, url=url, log=log, seconds=180, env=env, cwd=path):
        yield Server("comfyui", url, folder / "base" / "models", log)


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


class Api:
    """A client of one server, with the few calls that the tests make all the time."""

    def __init__(self, server, session):
        self.server = server
        self.session = session

    async def get(self, path, *, status=200, **kwargs):
        async with self.session.get(path, **kwargs) as reply:
            body = await reply.text()
            assert reply.status == status, body
            return json.loads(body)

    async def post(self, path, body=None, *, status=200, **kwargs):
        async with self.session.post(path, json=body, **kwargs) as reply:
            text = await reply.text()
            assert reply.status == status, text
            return json.loads(text) if text else None

    async def error(self, path, body=None, *, method="POST", status, **kwargs):
        async with self.session.request(method, path, json=body, **kwargs) as reply:
            text = await reply.text()
            assert reply.status == status, text
            error = json.loads(text)["error"]
            assert set(error) == {"code", "message", "hint", "details"}
            return error

    async def submit(self, workflow, **fields):
        return await self.post("/ext/tasks", {"workflow": workflow, **fields}, status=202)

    async def task(self, task_id):
        return await self.get(f"/ext/tasks/{task_id}")

    async def until(self, task_id, condition, *, seconds=60):
        """Poll a task until *condition* holds for it; give every snapshot that was seen."""
        deadline = time.monotonic() + seconds
        seen = []
        while True:
            seen.append(await self.task(task_id))
            if condition(seen[-1]):
                return seen
            assert seen[-1]["status"] not in FINISHED, seen[-1]
            assert time.monotonic() < deadline, seen[-1]
            await asyncio.sleep(0.01)

    async def finish(self, task_id, *, seconds=60):
        """Poll a task to its end; give every snapshot that was seen."""
        return await self.until(task_id, lambda task: task["status"] in FINISHED, seconds=seconds)

    async def run(self, workflow, **fields):
        """Run a workflow to its end and give the task."""
        task = await self.submit(workflow, **fields)
        return (await self.finish(task["id"]))[-1]

    async def until_known(self, task_id, *, seconds=10):
        """Wait until a prompt that another client queued is a task."""
        deadline = time.monotonic() + seconds
        while True:
            async with self.session.get(f"/ext/tasks/{task_id}") as reply:
                if reply.status == 200:
                    return
            assert time.monotonic() < deadline, f"{task_id} is not known"
            await asyncio.sleep(0.01)

    async def finish_foreign(self, task_id):
        """Follow a prompt that another client queued; give every snapshot that was seen."""
        await self.until_known(task_id)
        return await self.finish(task_id)
