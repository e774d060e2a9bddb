"""A cancel is true: gone at once if queued, over when it says so if running, and never another's."""

import asyncio
import time

from graphs import node, salt, sleeping


async def test_a_queued_task_is_gone_at_once(api):
    running = await api.submit(sleeping(seconds=30))
    await api.until(running["id"], lambda task: task["status"] == "running")
    waiting = await api.submit(sleeping(seconds=30))

    cancelled = await api.post(f"/ext/tasks/{waiting['id']}/cancel")

    assert cancelled["status"] == "cancelled"
    assert {about["status"] for about in cancelled["nodes"].values()} == {"skipped"}
    assert (await api.task(running["id"]))["status"] == "running"
    await api.post(f"/ext/tasks/{running['id']}/cancel", status=202)
    await api.finish(running["id"])


async def test_a_running_task_is_canceling_until_it_stopped(api):
    task = await api.submit(sleeping(seconds=30, steps=600))
    await api.until(task["id"], lambda task: (task["nodes"]["1"]["value"] or 0) > 1)

    asked = await api.post(f"/ext/tasks/{task['id']}/cancel", status=202)
    seen = await api.finish(task["id"])

    assert asked["status"] == "canceling"
    assert {snapshot["status"] for snapshot in seen} <= {"canceling", "cancelled"}
    last = seen[-1]
    assert last["status"] == "cancelled"
    assert last["nodes"]["1"]["status"] == "interrupted"
    assert last["nodes"]["2"]["status"] == "skipped"
    assert last["error"] is None
    again = await api.post(f"/ext/tasks/{task['id']}/cancel")
    assert again["status"] == "cancelled"


async def test_a_cancel_in_the_moment_a_run_begins_is_not_lost(api):
    """ComfyUI forgets an interrupt that comes between taking a prompt and starting it."""
    for attempt in range(15):
        task = await api.submit(sleeping(seconds=20, steps=400))
        if attempt % 3:
            await asyncio.sleep(0.001 * attempt)
        async with api.session.post(f"/ext/tasks/{task['id']}/cancel") as reply:
            assert reply.status in {200, 202}
        last = (await api.finish(task["id"], seconds=10))[-1]
        assert last["status"] == "cancelled"


async def test_a_cancel_hits_no_other_task(api):
    first = await api.submit(sleeping(seconds=20, steps=400))
    second = await api.submit(sleeping(seconds=0.3))
    await api.until(first["id"], lambda task: task["status"] == "running")

    await asyncio.gather(
        *(api.session.post(f"/ext/tasks/{first['id']}/cancel") for _ in range(5)), return_exceptions=True
    )

    assert (await api.finish(first["id"]))[-1]["status"] == "cancelled"
    assert (await api.finish(second["id"]))[-1]["status"] == "succeeded"


async def test_a_finished_task_cannot_be_cancelled(api):
    graph = {"1": node("ContractInt", value=1, salt=salt()), "2": node("ContractShow", value=["1", 0])}
    task = await api.run(graph)

    error = await api.error(f"/ext/tasks/{task['id']}/cancel", status=409)

    assert error["code"] == "TASK_FINISHED"


async def test_a_prompt_that_comfyui_is_told_to_interrupt_ends_cancelled(api):
    queued = await api.post("/prompt", {"prompt": sleeping(seconds=30, steps=600)})
    await api.until_known(queued["prompt_id"])
    await api.until(queued["prompt_id"], lambda task: task["status"] == "running" and task["current"])

    async with api.session.post("/interrupt", json={}) as reply:
        assert reply.status == 200

    assert (await api.finish(queued["prompt_id"]))[-1]["status"] == "cancelled"


async def test_a_prompt_that_is_deleted_from_the_queue_ends_cancelled(api):
    running = await api.submit(sleeping(seconds=30, steps=600))
    await api.until(running["id"], lambda task: task["status"] == "running")
    waiting = await api.submit(sleeping(seconds=1))
    while waiting["id"] not in [item[1] for item in (await api.get("/queue"))["queue_pending"]]:
        await asyncio.sleep(0.01)

    async with api.session.post("/queue", json={"delete": [waiting["id"]]}) as reply:
        assert reply.status == 200

    assert (await api.finish(waiting["id"]))[-1]["status"] == "cancelled"
    await api.post(f"/ext/tasks/{running['id']}/cancel", status=202)
    await api.finish(running["id"])


async def test_a_task_that_is_cancelled_while_it_waits_in_comfyui_ends_once(api):
    running, waiting = [await api.submit(sleeping(5)) for _ in range(2)]
    await api.until(running["id"], lambda task: task["status"] == "running")
    deadline = time.monotonic() + 20
    while (await api.get("/ext/queue"))["comfyui"]["pending"] == 0:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    before = api.server.log.read_text(errors="replace").count("taken over")
    for task in (waiting, running):
        await api.post(f"/ext/tasks/{task['id']}/cancel", status=None)
    for task in (waiting, running):
        assert (await api.finish(task["id"]))[-1]["status"] == "cancelled"
    assert api.server.log.read_text(errors="replace").count("taken over") == before
