"""The task store: what is submitted, remembered and told to others."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from backplane.tasks.engine import AlreadyRememberedError, Lease, Remembered, StoredTask
from backplane.tasks.store import SqliteEngine, StoreError
from stores import GRAPH, NOW, SUCCEEDED, Rig, claimed, got, new, submitted


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(tmp_path / "tasks.sqlite3").running() as rig:
        yield rig


@pytest.fixture
def engine(rig: Rig) -> SqliteEngine:
    return rig.open("a")


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
