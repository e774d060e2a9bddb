"""The model library over HTTP."""

import gzip
import hashlib
import json
from urllib.parse import quote

import pytest
from aiohttp import web
from backplane.routes._http import enveloped
from backplane.routes.models import ModelRoutes
from backplane.services import Late
from backplane.settings import Settings
from fake_models import FakeModels, opened, safetensors


@pytest.fixture
def host(tmp_path):
    return FakeModels(tmp_path / "models")


@pytest.fixture
async def client(host, tmp_path, aiohttp_client):
    async with opened(host, tmp_path) as (library, _):
        routes = ModelRoutes(Late(lambda: library), Settings())
        app = web.Application()
        one = "/ext/models/{folder}/{path:.+}"
        app.router.add_get("/ext/models", enveloped(routes.index))
        app.router.add_get("/ext/models/{folder}", enveloped(routes.folder))
        app.router.add_get(one + "/preview", enveloped(routes.preview))
        app.router.add_get(one, enveloped(routes.file))
        app.router.add_delete(one, enveloped(routes.delete))
        app.router.add_patch(one, enveloped(routes.move))
        yield await aiohttp_client(app, auto_decompress=False)


async def ask(client, path, method="GET", body=None, **headers):
    headers = {"Accept-Encoding": "identity"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    async with client.request(method, path, json=body, headers=headers) as answer:
        return answer.status, answer.headers, await answer.read()


async def got(client, path, **options):
    status, _, body = await ask(client, path, **options)
    assert status == 200, body
    return json.loads(body)


async def error(client, path, **options):
    status, _, body = await ask(client, path, **options)
    return status, json.loads(body)["error"]["code"]


async def test_the_index_in_its_short_and_long_form(host, client):
    host.put("loras", "sub/a.safetensors", safetensors())
    empty = {"checkpoints": [], "diffusion_models": []}
    assert await got(client, "/ext/models") == {**empty, "loras": ["sub/a.safetensors"]}
    assert await got(client, "/ext/models?detail=0") == {**empty, "loras": ["sub/a.safetensors"]}
    (item,) = (await got(client, "/ext/models?detail=1"))["loras"]
    assert (item["name"], item["precision"]) == ("sub/a.safetensors", "fp16")
    assert await got(client, "/ext/models?q=A.SAFE") == {"loras": ["sub/a.safetensors"]}


@pytest.mark.parametrize(
    "path",
    [
        "/ext/models",
        "/ext/models?detail=1",
        "/ext/models/loras?detail=1&limit=500",
        "/ext/models/loras/0.safetensors",
    ],
)
async def test_what_the_client_has_costs_a_304_until_something_changes(host, client, path):
    for number in range(60):
        host.put("loras", f"{number}.safetensors", safetensors({"note": "n" * 2000}))
    _, headers, body = await ask(client, path)
    assert headers["Cache-Control"] == "no-cache"
    status, again, nothing = await ask(client, path, If_None_Match=headers["ETag"])
    assert (status, nothing, again["ETag"]) == (304, b"", headers["ETag"])
    # compressed: another strong ETag, which holds too
    _, packed, content = await ask(client, path, Accept_Encoding="gzip")
    if len(body) > 1400:
        assert packed["Content-Encoding"] == "gzip"
        assert gzip.decompress(content) == body
        assert packed["ETag"] != headers["ETag"]
        assert (await ask(client, path, If_None_Match=packed["ETag"], Accept_Encoding="gzip"))[0] == 304
    host.put("loras", "0.safetensors", safetensors({"note": "another"}))
    host.put("loras", "new.safetensors")
    status, changed, _ = await ask(client, path, If_None_Match=headers["ETag"])
    assert status == 200
    assert changed["ETag"] != headers["ETag"]


async def test_a_folder_in_pages(host, client):
    for number in range(5):
        host.put("loras", f"{number}.pt")
    names, cursor = [], ""
    while cursor is not None:
        page = await got(client, f"/ext/models/loras?limit=2{cursor and '&cursor=' + quote(cursor)}")
        assert page["folder"] == "loras"
        names += page["items"]
        cursor = page["next_cursor"]
    assert names == [f"{number}.pt" for number in range(5)]
    assert (await got(client, "/ext/models/unet"))["folder"] == "diffusion_models"


@pytest.mark.parametrize(
    "path",
    [
        "/ext/models?details=1",
        "/ext/models?detail=yes",
        "/ext/models/loras?limit=0",
        "/ext/models/loras?limit=1001",
        "/ext/models/loras?cursor=!",
        "/ext/models/loras/a.pt?hash=2",
        "/ext/models/loras/a.pt?detail=1",
        "/ext/models/loras/a.pt/preview?width=3",
    ],
)
async def test_wrong_queries_are_refused(host, client, path):
    host.put("loras", "a.pt")
    assert await error(client, path) == (400, "INVALID_REQUEST")


async def test_one_file_and_its_hash(host, client):
    host.put("loras", "a b/ü#1.safetensors", safetensors({"own": "words"}))
    path = "/ext/models/loras/" + quote("a b/ü#1.safetensors")
    found = await got(client, path)
    assert (found["metadata"], found["sha256"]) == ({"own": "words"}, None)
    expected = hashlib.sha256(safetensors({"own": "words"})).hexdigest()
    assert (await got(client, path + "?hash=1"))["sha256"] == expected
    # a client may encode the separator too
    assert (await got(client, "/ext/models/loras/a%20b%2F%C3%BC%231.safetensors"))["sha256"] == expected


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/ext/models/nothing", (404, "MODEL_FOLDER_NOT_FOUND")),
        ("/ext/models/nothing/a.pt", (404, "MODEL_FOLDER_NOT_FOUND")),
        ("/ext/models/loras/b.pt", (404, "MODEL_NOT_FOUND")),
        ("/ext/models/loras/%2e%2e%2fcheckpoints%2fa.pt", (404, "MODEL_NOT_FOUND")),
        ("/ext/models/loras/..%5Ca.pt", (404, "MODEL_NOT_FOUND")),
        ("/ext/models/loras/a.pt%00", (404, "MODEL_NOT_FOUND")),
        ("/ext/models/loras//etc/passwd", (404, "MODEL_NOT_FOUND")),
        ("/ext/models/loras/a.pt/preview", (404, "PREVIEW_IMAGE_NOT_FOUND")),
    ],
)
async def test_what_there_is_not(host, client, path, answer):
    host.put("loras", "a.pt")
    host.put("checkpoints", "a.pt")
    assert await error(client, path) == answer


async def test_a_preview_is_sent_as_an_image_and_nothing_else(host, client):
    host.put("loras", "a.pt")
    host.put("loras", "a.png", b"<script>alert(1)</script>")
    status, headers, body = await ask(client, "/ext/models/loras/a.pt/preview")
    assert (status, headers["Content-Type"], body) == (200, "image/png", b"<script>alert(1)</script>")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["Last-Modified"].endswith("GMT")
    path = "/ext/models/loras/a.pt/preview"
    assert (await ask(client, path, If_None_Match=headers["ETag"]))[0] == 304
    host.put("loras", "a.png", b"new")
    assert (await ask(client, path, If_None_Match=headers["ETag"]))[2] == b"new"


async def test_the_preview_url_of_a_list_leads_there(host, client):
    host.put("loras", "a b/ü.pt")
    host.put("loras", "a b/ü.webp", b"webp")
    (item,) = (await got(client, "/ext/models/loras?detail=1"))["items"]
    assert (await ask(client, item["preview"]))[2] == b"webp"


async def test_delete(host, client):
    path = host.put("loras", "s/a.pt")
    assert (await ask(client, "/ext/models/loras/s/a.pt", "DELETE"))[0] == 204
    assert not path.exists()
    assert await error(client, "/ext/models/loras/s/a.pt", method="DELETE") == (404, "MODEL_NOT_FOUND")


async def test_move(host, client):
    host.put("loras", "a.pt", b"x")
    found = await got(
        client, "/ext/models/loras/a.pt", method="PATCH", body={"folder": "checkpoints", "name": "n/b.pt"}
    )
    assert (found["folder"], found["name"]) == ("checkpoints", "n/b.pt")
    assert await got(client, "/ext/models") == {
        "checkpoints": ["n/b.pt"],
        "diffusion_models": [],
        "loras": [],
    }


async def test_a_move_is_answered_whatever_etag_the_client_has(host, client):
    host.put("loras", "a.pt", b"x")
    status, headers, body = await ask(
        client, "/ext/models/loras/a.pt", method="PATCH", body={"name": "b.pt"}, If_None_Match="*"
    )
    assert (status, json.loads(body)["name"]) == (200, "b.pt")
    _, again, _ = await ask(client, "/ext/models/loras/b.pt")
    assert headers["ETag"] == again["ETag"]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({}, (400, "INVALID_REQUEST")),
        ({"name": 1}, (400, "INVALID_REQUEST")),
        ({"name": "b.pt", "overwrite": True}, (400, "INVALID_REQUEST")),
        ({"name": "../b.pt"}, (400, "INVALID_REQUEST")),
        ({"name": "b.pt"}, (409, "MODEL_EXISTS")),
        ({"folder": "nothing"}, (404, "MODEL_FOLDER_NOT_FOUND")),
    ],
)
async def test_moves_that_are_refused(host, client, body, answer):
    path = host.put("loras", "a.pt")
    host.put("loras", "b.pt")
    assert await error(client, "/ext/models/loras/a.pt", method="PATCH", body=body) == answer
    assert path.exists()


async def test_replies_name_no_path_of_the_server(host, client, tmp_path):
    host.put("loras", "a.safetensors", safetensors({"x": "y"}))
    for path in ("?detail=1", "/loras?detail=1", "/loras/a.safetensors?hash=1", "/loras/none", "/none"):
        _, _, body = await ask(client, "/ext/models" + path)
        assert str(tmp_path) not in body.decode()
