"""Downloads under ``kill -9``: at 50 random moments, and at the seams of their last steps (cases 68, 69)."""

import json
import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from downloading import PIECE, Desk, Files, model, sha256
from hostile_http import Server
from model_bytes import safetensors, zipped

WORKER = Path(__file__).with_name("download_worker.py")
KILLS = 50
OLD = model(7 * PIECE, 99)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the worker forks")


@contextmanager
def shop(folder):
    """A server of files, and the folder that the worker downloads into."""
    files = Files()
    with Server(files) as server:
        yield Desk(folder, None, server, files)


def worker(desk, **plan):
    """Let the worker do *plan*; give what it said."""
    log = desk.folder / "log"
    plan = {"wanted": {}, **plan}
    subprocess.run(
        [sys.executable, str(WORKER), str(desk.folder), str(log), json.dumps(plan)], check=True, timeout=110
    )
    said = [line.split() for line in log.read_text(encoding="utf-8").splitlines()]
    assert [line for line in said if line[0] in {"error", "survived"}] == []
    return said


def tasks_of(desk):
    db = sqlite3.connect(desk.store)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    found = db.execute("SELECT status, attempt FROM tasks").fetchall()
    db.close()
    return found


async def test_a_server_that_is_killed_at_any_moment_goes_on_where_it_was(tmp_path):
    bodies = [model(size * PIECE, size) for size in (150, 220, 300)]
    with shop(tmp_path) as desk:
        desk.files.pause_s = 0.002
        links = [desk.serve(f"/{number}.safetensors", bodies[number % len(bodies)]) for number in range(60)]
        seed = random.randrange(10**9)
        said = worker(desk, links=links, kills=KILLS, seed=seed)
        assert Counter(line[0] for line in said)["killed"] == KILLS

        tasks = tasks_of(desk)
        assert set(tasks) == {("succeeded", 1)}, seed  # a server that dies is no attempt that failed
        for number in range(len(tasks)):
            assert desk.has(f"{number}.safetensors", bodies[number % len(bodies)]), (seed, number)
        assert len(desk.holds()) == len(tasks)
        assert desk.parts() == []
        await desk.check()

        # What was once said to be on the disk was never fetched again.
        kept = [(path, int(end), float(at)) for _, path, end, at in (x for x in said if x[0] == "kept")]
        resumed = []
        for (path, start), came in zip(desk.files.asked, desk.files.times, strict=True):
            sure = max((end for name, end, at in kept if name == path and at < came), default=0)
            if start is not None:
                assert start >= sure, (seed, path, start, sure)
                resumed.append((path, start))
            elif sure:
                raise AssertionError((seed, path, "was begun anew", sure))
        assert len(resumed) > KILLS / 5, seed
        assert sum(start for _, start in resumed) > 0


SINGLE = [
    "before it is published",
    "between fsync and link",
    "between link and unlink",
    "between unlink and the folder's fsync",
    "where there are no links",
    "when the name is reserved",
    "before the end is written",
]


@pytest.mark.parametrize("seam", SINGLE)
async def test_a_server_that_is_killed_at_the_end_of_a_download(tmp_path, seam):
    with shop(tmp_path) as desk:
        link = desk.serve("/a.safetensors", model())
        said = worker(desk, links=[link], seam=seam)
        assert ["killed"] in said
        assert tasks_of(desk) == [("succeeded", 1)]
        assert desk.holds() == ["loras/a.safetensors"]
        assert desk.has("a.safetensors", model())
        assert desk.files.starts("/a.safetensors") == [None, None]  # no byte a second time
        await desk.check()


@pytest.mark.parametrize("seam", ["before the old file is replaced", "after the old file is replaced"])
async def test_a_server_that_is_killed_while_it_replaces_a_file(tmp_path, seam):
    with shop(tmp_path) as desk:
        desk.put("a.safetensors", OLD)
        link = desk.serve("/a.safetensors", model())
        worker(desk, links=[link], seam=seam, wanted={"overwrite": True, "sha256": sha256(model())})
        assert tasks_of(desk) == [("succeeded", 1)]
        assert desk.holds() == ["loras/a.safetensors"]
        assert desk.has("a.safetensors", model())
        assert desk.files.starts("/a.safetensors") == [None, None]
        await desk.check()


UNPACKING = [
    "while it is unpacked",
    "when all is unpacked",
    "after the first file of the archive",
    "before the last file of the archive",
    "when an old file was set aside",
    "after the last file of the archive",
    "before the end is written",
]


@pytest.mark.parametrize("seam", UNPACKING)
async def test_a_server_that_is_killed_while_it_unpacks(tmp_path, seam):
    inside = {
        f"{name}.safetensors": safetensors(side=side) for name, side in (("a", 8), ("b/c", 9), ("d", 10))
    }
    with shop(tmp_path) as desk:
        desk.good(*inside.values())
        desk.put("pack/b/c.safetensors", OLD)
        link = desk.serve("/pack.zip", zipped(inside))
        said = worker(
            desk, links=[link], seam=seam, wanted={"unzip": True, "overwrite": True, "target_dir": "pack"}
        )
        assert ["killed"] in said
        assert tasks_of(desk) == [("succeeded", 1)]
        assert desk.holds() == [f"loras/pack/{name}" for name in sorted(inside)]
        for name, body in inside.items():
            assert desk.has(f"pack/{name}", body)
        assert desk.files.starts("/pack.zip") == [None, None]
        await desk.check()
