"""Retries, idempotency, events, params, files, outputs: on every host."""

import asyncio
import base64
import io
import json
import uuid

import aiohttp
import pytest
from graphs import node, quick, salt, sleeping
from PIL import Image


def flaky(fault, times):
    return {
        "1": node("ContractFlaky", fault=fault, times=times, salt=salt()),
        "2": node("ContractShow", value=["1", 0]),
    }


@pytest.mark.parametrize("fault", ["connection", "memory"])
async def test_a_failure_that_passes_is_tried_again(api, fault):
    task = await api.submit(flaky(fault, 1))

    seen = await api.finish(task["id"])

    last = seen[-1]
    assert last["status"] == "succeeded", last["error"]
    assert last["attempt"] == 2
    assert last["outputs"][0]["value"] == "2"
    assert "failed" not in {snapshot["status"] for snapshot in seen}


async def test_out_of_memory_is_tried_once_more_only(api):
    task = await api.run(flaky("memory", 9), max_attempts=9)
    assert (task["status"], task["attempt"], task["error"]["code"]) == ("failed", 2, "OUT_OF_MEMORY")


async def test_a_nodes_own_bug_is_not_tried_again(api):
    task = await api.run(flaky("value", 1))
    assert (task["status"], task["attempt"]) == ("failed", 1)


async def test_attempts_are_bounded(api):
    task = await api.run(flaky("connection", 9), max_attempts=2)
    assert (task["status"], task["attempt"], task["max_attempts"]) == ("failed", 2, 2)


async def test_a_task_can_be_run_again_by_hand(api):
    failed = await api.run(flaky("value", 1), metadata={"order": "A-1"})

    headers = {"Idempotency-Key": uuid.uuid4().hex}
    again = await api.post(f"/ext/tasks/{failed['id']}/retry", status=202, headers=headers)
    assert (await api.post(f"/ext/tasks/{failed['id']}/retry", status=202, headers=headers)) == again
    last = (await api.finish(again["id"]))[-1]

    assert again["id"] != failed["id"]
    assert (last["status"], last["retry_of"], last["metadata"]) == (
        "succeeded",
        failed["id"],
        {"order": "A-1"},
    )
    assert (await api.task(failed["id"]))["status"] == "failed"


async def test_the_same_key_gives_the_same_answer_and_one_task(api):
    body = {"workflow": quick()}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = await api.post("/ext/tasks", body, status=202, headers=headers)
    await api.finish(first["id"])

    async with api.session.post("/ext/tasks", json=body, headers=headers) as reply:
        assert reply.status == 202
        assert reply.headers["Idempotent-Replayed"] == "true"
        assert await reply.json() == first

    error = await api.error("/ext/tasks", {"workflow": quick()}, status=409, headers=headers)
    assert error["code"] == "IDEMPOTENCY_CONFLICT"


async def test_a_refused_request_does_not_use_up_its_key(api):
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    await api.error("/ext/tasks", {"workflow": {}}, status=400, headers=headers)
    await api.post("/ext/tasks", {"workflow": quick()}, status=202, headers=headers)


async def test_racing_requests_with_one_key_make_one_task(api):
    body = {"workflow": quick()}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    replies = await asyncio.gather(
        *(api.post("/ext/tasks", body, status=202, headers=headers) for _ in range(8))
    )
    assert len({reply["id"] for reply in replies}) == 1


async def test_a_submit_can_wait_for_the_end(api):
    async with api.session.post("/ext/tasks?wait=30", json={"workflow": quick(3)}) as reply:
        assert reply.status == 200
        task = await reply.json()
    assert (task["status"], task["outputs"][0]["value"]) == ("succeeded", "3")

    async with api.session.post("/ext/tasks?wait=0.1", json={"workflow": sleeping(seconds=1)}) as reply:
        assert reply.status == 202
        task = await reply.json()
    await api.finish(task["id"])


async def test_a_poll_can_wait_for_a_change(api):
    task = await api.submit(sleeping(seconds=1.0, steps=5))
    etag, statuses = "", []
    while not statuses or statuses[-1] != "succeeded":
        async with api.session.get(f"/ext/tasks/{task['id']}", params={"wait": "20", "etag": etag}) as reply:
            assert reply.status == 200
            assert reply.headers["ETag"] != etag
            etag = reply.headers["ETag"]
            statuses.append((await reply.json())["status"])
    assert len(statuses) < 40


async def test_a_tasks_events_begin_with_its_state_and_end_with_its_end(api):
    task = await api.submit(sleeping(seconds=0.6, steps=6))

    seen = [event async for event in api.events(f"/ext/tasks/{task['id']}/events")]

    names = [name for _, name, _ in seen]
    assert names[0] == "state"
    assert seen[0][2]["id"] == task["id"]
    assert {"node", "progress", "output", "status"} <= set(names)
    assert names[-1] == "status"
    assert seen[-1][2]["status"] == "succeeded"
    numbers = [int(event_id.partition("-")[2]) for event_id, _, _ in seen]
    assert numbers == sorted(set(numbers))
    assert {data["task_id"] for _, name, data in seen if name != "state"} == {task["id"]}


async def test_events_go_on_after_a_cut_without_loss_or_repeat(api):
    task = await api.submit(sleeping(seconds=1.0, steps=10))
    path = f"/ext/tasks/{task['id']}/events"
    whole = asyncio.create_task(collect(api, path))
    first = []
    async for event in api.events(path):
        first.append(event)
        if event[1] == "progress":
            break
    await asyncio.sleep(0.3)
    rest = [event async for event in api.events(path, last=first[-1][0])]

    mine, theirs = ({number_of(event): event for event in seen if event[1] != "state"} for seen in
                    ([*first, *rest], await whole))  # fmt: skip
    assert len(mine) == len([event for event in [*first, *rest] if event[1] != "state"])  # no repeat
    # the two began at different moments: what came before either was there is in its state
    both = max(min(mine), min(theirs))
    assert {n: event for n, event in mine.items() if n >= both} == {
        n: event for n, event in theirs.items() if n >= both
    }
    assert rest[0][1] != "state"


def number_of(event):
    return int(event[0].partition("-")[2])


async def collect(api, path):
    return [event async for event in api.events(path)]


async def test_a_late_reader_of_a_finished_task_gets_its_state(api):
    task = await api.run(quick())
    seen = await collect(api, f"/ext/tasks/{task['id']}/events")
    assert [name for _, name, _ in seen] == ["state"]
    assert seen[0][2]["status"] == "succeeded"


async def test_everything_is_told_in_one_stream(api):
    async with api.paused():
        stream = api.events("/ext/events")
        state = await anext(stream)
        assert state[1] == "state"
        task = await api.submit(quick())
    queued = await api.post("/prompt", {"prompt": quick()})
    ends = set()
    async for _, name, data in stream:
        if name == "task.status" and data["status"] == "succeeded":
            ends.add(data["task_id"])
        if ends == {task["id"], queued["prompt_id"]}:
            break
    await stream.aclose()


async def test_events_of_an_unknown_task_are_a_404(api):
    error = await api.error("/ext/tasks/no-such-task/events", method="GET", status=404)
    assert error["code"] == "TASK_NOT_FOUND"


async def test_a_batch_is_queued_whole_and_polled_by_one_id(api):
    body = {"tasks": [{"workflow": quick(value)} for value in range(3)] + [{"workflow": flaky("value", 1)}]}

    batch = await api.post("/ext/tasks/batch", body, status=202)
    for task_id in batch["ids"]:
        await api.finish(task_id)
    listed = await api.get(batch["url"])

    assert {name: count for name, count in listed["counts"].items() if count} == {
        "succeeded": 3,
        "failed": 1,
    }
    assert {task["id"] for task in listed["items"]} == set(batch["ids"])


async def test_a_batch_with_one_fault_queues_nothing(api):
    before = (await api.get("/ext/tasks?limit=1"))["items"]
    body = {"tasks": [{"workflow": quick()}, {"workflow": {"1": node("NoSuchNode")}}]}

    error = await api.error("/ext/tasks/batch", body, status=422)

    assert error["code"] == "UNKNOWN_NODE_CLASS"
    assert (await api.get("/ext/tasks?limit=1"))["items"] == before


async def test_a_grid_of_params_makes_a_task_of_each_combination(api):
    task = {"workflow": quick(), "metadata": {"what": "sweep"}}
    body = {"task": task, "grid": {"1.value": [3, 4], "1.salt": [salt(), salt(), salt()]}}

    batch = await api.post("/ext/tasks/batch", body, status=202)
    ends = [(await api.finish(task_id))[-1] for task_id in batch["ids"]]

    assert [end["outputs"][0]["value"] for end in ends] == ["3", "3", "3", "4", "4", "4"]
    assert ends[0]["metadata"]["grid"]["1.value"] == 3
    assert ends[0]["metadata"]["what"] == "sweep"
    for wrong in [{"grid": {"seed": [1]}}, {"task": task}, {}, {"task": task, "grid": {"a": []}}]:
        error = await api.error("/ext/tasks/batch", wrong, status=400)
        assert error["code"] == "INVALID_REQUEST"


async def test_many_tasks_are_cancelled_in_one_request(api):
    async with api.paused():
        made = [(await api.submit(quick()))["id"] for _ in range(3)]
        body = {"ids": [*made, "no-such-task"]}
        results = (await api.post("/ext/tasks/cancel", body))["results"]
    assert [results[task_id] for task_id in made] == [{"status": "cancelled"}] * 3
    assert results["no-such-task"]["error"]["code"] == "TASK_NOT_FOUND"
    assert [(await api.task(task_id))["status"] for task_id in made] == ["cancelled"] * 3


async def test_a_finished_task_can_be_forgotten(api):
    task = await api.run(quick())
    async with api.session.delete(f"/ext/tasks/{task['id']}") as reply:
        assert reply.status == 204
    await api.error(f"/ext/tasks/{task['id']}", method="GET", status=404)

    running = await api.submit(sleeping(seconds=5))
    error = await api.error(f"/ext/tasks/{running['id']}", method="DELETE", status=409)
    assert error["code"] == "TASK_NOT_FINISHED"
    await api.post(f"/ext/tasks/{running['id']}/cancel", status=None)
    await api.finish(running["id"])


async def test_tasks_are_found_by_their_metadata(api):
    label = salt()
    task = await api.run(quick(), metadata={"order": label, "page": 3})
    await api.run(quick(), metadata={"order": "other"})

    found = await api.get(f"/ext/tasks?metadata.order={label}&metadata.page=3&status=succeeded")

    assert [one["id"] for one in found["items"]] == [task["id"]]
    assert (await api.get(f"/ext/tasks?metadata.order={label}&metadata.page=4"))["items"] == []


def text_to_image(steps=3):
    return {
        "1": node("CheckpointLoaderSimple", ckpt_name="v1-5-pruned-emaonly-fp16.safetensors"),
        "2": node("CLIPTextEncode", text="a house", clip=["1", 1]),
        "3": node("CLIPTextEncode", text="blurry", clip=["1", 1]),
        "4": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "5": node(
            "KSampler", model=["1", 0], positive=["2", 0], negative=["3", 0], latent_image=["4", 0],
            seed=1, steps=steps, cfg=7.0, sampler_name="euler", scheduler="normal", denoise=1.0,
        ),
        "6": node("VAEDecode", samples=["5", 0], vae=["1", 2]),
        "7": node("SaveImage", images=["6", 0], filename_prefix="contract_txt"),
    }  # fmt: skip


def load_image():
    return {"1": node("LoadImage", image="example.png"), "2": node("PreviewImage", images=["1", 0])}


def png(color=(200, 30, 40), size=(24, 16)):
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, format="PNG")
    return buffer.getvalue()


async def test_well_known_params_and_loras_are_put_into_the_workflow(api):
    if api.server.kind != "sandbox":
        pytest.skip("needs a checkpoint that runs")
    params = {"prompt": "a boat", "seed": "random", "steps": 2, "width": 128}
    loras = (await api.get("/models/loras"))[:1]

    task = await api.run(
        text_to_image(), params=params, loras=[{"name": loras[0], "weight": 0.8}], client_id="me"
    )

    assert task["status"] == "succeeded", task["error"]
    assert task["outputs"][0]["width"] == 128
    assert task["nodes"]["5"]["max"] == 2
    assert "LoraLoader" in {about["class_type"] for about in task["nodes"].values()}
    changed = json.dumps(task["changes"])
    assert "a boat" in changed
    history = await api.get(f"/history/{task['id']}")
    ran = history[task["id"]]["prompt"][2]
    assert ran["2"]["inputs"]["text"] == "a boat"
    assert ran["5"]["inputs"]["seed"] != 1


async def test_a_param_that_fits_nowhere_is_named(api):
    error = await api.error("/ext/tasks", {"workflow": quick(), "params": {"prompt": "x"}}, status=422)
    assert error["code"] == "PARAM_NOT_FOUND"


async def test_an_image_can_come_as_base64(api):
    files = {"1.image": {"base64": base64.b64encode(png()).decode()}}

    task = await api.run(load_image(), files=files)

    assert task["status"] == "succeeded", task["error"]
    assert (task["outputs"][0]["width"], task["outputs"][0]["height"]) == (24, 16)


async def test_an_image_can_come_with_the_form(api):
    form = aiohttp.FormData()
    form.add_field("picture", png(size=(30, 20)), filename="anything.png", content_type="image/png")
    body = {"workflow": load_image(), "files": {"image": {"upload": "picture"}}}
    form.add_field("task", json.dumps(body), content_type="application/json")

    async with api.session.post("/ext/tasks?wait=30", data=form) as reply:
        task = await reply.json()
        assert reply.status == 200, task

    assert (task["outputs"][0]["width"], task["outputs"][0]["height"]) == (30, 20)


async def test_a_file_that_is_no_image_is_refused(api):
    files = {"image": {"base64": base64.b64encode(b"<svg onload=alert(1)>").decode()}}
    error = await api.error("/ext/tasks", {"workflow": load_image(), "files": files}, status=422)
    assert error["code"] == "INPUT_TYPE_REFUSED"


async def test_a_file_from_a_private_address_is_refused(api):
    files = {"image": "https://127.0.0.1/secret.png"}
    error = await api.error("/ext/tasks", {"workflow": load_image(), "files": files}, status=422)
    assert error["code"] == "OUTBOUND_REFUSED"


async def test_a_webhook_to_a_private_address_is_refused(api):
    body = {"workflow": quick(), "webhook": "https://169.254.169.254/latest"}
    error = await api.error("/ext/tasks", body, status=422)
    assert error["code"] == "OUTBOUND_REFUSED"


async def test_small_outputs_can_be_handed_over_in_the_task(api):
    task = await api.run(
        {
            "1": node("EmptyImage", width=8, height=8, batch_size=1, color=7),
            "2": node("PreviewImage", images=["1", 0]),
        },
        delivery="base64",
    )
    assert base64.b64decode(task["outputs"][0]["base64"]).startswith(b"\x89PNG")


async def test_outputs_have_thumbnails(api):
    task = await api.run(
        {
            "1": node("EmptyImage", width=400, height=200, batch_size=1, color=7),
            "2": node("PreviewImage", images=["1", 0]),
        }
    )
    url = task["outputs"][0]["url"]
    async with api.session.get(url, params={"width": "100", "format": "webp"}) as reply:
        assert reply.status == 200
        assert reply.content_type == "image/webp"
        image = Image.open(io.BytesIO(await reply.read()))
    assert image.size == (100, 50)
    error = await api.error(f"{url}?width=9", method="GET", status=400)
    assert error["code"] == "INVALID_REQUEST"


async def test_what_a_run_logs_is_kept_by_node(api):
    graph = {
        "1": node("ContractLog", lines=3, salt=salt()),
        "2": node("ContractShow", value=["1", 0]),
    }
    task = await api.run(graph)

    page = await api.get(f"/ext/tasks/{task['id']}/logs")

    mine = [line for line in page["items"] if line["node_id"] == "1"]
    assert [line["text"] for line in mine] == [
        "line 0 Bearer [redacted]",
        "line 1 Bearer [redacted]",
        "line 2 Bearer [redacted]",
    ]
    later = await api.get(f"/ext/tasks/{task['id']}/logs?after={page['next_after']}")
    assert later["items"] == []


async def test_the_time_until_the_end_is_learned(api):
    first = await api.submit(sleeping(seconds=0.8, steps=8))
    await api.finish(first["id"])
    second = await api.submit(sleeping(seconds=0.8, steps=8))

    seen = await api.finish(second["id"])

    told = [task["eta_s"] for task in seen if task["status"] == "running" and task["eta_s"] is not None]
    assert told
    assert all(0 <= seconds < 5 for seconds in told)
    assert seen[-1]["eta_s"] is None


async def test_the_memory_of_each_node_is_told(api):
    task = await api.run(sleeping(seconds=0.3))
    assert task["nodes"]["1"]["ram_peak"] > 1_000_000
