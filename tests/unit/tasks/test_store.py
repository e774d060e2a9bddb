"""The task store: what every call of the protocol does, and who may no longer write."""

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from backplane.tasks.engine import (
    AlreadyRememberedError,
    Claimed,
    Ending,
    Lease,
    NewTask,
    Remembered,
    StoredTask,
)
from backplane.tasks.store import SqliteEngine, StoreError, open_engine

NOW = 1_800_000_000.0
GRAPH = {"1": {"class_type": "LoadImage", "inputs": {"image": "é\ud800.png"}}}
SUCCEEDED = Ending("succeeded", NOW + 5, {"outputs": [1]})
FAILED = Ending("failed", NOW + 5, {"nodes": {}}, {"code": "NODE_FAILED"})
CANCELLED = Ending("cancelled", NOW + 5)

names = (f"task-{number}" for number in itertools.count())


def new(**fields: Any) -> NewTask:
    return NewTask(**({"id": next(names), "created_at": NOW, "graph": GRAPH} | fields))


class Ticks:
    """A clock that is set by hand."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class Rig:
    """Engines on one file, with clocks that are set by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Ticks(NOW)
        self.ticks = Ticks(100.0)
        self.engines: list[SqliteEngine] = []

    def open(self, node: str) -> SqliteEngine:
        engine = open_engine(self.path, node=node, clock=self.clock, ticks=self.ticks)
        self.engines.append(engine)
        return engine

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Rig"]:
        try:
            yield self
        finally:
            for engine in self.engines:
                await engine.close()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(tmp_path / "tasks.sqlite3").running() as rig:
        yield rig


@pytest.fixture
def engine(rig: Rig) -> SqliteEngine:
    return rig.open("a")


async def submitted(engine: SqliteEngine, **fields: Any) -> str:
    task = new(**fields)
    await engine.submit([task])
    return task.id


async def claimed(engine: SqliteEngine, node: str = "a", **fields: Any) -> Claimed:
    task_id = await submitted(engine, **fields)
    found = await engine.claim(node, [task_id], now=NOW, lease_s=60)
    assert found is not None
    return found


async def got(engine: SqliteEngine, task_id: str, *, graph: bool = False) -> StoredTask:
    task = await engine.get(task_id, graph=graph)
    assert task is not None
    return task


async def test_a_submitted_task_is_kept_with_all_that_was_said(engine: SqliteEngine):
    task = new(
        request={"targets": ["1"]},
        metadata={"k": "é\ud800", "n": float("inf")},
        kind="download",
        client="c",
        priority=3,
        max_attempts=2,
        batch_id="b",
        retry_of="r",
    )
    [seq] = await engine.submit([task])
    stored = await got(engine, task.id, graph=True)
    assert stored == StoredTask(
        id=task.id,
        seq=seq,
        kind="download",
        origin="api",
        status="queued",
        client="c",
        priority=3,
        attempt=0,
        max_attempts=2,
        created_at=NOW,
        started_at=None,
        finished_at=None,
        not_before=0.0,
        node=None,
        cancel_requested=False,
        batch_id="b",
        retry_of="r",
        request={"targets": ["1"]},
        metadata={"k": "é\ud800", "n": float("inf")},
        result={},
        error=None,
        graph=GRAPH,
        rev=stored.rev,
    )
    assert (await got(engine, task.id)).graph is None


async def test_a_graph_keeps_the_order_of_its_nodes(engine: SqliteEngine):
    graph = {"9": {"inputs": {"b": 1, "a": 2}}, "10": {}, "1": {}}
    stored = await got(engine, await submitted(engine, graph=graph), graph=True)
    assert stored.graph is not None
    assert list(stored.graph) == ["9", "10", "1"]
    assert list(stored.graph["9"]["inputs"]) == ["b", "a"]


async def test_seqs_count_up_and_are_never_used_again(engine: SqliteEngine):
    first = await engine.submit([new(), new()])
    last = await claimed(engine)
    await engine.complete(last.lease, SUCCEEDED)
    assert await engine.delete(last.task.id)
    [next_one] = await engine.submit([new()])
    assert [*first, last.task.seq, next_one] == sorted({*first, last.task.seq, next_one})


async def test_all_are_submitted_or_none(engine: SqliteEngine):
    known = await submitted(engine)
    other = new()
    with pytest.raises(ValueError, match=known):
        await engine.submit([other, new(id=known)])
    assert await engine.get(other.id) is None
    assert (await engine.counts())["queued"] == 1


async def test_a_failed_submit_does_not_harm_those_written_with_it(engine: SqliteEngine):
    known = await submitted(engine)
    tasks = [new() for _ in range(30)]
    answers = await asyncio.gather(
        *(
            engine.submit([task, *([new(id=known)] if place % 3 == 0 else [])])
            for place, task in enumerate(tasks)
        ),
        return_exceptions=True,
    )
    kept = {task.id for task in await engine.get_many([task.id for task in tasks])}
    assert kept == {task.id for place, task in enumerate(tasks) if place % 3}
    assert [isinstance(answer, ValueError) for answer in answers] == [place % 3 == 0 for place in range(30)]


async def test_the_same_graph_is_kept_once_and_goes_with_its_last_task(engine: SqliteEngine, rig: Rig):
    first, second = await claimed(engine), await claimed(engine)
    for task in (first, second):
        await engine.complete(task.lease, SUCCEEDED)
    assert await rows(rig, "SELECT refs FROM graphs") == [(2,)]
    await engine.delete(first.task.id)
    assert (await got(engine, second.task.id, graph=True)).graph == GRAPH
    await engine.delete(second.task.id)
    for table in ("graphs", "tasks", "details", "labels"):
        assert await rows(rig, f"SELECT * FROM {table}") == []


async def rows(rig: Rig, sql: str) -> list[Any]:
    db = sqlite3.connect(rig.path)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


# Claims and leases


async def test_a_claim_takes_the_first_that_is_queued_and_due_with_its_graph(engine: SqliteEngine):
    taken = await claimed(engine)
    ids = [taken.task.id, "absent", await submitted(engine), await submitted(engine)]
    found = await engine.claim("a", ids, now=NOW, lease_s=60)
    assert found is not None
    assert found.lease == Lease(ids[2], 1, "a")
    assert (found.task.status, found.task.attempt, found.task.started_at) == ("running", 1, NOW)
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


# Answers, small values, tasks of others


def answer(*, at: float = NOW, body: str = "h") -> Remembered:
    return Remembered("s", "k", body, status=202, answer="{}", created_at=at)


async def test_a_key_submits_once(engine: SqliteEngine):
    first, second = new(), new()
    await engine.submit([first], answer())
    with pytest.raises(AlreadyRememberedError) as known:
        await engine.submit([second], answer(body="other"))
    assert known.value.first == answer()
    assert await engine.get(second.id) is None
    assert await engine.recall("s", "k") == answer()
    assert await engine.recall("other", "k") is None


async def test_of_many_with_one_key_one_is_submitted(engine: SqliteEngine):
    tasks = [new() for _ in range(20)]
    answers = await asyncio.gather(
        *(engine.submit([task], answer()) for task in tasks), return_exceptions=True
    )
    assert sum(isinstance(each, list) for each in answers) == 1
    assert (await engine.counts())["queued"] == 1


async def test_a_key_is_not_remembered_if_the_submit_failed(engine: SqliteEngine):
    known = await submitted(engine)
    with pytest.raises(ValueError, match=known):
        await engine.submit([new(id=known)], answer())
    assert await engine.recall("s", "k") is None


async def test_a_key_is_forgotten_after_a_day(rig: Rig, engine: SqliteEngine):
    await engine.submit([new()], answer())
    rig.clock.at = NOW + 86_399
    assert await engine.recall("s", "k")
    rig.clock.at = NOW + 86_401
    assert await engine.recall("s", "k") is None
    await engine.submit([new()], answer(at=rig.clock.at))
    assert await engine.recall("s", "k") == answer(at=rig.clock.at)


async def test_small_values_are_kept(rig: Rig, engine: SqliteEngine):
    assert await engine.load("paused") is None
    for value in (True, {"a": [1, None]}, None):
        await engine.save("paused", value)
        assert await engine.load("paused") == value
    await engine.save("paused", 7)
    await engine.close()
    assert await rig.open("b").load("paused") == 7


async def test_a_prompt_of_another_client_is_recorded_and_told_to_others(engine: SqliteEngine):
    queued = await got(engine, await submitted(engine, metadata={"k": "v"}))
    task = replace(queued, id="p", origin="comfyui", status="succeeded", result={"x": 1}, graph=GRAPH)
    task = replace(task, attempt=1, started_at=NOW, finished_at=NOW + 1)
    _, before = await engine.changes(0)
    await engine.record(task)
    await engine.record(task)
    stored = await got(engine, "p", graph=True)
    assert (stored.status, stored.origin) == ("succeeded", "comfyui")
    assert (stored.result, stored.graph) == ({"x": 1}, GRAPH)
    changed, _ = await engine.changes(before)
    assert [each.id for each in changed] == ["p"]


async def test_a_record_never_writes_over_a_task_of_the_queue(engine: SqliteEngine):
    task = await got(engine, await submitted(engine))
    await engine.record(task)
    assert await got(engine, task.id) == task


# Seeing each other


async def test_processes_see_each_others_changes(rig: Rig):
    one, other = rig.open("one"), rig.open("other")
    queued, running = await submitted(one), await claimed(one, "one")
    ended = await claimed(one, "one")
    await one.complete(ended.lease, SUCCEEDED)
    tasks, rev = await other.changes(0)
    assert [task.id for task in tasks] == [queued, running.task.id]
    assert await other.changes(rev) == ([], rev)
    await one.complete(running.lease, SUCCEEDED)
    await other.prioritise(queued, 4)
    tasks, newest = await one.changes(rev)
    assert {task.id: task.status for task in tasks} == {queued: "queued", running.task.id: "succeeded"}
    assert newest == max(task.rev for task in tasks) > rev


async def test_what_changes_nothing_counts_nothing(engine: SqliteEngine):
    running = await claimed(engine)
    _, rev = await engine.changes(0)
    await engine.beat("a", [running.lease], now=NOW, lease_s=60)
    await engine.release(Lease("absent", 1, "a"))
    await engine.claim("a", ["absent"], now=NOW, lease_s=60)
    assert (await engine.changes(rev)) == ([], rev)


async def test_two_engines_never_claim_the_same(rig: Rig):
    one, other = rig.open("one"), rig.open("other")
    tasks = [new() for _ in range(100)]
    await one.submit(tasks)
    ids = [task.id for task in tasks]
    found: list[str] = []

    async def take(engine: SqliteEngine, node: str) -> None:
        while claim := await engine.claim(node, ids, now=NOW, lease_s=60):
            found.append(claim.task.id)

    await asyncio.gather(
        *(take(engine, node) for engine, node in ((one, "one"), (other, "other")) for _ in range(4))
    )
    assert sorted(found) == sorted(ids)


# Callers that go away


async def test_a_claim_whose_caller_went_away_is_given_back(engine: SqliteEngine):
    task_id = await submitted(engine)
    for moment in range(6):
        claiming = asyncio.ensure_future(engine.claim("a", [task_id], now=NOW, lease_s=60))
        for _ in range(moment):
            await asyncio.sleep(0)
        claiming.cancel()
        await asyncio.wait([claiming])
    while not (found := await engine.claim("a", [task_id], now=NOW, lease_s=60)):
        await asyncio.sleep(0.001)
    assert found.lease.attempt == 1


async def test_what_was_asked_before_closing_is_done_and_after_it_is_refused(rig: Rig, engine: SqliteEngine):
    tasks = [new() for _ in range(20)]
    asked = [asyncio.ensure_future(engine.submit([task])) for task in tasks]
    await asyncio.sleep(0)
    await engine.close()
    await asyncio.gather(*asked, return_exceptions=True)
    accepted = {task.id for task, ask in zip(tasks, asked, strict=True) if ask.exception() is None}
    again = rig.open("b")
    assert {task.id for task in await again.get_many([task.id for task in tasks])} == accepted
    for call in (engine.submit([new()]), engine.get("x"), engine.counts()):
        with pytest.raises(StoreError) as refused:
            await call
        assert refused.value.code == "STORE_UNAVAILABLE"
    await engine.close()


async def test_an_empty_store_tells_what_comes_after(engine: SqliteEngine):
    _, rev = await engine.changes(0)
    running = await claimed(engine)
    await engine.complete(running.lease, SUCCEEDED)
    tasks, _ = await engine.changes(rev)
    assert [task.id for task in tasks] == [running.task.id]
