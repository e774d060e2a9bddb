"""The task store: claims, leases, ends, and who may no longer write."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from backplane.tasks.engine import Ending, Lease, StoredTask
from backplane.tasks.store import SqliteEngine
from stores import CANCELLED, FAILED, GRAPH, NOW, SUCCEEDED, Rig, claimed, got, submitted


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(tmp_path / "tasks.sqlite3").running() as rig:
        yield rig


@pytest.fixture
def engine(rig: Rig) -> SqliteEngine:
    return rig.open("a")


# Claims and leases


async def test_a_claim_takes_the_first_that_is_queued_and_due_with_its_graph(engine: SqliteEngine):
    taken = await claimed(engine)
    ids = [taken.task.id, "absent", await submitted(engine), await submitted(engine)]
    found = await engine.claim("a", ids, now=NOW, lease_s=60)
    assert found is not None
    assert found.lease == Lease(ids[2], 1, "a")
    assert (found.task.status, found.task.attempt, found.task.started_at) == ("running", 1, None)
    assert await engine.begin(found.lease, NOW + 1)
    assert (await got(engine, ids[2])).started_at == NOW + 1
    assert found.task.graph == GRAPH
    assert await engine.claim("a", ids[:3], now=NOW, lease_s=60) is None


async def test_progress_is_the_result_of_a_running_task(engine: SqliteEngine):
    running = await claimed(engine)
    result = {"nodes": {str(number): {"value": number} for number in range(200)}}
    assert await engine.progress(running.lease, result)
    assert (await got(engine, running.task.id)).result == result


async def test_a_completed_task_keeps_its_ending(engine: SqliteEngine):
    running = await claimed(engine)
    assert await engine.complete(running.lease, FAILED)
    stored = await got(engine, running.task.id)
    assert (stored.status, stored.finished_at, stored.node) == ("failed", NOW + 5, None)
    assert (stored.result, stored.error) == (FAILED.result, FAILED.error)
    assert not await engine.complete(running.lease, SUCCEEDED)
    assert (await got(engine, running.task.id)).status == "failed"


async def test_a_failed_attempt_is_queued_again_for_later_while_attempts_are_left(engine: SqliteEngine):
    running = await claimed(engine, max_attempts=2)
    assert await engine.fail(running.lease, FAILED, retry_at=NOW + 30)
    stored = await got(engine, running.task.id)
    assert (stored.status, stored.attempt, stored.not_before) == ("queued", 1, NOW + 30)
    assert (stored.result, stored.error, stored.started_at) == ({}, FAILED.error, None)
    assert await engine.claim("a", [stored.id], now=NOW + 29, lease_s=60) is None
    again = await engine.claim("a", [stored.id], now=NOW + 30, lease_s=60)
    assert again is not None
    assert (again.lease.attempt, again.task.error) == (2, None)
    assert await engine.fail(again.lease, FAILED, retry_at=NOW + 60)
    assert (await got(engine, stored.id)).status == "failed"


async def test_a_failure_that_is_not_to_be_tried_again_ends_the_task(engine: SqliteEngine):
    running = await claimed(engine, max_attempts=5)
    assert await engine.fail(running.lease, FAILED, retry_at=None)
    assert (await got(engine, running.task.id)).status == "failed"


async def test_a_released_task_is_queued_again_as_if_it_had_not_been_claimed(engine: SqliteEngine):
    running = await claimed(engine)
    await engine.progress(running.lease, {"x": 1})
    assert await engine.release(running.lease)
    stored = await got(engine, running.task.id)
    assert (stored.status, stored.attempt, stored.result, stored.node) == ("queued", 0, {}, None)
    assert not await engine.release(running.lease)


Write = Callable[[SqliteEngine, Lease], Awaitable[bool]]
WRITES: dict[str, Write] = {
    "progress": lambda engine, lease: engine.progress(lease, {"stale": True}),
    "complete": lambda engine, lease: engine.complete(lease, SUCCEEDED),
    "fail": lambda engine, lease: engine.fail(lease, FAILED, retry_at=NOW),
    "fail for good": lambda engine, lease: engine.fail(lease, FAILED, retry_at=None),
    "release": lambda engine, lease: engine.release(lease),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("claimed_again", [False, True], ids=["queued", "claimed again"])
async def test_a_zombie_writes_nothing(rig: Rig, write: Write, claimed_again: bool):
    zombie, other = rig.open("zombie"), rig.open("other")
    stale = await claimed(zombie, "zombie", max_attempts=3)
    rig.ticks.at += 61
    [reaped] = await other.reap("other", now=NOW + 61, rerun=True, ending=FAILED)
    assert (reaped.task_id, reaped.status) == (stale.task.id, "queued")
    if claimed_again:
        assert await other.claim("other", [stale.task.id], now=NOW + 61, lease_s=60)
    before = await got(other, stale.task.id)
    assert not await write(zombie, stale.lease)
    assert await got(other, stale.task.id) == before
    beat = await zombie.beat("zombie", [stale.lease], now=NOW + 62, lease_s=60)
    assert beat.lost == {stale.task.id}


async def test_a_beat_tells_what_is_lost_and_what_is_to_be_cancelled(engine: SqliteEngine):
    kept, asked, ended = await claimed(engine), await claimed(engine), await claimed(engine)
    await engine.cancel(asked.task.id, CANCELLED)
    await engine.complete(ended.lease, SUCCEEDED)
    leases = [kept.lease, asked.lease, ended.lease, Lease("absent", 1, "a")]
    beat = await engine.beat("a", leases, now=NOW + 20, lease_s=60)
    assert beat.lost == {ended.task.id, "absent"}
    assert beat.cancel == {asked.task.id}


async def test_a_beat_renews_the_lease(rig: Rig):
    one, other = rig.open("one"), rig.open("other")
    running = await claimed(one, "one")
    rig.ticks.at += 50
    await one.beat("one", [running.lease], now=NOW + 50, lease_s=60)
    rig.ticks.at += 50
    assert await other.reap("other", now=NOW + 100, rerun=True, ending=FAILED) == []
    rig.ticks.at += 11
    assert len(await other.reap("other", now=NOW + 111, rerun=True, ending=FAILED)) == 1


# Cancelling


async def test_a_queued_task_is_cancelled_at_once(engine: SqliteEngine):
    task_id = await submitted(engine)
    assert await engine.cancel(task_id, CANCELLED) == "cancelled"
    assert (await got(engine, task_id)).status == "cancelled"
    assert await engine.cancel(task_id, CANCELLED) == "finished"
    assert await engine.claim("a", [task_id], now=NOW, lease_s=60) is None


async def test_a_running_task_is_canceling_until_its_node_says_so(engine: SqliteEngine):
    running = await claimed(engine)
    assert await engine.cancel(running.task.id, CANCELLED) == "requested"
    assert await engine.cancel(running.task.id, CANCELLED) == "requested"
    stored = await got(engine, running.task.id)
    assert (stored.status, stored.cancel_requested) == ("canceling", True)
    assert await engine.complete(running.lease, CANCELLED)
    assert (await got(engine, running.task.id)).status == "cancelled"


async def test_nothing_is_cancelled_that_is_not_there(engine: SqliteEngine):
    assert await engine.cancel("absent", CANCELLED) == "absent"


@pytest.mark.parametrize("give_back", ["release", "fail"])
async def test_a_task_given_back_while_it_is_canceling_never_runs_again(engine: SqliteEngine, give_back: str):
    running = await claimed(engine, max_attempts=3)
    await engine.cancel(running.task.id, CANCELLED)
    if give_back == "release":
        assert await engine.release(running.lease)
    else:
        assert await engine.fail(running.lease, FAILED, retry_at=NOW)
    assert await engine.claim("a", [running.task.id], now=NOW, lease_s=60) is None
    [reaped] = await engine.reap("a", now=NOW, rerun=True, ending=FAILED)
    assert (reaped.task_id, reaped.status) == (running.task.id, "cancelled")
    stored = await got(engine, running.task.id)
    assert (stored.status, stored.error) == ("cancelled", None)


async def test_only_a_queued_task_changes_its_priority(engine: SqliteEngine):
    task_id = await submitted(engine)
    assert await engine.prioritise(task_id, 9)
    assert (await got(engine, task_id)).priority == 9
    await engine.claim("a", [task_id], now=NOW, lease_s=60)
    assert not await engine.prioritise(task_id, 1)
    assert not await engine.prioritise("absent", 1)


# Reaping


async def test_what_a_closed_engine_held_is_taken_back_at_once(rig: Rig):
    gone, here = rig.open("gone"), rig.open("here")
    running = await claimed(gone, "gone", max_attempts=2)
    await gone.progress(running.lease, {"half": True})
    await gone.close()
    [reaped] = await here.reap("here", now=NOW + 1, rerun=True, ending=FAILED)
    assert reaped.status == "queued"
    stored = await got(here, running.task.id)
    assert (stored.status, stored.attempt, stored.result) == ("queued", 1, {})


@pytest.mark.parametrize("rerun", [True, False])
async def test_a_lost_task_that_had_not_begun_is_queued_again_whatever_attempts_are_left(
    rig: Rig, rerun: bool
):
    gone, here = rig.open("gone"), rig.open("here")
    task_id = await submitted(gone, max_attempts=1)
    await gone.claim("gone", [task_id], now=NOW, lease_s=60)
    await gone.close()
    [reaped] = await here.reap("here", now=NOW + 1, rerun=rerun, ending=FAILED)
    stored = await got(here, task_id)
    assert (reaped.status, stored.status, stored.attempt) == ("queued", "queued", 1)


@pytest.mark.parametrize(("rerun", "attempts"), [(False, 3), (True, 1)], ids=["not asked for", "no attempts"])
async def test_a_lost_task_that_is_not_run_again_fails_with_its_last_progress(
    rig: Rig, rerun: bool, attempts: int
):
    gone, here = rig.open("gone"), rig.open("here")
    running = await claimed(gone, "gone", max_attempts=attempts)
    await gone.progress(running.lease, {"half": True})
    await gone.close()
    [reaped] = await here.reap("here", now=NOW, rerun=rerun, ending=Ending("failed", NOW, {}, {"code": "X"}))
    stored = await got(here, running.task.id)
    assert (reaped.status, stored.status, stored.error) == ("failed", "failed", {"code": "X"})
    assert stored.result == {"half": True}


async def test_a_lost_task_that_was_to_be_cancelled_is(rig: Rig):
    gone, here = rig.open("gone"), rig.open("here")
    running = await claimed(gone, "gone", max_attempts=3)
    await here.cancel(running.task.id, CANCELLED)
    await gone.close()
    [reaped] = await here.reap("here", now=NOW, rerun=True, ending=FAILED)
    assert reaped.status == "cancelled"
    assert (await got(here, running.task.id)).status == "cancelled"


async def test_an_ending_can_be_made_for_each_lost_task(rig: Rig):
    gone, here = rig.open("gone"), rig.open("here")
    running = await claimed(gone, "gone")
    await gone.close()

    def ending(task: StoredTask) -> Ending:
        return Ending("failed", NOW, {"of": task.id})

    await here.reap("here", now=NOW, rerun=True, ending=ending)
    assert (await got(here, running.task.id)).result == {"of": running.task.id}


async def test_ones_own_tasks_are_left_alone(rig: Rig, engine: SqliteEngine):
    await claimed(engine)
    rig.ticks.at += 10_000
    assert await engine.reap("a", now=NOW + 10_000, rerun=True, ending=FAILED) == []


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0 * 365])
async def test_a_clock_that_is_set_takes_no_task_from_a_living_process(rig: Rig, jump: float):
    one, other = rig.open("one"), rig.open("other")
    running = await claimed(one, "one")
    rig.clock.at += jump
    assert await other.reap("other", now=NOW + jump, rerun=True, ending=FAILED) == []
    beat = await one.beat("one", [running.lease], now=NOW + jump, lease_s=60)
    assert not beat.lost
    assert await one.complete(running.lease, SUCCEEDED)
