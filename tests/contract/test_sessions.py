"""Workflows that the server holds: two clients on one, undo, runs, and a restart in between."""

import asyncio

import aiohttp
import pytest
from api_client import Api
from graphs import quick

SESSIONS = "/ext/workflow/sessions"
PATCH = "/ext/workflow/patch"


def value(number):
    return [{"op": "set_param", "node_id": "1", "param": "value", "value": number}]


def plain(graph):
    return {node_id: (each["class_type"], each["inputs"]) for node_id, each in graph.items()}


async def test_a_session_is_edited_undone_and_deleted(api):
    workflow = quick()
    session = await api.post(SESSIONS, {"workflow": workflow, "label": "Seven"}, status=201)
    assert (session["valid"], session["version"], plain(session["workflow"])) == (True, 1, plain(workflow))
    short = {"action": "set_param", "payload": {"node_id": "1", "param": "value", "value": 7}}
    edited = await api.post(PATCH, {"session_id": session["id"], **short})
    assert (edited["version"], edited["workflow"]["1"]["inputs"]["value"], edited["valid"]) == (2, 7, True)
    undone = await api.post(session["url"] + "/undo")
    assert plain(undone["workflow"]) == plain(workflow)
    assert (await api.post(session["url"] + "/redo", {}))["version"] == 2
    back = await api.post(session["url"] + "/rollback", {"version": 1})
    assert (back["version"], plain(back["workflow"])) == (3, plain(workflow))
    versions = await api.get(session["url"] + "/versions")
    assert [each["kind"] for each in versions["items"]] == ["rollback", "patch", "created"]
    listed = await api.get(SESSIONS)
    assert listed["items"][0]["id"] == session["id"]
    async with api.session.delete(session["url"]) as reply:
        assert reply.status == 204
    assert (await api.error(session["url"], method="GET", status=404))["code"] == "SESSION_NOT_FOUND"


async def test_of_two_clients_on_one_session_the_late_one_gets_a_diff_and_follows(api):
    session = await api.post(SESSIONS, {"workflow": quick()}, status=201)
    stream = api.events("/ext/events")
    assert (await anext(stream))[1] == "state"

    async def edit(number):
        body = {"session_id": session["id"], "ops": value(number)}
        async with api.session.post(PATCH, json=body, headers={"If-Match": session["etag"]}) as reply:
            return reply.status, await reply.json()

    answers = dict(await asyncio.gather(edit(11), edit(12)))
    assert answers.keys() == {200, 412}
    [change] = answers[412]["error"]["details"]["changes"]
    won = answers[200]["workflow"]["1"]["inputs"]["value"]
    assert (answers[412]["error"]["code"], change["old"], change["new"]) == ("SESSION_CHANGED", 1, won)
    async for _, name, data in stream:
        if name == "session.changed" and data["id"] == session["id"]:
            assert (data["version"], data["change"]) == (2, "patch")
            break
    await stream.aclose()
    retried = {"session_id": session["id"], "ops": value(13)}
    headers = {"If-Match": answers[412]["error"]["details"]["etag"]}
    assert (await api.post(PATCH, retried, headers=headers))["version"] == 3


async def test_a_session_is_made_of_what_a_task_ran_and_forked(api):
    task = await api.run(quick(5))
    session = await api.post(SESSIONS, {"task_id": task["id"]}, status=201)
    assert session["source"] == {"kind": "task", "task_id": task["id"]}
    assert session["workflow"]["1"]["inputs"]["value"] == 5
    fork = await api.post(SESSIONS, {"session_id": session["id"]}, status=201)
    assert fork["parent"] == {"session_id": session["id"], "version": 1}


async def test_what_the_page_saves_is_taken(api):
    drawn = (await api.post("/ext/workflow/convert?to=ui", {"workflow": quick(3)}))["workflow"]
    session = await api.post(SESSIONS, {"workflow": drawn}, status=201)
    assert session["source"]["format"] == "ui"
    assert session["workflow"]["1"]["inputs"]["value"] == 3
    assert session["node_ids"] == {"1": ["1"], "2": ["2"]}


@pytest.mark.timeout(400)
async def test_sessions_survive_a_kill(lives):
    async def begin(api):
        session = await api.post(SESSIONS, {"workflow": quick(), "on_failure": "rollback"}, status=201)
        for number in (2, 3, 4):
            await api.post(PATCH, {"session_id": session["id"], "ops": value(number)})
        return await api.post(session["url"] + "/undo")

    async def look(api):
        seen = await api.get(before["url"])
        assert {key: seen[key] for key in seen} == {key: before[key] for key in seen}
        return await api.post(before["url"] + "/redo")

    with lives() as server:
        async with aiohttp.ClientSession(server.url) as session:
            before = await begin(Api(server, session))
        server.process.kill()
        server.process.wait()
    with lives() as server:
        async with aiohttp.ClientSession(server.url) as session:
            after = await look(Api(server, session))
    assert (after["version"], after["workflow"]["1"]["inputs"]["value"]) == (4, 4)
