"""A task accepted is a task that reaches an end, whatever happens to the process."""

import asyncio

import aiohttp
import pytest
from api_client import Api
from graphs import node, salt, sleeping


def quick(value=1):
    return {"1": node("ContractInt", value=value, salt=salt()), "2": node("ContractShow", value=["1", 0])}


async def with_api(server, work):
    async with aiohttp.ClientSession(server.url) as session:
        return await work(Api(server, session))


async def fill(api):
    done = await api.run(quick(7))
    running = await api.submit(sleeping(seconds=60, steps=600))
    waiting = [(await api.submit(quick(value)))["id"] for value in range(4)]
    await api.until(running["id"], lambda task: (task["nodes"]["1"]["value"] or 0) >= 1)
    return done, running["id"], waiting


@pytest.mark.timeout(400)
async def test_after_a_kill_everything_that_was_accepted_reaches_an_end(lives):
    with lives() as server:
        done, running, waiting = await with_api(server, fill)
        server.process.kill()
        server.process.wait()

    async def look(api):
        assert (await api.task(done["id"]))["outputs"] == done["outputs"]
        async with api.session.get(done["outputs"][0]["url"]) as reply:
            assert await reply.text() == "7"
        await api.until(running, lambda task: task["status"] == "running" and task["attempt"] == 2)
        await api.post(f"/ext/tasks/{running}/cancel", status=202)
        ends = await asyncio.gather(*(api.finish(task_id) for task_id in [running, *waiting]))
        return [seen[-1] for seen in ends]

    with lives() as server:
        first, *others = await with_api(server, look)

    assert (first["status"], first["attempt"]) == ("cancelled", 2)
    assert [(task["status"], task["attempt"]) for task in others] == [("succeeded", 1)] * 4


@pytest.mark.timeout(400)
async def test_a_task_that_was_running_fails_if_the_setting_says_so(lives):
    with lives() as server:
        _, running, waiting = await with_api(server, fill)
        server.process.kill()
        server.process.wait()

    async def look(api):
        await asyncio.gather(*(api.finish(task_id) for task_id in waiting))
        return await api.task(running)

    with lives(BACKPLANE_RERUN_INTERRUPTED="false") as server:
        task = await with_api(server, look)

    assert (task["status"], task["error"]["code"]) == ("failed", "TASK_INTERRUPTED")
