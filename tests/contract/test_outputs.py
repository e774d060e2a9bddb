"""Favourites, ratings, the trash and the export of outputs, on every host."""

import asyncio
import json
import time

import pytest
from graphs import image, node, quick, salt, sleeping


async def send(api, method, path, body=None, status=200):
    async with api.session.request(method, path, json=body) as answer:
        text = await answer.text()
        assert answer.status == status, text
        return json.loads(text) if text else None


async def lines(api, query=""):
    async with api.session.get(f"/ext/tasks/export?format=jsonl{query}") as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "application/jsonl"
        return [json.loads(line) for line in (await answer.text()).splitlines()]


async def output_of(api, task_id):
    [output] = (await api.task(task_id))["outputs"]
    return output


async def bytes_of(api, url, status=200):
    async with api.session.get(url) as answer:
        assert answer.status == status
        return await answer.read()


@pytest.fixture
async def task(api):
    return await api.run(image(), metadata={"test": salt()})


@pytest.fixture
def url(task):
    return task["outputs"][0]["url"]


async def test_an_output_is_marked_and_everything_else_stays(api, task, url):
    output = task["outputs"][0]
    assert (output["favourite"], output["rating"], output["deleted"]) == (False, None, False)
    async with api.session.get(f"/ext/tasks/{task['id']}") as answer:
        etag = answer.headers["ETag"]

    assert await send(api, "PATCH", url, {"favourite": True}) == {**output, "favourite": True}
    marked = await send(api, "PATCH", url, {"rating": "chosen"})
    assert marked == {**output, "favourite": True, "rating": "chosen"}

    assert await api.task(task["id"]) == {**task, "outputs": [marked]}
    async with api.session.get(f"/ext/tasks/{task['id']}", headers={"If-None-Match": etag}) as answer:
        assert answer.status == 200
    [listed] = (await api.get(f"/ext/tasks?metadata.test={task['metadata']['test']}"))["items"]
    assert listed["outputs"] == [marked]
    [polled] = (await api.get(f"/ext/tasks?ids={task['id']}"))["items"]
    assert polled["outputs"] == [marked]

    assert await send(api, "PATCH", url, {"favourite": False, "rating": None}) == output
    assert await api.task(task["id"]) == task


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"favourite", "rating"}),
        ({"rating": "good"}, {"rating"}),
        ({"favourite": None}, {"favourite"}),
        ({"favourite": 1}, {"favourite"}),
        ({"stars": 5}, {"stars"}),
    ],
)
async def test_what_cannot_be_noted_is_refused_by_name(api, url, body, fields):
    error = await api.error(url, body, method="PATCH", status=400)
    assert error["code"] == "INVALID_REQUEST"
    assert error["details"]["fields"].keys() == fields


async def test_tasks_are_listed_by_their_marks(api):
    label = salt()
    ids = [(await api.run(quick(), metadata={"test": label}))["id"] for _ in range(4)]
    for task_id, body in zip(
        ids,
        [{"favourite": True}, {"rating": "chosen"}, {"favourite": True, "rating": "rejected"}],
        strict=False,
    ):
        await send(api, "PATCH", f"/ext/tasks/{task_id}/outputs/0", body)

    async def listed(query):
        page = await api.get(f"/ext/tasks?metadata.test={label}&{query}")
        return [ids.index(item["id"]) for item in page["items"]]

    assert await listed("favourite=1") == [2, 0]
    assert await listed("favourite=0") == [3, 1]
    assert await listed("rating=chosen") == [1]
    assert await listed("favourite=1&rating=rejected") == [2]
    assert await listed("favourite=1&rating=chosen") == []
    assert await listed("favourite=0&rating=chosen&status=succeeded&kind=prompt") == [1]
    error = await api.error("/ext/tasks?rating=good", method="GET", status=400)
    assert error["details"]["fields"].keys() == {"rating"}


async def test_a_deleted_output_is_gone_and_comes_back(api, task, url):
    content = await bytes_of(api, url)
    await send(api, "DELETE", url, status=204)
    await send(api, "DELETE", url, status=204)
    assert (await output_of(api, task["id"]))["deleted"]
    await bytes_of(api, url, 404)
    await bytes_of(api, f"{url}?width=64", 404)
    output = task["outputs"][0]
    view = f"/view?filename={output['filename']}&subfolder={output['subfolder']}&type={output['type']}"
    await bytes_of(api, view, 404)

    assert await send(api, "POST", f"{url}/restore") == output
    assert await send(api, "POST", f"{url}/restore") == output
    assert await bytes_of(api, url) == await bytes_of(api, view) == content
    assert await api.task(task["id"]) == task


async def test_a_file_that_took_the_name_is_never_overwritten(api):
    graph = image()
    first = await api.run(graph)
    url = first["outputs"][0]["url"]
    content = await bytes_of(api, url)
    await send(api, "DELETE", url, status=204)
    graph["1"]["inputs"]["color"] = 0xFF0000
    second = await api.run(graph)
    assert second["outputs"][0]["filename"] == first["outputs"][0]["filename"]
    await bytes_of(api, url, 404)
    restored = await send(api, "POST", f"{url}/restore")
    assert restored["filename"] not in {None, first["outputs"][0]["filename"]}
    assert await output_of(api, first["id"]) == restored
    assert await bytes_of(api, url) == content
    assert await bytes_of(api, second["outputs"][0]["url"]) != content

    await send(api, "DELETE", url, status=204)
    assert await send(api, "POST", f"{url}/restore") == restored
    assert await bytes_of(api, url) == content


async def test_only_files_of_runs_that_have_ended_are_deleted(api):
    shown = await api.run(quick())
    error = await api.error(f"/ext/tasks/{shown['id']}/outputs/0", method="DELETE", status=422)
    assert error["code"] == "OUTPUT_NOT_DELETABLE"

    running = await api.submit(sleeping(3))
    for method, path, body in [
        ("PATCH", "", {"favourite": True}),
        ("DELETE", "", None),
        ("POST", "/restore", None),
    ]:
        place = f"/ext/tasks/{running['id']}/outputs/0{path}"
        error = await api.error(place, body, method=method, status=409)
        assert error["code"] == "TASK_NOT_FINISHED"
    await api.post(f"/ext/tasks/{running['id']}/cancel", status=None)
    await api.finish(running["id"])

    for place in ("7", "x", "-1", "1" * 20):
        error = await api.error(f"/ext/tasks/{shown['id']}/outputs/{place}", method="DELETE", status=404)
        assert error["code"] == "OUTPUT_NOT_FOUND"
    error = await api.error("/ext/tasks/absent/outputs/0", {"favourite": True}, method="PATCH", status=404)
    assert error["code"] == "TASK_NOT_FOUND"


async def test_many_at_once_lose_nothing(api, task, url):
    bodies = [{"favourite": True}, {"rating": "rejected"}] * 5
    await asyncio.gather(*(send(api, "PATCH", url, body) for body in bodies))
    await asyncio.gather(*(send(api, "DELETE", url, status=204) for _ in range(5)))
    found = await asyncio.gather(*(send(api, "POST", f"{url}/restore") for _ in range(5)))
    expected = {**task["outputs"][0], "favourite": True, "rating": "rejected"}
    assert found == [expected] * 5


async def test_others_are_told_what_was_noted(api, task, url):
    stream = api.events("/ext/events")
    await anext(stream)
    await send(api, "PATCH", url, {"favourite": True})
    async for _, name, data in stream:
        if name == "output.changed":
            assert (data["task_id"], data["n"]) == (task["id"], 0)
            assert data["output"]["favourite"]
            break
    await stream.aclose()


async def test_the_export_has_a_line_for_each_finished_prompt(api):
    label = salt()
    seeded = {
        "1": node("ContractInt", value=1, salt=salt()),
        "2": node("ContractShow", value=["1", 0]),
    }
    tasks = [await api.run(seeded, metadata={"test": label})]
    tasks.append(await api.run(image(), metadata={"test": label}))
    await send(api, "PATCH", tasks[1]["outputs"][0]["url"], {"rating": "chosen"})

    found = await lines(api, f"&metadata.test={label}")
    assert [line["id"] for line in found] == [tasks[1]["id"], tasks[0]["id"]]
    picture, text = (line["outputs"][0] for line in found)
    assert picture["sha256"] == tasks[1]["outputs"][0]["sha256"] is not None
    assert (picture["url"], picture["rating"]) == (tasks[1]["outputs"][0]["url"], "chosen")
    assert text["value"] == tasks[0]["outputs"][0]["value"]
    assert found[0]["metadata"] == {"test": label}
    assert len({line["workflow_sha256"] for line in found}) == 2
    assert [line["id"] for line in await lines(api, f"&metadata.test={label}&rating=chosen")] == [
        tasks[1]["id"]
    ]
    assert await lines(api, f"&metadata.test={label}&favourite=1") == []


async def test_pairs_are_of_one_workflow_but_for_its_seeds(api):
    label = salt()

    def seeded(seed, mark):
        return {
            "1": node("ContractSeed", seed=seed, salt=mark),
            "2": node("ContractShow", value=["1", 0]),
        }

    same, other = salt(), salt()
    rated = [(1, same, "chosen"), (2, same, "rejected"), (3, same, None), (4, other, "chosen")]
    ids = []
    for seed, mark, rating in rated:
        task = await api.run(seeded(seed, mark), metadata={"test": label})
        ids.append(task["id"])
        await send(api, "PATCH", task["outputs"][0]["url"], {"rating": rating})
    [pair] = await lines(api, f"&pairs=1&metadata.test={label}")
    assert (pair["chosen"]["task_id"], pair["rejected"]["task_id"]) == (ids[0], ids[1])
    assert (pair["chosen"]["seeds"], pair["rejected"]["seeds"]) == ({"1.seed": 1}, {"1.seed": 2})


@pytest.mark.parametrize(
    "query", ["format=csv", "pairs=2", "pairs=1&rating=chosen", "rating=x", "limit=3", "since=y"]
)
async def test_what_the_export_does_not_know_is_refused(api, query):
    error = await api.error(f"/ext/tasks/export?{query}", method="GET", status=400)
    assert error["code"] == "INVALID_REQUEST"


async def test_marks_and_the_trash_outlive_the_server(lives, tmp_path):
    import aiohttp
    from api_client import Api

    with lives() as server:
        async with aiohttp.ClientSession(server.url) as session:
            api = Api(server, session)
            task = await api.run(image())
            url = task["outputs"][0]["url"]
            content = await bytes_of(api, url)
            await send(api, "PATCH", url, {"rating": "chosen"})
            await send(api, "DELETE", url, status=204)
    with lives() as server:
        async with aiohttp.ClientSession(server.url) as session:
            api = Api(server, session)
            deadline = time.monotonic() + 30
            while (await api.get("/ext/queue"))["length"]:
                assert time.monotonic() < deadline
            output = await output_of(api, task["id"])
            assert (output["rating"], output["deleted"]) == ("chosen", True)
            assert await send(api, "POST", f"{url}/restore") == {**task["outputs"][0], "rating": "chosen"}
            assert await bytes_of(api, url) == content
