"""The task store's lists, counts, retention and outbox; and that each finds its way by an index."""

import json
import random
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from backplane.tasks.engine import Ending, NewDelivery, NewTask, Query, Retention, StoredTask
from backplane.tasks.store import SqliteEngine, open_engine, outbox, reads, retention
from backplane.tasks.webhooks import LEASE_S

NOW = 1_800_000_000.0
STATUSES = ("queued", "running", "canceling", "succeeded", "failed", "cancelled")


def ending(status: Any, at: float = NOW, *deliveries: NewDelivery, size: int = 0) -> Ending:
    noise = random.Random(size).randbytes(size).hex()
    return Ending(status, at, {"x": noise}, deliveries=deliveries)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    engine = open_engine(tmp_path / "tasks.sqlite3", node="a", clock=lambda: NOW)
    yield engine
    await engine.close()


@pytest.fixture
async def other(tmp_path: Path, engine: SqliteEngine) -> AsyncIterator[SqliteEngine]:
    other = open_engine(tmp_path / "tasks.sqlite3", node="b", clock=lambda: NOW)
    yield other
    await other.close()


async def put(engine: SqliteEngine, task: NewTask, status: str, end: Ending | None = None) -> None:
    """Bring a new task to *status*."""
    await engine.submit([task])
    if status == "queued":
        return
    claimed = await engine.claim("a", [task.id], now=NOW, lease_s=60)
    assert claimed is not None
    if status == "canceling":
        await engine.cancel(task.id, ending("cancelled"))
    elif status != "running":
        await engine.complete(claimed.lease, end or ending(status))


@pytest.fixture
async def stored(engine: SqliteEngine) -> list[StoredTask]:
    """Sixty tasks of all sorts, the newest first."""
    dice = random.Random(3)
    for number in range(60):
        metadata = {"project": f"p{number % 3}", "n": number % 2, "ok": number % 4 == 0, "none": None}
        task = NewTask(
            f"t{number}",
            NOW + dice.randrange(100),
            {"1": {}},
            metadata=metadata,
            kind=dice.choice(["prompt", "prompt", "download"]),
            batch_id=dice.choice(["b1", "b2", None]),
        )
        await put(engine, task, dice.choice(STATUSES))
        for place, mark in MARKS.get(number, {}).items():
            await engine.mark(f"t{number}", place, mark)
    found = await engine.get_many([f"t{number}" for number in range(60)])
    assert len(found) == 60
    assert {task.status for task in found} == set(STATUSES)
    return found


MARKS: dict[int, dict[int, dict[str, Any]]] = {
    number: {
        number % 5: {"favourite": number % 2 == 0, "rating": (None, "chosen", "rejected")[number % 3]},
        7: {"favourite": True, "deleted_at": NOW} if number % 7 == 0 else {"rating": "chosen"},
    }
    for number in range(0, 60, 2)
}
"""Task's number → number of the output → what is noted of it, where the task has ended."""

QUERIES: dict[str, dict[str, Any]] = {
    "favourites": {"favourite": True},
    "no favourites": {"favourite": False},
    "a rating": {"rating": "rejected"},
    "favourites by rating": {"favourite": True, "rating": "chosen"},
    "no favourites, by rating": {"favourite": False, "rating": "chosen"},
    "favourites and the rest": {
        "favourite": True,
        "metadata": {"project": "p1"},
        "statuses": ("failed", "succeeded"),
        "kinds": ("prompt",),
        "since": NOW + 10,
    },
    "a rating, by status": {"rating": "chosen", "statuses": ("failed",)},
    "a rating in a batch": {"rating": "chosen", "batch_id": "b1"},
    "all": {},
    "a status": {"statuses": ("failed",)},
    "some statuses": {"statuses": ("failed", "queued", "canceling", "failed")},
    "a kind": {"kinds": ("download",)},
    "kinds and statuses": {"kinds": ("download", "prompt"), "statuses": ("succeeded", "running")},
    "a batch": {"batch_id": "b1"},
    "a batch, by status and kind": {"batch_id": "b2", "statuses": ("failed",), "kinds": ("prompt",)},
    "since": {"since": NOW + 60},
    "since, by status": {"since": NOW + 30, "statuses": ("failed", "succeeded")},
    "since the future": {"since": NOW + 1000},
    "metadata": {"metadata": {"project": "p1"}},
    "metadata: number": {"metadata": {"n": "1"}},
    "metadata: boolean": {"metadata": {"ok": "true"}},
    "metadata: null": {"metadata": {"none": "null", "ok": "false"}},
    "metadata: absent": {"metadata": {"project": "p1", "nothing": "x"}},
    "metadata: two": {"metadata": {"project": "p1", "n": "0"}},
    "metadata and the rest": {
        "metadata": {"project": "p1", "n": "0"},
        "statuses": ("failed", "succeeded"),
        "kinds": ("prompt",),
        "batch_id": "b1",
        "since": NOW + 10,
    },
}


def wanted(task: StoredTask, query: Query) -> bool:
    words = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in task.metadata.items()
    }
    noted = [mark for mark in task.marks.values() if mark.deleted_at is None]
    loved = [mark for mark in noted if mark.favourite]
    rated = [mark for mark in (loved if query.favourite else noted) if mark.rating == query.rating]
    return (
        query.favourite in {None, bool(loved)}
        and (query.rating is None or bool(rated))
        and (not query.statuses or task.status in query.statuses)
        and (not query.kinds or task.kind in query.kinds)
        and query.batch_id in {None, task.batch_id}
        and (query.since is None or task.created_at >= query.since)
        and query.metadata.items() <= words.items()
    )


@pytest.mark.parametrize("name", QUERIES)
async def test_a_list_has_all_that_was_asked_for_the_newest_first_page_by_page(
    engine: SqliteEngine, stored: list[StoredTask], name: str
):
    for limit in (1, 7, 100):
        found: list[StoredTask] = []
        before: int | None = None
        while True:
            query = Query(limit, before, **QUERIES[name])
            tasks, before = await engine.list(query)
            found += tasks
            assert len(tasks) <= limit
            if before is None:
                break
        assert found == [task for task in stored if wanted(task, Query(limit, **QUERIES[name]))]


async def test_long_and_strange_metadata_is_found(engine: SqliteEngine):
    strange = {"x" * 5000: "y" * 5000, "é\ud800": "\x00'\""}
    await put(engine, NewTask("strange", NOW, {}, metadata=strange), "queued")
    for name, value in strange.items():
        tasks, _ = await engine.list(Query(5, metadata={name: value}))
        assert [task.id for task in tasks] == ["strange"]
    assert await engine.list(Query(5, metadata={"x" * 5000: "y" * 4999})) == ([], None)


async def test_counts_are_of_what_is_unfinished_or_of_a_batch(engine: SqliteEngine, stored: list[StoredTask]):
    unfinished = dict.fromkeys(STATUSES[:3], 0)
    batch = dict.fromkeys(STATUSES, 0)
    for task in stored:
        if task.status in unfinished:
            unfinished[task.status] += 1
        if task.batch_id == "b1":
            batch[task.status] += 1
    assert await engine.counts() == unfinished
    assert await engine.counts("b1") == batch
    assert await engine.counts("absent") == dict.fromkeys(STATUSES, 0)


async def test_many_are_given_whatever_is_asked(engine: SqliteEngine, stored: list[StoredTask]):
    ids = [task.id for task in stored] * 20 + [f"absent{number}" for number in range(900)]
    assert await engine.get_many(ids) == stored
    assert await engine.get_many([]) == []


# Plans


def plan(db: sqlite3.Connection, sql: str, values: Any) -> list[str]:
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


class Explaining:
    """A connection that notes the plan of every statement before it runs it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.steps: list[str] = []

    def execute(self, sql: str, values: Any = ()) -> Any:
        if re.match(r"SELECT|UPDATE|DELETE|INSERT", sql):
            self.steps += plan(self.db, sql, values)
        return self.db.execute(sql, values)

    def executemany(self, sql: str, values: Any) -> Any:
        for each in values:
            self.execute(sql, each)
        return self


@pytest.fixture
async def explaining(tmp_path: Path, engine: SqliteEngine, stored: list[StoredTask]) -> AsyncIterator[Any]:
    db = sqlite3.connect(tmp_path / "tasks.sqlite3", isolation_level=None)
    yield Explaining(db)
    db.close()


def walks(steps: list[str]) -> list[str]:
    """Steps that go through a whole table, or sort."""
    small = r"SCAN (nodes|counters|\(subquery-\d+\)|(CONSTANT|\d+) ROW)|USE TEMP B-TREE FOR RIGHT PART"
    return [step for step in steps if re.match(r"SCAN|USE TEMP B-TREE", step) and not re.match(small, step)]


@pytest.mark.parametrize("name", [name for name in QUERIES if name != "all"])
def test_no_list_walks_through_the_table_or_sorts(explaining: Any, name: str):
    found = [
        step
        for sql, values in reads.page_sql(Query(50, **QUERIES[name]))
        for step in plan(explaining.db, sql, values)
    ]
    if "batch_id" in QUERIES[name] and "metadata" not in QUERIES[name]:
        found = [step for step in found if "TEMP B-TREE" not in step]  # a batch is small
    assert walks(found) == []


def test_the_list_of_all_walks_from_the_newest(explaining: Any):
    [(sql, values)] = reads.page_sql(Query(50))
    assert plan(explaining.db, sql, values) == ["SEARCH t USING INTEGER PRIMARY KEY (rowid<?)"]


def test_polls_walk_through_nothing(explaining: Any):
    reads.one(explaining, "t1")
    reads.many(explaining, ["t1", "t2"])
    reads.changes(explaining, 5)
    reads.changes(explaining, 0)
    reads.counts(explaining, None)
    reads.counts(explaining, "b1")
    reads.recall(explaining, "s", "k", NOW)
    outbox.next_due(explaining)
    # The first that waits, in the order of the index: it stops there.
    assert set(walks(explaining.steps)) == {"SCAN d USING INDEX deliveries_due"}


def test_writes_walk_through_nothing_but_the_index_of_what_is_finished(explaining: Any):
    from backplane.tasks.store import moves
    from backplane.tasks.store.nodes import Nodes, this_process
    from backplane.tasks.store.rows import PackedEnding, pack
    from backplane.tasks.store.writer import Transaction

    explaining.execute("BEGIN IMMEDIATE")
    tx = Transaction(explaining)
    nodes = Nodes(this_process(), lambda: 0.0)
    note = NewDelivery("http://x", "task.failed", {})
    tasks = [NewTask("new", NOW, {}, metadata={"a": 1}), NewTask("old", NOW, {})]
    moves.submit(tx, tasks, pack(tasks), None, NOW)
    for task in tasks:
        row = moves.claim(tx, nodes, "a", [task.id], now=NOW, lease_s=60)
        assert row is not None
        lease = moves.Lease(task.id, 1, "a")
        moves.beat(tx, nodes, "a", [lease], now=NOW, lease_s=60)
        moves.progress(tx, lease, "{}")
        moves.complete(tx, lease, PackedEnding(ending("failed", NOW, note)))
    moves.reap(tx, nodes, "b", now=NOW, rerun=False, ending=lambda _: ending("failed"))
    for delivery in outbox.due(tx, "a", NOW, 1):
        outbox.delivered(tx, delivery.id, 1, 200, NOW)
    outbox.due(tx, "a", NOW, 5)
    retention.forget_answers(tx, NOW)
    retention.forget_some(tx, Retention(age_s=1, count=0, bytes=1), NOW + 5)
    explaining.execute("ROLLBACK")
    # Counting what is finished reads its index, which is a few megabytes at most.
    allowed = "SCAN tasks USING COVERING INDEX tasks_finished"
    assert {step for step in walks(explaining.steps) if step != allowed} == set()


# Retention


async def finished(engine: SqliteEngine, count: int, *deliveries: NewDelivery, size: int = 0) -> list[str]:
    ids = [f"f{number:03}" for number in range(count)]
    for number, task_id in enumerate(ids):
        end = ending("succeeded", NOW + number, *deliveries, size=size + number if size else 0)
        await put(engine, NewTask(task_id, NOW, {"1": {"seed": number}}), "succeeded", end)
    return ids


async def left(engine: SqliteEngine) -> list[str]:
    tasks, _ = await engine.list(Query(1000))
    return sorted(task.id for task in tasks)


async def test_finished_tasks_go_by_age(engine: SqliteEngine):
    ids = await finished(engine, 10)
    assert await engine.prune(Retention(age_s=100, count=None, bytes=None), now=NOW + 104) == 4
    assert await left(engine) == ids[4:]


async def test_finished_tasks_go_by_number_the_oldest_first_and_in_steps(engine: SqliteEngine):
    ids = await finished(engine, 130)
    await engine.submit([NewTask("queued", NOW, {})])
    assert await engine.prune(Retention(age_s=None, count=3, bytes=None), now=NOW) == 127
    assert await left(engine) == [*ids[-3:], "queued"]
    assert await engine.prune(Retention(age_s=None, count=3, bytes=None), now=NOW) == 0


async def test_finished_tasks_go_by_size_and_the_file_shrinks(engine: SqliteEngine, tmp_path: Path):
    await finished(engine, 150, size=40_000)
    path = tmp_path / "tasks.sqlite3"
    limit = 3_000_000
    assert await engine.prune(Retention(age_s=None, count=None, bytes=limit), now=NOW) > 50
    kept = await left(engine)
    assert 10 < len(kept) < 100
    assert kept[-1] == "f149"
    await engine.close()
    assert path.stat().st_size < limit + retention.PAGES * 5 * 4096


async def test_unlimited_retention_keeps_all(engine: SqliteEngine):
    ids = await finished(engine, 3)
    assert await engine.prune(Retention(None, None, None), now=NOW + 1e9) == 0
    assert await left(engine) == ids


async def test_a_task_with_a_webhook_to_deliver_stays(engine: SqliteEngine):
    await finished(engine, 2, NewDelivery("http://x", "task.succeeded", {}))
    nothing = Retention(age_s=0, count=0, bytes=0)
    assert await engine.prune(nothing, now=NOW + 100) == 0
    first, second = await engine.due(NOW + 100, 5)
    await engine.delivered(first.id, 1, 204, NOW + 100)
    assert await engine.prune(nothing, now=NOW + 100) == 1
    await engine.dead(second.id, 9, "no", NOW + 100)
    assert await engine.prune(nothing, now=NOW + 100) == 1


async def test_only_a_finished_task_is_deleted(engine: SqliteEngine):
    await put(engine, NewTask("running", NOW, {}), "running")
    assert not await engine.delete("running")
    assert not await engine.delete("absent")
    await finished(engine, 1)
    assert await engine.delete("f000")
    assert await engine.get("f000") is None
    assert not await engine.delete("f000")


# Outbox


async def test_the_end_of_a_task_and_its_webhooks_are_one(engine: SqliteEngine):
    assert await engine.next_due() is None
    payload = {"type": "task.succeeded", "data": {"text": "é"}}
    await finished(engine, 1, NewDelivery("http://x", "task.succeeded", payload))
    assert await engine.next_due() == NOW
    assert await engine.due(NOW - 1, 5) == []
    [delivery] = await engine.due(NOW, 5)
    assert json.loads(delivery.payload) == payload
    assert (delivery.task_id, delivery.url, delivery.event) == ("f000", "http://x", "task.succeeded")
    assert (delivery.attempt, delivery.created_at) == (0, NOW)
    assert delivery.id.startswith("msg_")


async def test_a_payload_that_json_lacks_words_for_is_delivered_without_them(engine: SqliteEngine):
    await finished(engine, 1, NewDelivery("http://x", "e", {"a": float("nan"), "b": "\ud800"}))
    [delivery] = await engine.due(NOW, 5)
    assert delivery.payload == b'{"a":null,"b":"\\ud800"}'


async def test_what_one_process_delivers_no_other_is_given(engine: SqliteEngine, other: SqliteEngine):
    await finished(engine, 4, NewDelivery("http://x", "e", {}))
    first = await engine.due(NOW + 9, 3)
    second = await other.due(NOW + 9, 3)
    assert (len(first), len(second)) == (3, 1)
    assert await engine.due(NOW + 9, 3) == []
    assert await engine.next_due() == NOW + 9 + LEASE_S
    assert len(await other.due(NOW + 9 + LEASE_S, 9)) == 4


async def test_what_a_process_was_about_to_deliver_when_it_ended_is_given_at_once(
    engine: SqliteEngine, other: SqliteEngine
):
    await finished(engine, 1, NewDelivery("http://x", "e", {}))
    assert len(await other.due(NOW, 1)) == 1
    await other.close()
    assert len(await engine.due(NOW, 1)) == 1


async def test_a_failed_delivery_is_given_again_with_the_same_body(engine: SqliteEngine, other: SqliteEngine):
    await finished(engine, 1, NewDelivery("http://x", "e", {"a": 1}))
    [delivery] = await engine.due(NOW, 5)
    await engine.retry(delivery.id, 1, NOW + 30, "answered 500")
    assert await engine.next_due() == NOW + 30
    assert await other.due(NOW + 29, 5) == []
    [again] = await other.due(NOW + 30, 5)
    assert (again.id, again.payload, again.attempt) == (delivery.id, delivery.payload, 1)


async def test_who_lost_a_delivery_cannot_put_it_off(engine: SqliteEngine, other: SqliteEngine):
    await finished(engine, 1, NewDelivery("http://x", "e", {}))
    [delivery] = await engine.due(NOW, 5)
    await other.due(NOW + LEASE_S, 5)
    await engine.retry(delivery.id, 7, NOW + 9999, "late")
    await other.retry(delivery.id, 1, NOW + 100, "mine")
    assert await engine.next_due() == NOW + 100


@pytest.mark.parametrize("settle", ["delivered", "dead"])
async def test_a_settled_delivery_is_never_given_again(engine: SqliteEngine, settle: str):
    await finished(engine, 1, NewDelivery("http://x", "e", {}))
    [delivery] = await engine.due(NOW, 5)
    if settle == "delivered":
        await engine.delivered(delivery.id, 1, 200, NOW)
    else:
        await engine.dead(delivery.id, 1, "no", NOW)
    await engine.retry(delivery.id, 2, NOW, "too late")
    assert await engine.due(NOW + 1e6, 5) == []
    assert await engine.next_due() is None
    await engine.delivered("absent", 1, 200, NOW)


async def test_the_order_of_a_tasks_events_is_kept_for_each_url(engine: SqliteEngine):
    notes = [
        NewDelivery("http://x", "one", {}),
        NewDelivery("http://y", "one", {}),
        NewDelivery("http://x", "two", {}),
    ]
    await finished(engine, 1, *notes)
    first = await engine.due(NOW, 5)
    assert [(each.url, each.event) for each in first] == [("http://x", "one"), ("http://y", "one")]
    await engine.retry(first[0].id, 1, NOW + 50, "busy")
    await engine.delivered(first[1].id, 1, 200, NOW)
    assert await engine.due(NOW + 10, 5) == []
    assert await engine.next_due() == NOW + 50
    [again] = await engine.due(NOW + 50, 5)
    await engine.delivered(again.id, 2, 200, NOW)
    assert [each.event for each in await engine.due(NOW + 50, 5)] == ["two"]


async def test_a_deleted_tasks_webhook_is_still_delivered_and_leaves_nothing(
    engine: SqliteEngine, tmp_path: Path
):
    await finished(engine, 1, NewDelivery("http://x", "e", {}))
    assert await engine.delete("f000")
    [delivery] = await engine.due(NOW, 5)
    await engine.delivered(delivery.id, 1, 200, NOW)
    db = sqlite3.connect(tmp_path / "tasks.sqlite3")
    assert db.execute("SELECT count(*) FROM deliveries").fetchone() == (0,)
    db.close()
