"""The store of sessions under ``kill -9``, shared by two processes."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from backplane.errors import ApiError
from holding import made, rigged, state

WORKER = Path(__file__).with_name("session_worker.py")
ROUNDS = 12

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the worker forks")


def said(log: Path, verb: str) -> list[list[str]]:
    lines = [line.split() for line in log.read_text(encoding="utf-8").splitlines()]
    return [line[1:] for line in lines if line and line[0] == verb]


def sound(path: Path) -> None:
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    taken = db.execute("SELECT sum(bytes) FROM sessions").fetchone()[0]
    graphs = db.execute("SELECT coalesce(sum(length(body)), 0) FROM graphs").fetchone()[0]
    ops = db.execute("SELECT coalesce(sum(length(body)), 0) FROM ops").fetchone()[0]
    assert taken == graphs + ops
    dangling = (
        "SELECT count(*) FROM versions v LEFT JOIN graphs g ON g.id = v.graph"
        " LEFT JOIN sessions s ON s.seq = v.session WHERE g.id IS NULL OR s.seq IS NULL"
    )
    assert db.execute(dangling).fetchone() == (0,)
    assert db.execute(
        "SELECT count(*) FROM sessions s LEFT JOIN versions v ON v.session = s.seq"
        " AND v.n = s.head WHERE v.n IS NULL"
    ).fetchone() == (0,)
    db.close()


async def test_no_edit_that_was_answered_is_lost_by_processes_that_are_killed(tmp_path: Path):
    log = tmp_path / "log"
    async with rigged(tmp_path) as rig:
        session_id = await made(rig.sessions(), {})
    subprocess.run(  # noqa: ASYNC221
        [sys.executable, WORKER, tmp_path, log, session_id, str(ROUNDS), str(random.randrange(10**9))],
        check=True,
        timeout=100,
    )
    assert len(said(log, "killed")) == ROUNDS
    assert said(log, "error") == []
    sound(tmp_path / "sessions.sqlite3")

    edits = said(log, "edited")
    assert len(edits) > ROUNDS
    assert max(Counter(version for version, _ in edits).values()) == 1
    async with rigged(tmp_path) as rig:
        rig.clock.at = time.time()
        sessions = rig.sessions()
        session, graph = await state(sessions, session_id)
        titles = [each["_meta"]["title"] for each in graph.values()]
        assert len(titles) == len(set(titles))
        assert {mark for _, mark in edits} <= set(titles)
        # each version has one node more than the one before: none was skipped, none counted twice
        assert session.version == session.latest == len(titles) + 1
        assert max(int(version) for version, _ in edits) <= session.version
        for [gone] in said(log, "removed"):
            with pytest.raises(ApiError):
                await sessions.get(gone)
