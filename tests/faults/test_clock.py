"""A clock that jumps while tasks run, and another pack on the same hooks."""

import asyncio
import functools
import importlib
import sys
import time
import uuid

import pytest
from backplane.host.protocol import NewPrompt, RunEnded, RunError, RunStarted
from backplane.tasks import Limits, Submission, Tasks
from backplane.tasks.intake import Inputs
from backplane.tasks.store import open_engine
from fake_comfyui import FakeComfyUI
from fakes import FakeClasses, FakeHost, spec

HOUR, DAY = 3600.0, 86_400.0
JUMPS = [-DAY, -HOUR, -600.0, HOUR, DAY]

NUMBER = spec("Number", {"value": ("INT", {"default": 1})})
SHOW = spec("Show", {"value": ("*", {})}, (), output_node=True)
GRAPH = {
    "1": {"class_type": "Number", "inputs": {"value": 1}},
    "2": {"class_type": "Show", "inputs": {"value": ["1", 0]}},
}


class Clock:
    """The time of day, which somebody sets."""

    def __init__(self):
        self._now = time.time
        self.offset = 0.0

    def __call__(self):
        return self._now() + self.offset


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(time, "time", made)
    return made


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path)


@pytest.fixture
async def tasks(host, clock, tmp_path):
    made = Tasks(
        host,
        FakeClasses(NUMBER, SHOW),
        lambda node: open_engine(tmp_path / "tasks.sqlite3", node=node, clock=clock),
        limits=Limits(max_attempts=3),
        inputs=Inputs(None, None, max_bytes=1),
    )
    made.start()
    await made.engine()
    yield made
    await made.stop()


async def until(condition):
    while not condition():  # pytest's own timeout ends a hang
        await asyncio.sleep(0.001)


async def begun(tasks, host):
    task = await tasks.submit(Submission(GRAPH))
    await until(lambda: any(prompt.prompt_id == task.id for prompt in host.pending))
    host.begin(task.id)
    host.emit(RunStarted(task.id, time.time(), None))
    return task.id


def end(host, prompt_id, status="succeeded", **fields):
    host.running = [prompt for prompt in host.running if prompt.prompt_id != prompt_id]
    host.emit(RunEnded(prompt_id, time.time(), status, **fields))


async def ended(tasks, task_id):
    return await tasks.show(await tasks.wait_end(task_id, 10))


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_jump_while_a_task_runs_changes_nothing_for_it_or_the_next(tasks, host, clock, jump):
    first = await begun(tasks, host)
    clock.offset += jump
    await asyncio.sleep(1.2)  # the runner has looked at the clock meanwhile
    end(host, first)
    shown = await ended(tasks, first)
    assert (shown["status"], shown["attempt"]) == ("succeeded", 1)
    assert all((node["duration_s"] or 0) >= 0 for node in shown["nodes"].values())

    second = await begun(tasks, host)
    end(host, second)
    shown = await ended(tasks, second)
    assert (shown["status"], shown["attempt"]) == ("succeeded", 1)
    assert len(host.prompts) == 2


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_jump_between_submit_and_start_leaves_no_task_behind(tasks, host, clock, jump):
    await tasks.pause(paused=True)
    task = await tasks.submit(Submission(GRAPH))
    clock.offset += jump
    await tasks.pause(paused=False)
    await until(lambda: host.pending)
    host.begin(task.id)
    host.emit(RunStarted(task.id, time.time(), None))
    end(host, task.id)
    assert (await ended(tasks, task.id))["status"] == "succeeded"


@pytest.mark.parametrize("jump", JUMPS)
async def test_the_loop_neither_spins_nor_sleeps_after_a_jump(tasks, clock, jump, monkeypatch):
    runner = tasks._runner
    rounds = []
    feed, sync = runner._feed, runner._sync
    syncs = []

    async def counted_feed():
        rounds.append(1)
        await feed()

    @functools.wraps(sync)
    async def counted_sync(now):
        syncs.append(1)
        await sync(now)

    monkeypatch.setattr(runner, "_feed", counted_feed)
    for work in list(runner._next):
        if work.__name__ == "_sync":
            runner._next[counted_sync] = runner._next.pop(work)
    clock.offset += jump
    before = time.monotonic()
    await until(lambda: len(syncs) >= 3)
    assert len(rounds) < 30 + 10 * (time.monotonic() - before)


@pytest.mark.parametrize(
    "jump",
    JUMPS,
)
async def test_a_jump_while_a_retry_waits_does_not_lose_it(tasks, host, clock, jump):
    first = await begun(tasks, host)
    end(host, first, "failed", error=RunError("cut", "1", "Number", "ConnectionResetError"))
    await until(lambda: tasks._live.get(first) is None)
    clock.offset += jump
    await asyncio.wait_for(until(lambda: len(host.prompts) == 2), 5)
    again = host.prompts[1].prompt_id
    host.begin(again)
    host.emit(RunStarted(again, time.time(), None))
    end(host, again)
    shown = await ended(tasks, first)
    assert (shown["status"], shown["attempt"]) == ("succeeded", 2)


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_wait_for_a_change_lasts_as_long_as_it_was_asked_to(tasks, host, clock, jump):
    task_id = await begun(tasks, host)
    waiting = asyncio.create_task(tasks.wait_end(task_id, 20))
    await asyncio.sleep(0)
    clock.offset += jump
    await asyncio.sleep(0.05)
    assert not waiting.done()
    end(host, task_id)
    assert (await waiting).status == "succeeded"


# Another pack on the same hooks


def wrap(owner, name, seen):
    """Wrap a method as packs do: whoever wraps later is asked first."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(self, *args, **kwargs):
        seen.append((name, args[0] if args else None))
        return original(self, *args, **kwargs)

    setattr(owner, name, wrapped)


@pytest.mark.parametrize("order", ["before", "after", "both"])
async def test_another_pack_on_the_same_hooks_sees_all_and_so_do_we(tmp_path, monkeypatch, order):
    comfyui = FakeComfyUI(tmp_path)
    comfyui.install(monkeypatch)
    door = importlib.import_module("backplane.host.comfyui")
    registry = sys.modules["comfy_execution.progress"].ProgressRegistry
    executor = sys.modules["execution"].PromptExecutor
    before, after = [], []
    if order != "after":
        wrap(registry, "__init__", before)
        wrap(executor, "add_message", before)
    host = door.ComfyUI(comfyui.server)
    host.watch_runs(hooks=True, poll_interval_s=1000)
    if order != "before":
        wrap(registry, "__init__", after)
        wrap(executor, "add_message", after)
    ours = []
    host.subscribe(ours.append)

    prompt = NewPrompt(str(uuid.uuid4()), {"1": {"class_type": "Node", "inputs": {}}}, "me", None, {})
    await host.submit(prompt)
    for _ in comfyui.run_next():
        pass
    await until(lambda: any(isinstance(event, RunEnded) for event in ours))

    expected = [
        ("add_message", "execution_start"),
        ("__init__", prompt.prompt_id),
        ("add_message", "execution_cached"),
        ("add_message", "execution_success"),
    ]
    assert before == (expected if order != "after" else [])
    assert after == (expected if order != "before" else [])
    kinds = [type(event).__name__ for event in ours if getattr(event, "prompt_id", None)]
    assert kinds[:2] == ["RunStarted", "NodesCached"]
    assert {"NodeStarted", "NodeProgressed", "NodeFinished"} <= set(kinds)
    assert kinds[-1] == "RunEnded"


async def test_another_packs_hook_that_raises_is_not_hidden_and_costs_us_nothing(tmp_path, monkeypatch):
    comfyui = FakeComfyUI(tmp_path)
    comfyui.install(monkeypatch)
    door = importlib.import_module("backplane.host.comfyui")
    executor = sys.modules["execution"].PromptExecutor

    def broken(self, event, data, broadcast):
        raise RuntimeError("another pack's bug")

    executor.add_message = broken
    host = door.ComfyUI(comfyui.server)
    host.watch_runs(hooks=True, poll_interval_s=1000)
    ours = []
    host.subscribe(ours.append)
    with pytest.raises(RuntimeError, match="another pack's bug"):
        comfyui.executor().add_message("execution_start", {"prompt_id": "p"}, broadcast=False)
    await until(lambda: ours)
    assert type(ours[0]).__name__ == "RunStarted"
