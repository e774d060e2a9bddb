"""/ext/templates over HTTP."""

import json

import pytest
from aiohttp import web
from backplane.access import AllowList
from backplane.routes._http import enveloped
from backplane.routes.templates import TemplateRoutes
from backplane.services import Late
from backplane.settings import Settings
from templating import at, kept, patch_fragment, poster, text_to_image, write

PATH = "/ext/templates"


@pytest.fixture
async def serve(aiohttp_client, tmp_path):
    async def serve(**more):
        settings = Settings(max_body_bytes=200_000)
        routes = TemplateRoutes(Late(lambda: kept(tmp_path, tmp_path / "given", **more)), settings)
        app = web.Application()
        for method, path, handler in [
            ("GET", "", routes.index),
            ("POST", "/propose", routes.propose),
            ("GET", "/{name}", routes.one),
            ("PUT", "/{name}", routes.put),
            ("DELETE", "/{name}", routes.delete),
            ("GET", "/{name}/versions", routes.versions),
            ("GET", "/{name}/schema", routes.schema),
            ("POST", "/{name}/preview", routes.preview),
        ]:
            app.router.add_route(method, PATH + path, enveloped(handler))
        return await aiohttp_client(app)

    return serve


@pytest.fixture
async def client(serve):
    return await serve()


async def send(client, method, path, body=None, status=200, **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if body is None or isinstance(body, bytes) else json.dumps(body)
    async with client.request(method, PATH + path, data=data, headers=names) as answer:
        text = await answer.text()
        assert answer.status == status, text
        return (json.loads(text) if text else None), answer.headers


async def test_a_template_from_put_to_delete(client):
    made, headers = await send(client, "PUT", "/poster", poster(), 201)
    assert headers["Location"] == "/ext/templates/poster@1"
    assert (made["name"], made["version"], made["kind"]) == ("poster", 1, "template")
    again, same = await send(client, "PUT", "/poster", poster(), 200)
    assert (again, same["ETag"]) == (made, headers["ETag"])
    got, of_get = await send(client, "GET", "/poster@1")
    assert got == made
    assert of_get["ETag"].replace("-gzip", "") == headers["ETag"]
    _, _ = await send(client, "GET", "/poster", status=304, If_None_Match=of_get["ETag"])
    rows, _ = await send(client, "GET", "/poster/versions")
    assert [row["version"] for row in rows["items"]] == [1]
    await send(client, "DELETE", "/poster@1", status=204)
    error, _ = await send(client, "GET", "/poster", status=404)
    assert error["error"]["code"] == "TEMPLATE_NOT_FOUND"


async def test_the_etag_of_a_compressed_reply_will_do_for_if_match(client):
    await send(client, "PUT", "/poster", {**poster(), "description": "x" * 2000}, 201)
    _, packed = await send(client, "GET", "/poster", Accept_Encoding="gzip")
    assert packed["ETag"].endswith('-gzip"')
    await send(client, "GET", "/poster", status=304, If_None_Match=packed["ETag"], Accept_Encoding="gzip")
    other = {**poster(), "title": "Other"}
    made, _ = await send(client, "PUT", "/poster", other, 201, If_Match=packed["ETag"])
    assert made["version"] == 2
    error, _ = await send(client, "PUT", "/poster", poster(), 412, If_Match=packed["ETag"])
    assert error["error"]["code"] == "TEMPLATE_CHANGED"
    await send(client, "DELETE", "/poster", status=412, If_Match=packed["ETag"])
    await send(client, "PUT", "/poster", poster(), 412, If_None_Match="*")
    await send(client, "PUT", "/poster", poster(), 400, If_None_Match='"x"')
    await send(client, "PUT", "/other", poster(), 201, If_None_Match="*")


async def test_lists_are_pages(client, tmp_path):
    for name in ("a", "b", "c"):
        await send(client, "PUT", f"/{name}", {**poster(), "tags": [name]}, 201)
    await send(client, "PUT", "/f", patch_fragment(), 201)
    page, headers = await send(client, "GET", "?limit=2")
    assert [row["name"] for row in page["items"]] == ["a", "b"]
    rest, _ = await send(client, "GET", f"?limit=2&cursor={page['next_cursor']}")
    assert [row["name"] for row in rest["items"]] == ["c", "f"]
    assert rest["next_cursor"] is None
    await send(client, "GET", "?limit=2", status=304, If_None_Match=headers["ETag"])
    assert [row["name"] for row in (await send(client, "GET", "?kind=fragment"))[0]["items"]] == ["f"]
    assert [row["name"] for row in (await send(client, "GET", "?tag=b"))[0]["items"]] == ["b"]
    assert [row["name"] for row in (await send(client, "GET", "?q=poster"))[0]["items"]] == ["a", "b", "c"]
    write(tmp_path / "templates" / "b" / "2.json", "{")
    row = (await send(client, "GET", "?limit=3"))[0]["items"][1]
    assert (row["name"], row["version"], row["kind"]) == ("b", 2, None)
    assert row["fault"].startswith("is not JSON")


@pytest.mark.parametrize(
    "path", ["?kind=x", "?limit=0", "?limit=501", "?cursor=../x", "?cursor=", "?sort=name", "/poster?x=1"]
)
async def test_a_query_that_is_not_understood_is_refused(client, path):
    error, _ = await send(client, "GET", path, status=400)
    assert error["error"]["details"]["fields"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "INVALID_JSON"),
        ([], 400, "INVALID_REQUEST"),
        ({"workflow": text_to_image(), "inptus": {}}, 400, "INVALID_REQUEST"),
        ({}, 422, "TEMPLATE_INVALID"),
        (poster(a=at("5", "steps", "image")), 422, "TEMPLATE_INVALID"),
        (
            {"workflow": {"1": {"class_type": "Text", "inputs": {"text": "x" * 200_000}}}},
            413,
            "BODY_TOO_LARGE",
        ),
        (b"[" * 100_000, 400, "INVALID_JSON"),
        (b'{"workflow": {"1": {"class_type": "A", "inputs": {"x": NaN}}}}', 422, "TEMPLATE_INVALID"),
    ],
)
async def test_a_document_that_is_none_is_refused(client, body, status, code):
    error, _ = await send(client, "PUT", "/poster", body, status)
    assert error["error"]["code"] == code
    assert (await send(client, "GET", ""))[0]["items"] == []


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "..%2f..%2fpasswd", "Poster", "a%00", "a@0", "a b", "nul", "%EF%BC%8E"]
)
async def test_a_name_that_is_none_leads_nowhere(client, tmp_path, name):
    for method, body in (("GET", None), ("DELETE", None), ("PUT", poster())):
        async with client.request(method, f"{PATH}/{name}", data=json.dumps(body)) as answer:
            assert answer.status in {400, 404, 405}
    assert not (tmp_path / "templates").exists()


async def test_the_schema_is_what_a_form_needs(client):
    await send(client, "PUT", "/poster", poster(), 201)
    document, headers = await send(client, "GET", "/poster@1/schema")
    assert document["properties"]["steps"]["maximum"] == 50
    await send(client, "GET", "/poster/schema", status=304, If_None_Match=headers["ETag"])
    await send(client, "GET", "/poser/schema", status=404)


async def test_a_preview_fills_in_and_runs_nothing(client):
    await send(client, "PUT", "/poster", poster(), 201)
    found, _ = await send(
        client, "POST", "/poster/preview", {"inputs": {"prompt": "a dog", "seed": "random"}}
    )
    assert found["workflow"]["2"]["inputs"]["text"] == "a dog"
    assert found["inputs"]["seed"] == found["workflow"]["5"]["inputs"]["seed"]
    assert found["drawn"][0]["places"] == [["5", "seed"]]
    assert (found["outputs"], found["files"]) == (["7"], [])
    error, _ = await send(client, "POST", "/poster/preview", {"inputs": {"steps": 99}}, 422)
    assert error["error"]["code"] == "TEMPLATE_INPUT_INVALID"
    assert error["error"]["details"]["inputs"] == {"steps": "must be at most 50"}
    await send(client, "POST", "/poster/preview", {"inputs": []}, 400)
    await send(client, "POST", "/poster/preview", {"input": {}}, 400)


async def test_a_proposal_is_made_of_a_workflow(client):
    found, _ = await send(client, "POST", "/propose", {"workflow": text_to_image()})
    assert found["inputs"]["prompt"] == at("2", "text", "string")
    assert found.keys() == {"workflow", "node_ids", "inputs", "outputs", "from", "notes"}
    await send(client, "PUT", "/propose", {"workflow": text_to_image(), "propose": True}, 201)
    assert (await send(client, "GET", "/propose"))[0]["inputs"] == found["inputs"]
    assert (await send(client, "POST", "/propose", {}, 400))[0]["error"]["code"] == "WORKFLOW_MISSING"
    await send(client, "POST", "/propose", {"workflo": {}}, 400)


async def test_a_locked_server_shows_and_changes_nothing(serve, tmp_path):
    write(tmp_path / "given" / "poster.json", poster())
    client = await serve(locked=True)
    assert (await send(client, "GET", "/poster"))[0]["read_only"]
    for method, name in (("PUT", "/other"), ("PUT", "/poster"), ("DELETE", "/poster")):
        error, _ = await send(client, method, name, poster() if method == "PUT" else None, 403)
        assert error["error"]["code"] == "LOCKED"


async def test_what_is_only_read_and_what_is_not_allowed_are_refused(serve, tmp_path):
    write(tmp_path / "given" / "poster.json", poster())
    client = await serve(allowed=AllowList("Text"))
    error, _ = await send(
        client, "PUT", "/poster", {"workflow": {"1": {"class_type": "Text", "inputs": {}}}}, 403
    )
    assert error["error"]["code"] == "TEMPLATE_READ_ONLY"
    error, _ = await send(client, "PUT", "/mine", poster(), 403)
    assert error["error"]["code"] == "NODE_CLASS_NOT_ALLOWED"
    assert len(error["error"]["details"]["nodes"]) == 5


async def test_text_that_utf_8_cannot_hold_does_no_harm(client):
    document = poster()
    document["workflow"]["2"]["inputs"]["text"] = "\ud800"
    await send(client, "PUT", "/poster", document, 201)
    assert (await send(client, "GET", "/poster"))[0]["workflow"] == document["workflow"]
    schema, _ = await send(client, "GET", "/poster/schema")
    assert schema["properties"]["prompt"]["default"] == "\ud800"
    await send(client, "POST", "/poster/preview", {})
    await send(client, "POST", "/propose", {"workflow": document["workflow"]})
    await send(client, "PUT", "/poster", document, 200)
