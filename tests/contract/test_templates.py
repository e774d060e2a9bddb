"""Templates on a server: kept, found again after a restart, proposed, shipped, filled in with files."""

import base64
import io
import json
import uuid

import aiohttp
import pytest
from api_client import Api
from graphs import image, node
from PIL import Image

SIZE = {"node": "1", "field": "width", "type": "integer", "min": 16, "max": 512}


async def put(api, name, document, *, status=201, **headers):
    async with api.session.put(f"/ext/templates/{name}", json=document, headers=headers) as reply:
        text = await reply.text()
        assert reply.status == status, text
        return json.loads(text), reply.headers.get("ETag")


@pytest.fixture
def name():
    return f"poster-{uuid.uuid4().hex[:8]}"


def picture():
    out = io.BytesIO()
    Image.new("RGB", (24, 12), "red").save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


async def test_versions_are_kept_and_told_apart(api, name):
    first, etag = await put(api, name, {"workflow": image(), "inputs": {"size": SIZE}})
    await put(
        api, name, {"workflow": image(), "inputs": {"size": SIZE}}, status=412, **{"If-None-Match": "*"}
    )
    document = {**first, "title": "Larger", "inputs": {"size": {**SIZE, "max": 1024}}}
    second, _ = await put(api, name, document, **{"If-Match": etag})
    assert (second["version"], second["title"]) == (2, "Larger")
    assert second["digest"] != first["digest"]
    assert await api.get(f"/ext/templates/{name}@1") == first
    schema = await api.get(f"/ext/templates/{name}/schema")
    assert schema["properties"]["size"]["maximum"] == 1024
    assert schema["properties"]["size"]["default"] == 64
    [row] = (await api.get(f"/ext/templates?q={name}"))["items"]
    assert (row["version"], row["versions"], row["fault"]) == (2, 2, None)
    async with api.session.delete(f"/ext/templates/{name}") as reply:
        assert reply.status == 204
    assert (await api.error(f"/ext/templates/{name}", method="GET", status=404))[
        "code"
    ] == "TEMPLATE_NOT_FOUND"


async def test_limits_come_from_the_nodes_of_this_server(api, name):
    await put(
        api,
        name,
        {"workflow": image(), "inputs": {"n": {"node": "1", "field": "batch_size", "type": "integer"}}},
    )
    spec = await api.get("/ext/catalog/EmptyImage")
    [param] = [param for param in spec["params"] if param["name"] == "batch_size"]
    schema = await api.get(f"/ext/templates/{name}/schema")
    assert schema["properties"]["n"]["maximum"] == param["max"]
    error = await api.error(f"/ext/templates/{name}/preview", {"inputs": {"n": param["max"] + 1}}, status=422)
    assert error["details"]["inputs"] == {"n": f"must be at most {param['max']}"}
    error = await api.error(
        f"/ext/templates/{name}",
        {"workflow": image(), "inputs": {"n": {"node": "1", "field": "batch_sise", "type": "integer"}}},
        method="PUT",
        status=422,
    )
    assert "did you mean 'batch_size'?" in error["details"]["fields"]["inputs.n.field"]


async def test_what_the_page_saves_becomes_a_template_by_its_titles(api, name):
    graph = image()
    graph["1"]["_meta"] = {"title": "$width $tall.height"}
    graph["3"]["_meta"] = {"title": "$poster"}
    drawn = (await api.post("/ext/workflow/convert?to=ui", {"workflow": graph}))["workflow"]
    proposal = await api.post("/ext/templates/propose", {"workflow": drawn})
    assert proposal["inputs"] == {
        "width": {"node": "1", "field": "width", "type": "integer"},
        "tall": {"node": "1", "field": "height", "type": "integer"},
    }
    assert proposal["outputs"] == {"poster": {"node": "3"}}
    made, _ = await put(api, name, {"workflow": drawn, "propose": True})
    assert (made["inputs"], made["outputs"], made["ui"]) == (proposal["inputs"], proposal["outputs"], drawn)
    task = await api.post("/ext/tasks", {"template": name, "inputs": {"tall": 24}}, status=202)
    task = (await api.finish(task["id"]))[-1]
    assert task["status"] == "succeeded", task["error"]
    assert [(output["output"], output["height"]) for output in task["outputs"]] == [("poster", 24)]


async def test_a_file_is_an_input(api, name):
    workflow = {
        "1": node("LoadImage", image="missing.png"),
        "2": node("ImageInvert", image=["1", 0]),
        "3": node("SaveImage", images=["2", 0], filename_prefix=name),
    }
    await put(
        api,
        name,
        {
            "workflow": workflow,
            "inputs": {"photo": {"node": "1", "field": "image", "type": "image", "required": True}},
        },
    )
    error = await api.error("/ext/tasks", {"template": name}, status=422)
    assert error["details"]["inputs"] == {"photo": "missing"}
    task = await api.post(
        "/ext/tasks", {"template": name, "inputs": {"photo": {"base64": picture()}}}, status=202
    )
    task = (await api.finish(task["id"]))[-1]
    assert task["status"] == "succeeded", task["error"]
    assert (task["outputs"][0]["width"], task["inputs"]) == (24, {"photo": {"base64": None}})
    await api.error("/ext/tasks", {"template": name, "inputs": {"photo": "../../etc/passwd"}}, status=422)


async def test_the_shipped_templates_are_there_and_read_only(api):
    page = await api.get("/ext/templates?limit=500")
    shipped = [row for row in page["items"] if row["read_only"]]
    assert sum(row["kind"] == "template" for row in shipped) >= 5
    assert sum(row["kind"] == "fragment" for row in shipped) >= 4
    assert [row["name"] for row in shipped if row["fault"]] == []
    first = shipped[0]["name"]
    error = await api.error(f"/ext/templates/{first}", {"workflow": image()}, method="PUT", status=403)
    assert error["code"] == "TEMPLATE_READ_ONLY"


async def test_the_document_of_the_api_has_the_inputs_of_templates(api, name):
    await put(api, name, {"workflow": image(), "inputs": {"size": SIZE}})
    document = json.dumps(await api.get("/ext/openapi.json"))
    assert f"{name}@1" in document


async def test_templates_are_files_that_outlive_the_server_and_may_be_changed(lives, name, tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    (given / "from-git.json").write_text(json.dumps({"workflow": image()}))
    with lives(BACKPLANE_TEMPLATES_DIRS=str(given)) as server:
        async with aiohttp.ClientSession(server.url) as session:
            api = Api(server, session)
            made, _ = await put(api, name, {"workflow": image(), "inputs": {"size": SIZE}})
            assert (await api.get("/ext/templates/from-git"))["read_only"] is True
            base = server.models.parent
            [file] = [*base.rglob(f"{name}/1.json")]
            document = json.loads(file.read_text())
            assert document["digest"] == made["digest"]
            document["inputs"]["size"]["max"] = 100
            file.write_text(json.dumps(document))
            changed = await api.get(f"/ext/templates/{name}")
            assert (changed["edited"], changed["inputs"]["size"]["max"]) == (True, 100)
            (file.parent / "2.json").write_text("<<<<<<< HEAD")
            error = await api.error(f"/ext/templates/{name}", method="GET", status=422)
            assert error["code"] == "TEMPLATE_INVALID"
            (file.parent / "2.json").unlink()
    with lives() as server:
        async with aiohttp.ClientSession(server.url) as session:
            api = Api(server, session)
            assert await api.get(f"/ext/templates/{name}") == changed
            await api.error("/ext/templates/from-git", method="GET", status=404)


async def test_a_locked_server_keeps_and_deletes_nothing(lives, name):
    with lives(BACKPLANE_LOCKED="1") as server:
        async with aiohttp.ClientSession(server.url) as session:
            api = Api(server, session)
            path = f"/ext/templates/{name}"
            assert (await api.error(path, {"workflow": image()}, method="PUT", status=403))[
                "code"
            ] == "LOCKED"
            assert (await api.error(path, method="DELETE", status=403))["code"] == "LOCKED"
