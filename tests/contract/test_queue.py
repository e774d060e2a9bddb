"""The order in which tasks run, and what is handed to ComfyUI: on every host."""

import asyncio

from graphs import quick, sleeping


async def order_of(api, ids):
    """Run what is queued; give its ids in the order in which it ran.

    The history tells it, not the times: two short runs can begin in the same millisecond.
    """
    tasks = {task_id: (await api.finish(task_id))[-1] for task_id in ids}
    order = [prompt_id for prompt_id in await api.get("/history") if prompt_id in tasks]
    began = [tasks[task_id]["started_at"] for task_id in order]
    assert began == sorted(began)
    return order


async def test_a_paused_queue_takes_tasks_and_runs_none(api):
    async with api.paused():
        assert (await api.get("/ext/queue"))["paused"] is True
        task = await api.submit(quick())
        await asyncio.sleep(0.2)
        waiting = await api.task(task["id"])
        assert (waiting["status"], waiting["queue_position"]) == ("queued", 1)
        assert waiting["nodes"]["1"]["status"] == "pending"
        assert waiting["nodes_total"] == 2
    assert (await api.finish(task["id"]))[-1]["status"] == "succeeded"


async def test_priority_decides_then_who_came_first(api):
    async with api.paused():
        made = [
            (await api.submit(quick(), priority=priority, client_id="one"))["id"] for priority in [0, 5, 0, 9]
        ]
        places = [(await api.task(task_id))["queue_position"] for task_id in made]
    assert places == [3, 2, 4, 1]
    assert await order_of(api, made) == [made[3], made[1], made[0], made[2]]


async def test_clients_take_turns(api):
    async with api.paused():
        alice = [(await api.submit(quick(), client_id="alice"))["id"] for _ in range(3)]
        bob = [(await api.submit(quick(), client_id="bob"))["id"] for _ in range(2)]
    order = await order_of(api, [*alice, *bob])
    assert order == [alice[0], bob[0], alice[1], bob[1], alice[2]]


async def test_a_queued_tasks_priority_can_change(api):
    async with api.paused():
        made = [(await api.submit(quick(), client_id="one"))["id"] for _ in range(2)]
        async with api.session.patch(f"/ext/tasks/{made[1]}", json={"priority": 3}) as reply:
            assert reply.status == 200
            assert (await reply.json())["priority"] == 3
    assert await order_of(api, made) == [made[1], made[0]]
    error = await api.error(f"/ext/tasks/{made[0]}", {"priority": 1}, method="PATCH", status=409)
    assert error["code"] == "TASK_NOT_QUEUED"


async def test_comfyuis_own_queue_is_kept_just_full_enough(api):
    tasks = [await api.submit(sleeping(seconds=0.3)) for _ in range(6)]
    most = 0
    while (await api.task(tasks[-1]["id"]))["status"] not in {"succeeded", "failed"}:
        queue = await api.get("/queue")
        most = max(most, len(queue["queue_running"]) + len(queue["queue_pending"]))
        await asyncio.sleep(0.01)
    assert most == 2
