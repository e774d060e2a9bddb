"""The task store: what is different for tasks that are no prompts, which go on instead of beginning anew."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from backplane.tasks.engine import Ending, Query
from stores import FAILED, NOW, Rig, claimed, got, submitted

FAR = 32_503_680_000.0
SO_FAR = {"journal": [[0, 5]]}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(tmp_path / "tasks.sqlite3").running() as rig:
        yield rig


@pytest.mark.parametrize(("kind", "kept"), [("download", SO_FAR), ("prompt", {})])
async def test_only_a_prompt_given_back_forgets_how_far_it_was(rig: Rig, kind: str, kept: object):
    engine = rig.open("a")
    running = await claimed(engine, kind=kind)
    assert await engine.progress(running.lease, SO_FAR)
    assert await engine.release(running.lease)
    stored = await got(engine, running.task.id)
    assert (stored.status, stored.attempt, stored.result) == ("queued", 0, kept)
    again = await engine.claim("a", [stored.id], now=NOW, lease_s=60)
    assert again is not None
    assert again.task.result == kept


@pytest.mark.parametrize(("kind", "kept"), [("download", SO_FAR), ("prompt", {})])
async def test_only_a_prompt_that_is_tried_again_forgets_how_far_it_was(rig: Rig, kind: str, kept: object):
    engine = rig.open("a")
    running = await claimed(engine, kind=kind, max_attempts=2)
    ending = Ending("failed", NOW, SO_FAR, FAILED.error)
    assert await engine.fail(running.lease, ending, retry_at=NOW + 5)
    stored = await got(engine, running.task.id)
    assert (stored.status, stored.result, stored.error) == ("queued", kept, FAILED.error)


async def test_an_ending_without_a_result_keeps_the_last_progress_of_a_download(rig: Rig):
    engine = rig.open("a")
    running = await claimed(engine, kind="download", max_attempts=2)
    assert await engine.progress(running.lease, SO_FAR)
    assert await engine.fail(running.lease, Ending("failed", NOW, {}, FAILED.error), retry_at=NOW)
    assert (await got(engine, running.task.id)).result == SO_FAR


async def test_a_task_given_back_for_later_waits_until_it_is_told_otherwise(rig: Rig):
    engine = rig.open("a")
    running = await claimed(engine, kind="download")
    assert await engine.release(running.lease, not_before=FAR, result=SO_FAR)
    task_id = running.task.id
    assert (await got(engine, task_id)).result == SO_FAR
    assert await engine.claim("a", [task_id], now=NOW + 10**6, lease_s=60) is None
    assert await engine.defer(task_id, 0.0)
    assert await engine.claim("a", [task_id], now=NOW, lease_s=60) is not None
    assert not await engine.defer(task_id, 0.0), "it runs"
    assert not await engine.defer("absent", 0.0)


async def test_putting_off_is_a_change_that_other_processes_see(rig: Rig):
    here, there = rig.open("a"), rig.open("b")
    task_id = await submitted(here, kind="download")
    _, rev = await there.changes(0)
    assert await here.defer(task_id, FAR)
    [changed], _ = await there.changes(rev)
    assert (changed.id, changed.not_before) == (task_id, FAR)


@pytest.mark.parametrize("begun", [True, False])
async def test_a_download_whose_process_died_goes_on_without_counting_it(rig: Rig, begun: bool):
    dying, other = rig.open("a"), rig.open("b")
    task_id = await submitted(dying, kind="download", max_attempts=1)
    found = await dying.claim("a", [task_id], now=NOW, lease_s=60)
    assert found is not None
    if begun:
        assert await dying.begin(found.lease, NOW)
    assert await dying.progress(found.lease, SO_FAR)
    rig.clock.at += 1000
    rig.ticks.at += 1000
    [reaped] = await other.reap("b", now=rig.clock.at, rerun=False, ending=FAILED)
    assert reaped.status == "queued"
    stored = await got(other, task_id)
    assert (stored.status, stored.attempt, stored.result) == ("queued", 0, SO_FAR)


async def test_kinds_are_listed_together_and_apart(rig: Rig):
    engine = rig.open("a")
    one, two = await submitted(engine), await submitted(engine, kind="download")
    assert [task.id for task in (await engine.list(Query(limit=5)))[0]] == [two, one]
    assert [task.id for task in (await engine.list(Query(limit=5, kinds=("download",))))[0]] == [two]
