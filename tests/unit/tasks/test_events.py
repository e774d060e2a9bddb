import asyncio
import itertools
import json

import pytest
from backplane.tasks import events
from backplane.tasks.events import Hub


@pytest.fixture
async def hub():
    return Hub()


def texts(found):
    return [json.loads(event.data) for event in found]


async def test_events_are_given_after_a_place_of_one_task_or_of_all(hub):
    hub.publish("status", {"status": "queued"}, "a")
    hub.publish("status", {"status": "queued"}, "b")
    hub.publish("queue.changed", {"length": 2})
    hub.publish("node", {"node_id": "1"}, "a")

    assert [event.name for event in hub.after(0, None)] == ["status", "status", "queue.changed", "node"]
    assert texts(hub.after(1, "a")) == [{"task_id": "a", "node_id": "1"}]
    assert hub.after(4, "a") == []


async def test_an_id_leads_back_to_its_place(hub):
    for number in range(5):
        hub.publish("progress", {"value": number}, "a")

    assert hub.place(hub.event_id(3), "a") == 3
    assert texts(hub.after(3, "a"))[0]["value"] == 3


@pytest.mark.parametrize("event_id", [None, "", "x", "1234", "other-3", "-3"])
async def test_an_id_of_elsewhere_is_unknown(hub, event_id):
    hub.publish("progress", {}, "a")
    assert hub.place(event_id, "a") is None


async def test_an_id_of_the_future_is_unknown(hub):
    hub.publish("progress", {}, "a")
    assert hub.place(hub.event_id(99), "a") is None


async def test_a_reader_that_fell_behind_is_told_so(hub, monkeypatch):
    monkeypatch.setattr(events, "TASK_EVENTS", 10)
    for _ in range(15):
        hub.publish("progress", {}, "a")

    assert hub.after(4, "a") is None
    assert len(hub.after(5, "a")) == 10
    assert hub.place(hub.event_id(4), "a") is None
    assert hub.place(hub.event_id(5), "a") == 5


async def test_who_waits_is_woken_by_its_own_task_only(hub):
    mine = asyncio.create_task(hub.wait("a", 5))
    other = asyncio.create_task(hub.wait("b", 0.01))
    anything = asyncio.create_task(hub.wait(None, 5))
    await asyncio.sleep(0)
    hub.publish("status", {}, "a")

    assert await mine is True
    assert await anything is True
    assert await other is False


async def test_many_readers_are_woken_in_slices(hub, monkeypatch):
    monkeypatch.setattr(events, "WAKE_SLICE", 10)
    waiting = [asyncio.create_task(hub.wait("a", 5)) for _ in range(35)]
    await asyncio.sleep(0)
    hub.publish("status", {}, "a")
    turns = []
    for _ in range(8):
        await asyncio.sleep(0)
        turns.append(sum(task.done() for task in waiting))
    assert all(later - before <= 10 for before, later in itertools.pairwise(turns))
    assert await asyncio.gather(*waiting) == [True] * 35


async def test_events_of_ended_tasks_go_in_time(hub, monkeypatch):
    monkeypatch.setattr(events, "TASKS_KEPT", 2)
    for name in "abc":
        hub.publish("status", {}, name)
        hub.ended(name)
    assert hub.after(0, "a") == []
    assert len(hub.after(0, "c")) == 1


async def test_a_wait_that_is_given_up_leaves_nothing_behind(hub):
    waiting = asyncio.create_task(hub.wait("a", 5))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert hub._waiting == {}
