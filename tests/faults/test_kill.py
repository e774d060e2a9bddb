"""``kill -9`` at random moments: what was accepted ends, once, and nothing is lost.

BACKPLANE_FAULT_ROUNDS says how often the server is killed (default 50, about a minute).
"""

import asyncio
import os
import random
import sqlite3
import sys
from collections import Counter
from contextlib import closing

import aiohttp
import pytest
from graphs import node

ROUNDS = int(os.environ.get("BACKPLANE_FAULT_ROUNDS", "50"))
TASKS = 200
SEED = 20260131

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")


def counting(salt):
    """A quick workflow, or one of 50 ms, that leaves a line with *salt* each time it runs."""
    first = node("ContractInt", value=1, salt=salt)
    if int(salt.partition("-")[2]) % 4 == 0:
        first = node("ContractSleep", value=1, seconds=0.05, steps=5, salt=salt)
    return {
        "1": first,
        "2": node("FaultCount", value=["1", 0], salt=salt),
        "3": node("ContractShow", value=["2", 0]),
    }


class Client:
    """Submits task after task, each until it is accepted, some in each life of the server."""

    def __init__(self, session):
        self.session = session
        self.accepted = {}
        self.life = 0

    async def submit_all(self):
        for number in range(TASKS):
            while number >= (self.life + 1) * TASKS / ROUNDS:
                await asyncio.sleep(0.002)
            await self._submit(f"task-{number}")

    async def _submit(self, key):
        body = {"workflow": counting(key), "max_attempts": 20, "metadata": {"key": key}}
        while key not in self.accepted:
            try:
                headers = {"Idempotency-Key": key}
                async with self.session.post("/ext/tasks", json=body, headers=headers) as reply:
                    text = await reply.text()
                    if reply.status == 503:  # the store is not open yet
                        continue
                    assert reply.status == 202, text
                    self.accepted[key] = (await reply.json())["id"]
            except aiohttp.ClientError:
                await asyncio.sleep(0.01)

    async def look(self):
        """Give all accepted tasks by their id."""
        ids = ",".join(self.accepted.values())
        async with self.session.get("/ext/tasks", params={"ids": ids}) as reply:
            assert reply.status == 200, await reply.text()
            return {task["id"]: task for task in (await reply.json())["items"]}


async def ended(client, seconds):
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        tasks = await client.look()
        if all(task["finished_at"] for task in tasks.values()):
            return tasks
        stuck = [task for task in tasks.values() if not task["finished_at"]]
        assert asyncio.get_running_loop().time() < deadline, stuck
        await asyncio.sleep(0.05)


@pytest.mark.timeout(300)
async def test_after_any_number_of_kills_every_accepted_task_has_succeeded(sandbox):
    dice = random.Random(SEED)
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(sandbox.url, connector=connector) as session:
        client = Client(session)
        submitting = asyncio.create_task(client.submit_all())
        for client.life in range(ROUNDS):
            if dice.random() < 0.8:
                await asyncio.to_thread(sandbox.wait_until_up)
                await asyncio.sleep(dice.uniform(0, 0.3))
            else:  # while it starts
                await asyncio.sleep(dice.uniform(0, 0.6))
            sandbox.kill()
            sandbox.start()
        await asyncio.to_thread(sandbox.wait_until_up)
        await submitting
        tasks = await ended(client, 60)

    assert len(client.accepted) == TASKS
    assert len(set(client.accepted.values())) == TASKS
    assert set(tasks) == set(client.accepted.values())
    assert {task["status"] for task in tasks.values()} == {"succeeded"}, [
        task for task in tasks.values() if task["status"] != "succeeded"
    ]
    runs = Counter(sandbox.counted.read_text().split())
    for key, task_id in client.accepted.items():
        assert 1 <= runs[key] <= tasks[task_id]["attempt"], (key, runs[key], tasks[task_id])
        assert tasks[task_id]["metadata"] == {"key": key}
    assert set(runs) == set(client.accepted)

    sandbox.stop()
    with closing(sqlite3.connect(sandbox.store)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT count(*) FROM tasks").fetchone() == (TASKS,)
