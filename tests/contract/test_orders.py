"""What POST /ext/tasks runs that is not in the request itself: a session's workflow, or a template's."""

import uuid
from contextlib import asynccontextmanager

import aiohttp
import pytest
from api_client import Api
from graphs import image, node


@asynccontextmanager
async def living(life):
    with life as server:
        async with aiohttp.ClientSession(server.url) as session:
            yield Api(server, session)


def plain(graph):
    return {node_id: (each["class_type"], each["inputs"]) for node_id, each in graph.items()}


@pytest.fixture
async def poster(api):
    """A template that needs no model: a picture of a size and a colour."""
    name = f"poster-{uuid.uuid4().hex[:8]}"
    document = {
        "workflow": image(),
        "inputs": {
            "size": {"node": "1", "field": "width", "type": "integer", "min": 16, "max": 512, "default": 64},
            "colour": {"node": "1", "field": "color", "type": "seed", "default": "random"},
        },
        "outputs": {"picture": {"node": "3"}},
    }
    async with api.session.put(f"/ext/templates/{name}", json=document) as reply:
        assert reply.status == 201, await reply.text()
        made = await reply.json()
    assert made["version"] == 1
    return made


async def order(api, **body):
    task = await api.post("/ext/tasks", body, status=202)
    return (await api.finish(task["id"]))[-1]


async def workflow_of(api, task):
    """The workflow that a task ran, as ComfyUI knows it."""
    history = await api.get(f"/history/{task['prompt_id']}")
    return plain(history[task["prompt_id"]]["prompt"][2])


async def test_a_template_runs_with_its_inputs_and_says_what_they_were(api, poster):
    task = await order(api, template=poster["name"], inputs={"size": 32, "colour": 255})
    assert task["status"] == "succeeded", task["error"]
    assert task["template"] == {name: poster[name] for name in ("name", "version", "digest")}
    assert task["inputs"] == {"size": 32, "colour": 255}
    [output] = task["outputs"]
    assert (output["output"], output["width"]) == ("picture", 32)
    ran = await workflow_of(api, task)
    assert (ran["1"][1]["width"], ran["1"][1]["color"]) == (32, 255)


async def test_a_wrong_input_is_named_and_nothing_is_queued(api, poster):
    body = {"template": poster["name"], "inputs": {"size": 5, "collar": 1}}
    error = await api.error("/ext/tasks", body, status=422)
    assert error["code"] == "TEMPLATE_INPUT_INVALID"
    assert set(error["details"]["inputs"]) == {"size", "collar"}
    assert (await api.get(f"/ext/tasks?template={poster['name']}"))["items"] == []


async def test_a_seed_that_was_drawn_is_told_kept_by_the_same_and_drawn_anew_else(api, poster):
    first = await order(api, template=poster["name"], inputs={"size": 16})
    drawn = first["inputs"]["colour"]
    assert 0 <= drawn <= 0xFFFFFF
    same = await api.post(f"/ext/tasks/{first['id']}/retry?same=1", status=202)
    same = (await api.finish(same["id"]))[-1]
    assert same["inputs"] == first["inputs"]
    assert await workflow_of(api, same) == await workflow_of(api, first)
    assert same["outputs"][0]["sha256"] == first["outputs"][0]["sha256"]
    another = await api.post(f"/ext/tasks/{first['id']}/retry", status=202)
    another = (await api.finish(another["id"]))[-1]
    assert another["inputs"]["colour"] != drawn  # one chance in 16 million to be the same
    assert (await workflow_of(api, another))["1"][1]["color"] == another["inputs"]["colour"]
    assert [task["template"]["name"] for task in (first, same, another)] == [poster["name"]] * 3


async def test_tasks_are_listed_by_their_template(api, poster):
    name = poster["name"]
    ids = [(await order(api, template=ref, inputs={"size": 16}))["id"] for ref in (name, f"{name}@1")]
    for asked in (name, f"{name}@1"):
        listed = await api.get(f"/ext/tasks?template={asked}")
        assert [task["id"] for task in listed["items"]] == ids[::-1]
    assert (await api.get(f"/ext/tasks?template={name}@2"))["items"] == []


async def test_a_batch_is_a_grid_of_a_templates_inputs(api, poster):
    body = {"task": {"template": poster["name"]}, "grid": {"size": [16, 32], "colour": [1, 2]}}
    batch = await api.post("/ext/tasks/batch", body, status=202)
    tasks = [(await api.finish(task_id))[-1] for task_id in batch["ids"]]
    assert [task["inputs"] for task in tasks] == [
        {"size": size, "colour": colour} for size in (16, 32) for colour in (1, 2)
    ]


async def test_outputs_may_be_named_as_the_template_names_them(api, poster):
    task = await order(api, template=poster["name"], outputs=["picture"])
    assert task["status"] == "succeeded"
    error = await api.error("/ext/tasks", {"template": poster["name"], "outputs": ["sculpture"]}, status=400)
    assert error["code"] == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"template": "poster", "workflow": image()}, {"template", "workflow"}),
        ({"template": "poster", "session_id": "ws-1"}, {"template", "session_id"}),
        ({"workflow": image(), "inputs": {"a": 1}}, {"inputs"}),
        ({"workflow": image(), "session_version": 1}, {"session_version"}),
    ],
)
async def test_only_one_thing_can_be_run(api, body, fields):
    error = await api.error("/ext/tasks", body, status=400)
    assert error["code"] == "INVALID_REQUEST"
    assert set(error["details"]["fields"]) == fields


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"template": "there-is-none"}, "TEMPLATE_NOT_FOUND"),
        ({"session_id": "ws-none"}, "SESSION_NOT_FOUND"),
        ({}, "WORKFLOW_MISSING"),
    ],
)
async def test_what_is_not_there_cannot_run(api, body, code):
    status = 400 if code == "WORKFLOW_MISSING" else 404
    assert (await api.error("/ext/tasks", body, status=status))["code"] == code


async def test_a_session_runs_as_it_is_or_was_and_knows_how_it_went(api):
    session = await api.post("/ext/workflow/sessions", {"workflow": image(64)}, status=201)
    ops = [{"op": "set_param", "node_id": "1", "param": "width", "value": 32}]
    await api.post("/ext/workflow/patch", {"session_id": session["id"], "ops": ops})
    now = await order(api, session_id=session["id"])
    assert now["session"] == {"id": session["id"], "version": 2}
    assert now["outputs"][0]["width"] == 32
    before = await order(api, session_id=session["id"], session_version=1)
    assert (before["session"]["version"], before["outputs"][0]["width"]) == (1, 64)
    after = await api.get(f"/ext/workflow/sessions/{session['id']}")
    assert after["last_run"]["task_id"] == before["id"]
    assert after["last_run"]["status"] == "succeeded"
    assert after["version"] == 2


async def test_a_failed_run_goes_back_to_what_ran_where_the_session_says_so(api):
    whole = {
        "1": node("ContractSleep", value=7, seconds=0.0, steps=1, salt=uuid.uuid4().hex),
        "2": node("ContractShow", value=["1", 0]),
    }
    body = {"workflow": whole, "on_failure": "rollback"}
    session = await api.post("/ext/workflow/sessions", body, status=201)
    assert (await order(api, session_id=session["id"]))["status"] == "succeeded"
    ops = [{"op": "insert_node", "class_type": "ContractFail", "target_node_id": "2", "input": "value"}]
    patched = await api.post("/ext/workflow/patch", {"session_id": session["id"], "ops": ops})
    assert patched["version"] == 2
    assert (await order(api, session_id=session["id"]))["status"] == "failed"
    after = await api.get(f"/ext/workflow/sessions/{session['id']}")
    assert plain(after["workflow"]) == plain(whole)
    assert after["can_undo"]


async def test_the_same_task_comes_from_a_seed_drawn_for_params(api):
    graph = image()
    first = await api.run(graph, params={"1.color": 5})
    again = await api.post(f"/ext/tasks/{first['id']}/retry?same=1", status=202)
    again = (await api.finish(again["id"]))[-1]
    assert again["changes"] == first["changes"]
    assert await workflow_of(api, again) == await workflow_of(api, first)


async def test_a_locked_server_runs_templates_and_nothing_else(lives):
    document = {
        "workflow": image(),
        "inputs": {"size": {"node": "1", "field": "width", "type": "integer", "default": 64}},
    }
    async with living(lives()) as api, api.session.put("/ext/templates/card", json=document) as reply:
        assert reply.status == 201, await reply.text()
    async with living(lives(BACKPLANE_LOCKED="1")) as api:
        for body, fields in (
            ({"workflow": image()}, set()),
            ({"session_id": "ws-1"}, set()),
            ({"template": "card", "params": {"1.height": 8}}, {"params"}),
            ({"template": "card", "files": {"1.width": "https://example.com/a.png"}}, {"files"}),
        ):
            error = await api.error("/ext/tasks", body, status=403)
            assert error["code"] == "LOCKED"
            assert set(error["details"].get("fields", {})) == fields
        error = await api.error("/ext/templates/card", document, method="PUT", status=403)
        assert error["code"] == "LOCKED"
        task = await order(api, template="card", inputs={"size": 32})
        assert (task["status"], task["outputs"][0]["width"]) == ("succeeded", 32)
        again = await api.post(f"/ext/tasks/{task['id']}/retry", status=202)
        assert (await api.finish(again["id"]))[-1]["status"] == "succeeded"


async def test_only_allowed_node_classes_run(lives):
    async with living(lives(BACKPLANE_ALLOWED_NODES="Empty* SaveImage")) as api:
        error = await api.error("/ext/tasks", {"workflow": image()}, status=403)
        assert error["code"] == "NODE_CLASS_NOT_ALLOWED"
        assert [each["class_type"] for each in error["details"]["nodes"]] == ["ImageInvert"]
        judged = await api.post("/ext/workflow/validate", {"workflow": image()})
        assert not judged["valid"]
        assert [finding["code"] for finding in judged["findings"]] == ["NODE_CLASS_NOT_ALLOWED"]
        small = image()
        del small["2"]
        small["3"]["inputs"]["images"] = ["1", 0]
        assert (await api.run(small))["status"] == "succeeded"
