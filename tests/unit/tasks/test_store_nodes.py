"""Which process lives, as the task store judges it."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from backplane.tasks.engine import Ending, NewTask, StoredTask
from backplane.tasks.store import nodes, open_engine

NOW = 1_800_000_000.0


def run(path: Path, script: str) -> None:
    db = sqlite3.connect(path)
    db.executescript(script)
    db.close()


def process(**fields: Any) -> nodes.Process:
    me = nodes.this_process()
    names = ("host", "boot", "space", "pid", "birth")
    return nodes.Process(**{name: getattr(me, name) for name in names} | fields)


def ended() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


@pytest.mark.parametrize(
    ("other", "state"),
    [
        (None, "dead"),
        (process(), "here"),
        (process(birth=1.0), "dead"),
        (process(pid=ended()), "dead"),
        (process(boot="earlier"), "dead"),
        (process(space="container", pid=999_999), "here"),
        (process(host="elsewhere", pid=999_999), "elsewhere"),
    ],
)
def test_a_process_is_judged_by_its_pid_and_birth(other: nodes.Process | None, state: str):
    assert nodes.state_of(other, nodes.this_process()) == state


@pytest.mark.skipif(sys.platform == "win32", reason="no zombies there")
def test_a_zombie_is_dead():
    child = subprocess.Popen([sys.executable, "-c", ""])
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert nodes.birth_of(child.pid) is None
    child.wait()


def test_a_birth_stays_the_same():
    assert nodes.birth_of(os.getpid()) == nodes.birth_of(os.getpid())


async def test_a_second_process_of_the_same_name_has_none_of_the_firsts_tasks(tmp_path: Path):
    path = tmp_path / "tasks.sqlite3"
    engine = open_engine(path, node="a")
    await engine.submit([NewTask("t", NOW, {}, max_attempts=2)])
    claimed = await engine.claim("a", ["t"], now=NOW, lease_s=60)
    assert claimed is not None
    run(path, "UPDATE nodes SET birth=1")
    other = open_engine(path, node="a")
    [reaped] = await other.reap("a", now=NOW, rerun=True, ending=Ending("failed", NOW))
    assert reaped.task_id == "t"
    assert not await engine.complete(claimed.lease, Ending("succeeded", NOW))
    task: StoredTask | None = await other.get("t")
    assert task is not None
    assert task.status == "queued"
    await engine.close()
    await other.close()
