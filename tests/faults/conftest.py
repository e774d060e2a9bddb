"""Sandboxes as processes: started, killed, and started again in the same folder on the same port."""

import os
import signal
import subprocess
from contextlib import contextmanager

import aiohttp
import pytest
from api_client import Api
from servers import CONTRACT_PACK, FAULT_PACK, free_port, sandbox_command, wait_until_up


class Sandbox:
    """One data folder and one port; its process can be started again and again."""

    def __init__(self, folder):
        self.folder = folder
        self.data = folder / "data"
        self.store = self.data / "user" / "__backplane" / "tasks.sqlite3"
        self.counted = folder / "counted.txt"
        self.log = folder / "log.txt"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        command = sandbox_command(self.port, self.data, packs=[CONTRACT_PACK, FAULT_PACK])
        env = {**os.environ, "BACKPLANE_FAULT_FILE": str(self.counted)}
        with self.log.open("a") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env)

    def wait_until_up(self, seconds=30):
        wait_until_up(self.process, f"{self.url}/ext", self.log, seconds)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=20):
        """Ask it to end; give its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@contextmanager
def running(folder):
    made = Sandbox(folder)
    made.start()
    try:
        made.wait_until_up()
        yield made
    finally:
        if made.process.poll() is None:
            made.kill()


@pytest.fixture
def sandbox(tmp_path):
    """A sandbox of this test's own."""
    with running(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory):
    """One sandbox for all tests of a module: each sees what the one before left behind."""
    with running(tmp_path_factory.mktemp("sandbox")) as made:
        yield made


@pytest.fixture
async def api(shared_sandbox):
    async with aiohttp.ClientSession(shared_sandbox.url) as session:
        yield Api(shared_sandbox, session)
