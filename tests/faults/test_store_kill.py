"""The task store under ``kill -9``, and shared by processes."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from backplane.tasks.engine import Ending, NewTask, Query, StoredTask
from backplane.tasks.store import SqliteEngine, open_engine

WORKER = Path(__file__).with_name("store_worker.py")
ROUNDS = 50
LOST = Ending("failed", 0.0, {}, {"code": "TASK_INTERRUPTED"})

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the worker forks")


def worker(*arguments: object) -> None:
    subprocess.run([sys.executable, str(WORKER), *map(str, arguments)], check=True, timeout=100)


def said(log: Path, verb: str) -> list[list[str]]:
    lines = [line.split() for line in log.read_text(encoding="utf-8").splitlines()]
    return [line[1:] for line in lines if line and line[0] == verb]


def sound(path: Path) -> None:
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    # What stands in several tables agrees.
    assert (
        db.execute("SELECT count(*) FROM tasks").fetchone()
        == db.execute("SELECT count(*) FROM details").fetchone()
    )
    assert (
        db.execute("SELECT sum(refs) FROM graphs").fetchone()
        == db.execute("SELECT count(graph) FROM tasks").fetchone()
    )
    db.close()


async def all_of(engine: SqliteEngine) -> dict[str, StoredTask]:
    tasks, more = await engine.list(Query(1_000_000))
    assert more is None
    return {task.id: task for task in tasks}


async def test_nothing_accepted_is_lost_or_done_twice_by_processes_that_are_killed(tmp_path: Path):
    path, log = tmp_path / "tasks.sqlite3", tmp_path / "log"
    worker("kill", path, log, ROUNDS, random.randrange(10**9))
    assert len(said(log, "killed")) == ROUNDS
    assert said(log, "error") == []

    sound(path)
    engine = open_engine(path, node="last")
    assert engine.notice is None
    await engine.reap("last", now=time.time(), rerun=True, ending=LOST)
    tasks = await all_of(engine)
    assert {task.status for task in tasks.values()} <= {"queued", "succeeded", "failed"}
    while waiting := [task_id for task_id, task in tasks.items() if task.status == "queued"]:
        for task_id in waiting:
            claimed = await engine.claim("last", [task_id], now=time.time(), lease_s=60)
            assert claimed is not None
            ending = Ending("succeeded", time.time(), {"by": "last", "attempt": claimed.lease.attempt})
            assert await engine.complete(claimed.lease, ending)
        tasks = await all_of(engine)

    accepted = [task_id for [task_id] in said(log, "accepted")]
    assert len(accepted) > ROUNDS
    assert set(accepted) <= tasks.keys()
    done = said(log, "completed")
    assert len(done) > ROUNDS
    assert max(Counter(task_id for task_id, _, _ in done).values()) == 1
    for task_id, by, attempt in done:
        assert (tasks[task_id].status, tasks[task_id].result) == (
            "succeeded",
            {"by": by, "attempt": int(attempt)},
        )
    claims = Counter(task_id for task_id, _ in said(log, "claimed"))
    for task_id, task in tasks.items():
        assert claims[task_id] <= task.attempt <= task.max_attempts
        assert task.status == "succeeded" or (task.status == "failed" and task.attempt == task.max_attempts)
    assert any(int(count) for [count] in said(log, "reaped"))

    # Each that succeeded in a worker has its webhook in the outbox, once.
    deliveries = await engine.due(time.time(), 1_000_000)
    by_workers = [
        task.id for task in tasks.values() if task.status == "succeeded" and task.result["by"] != "last"
    ]
    assert sorted(delivery.task_id for delivery in deliveries) == sorted(by_workers)
    await engine.close()


async def test_processes_that_share_a_store_never_claim_the_same(tmp_path: Path):
    path, log = tmp_path / "tasks.sqlite3", tmp_path / "log"
    engine = open_engine(path, node="submitter")
    ids = [f"t{number}" for number in range(500)]
    await engine.submit([NewTask(task_id, time.time(), {"1": {}}) for task_id in ids])
    worker("share", path, log, 3)
    assert said(log, "error") == []
    assert sorted(task_id for task_id, _ in said(log, "claimed")) == sorted(ids)
    assert {attempt for _, attempt in said(log, "claimed")} == {"1"}
    done = said(log, "completed")
    assert sorted(task_id for task_id, _, _ in done) == sorted(ids)
    tasks = await all_of(engine)
    assert {task.status for task in tasks.values()} == {"succeeded"}
    await engine.close()
    sound(path)


async def test_a_dead_process_loses_its_tasks_at_once_and_a_stopped_one_only_with_its_lease(tmp_path: Path):
    path, log = tmp_path / "tasks.sqlite3", tmp_path / "log"
    ahead = [0.0]
    engine = open_engine(path, node="here", ticks=lambda: time.monotonic() + ahead[0])
    await engine.submit([NewTask("t", time.time(), {"1": {}}, max_attempts=9)])
    code = HOLDING.format(folder=str(WORKER.parent), path=str(path))
    holder = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGSTOP)
        # A year by the clock means nothing; 61 s by the one that nobody sets do.
        later = time.time() + 365 * 86_400
        assert await engine.reap("here", now=later, rerun=True, ending=LOST) == []
        ahead[0] = 61.0
        [taken] = await engine.reap("here", now=time.time(), rerun=True, ending=LOST)
        assert (taken.task_id, taken.status) == ("t", "queued")
        ahead[0] = 0.0
        holder.send_signal(signal.SIGCONT)
        print(file=holder.stdin, flush=True)
        assert holder.stdout.readline() == "lost\n"
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        holder.wait()
        [taken] = await engine.reap("here", now=time.time(), rerun=True, ending=LOST)
        assert (taken.task_id, taken.status) == ("t", "queued")
    finally:
        holder.kill()
        holder.wait()
        for pipe in (holder.stdin, holder.stdout):
            if pipe is not None:
                pipe.close()
    await engine.close()
    assert not log.exists()


HOLDING = """
import asyncio, sys, time
sys.path.insert(0, {folder!r})
import store_worker
from backplane.tasks.store import open_engine

async def main():
    engine = open_engine(store_worker.Path({path!r}), node="holder")
    while True:
        claimed = None
        while claimed is None:
            claimed = await engine.claim("holder", ["t"], now=time.time(), lease_s=60)
            await asyncio.sleep(0.01)
        await engine.begin(claimed.lease, time.time())
        print("held", flush=True)
        # Stopped in the middle of a write it would keep the file locked: let it rest.
        await asyncio.to_thread(sys.stdin.readline)
        while not (await engine.beat("holder", [claimed.lease], now=time.time(), lease_s=60)).lost:
            await asyncio.sleep(0.01)
        print("lost", flush=True)

asyncio.run(main())
"""


def test_a_process_that_ends_without_closing_says_nothing_and_loses_nothing(tmp_path: Path):
    path = tmp_path / "tasks.sqlite3"
    code = LEAVING.format(folder=str(WORKER.parent), path=str(path))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("accepted\n", "")
    sound(path)


LEAVING = """
import asyncio, sys, time
sys.path.insert(0, {folder!r})
import store_worker
from backplane.tasks.engine import NewTask
from backplane.tasks.store import open_engine

engine = open_engine(store_worker.Path({path!r}), node="leaving")
asyncio.run(engine.submit([NewTask("t", time.time(), {{}})]))
print("accepted", flush=True)
"""
