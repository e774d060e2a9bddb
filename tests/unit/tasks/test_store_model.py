"""The task store beside a model of it in memory, through random sequences of calls by two processes."""

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from backplane.tasks.engine import Ending, Lease, NewDelivery, NewTask, Query, Retention
from backplane.tasks.store import SqliteEngine, open_engine
from backplane.tasks.task import FINISHED, STATUSES
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

Result = TypeVar("Result")

LEASE_S = 60.0
NODES = ("one", "two")
nodes = st.sampled_from(NODES)


@dataclass
class Row:
    """What the model knows of a task."""

    seq: int
    max_attempts: int
    status: str = "queued"
    attempt: int = 0
    node: str | None = None
    until: float = 0.0
    not_before: float = 0.0
    cancel: bool = False
    result: str = ""
    finished_at: float = 0.0
    waiting: int = 0
    """Webhooks not yet delivered."""

    def held(self, lease: Lease) -> bool:
        return self.status in {"running", "canceling"} and (self.attempt, self.node) == (
            lease.attempt,
            lease.node,
        )

    def queued(self, *, not_before: float = 0.0) -> None:
        self.status, self.node, self.not_before, self.result = "queued", None, not_before, ""

    def ended(self, status: str, at: float, result: str, waiting: int = 0) -> None:
        self.status, self.node, self.result = status, None, result
        self.finished_at, self.waiting = at, waiting


class StoreAndModel(RuleBasedStateMachine):
    """Every call goes to both, and both must say the same."""

    ids = Bundle("ids")
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.now = 1000.0
        self.engines = {node: self.opened(node) for node in NODES}
        self.model: dict[str, Row] = {}
        self.number = 0
        self.rev = 1
        self.unseen: set[str] = set()

    def opened(self, node: str) -> SqliteEngine:
        path = Path(self.folder.name) / "tasks.sqlite3"
        return open_engine(path, node=node, clock=lambda: self.now, ticks=lambda: self.now)

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        for engine in self.engines.values():
            self.do(engine.close())
        self.do(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()

    def ending(self, status: Any, *deliveries: NewDelivery) -> Ending:
        self.number += 1
        return Ending(status, self.now, {"n": str(self.number)}, deliveries=deliveries)

    @rule(target=ids, node=nodes, attempts=st.integers(1, 3), graph=st.integers(0, 2))
    def submit(self, node: str, attempts: int, graph: int) -> str:
        self.number += 1
        task_id = f"t{self.number}"
        task = NewTask(task_id, self.now, {"1": {"graph": graph}}, max_attempts=attempts)
        [seq] = self.do(self.engines[node].submit([task]))
        assert all(seq > row.seq for row in self.model.values())
        self.model[task_id] = Row(seq, attempts)
        self.unseen.add(task_id)
        return task_id

    @rule(target=leases, node=nodes, wanted=st.lists(ids, min_size=1, max_size=4))
    def claim(self, node: str, wanted: list[str]) -> Lease:
        claimed = self.do(self.engines[node].claim(node, wanted, now=self.now, lease_s=LEASE_S))
        due = [
            task_id
            for task_id in wanted
            if (row := self.model.get(task_id))
            and row.status == "queued"
            and not row.cancel
            and row.not_before <= self.now
        ]
        if claimed is None:
            assert not due
            return Lease(wanted[0], 99, node)
        row = self.model[due[0]]
        row.status, row.node, row.until, row.attempt = "running", node, self.now + LEASE_S, row.attempt + 1
        row.result = ""
        assert claimed.lease == Lease(due[0], row.attempt, node)
        assert self.do(self.engines[node].begin(claimed.lease, self.now))
        assert claimed.task.graph
        self.unseen.add(due[0])
        return claimed.lease

    def row(self, lease: Lease) -> Row | None:
        row = self.model.get(lease.task_id)
        return row if row is not None and row.held(lease) else None

    @rule(lease=leases)
    def progress(self, lease: Lease) -> None:
        self.number += 1
        said = self.do(self.engines[lease.node].progress(lease, {"n": str(self.number)}))
        row = self.row(lease)
        assert said == (row is not None)
        if row is not None:
            row.result = str(self.number)
            self.unseen.add(lease.task_id)

    @rule(lease=leases, status=st.sampled_from(sorted(FINISHED)), hook=st.booleans())
    def complete(self, lease: Lease, status: str, hook: bool) -> None:
        note = (NewDelivery("http://x", "e", {}),) if hook else ()
        ending = self.ending(status, *note)
        said = self.do(self.engines[lease.node].complete(lease, ending))
        row = self.row(lease)
        assert said == (row is not None)
        if row is not None:
            row.ended(status, self.now, ending.result["n"], len(note))
            self.unseen.add(lease.task_id)

    @rule(lease=leases, wait=st.none() | st.integers(-5, 50))
    def fail(self, lease: Lease, wait: int | None) -> None:
        ending = self.ending("failed")
        retry_at = None if wait is None else self.now + wait
        said = self.do(self.engines[lease.node].fail(lease, ending, retry_at=retry_at))
        row = self.row(lease)
        assert said == (row is not None)
        if row is not None:
            self.unseen.add(lease.task_id)
            if retry_at is not None and row.attempt < row.max_attempts:
                row.queued(not_before=retry_at)
            else:
                row.ended("failed", self.now, ending.result["n"])

    @rule(lease=leases)
    def release(self, lease: Lease) -> None:
        said = self.do(self.engines[lease.node].release(lease))
        row = self.row(lease)
        assert said == (row is not None)
        if row is not None:
            row.queued()
            row.attempt -= 1
            self.unseen.add(lease.task_id)

    @rule(held=st.lists(leases, max_size=4), node=nodes)
    def beat(self, held: list[Lease], node: str) -> None:
        beat = self.do(self.engines[node].beat(node, held, now=self.now, lease_s=LEASE_S))
        lost: set[str] = set()
        cancel: set[str] = set()
        for lease in held:
            row = self.row(lease)
            if row is None or lease.node != node:
                lost.add(lease.task_id)
                continue
            row.until = self.now + LEASE_S
            if row.cancel:
                cancel.add(lease.task_id)
        assert (beat.lost, beat.cancel) == (lost, cancel)

    @rule(node=nodes, task_id=ids)
    def cancel(self, node: str, task_id: str) -> None:
        ending = self.ending("cancelled")
        said = self.do(self.engines[node].cancel(task_id, ending))
        row = self.model.get(task_id)
        if row is None:
            assert said == "absent"
        elif row.status in FINISHED:
            assert said == "finished"
        elif row.status == "canceling":
            assert said == "requested"  # as before: nothing changes, and nothing is told
        elif row.status == "queued":
            assert said == "cancelled"
            row.ended("cancelled", self.now, ending.result["n"])
            self.unseen.add(task_id)
        else:
            assert said == "requested"
            row.status, row.cancel = "canceling", True
            self.unseen.add(task_id)

    @rule(node=nodes, rerun=st.booleans())
    def reap(self, node: str, rerun: bool) -> None:
        ending = self.ending("failed")
        said = self.do(self.engines[node].reap(node, now=self.now, rerun=rerun, ending=ending))
        expected: dict[str, str] = {}
        for task_id, row in self.model.items():
            asked = row.cancel and row.status == "queued"
            lost = row.status in {"running", "canceling"} and row.node != node and row.until < self.now
            if not (asked or lost):
                continue
            self.unseen.add(task_id)
            if row.cancel:
                row.ended("cancelled", self.now, ending.result["n"])
            elif rerun and row.attempt < row.max_attempts:
                row.queued()
            else:
                row.ended("failed", self.now, ending.result["n"])
            expected[task_id] = row.status
        assert {one.task_id: one.status for one in said} == expected

    @rule(node=nodes)
    def restart(self, node: str) -> None:
        """Close the store and open it again: what was held is held on."""
        self.do(self.engines[node].close())
        self.engines[node] = self.opened(node)

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(node=nodes)
    def deliver(self, node: str) -> None:
        due = self.do(self.engines[node].due(self.now, 100))
        assert len(due) == len({each.id for each in due}) == sum(row.waiting for row in self.model.values())
        for delivery in due:
            self.do(self.engines[node].delivered(delivery.id, 1, 200, self.now))
            self.model[delivery.task_id].waiting -= 1

    @rule(node=nodes, task_id=consumes(ids))
    def delete(self, node: str, task_id: str) -> None:
        row = self.model.get(task_id)
        deletable = row is not None and row.status in FINISHED and not row.waiting
        if row is None or deletable or row.status not in FINISHED:
            assert self.do(self.engines[node].delete(task_id)) == deletable
            if deletable:
                del self.model[task_id]
                self.unseen.discard(task_id)

    @rule(node=nodes, count=st.integers(0, 3))
    def prune(self, node: str, count: int) -> None:
        said = self.do(self.engines[node].prune(Retention(None, count, None), now=self.now))
        ended = [(row.finished_at, task_id) for task_id, row in self.model.items() if row.status in FINISHED]
        ended.sort(key=lambda pair: pair[0])
        free = [task_id for _, task_id in ended if not self.model[task_id].waiting]
        assert said == min(max(0, len(ended) - count), len(free))
        left = {task.id for task in self.do(self.engines[node].get_many(list(self.model)))}
        gone = self.model.keys() - left
        assert len(gone) == said
        times = [self.model[task_id].finished_at for task_id in free]
        assert sorted(self.model[task_id].finished_at for task_id in gone) == times[:said]
        for task_id in gone:
            del self.model[task_id]
            self.unseen.discard(task_id)

    @rule(node=nodes)
    def changes(self, node: str) -> None:
        tasks, self.rev = self.do(self.engines[node].changes(self.rev))
        assert {task.id for task in tasks} == self.unseen
        self.unseen.clear()

    @invariant()
    def both_say_the_same(self) -> None:
        engine = self.engines["one"]
        tasks, more = self.do(engine.list(Query(1000)))
        assert more is None
        assert [task.id for task in tasks] == sorted(
            self.model, key=lambda task_id: self.model[task_id].seq, reverse=True
        )
        for task in tasks:
            row = self.model[task.id]
            assert (task.status, task.attempt, task.node) == (row.status, row.attempt, row.node)
            assert (task.result.get("n", ""), task.cancel_requested) == (row.result, row.cancel)
        counts = self.do(engine.counts())
        assert all(
            count == sum(row.status == status for row in self.model.values())
            for status, count in counts.items()
        )
        assert counts.keys() == set(STATUSES) - FINISHED


TestStoreAndModel = StoreAndModel.TestCase
TestStoreAndModel.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
