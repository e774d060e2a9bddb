"""A task accepted is a task that reaches an end, whatever happens to the process."""

import asyncio
import base64
import json

import aiohttp
import pytest
from aiohttp import web
from api_client import Api
from graphs import node, salt, sleeping
from standardwebhooks import Webhook


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
    assert [task["status"] for task in others] == ["succeeded"] * 4
    # the one that waited behind it in ComfyUI's own queue may have begun, for all anyone knows
    assert [task["attempt"] for task in others] == [2, 1, 1, 1]


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


class Receiver:
    """Takes webhooks; while *broken* it answers 500."""

    def __init__(self):
        self.taken = []
        self.broken = False

    async def take(self, request):
        if self.broken:
            return web.Response(status=500)
        body = await request.read()
        Webhook(SECRET).verify(body, dict(request.headers))
        self.taken.append((request.headers["webhook-id"], json.loads(body)))
        return web.Response()


SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.mark.timeout(400)
async def test_webhooks_are_signed_and_arrive_also_after_a_kill(lives, aiohttp_server):
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/all", receiver.take)
    app.router.add_post("/own", receiver.take)
    here = await aiohttp_server(app, host="127.0.0.1")
    environ = {
        "BACKPLANE_OUTBOUND_ALLOW_PRIVATE": "true",
        "BACKPLANE_WEBHOOK_URL": str(here.make_url("/all")),
        "BACKPLANE_WEBHOOK_SECRET": SECRET,
    }

    async def run_one(api):
        return await api.run(quick(5), webhook=str(here.make_url("/own")))

    with lives(**environ) as server:
        first = await with_api(server, run_one)
        while len(receiver.taken) < 2:
            await asyncio.sleep(0.02)
        receiver.broken = True
        second = await with_api(server, run_one)
        server.process.kill()
        server.process.wait()
    receiver.broken = False
    with lives(**environ):
        while len(receiver.taken) < 4:
            await asyncio.sleep(0.02)

    told = [document["data"]["id"] for _, document in receiver.taken]
    assert told == [first["id"], first["id"], second["id"], second["id"]]
    assert len({webhook_id for webhook_id, _ in receiver.taken}) == 4
    assert {document["type"] for _, document in receiver.taken} == {"task.succeeded"}
    assert receiver.taken[0][1]["data"]["outputs"] == first["outputs"]


@pytest.mark.timeout(400)
async def test_two_servers_may_share_one_store(lives):
    with lives() as one, lives() as two:

        async def both(api):
            made = [(await api.submit(sleeping(seconds=0.2)))["id"] for _ in range(8)]
            async with aiohttp.ClientSession(two.url) as session:
                other = Api(two, session)
                ends = [(await api.finish(task_id))[-1] for task_id in made]
                seen = [await other.task(task_id) for task_id in made]
                histories = [await api.get("/history"), await other.get("/history")]
            return made, ends, seen, histories

        made, ends, seen, histories = await with_api(one, both)

    assert [(end["status"], end["attempt"]) for end in ends] == [("succeeded", 1)] * 8
    assert [task["outputs"] for task in seen] == [end["outputs"] for end in ends]
    ran = [set(history) & set(made) for history in histories]
    assert not ran[0] & ran[1]
    assert ran[0] | ran[1] == set(made)
    assert ran[1]
