"""What a task shows of a run, on every host."""

import asyncio

import pytest
from graphs import image, node, salt, sleeping

ORDER = {"queued": 0, "running": 1, "canceling": 2, "succeeded": 3, "failed": 3, "cancelled": 3}


def statuses(task):
    return {node_id: about["status"] for node_id, about in task["nodes"].items()}


async def test_a_run_ends_with_its_image(api):
    task = await api.run(image(), metadata={"order": "A-17"})

    assert task["status"] == "succeeded"
    assert task["kind"] == "prompt"
    assert task["origin"] == "api"
    assert task["progress"] == 1.0
    assert task["nodes_total"] == task["nodes_done"] == 3
    assert task["current"] == []
    assert task["error"] is None
    assert task["metadata"] == {"order": "A-17"}
    assert task["created_at"] <= task["started_at"] <= task["finished_at"]
    assert task["created_at"].endswith("Z")
    [output] = task["outputs"]
    assert output["node_id"] == "3"
    assert (output["kind"], output["media_type"], output["type"]) == ("image", "image/png", "output")
    assert (output["width"], output["height"]) == (64, 32)
    async with api.session.get(output["url"]) as reply:
        body = await reply.read()
        assert reply.status == 200
        assert reply.content_type == "image/png"
    assert len(body) == output["size"]
    assert body.startswith(b"\x89PNG")
    async with api.session.get(output["url"], headers={"Range": "bytes=1-3"}) as reply:
        assert reply.status == 206
        assert await reply.read() == b"PNG"


async def test_a_task_is_known_to_comfyui_by_the_same_id(api):
    task = await api.run(image())

    history = await api.get(f"/history/{task['id']}")

    assert history[task["id"]]["outputs"]["3"]["images"][0]["filename"] == task["outputs"][0]["filename"]


async def test_progress_shows_each_step_and_never_falls(api):
    task = await api.submit(sleeping(seconds=1.0, steps=10))

    seen = await api.finish(task["id"])

    values = [snapshot["nodes"]["1"]["value"] for snapshot in seen]
    steps = [value for value in values if value is not None]
    assert steps == sorted(steps)
    assert len(set(steps)) >= 5
    assert {snapshot["nodes"]["1"]["max"] for snapshot in seen} <= {None, 10}
    shown = [snapshot["progress"] for snapshot in seen]
    assert shown == sorted(shown)
    assert any(0 < value < 0.5 for value in shown)
    running = [snapshot for snapshot in seen if snapshot["status"] == "running"]
    assert any(snapshot["current"] == ["1"] for snapshot in running)
    last = seen[-1]
    assert last["nodes"]["2"]["title"] == "The end"
    assert last["nodes"]["1"]["duration_s"] >= 0.9


async def test_what_ran_before_is_cached_and_its_outputs_are_there_again(api):
    graph = image()
    first = await api.run(graph)

    second = await api.run(graph)

    assert set(statuses(second).values()) <= {"cached", "skipped"}
    assert statuses(second)["3"] == "cached"
    assert second["nodes_done"] == 3
    assert second["progress"] == 1.0
    assert [o["filename"] for o in second["outputs"]] == [o["filename"] for o in first["outputs"]]


async def test_only_the_changed_part_runs_again(api):
    mark = salt()
    graph = {
        "1": node("ContractInt", value=2, salt=mark),
        "2": node("ContractAdd", a=["1", 0], b=1),
        "3": node("ContractShow", value=["2", 0]),
    }
    await api.run(graph)
    graph["2"]["inputs"]["b"] = 5

    task = await api.run(graph)

    assert statuses(task) == {"1": "cached", "2": "done", "3": "done"}
    assert [output["value"] for output in task["outputs"]] == ["7", 7]


async def test_a_lazy_input_that_is_not_needed_is_skipped(api):
    graph = {
        "1": node("ContractInt", value=1, salt=salt()),
        "2": node("ContractFail", value=1, message="must not run"),
        "3": node("ContractSwitch", second=False, a=["1", 0], b=["2", 0]),
        "4": node("ContractShow", value=["3", 0]),
    }

    task = await api.run(graph)

    assert task["status"] == "succeeded"
    assert statuses(task) == {"1": "done", "2": "skipped", "3": "done", "4": "done"}
    assert (task["nodes_total"], task["nodes_done"], task["progress"]) == (4, 4, 1.0)


async def test_what_a_node_expands_into_belongs_to_it(api):
    graph = {
        "1": node("ContractExpand", value=3, seconds=0.2, fail=False, salt=salt()),
        "2": node("ContractShow", value=["1", 0]),
    }
    task = await api.submit(graph)

    seen = await api.finish(task["id"])

    last = seen[-1]
    assert last["status"] == "succeeded"
    assert {snapshot["nodes_total"] for snapshot in seen} == {2}
    children = {node_id: about for node_id, about in last["nodes"].items() if about["parent"]}
    assert sorted(about["class_type"] for about in children.values()) == [
        "ContractAdd",
        "ContractSleep",
        "ContractSleep",
    ]
    assert {about["parent"] for about in children.values()} == {"1"}
    assert {about["status"] for about in last["nodes"].values()} == {"done"}
    assert last["outputs"][0]["value"] == "6"


async def test_a_failure_inside_an_expanded_node_names_the_node_of_the_workflow(api):
    graph = {
        "1": node("ContractExpand", value=3, seconds=0.05, fail=True, salt=salt()),
        "2": node("ContractShow", value=["1", 0]),
    }

    task = await api.run(graph)

    assert task["status"] == "failed"
    assert task["error"]["node_id"] == "1"
    assert task["error"]["message"].startswith("inside")
    assert statuses(task)["1"] == "failed"
    assert statuses(task)["2"] == "skipped"


async def test_a_node_runs_once_for_each_item_of_a_list(api):
    graph = {
        "1": node("ContractList", count=3, salt=salt()),
        "2": node("ContractSleep", value=["1", 0], seconds=0.2, steps=4),
        "3": node("ContractShow", value=["2", 0]),
    }
    task = await api.submit(graph)

    seen = await api.finish(task["id"])

    shown = [snapshot["progress"] for snapshot in seen]
    assert shown == sorted(shown)
    last = seen[-1]
    assert set(statuses(last).values()) == {"done"}
    texts = [output["value"] for output in last["outputs"] if output["kind"] == "text"]
    assert texts == ["0", "1", "2"]


async def test_async_nodes_overlap(api):
    mark = salt()
    graph = {
        "1": node("ContractAsync", value=1, seconds=0.5, salt=mark + "a"),
        "2": node("ContractAsync", value=2, seconds=0.5, salt=mark + "b"),
        "3": node("ContractAdd", a=["1", 0], b=["2", 0]),
        "4": node("ContractShow", value=["3", 0]),
    }
    task = await api.submit(graph)

    seen = await api.finish(task["id"])

    assert any(set(snapshot["current"]) == {"1", "2"} for snapshot in seen)
    assert set(statuses(seen[-1]).values()) == {"done"}


async def test_a_failing_node_is_named_and_the_rest_is_skipped(api):
    graph = {
        "1": node("ContractInt", value=1, salt=salt()),
        "2": node("ContractFail", value=["1", 0], message="the reason"),
        "3": node("ContractShow", value=["2", 0]),
    }

    task = await api.run(graph)

    assert task["status"] == "failed"
    assert statuses(task) == {"1": "done", "2": "failed", "3": "skipped"}
    error = task["error"]
    assert error["code"] == "NODE_FAILED"
    assert (error["node_id"], error["class_type"]) == ("2", "ContractFail")
    assert error["exception_type"] == "ValueError"
    assert error["message"] == "the reason"
    assert error["retryable"] is False
    assert "Traceback" not in str(task)


async def test_text_numbers_and_odd_values_are_outputs_too(api):
    graph = {"1": node("ContractInt", value=4, salt=salt()), "2": node("ContractOdd", value=["1", 0])}

    task = await api.run(graph)

    outputs = {(output["name"], output["kind"]): output for output in task["outputs"]}
    assert outputs["text", "text"]["value"] == "好"
    assert outputs["boxes", "json"]["value"] == {"x": 4}
    assert outputs["ok", "boolean"]["value"] is True
    scores = [output["value"] for output in task["outputs"] if output["name"] == "score"]
    assert scores == [None, 0.5]
    async with api.session.get(outputs["text", "text"]["url"]) as reply:
        assert await reply.text() == "好"
        assert reply.content_type == "text/plain"


async def test_outputs_are_shown_when_they_are_made(api):
    mark = salt()
    graph = {
        "1": node("ContractInt", value=5, salt=mark),
        "2": node("ContractShow", value=["1", 0]),
        "3": node("ContractSleep", value=["1", 0], seconds=1.5, steps=10, salt=mark),
        "4": node("ContractShow", value=["3", 0]),
    }
    task = await api.submit(graph)

    await api.until(task["id"], lambda task: len(task["outputs"]) == 2 and task["status"] == "running")
    last = (await api.finish(task["id"]))[-1]

    assert [output["node_id"] for output in last["outputs"]] == ["2", "2", "4", "4"]


async def test_only_the_named_outputs_run(api):
    mark = salt()
    graph = {
        "1": node("ContractInt", value=5, salt=mark),
        "2": node("ContractShow", value=["1", 0]),
        "3": node("ContractFail", value=["1", 0], message="must not run"),
        "4": node("ContractShow", value=["3", 0]),
    }

    task = await api.run(graph, outputs=["2"])

    assert task["status"] == "succeeded"
    assert statuses(task) == {"1": "done", "2": "done"}


async def test_the_latest_preview_can_be_fetched_while_a_node_runs(api):
    graph = {
        "1": node("ContractPreview", frames=30, seconds=1.5, salt=salt()),
        "2": node("ContractShow", value=["1", 0]),
    }
    task = await api.submit(graph)
    await api.until(task["id"], lambda task: (task["nodes"]["1"]["value"] or 0) >= 2)

    async with api.session.get(f"/ext/tasks/{task['id']}/preview") as reply:
        body = await reply.read()
        assert reply.status == 200, body
        assert reply.content_type == "image/jpeg"
    assert body.startswith(b"\xff\xd8")
    await api.finish(task["id"])
    # Who was told of the last frame just before the end may still fetch it.
    async with api.session.get(f"/ext/tasks/{task['id']}/preview") as reply:
        assert (reply.status, reply.content_type) == (200, "image/jpeg")
    without = await api.submit({"1": node("ContractInt", value=1, salt=salt()), "2": graph["2"]})
    await api.finish(without["id"])
    error = await api.error(f"/ext/tasks/{without['id']}/preview", method="GET", status=404)
    assert error["code"] == "PREVIEW_NOT_FOUND"


async def test_a_task_that_has_ended_never_turns_back(api):
    """Fifty small runs, polled as fast as it goes: one order of states, outputs there at the end."""
    for number in range(50):
        graph = {
            "1": node("ContractInt", value=number, salt=salt()),
            "2": node("ContractShow", value=["1", 0]),
        }
        task = await api.submit(graph)
        seen = await api.finish(task["id"])
        order = [ORDER[snapshot["status"]] for snapshot in seen]
        assert order == sorted(order)
        again = await api.task(task["id"])
        assert again == seen[-1]
        assert again["status"] == "succeeded"
        assert [output["value"] for output in again["outputs"]] == [str(number), number]


async def test_the_etag_changes_with_the_task_and_spares_the_body(api):
    task = await api.run(image())
    path = f"/ext/tasks/{task['id']}"
    async with api.session.get(path) as reply:
        etag = reply.headers["ETag"]

    async with api.session.get(path, headers={"If-None-Match": etag}) as reply:
        assert reply.status == 304
        assert await reply.read() == b""


async def test_tasks_are_listed_newest_first_page_by_page(api):
    made = [(await api.run(image()))["id"] for _ in range(3)]

    first = await api.get("/ext/tasks?limit=2&status=succeeded")
    second = await api.get(f"/ext/tasks?limit=1&status=succeeded&cursor={first['next_cursor']}")

    assert [task["id"] for task in first["items"]] == [made[2], made[1]]
    assert [task["id"] for task in second["items"]] == [made[0]]
    assert "nodes" not in first["items"][0]
    polled = await api.get(f"/ext/tasks?ids={made[0]},{made[2]},unknown")
    assert [task["id"] for task in polled["items"]] == [made[2], made[0]]
    assert "nodes" in polled["items"][0]


async def test_a_run_queued_elsewhere_without_a_client_id_is_seen(api):
    queued = await api.post("/prompt", {"prompt": sleeping(seconds=0.6)})

    seen = await api.finish_foreign(queued["prompt_id"])

    last = seen[-1]
    assert last["origin"] == "comfyui"
    assert last["status"] == "succeeded"
    assert statuses(last) == {"1": "done", "2": "done"}
    assert last["nodes"]["2"]["title"] == "The end"
    assert [output["value"] for output in last["outputs"]] == ["7", 7]
    listed = await api.get("/ext/tasks?limit=5")
    assert queued["prompt_id"] in [task["id"] for task in listed["items"]]


async def test_queued_tasks_know_their_place(api):
    running = await api.submit(sleeping(seconds=30))
    await api.until(running["id"], lambda task: task["status"] == "running")
    waiting = [await api.submit(sleeping(seconds=0.1)) for _ in range(3)]

    await api.until(waiting[2]["id"], lambda task: task["queue_position"] == 3)

    assert [(await api.task(task["id"]))["queue_position"] for task in waiting] == [1, 2, 3]
    await api.post(f"/ext/tasks/{waiting[0]['id']}/cancel")
    await api.until(waiting[2]["id"], lambda task: task["queue_position"] == 2)
    await api.post(f"/ext/tasks/{running['id']}/cancel", status=202)
    ends = await asyncio.gather(*(api.finish(task["id"]) for task in waiting[1:]))
    assert [seen[-1]["status"] for seen in ends] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("class_type", ["BatchImagesNode"])
async def test_dynamic_inputs_run(api, class_type):
    catalog = await api.get("/ext/catalog?fields=name")
    if class_type not in {entry["name"] for entry in catalog["nodes"]}:
        pytest.skip(f"this ComfyUI has no {class_type}")
    graph = {
        "1": node("EmptyImage", width=32, height=32, batch_size=1, color=1),
        "2": node("EmptyImage", width=32, height=32, batch_size=2, color=2),
        "3": node(class_type, **{"images.image0": ["1", 0], "images.image1": ["2", 0]}),
        "4": node("PreviewImage", images=["3", 0]),
    }

    task = await api.run(graph)

    assert task["status"] == "succeeded", task["error"]
    assert len(task["outputs"]) == 3
