"""Tasks of a kind that something else than ComfyUI's queue runs, as the service treats them."""

import asyncio
import threading
import time
from dataclasses import replace

import pytest
from backplane.errors import ApiError
from backplane.host.protocol import QueuedPrompt, RunStarted
from backplane.tasks import Query, Tasks
from backplane.tasks.engine import NewTask
from backplane.tasks.intake import Inputs
from backplane.tasks.store import open_engine
from backplane.tasks.submission import as_stored
from fakes import FakeClasses, FakeHost


class Errands:
    """Runs tasks of kind ``errand``, by hand."""

    kind = "errand"

    def __init__(self, fails=None):
        self.fails = fails
        self.ready = None
        self.heard = []
        self.running = {}
        self.stopped = []
        self.over = False

    async def begin(self, ready):
        if self.fails:
            raise self.fails
        self.ready = ready

    async def end(self):
        self.over = True

    def changed(self, task):
        self.heard.append((task.id, task.status))

    def live(self, task_id):
        return self.running.get(task_id)

    def leases(self):
        return []

    def lost(self, task_id):
        pass

    def stop(self, task_id):
        self.stopped.append(task_id)

    def place(self, task_id):
        return 7

    def eta_s(self, task_id):
        return 3.0

    def shown(self, task):
        return {"download": {"said": task.request["said"], "size": None}}

    def forgotten(self, task):
        self.heard.append((task.id, "forgotten"))

    async def again(self, task, remember):
        return await self.put(retry_of=task.id)

    async def put(self, **fields):
        new = NewTask(
            "errand-1" if not fields else "errand-2",
            time.time(),
            {},
            {"said": "yes"},
            kind="errand",
            **fields,
        )
        [seq] = await self.ready.engine.submit([new])
        return as_stored(new, seq)


def made(tmp_path, errands, opened=None):
    def open_store(node):
        engine = open_engine(tmp_path / "tasks.sqlite3", node=node)
        if opened is not None:
            opened.append(engine)
        return engine

    return Tasks(
        FakeHost(tmp_path),
        FakeClasses(),
        open_store,
        inputs=Inputs(None, None, max_bytes=1),
        others=lambda: [errands],
    )


@pytest.fixture
def errands():
    return Errands()


@pytest.fixture
async def tasks(tmp_path, errands):
    tasks = made(tmp_path, errands)
    tasks.start()
    await tasks.engine()
    yield tasks
    await tasks.stop()
    assert errands.over


async def heard(errands, what):
    while what not in errands.heard:  # pytest's own timeout ends a hang
        await asyncio.sleep(0.01)


async def test_it_is_listed_shown_and_told_of_changes(tasks, errands):
    task = await errands.put()
    await heard(errands, ("errand-1", "queued"))
    [listed], _ = await tasks.list(Query(limit=5, kinds=("errand",)))
    shown = await tasks.show(listed)
    assert (shown["id"], shown["kind"], shown["queue_position"], shown["eta_s"]) == (
        "errand-1",
        "errand",
        7,
        3.0,
    )
    assert (shown["download"], shown["prompt_id"], shown["nodes"]) == (
        {"said": "yes", "size": None},
        None,
        {},
    )
    assert tasks.first_view(task)["download"] == {"said": "yes", "size": None}
    assert (await tasks.queue())["length"] == 0, "the queue is of prompts"


async def test_what_runs_there_is_newer_than_the_store(tasks, errands):
    task = await errands.put()
    errands.running[task.id] = replace(task, status="running", rev=-1, result={"progress": 0.5})
    first = tasks.etag(await tasks.find(task.id))
    assert (await tasks.show(await tasks.find(task.id)))["progress"] == 0.5
    [listed], _ = await tasks.list(Query(limit=5))
    assert listed.status == "running"
    errands.running[task.id] = replace(errands.running[task.id], rev=-2)
    assert tasks.etag(await tasks.find(task.id)) != first


async def test_it_is_cancelled_deleted_and_repeated_like_any_other(tasks, errands):
    await errands.put()
    with pytest.raises(ApiError) as caught:
        await tasks.repeat("errand-1", None)
    assert caught.value.code == "TASK_NOT_FINISHED"
    cancelled = await tasks.cancel("errand-1")
    assert cancelled.status == "cancelled"
    assert ("errand-1", "cancelled") in errands.heard
    again = await tasks.repeat("errand-1", None)
    assert (again.id, again.retry_of) == ("errand-2", "errand-1")
    await tasks.delete("errand-1")
    assert ("errand-1", "forgotten") in errands.heard


async def test_one_that_is_claimed_is_stopped_by_who_runs_it(tasks, errands):
    task = await errands.put()
    claimed = await errands.ready.engine.claim(errands.ready.node, [task.id], now=time.time(), lease_s=60)
    errands.running[task.id] = replace(claimed.task, rev=-1)
    stopping = asyncio.ensure_future(tasks.cancel(task.id))
    while task.id not in errands.stopped:
        await asyncio.sleep(0.001)
    del errands.running[task.id]
    tasks.hub.changed(task.id)
    await errands.ready.engine.release(claimed.lease)
    stopping.cancel()


async def test_a_batch_is_summed_up(tasks, errands):
    await errands.put(batch_id="b")
    batch = await tasks.batch("b")
    assert (batch["status"], batch["counts"], batch["progress"]) == ("queued", {"queued": 1}, 0.0)
    await tasks.cancel("errand-2")
    assert (await tasks.batch("b", 5.0))["status"] == "cancelled"
    with pytest.raises(ApiError) as caught:
        await tasks.batch("no such")
    assert caught.value.code == "TASK_NOT_FOUND"


async def test_a_store_in_which_nothing_can_begin_is_closed_again(tmp_path, caplog):
    opened = []
    tasks = made(tmp_path, Errands(OSError("no")), opened)
    tasks.start()
    with pytest.raises(ApiError) as caught:
        await tasks.engine()
    assert caught.value.code == "STORE_UNAVAILABLE"
    assert tasks.faults() == ["the task store cannot be opened"]
    await tasks.stop()
    [engine] = opened
    with pytest.raises(ApiError):
        await engine.save("a", 1)
    assert "cannot be opened" in caplog.text


async def test_a_prompt_that_ends_before_the_store_is_open_is_not_forgotten(tmp_path):
    gate = threading.Event()
    host = FakeHost(tmp_path)

    def open_store(node):
        gate.wait()
        return open_engine(tmp_path / "tasks.sqlite3", node=node)

    tasks = Tasks(host, FakeClasses(), open_store, inputs=Inputs(None, None, max_bytes=1))
    tasks.start()
    host.pending.append(QueuedPrompt("early", {"1": {"class_type": "A", "inputs": {}}}, ("1",), "other"))
    host.tell_queue()
    host.begin("early")
    host.emit(RunStarted("early", 100.0, None))
    host.end("early", "interrupted")
    gate.set()
    ended = await tasks.wait_end("early", 10)
    assert ended.status == "cancelled"
    assert (await (await tasks.engine()).get("early")).status == "cancelled"
    await tasks.stop()
