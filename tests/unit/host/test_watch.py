import asyncio

import pytest
from backplane.host.protocol import (
    NodeFinished,
    NodeStarted,
    QueueChanged,
    QueuedPrompt,
    QueueSnapshot,
    RunEnded,
    RunError,
    RunStarted,
)
from backplane.host.watch import Finishing, HistoryEntry, Watch


class FakeQueue:
    """The queue and history of a server, changed by hand as ComfyUI changes them."""

    def __init__(self):
        self.running = []
        self.pending = []
        self.history = {}
        self.alive = True
        self.ended = []

    def prompt(self, prompt_id):
        return QueuedPrompt(prompt_id, {}, (), None)

    def snapshot(self):
        return QueueSnapshot(tuple(map(self.prompt, self.running)), tuple(map(self.prompt, self.pending)))

    def start(self):
        self.running.append(self.pending.pop(0))

    def done(self, status="succeeded", outputs=None):
        prompt_id = self.running.pop(0)
        self.history[prompt_id] = HistoryEntry(self.prompt(prompt_id), status, None, outputs or {}, {}, ())


@pytest.fixture
async def queue():
    return FakeQueue()


@pytest.fixture
async def seen():
    return []


@pytest.fixture
async def watch(queue, seen):
    made = Watch(
        asyncio.get_running_loop(),
        queue=queue.snapshot,
        history=queue.history.get,
        in_queue=lambda prompt_id: prompt_id in [*queue.running, *queue.pending],
        worker_alive=lambda: queue.alive,
        ended=queue.ended.append,
    )
    made.subscribe(seen.append)
    return made


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def story(seen):
    """The events but for those of the queue, as (kind, prompt_id)."""
    return [(type(event).__name__, event.prompt_id) for event in seen if not isinstance(event, QueueChanged)]


async def look(watch):
    watch.wake()
    await settle()


async def test_a_run_is_over_when_it_is_in_the_history_not_before(watch, queue, seen):
    queue.pending = ["a"]
    await look(watch)
    queue.start()
    watch.put(RunStarted("a", 1.0, queue.prompt("a")))
    watch.put(Finishing("a", "succeeded", None))
    await look(watch)
    before = story(seen)

    queue.done(outputs={"3": {"text": ["x"]}})
    await look(watch)

    assert before == [("RunStarted", "a")]
    assert story(seen) == [("RunStarted", "a"), ("RunEnded", "a")]
    assert seen[-2].outputs == {"3": {"text": ["x"]}}
    assert queue.ended == ["a"]


async def test_the_last_word_of_the_executor_beats_the_history(watch, queue, seen):
    """After some errors ComfyUI's history says success."""
    error = RunError("broken", "1")
    queue.running = ["a"]
    watch.put(RunStarted("a", 1.0, queue.prompt("a")))
    watch.put(Finishing("a", "failed", error))
    queue.done(status="succeeded")
    await look(watch)

    [end] = [event for event in seen if isinstance(event, RunEnded)]
    assert (end.status, end.error) == ("failed", error)


async def test_reports_that_led_to_the_queue_are_told_before_the_end(watch, queue, seen):
    """The worker reported and finished before the loop got a turn."""
    queue.pending = ["a"]
    await look(watch)
    queue.start()
    watch.put(RunStarted("a", 1.0, queue.prompt("a")))
    watch.put(NodeStarted("a", 1.0, "1", "1", None, "X"))
    watch.put(NodeFinished("a", 1.0, "1", "1"))
    watch.put(Finishing("a", "succeeded", None))
    queue.done()
    watch.wake()
    await settle()

    assert [kind for kind, _ in story(seen)] == ["RunStarted", "NodeStarted", "NodeFinished", "RunEnded"]


async def test_a_run_that_was_over_before_anyone_looked_is_told_whole(watch, queue, seen):
    watch.expect("a")
    queue.running = ["a"]
    queue.done()
    await look(watch)

    assert story(seen) == [("RunStarted", "a"), ("RunEnded", "a")]


async def test_a_prompt_taken_from_the_queue_is_removed(watch, queue, seen):
    queue.pending = ["a", "b"]
    await look(watch)
    queue.pending = ["b"]
    await look(watch)

    [end] = [event for event in seen if isinstance(event, RunEnded)]
    assert (end.prompt_id, end.status) == ("a", "removed")


async def test_a_run_that_vanishes_is_lost(watch, queue, seen):
    queue.running = ["a"]
    await look(watch)
    queue.running = []
    await look(watch)

    assert seen[-2].status == "lost"
    assert "without a result" in seen[-2].error.message


async def test_a_history_cleared_too_soon_leaves_the_executors_word(watch, queue, seen):
    queue.running = ["a"]
    watch.put(RunStarted("a", 1.0, queue.prompt("a")))
    watch.put(Finishing("a", "succeeded", None))
    queue.running = []
    await look(watch)

    [end] = [event for event in seen if isinstance(event, RunEnded)]
    assert end.status == "succeeded"


async def test_nothing_is_told_of_a_run_after_its_end(watch, queue, seen):
    queue.running = ["a"]
    await look(watch)
    queue.done()
    await look(watch)
    told = len(seen)

    watch.put(NodeFinished("a", 9.0, "1", "1"))
    await settle()

    assert len(seen) == told


async def test_the_queue_is_told_only_when_it_changed(watch, queue, seen):
    queue.pending = ["a"]
    for _ in range(3):
        await look(watch)

    assert len(seen) == 1
    assert isinstance(seen[0], QueueChanged)


async def test_a_dead_worker_ends_its_run(watch, queue, seen):
    watch.poll(0.001, progress=None)
    queue.running = ["a"]
    watch.start()
    queue.alive = False
    while not queue.ended:  # pytest's own timeout ends a hang
        await asyncio.sleep(0.001)
    watch.stop()

    assert [event.status for event in seen if isinstance(event, RunEnded)] == ["lost"]


async def test_polling_tells_nodes_from_the_registry(watch, queue, seen):
    states = {}
    watch.poll(1000, progress=lambda: ("a", dict(states), lambda node_id: node_id.partition(".")[0]))
    queue.running = ["a"]
    for change in [
        {"1": ("running", 0.0, 1.0)},
        {"1": ("running", 3.0, 10.0)},
        {"1": ("finished", 10.0, 10.0), "2": ("running", 0.0, 1.0), "2.0.1": ("running", 0.0, 1.0)},
    ]:
        states.update(change)
        await look(watch)

    nodes = [
        (type(event).__name__, event.node_id)
        for event in seen
        if not isinstance(event, RunStarted | QueueChanged)
    ]
    assert nodes == [
        ("NodeStarted", "1"),
        ("NodeProgressed", "1"),
        ("NodeFinished", "1"),
        ("NodeStarted", "2"),
        ("NodeStarted", "2.0.1"),
    ]
    assert seen[-1].parent_id == "2"


async def test_a_sink_that_fails_does_not_stop_the_others(watch, queue, seen, caplog):
    def broken(event):
        raise RuntimeError("no")

    watch.subscribe(broken)
    later = []
    watch.subscribe(later.append)
    queue.running = ["a"]
    await look(watch)

    assert later == seen
    assert "could not be handled" in caplog.text
