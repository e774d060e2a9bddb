"""ComfyUI's userdata and settings, as the sandbox has them."""

import json

import pytest
from yarl import URL

WORKFLOW = {"nodes": [], "links": [], "version": 0.4}


async def ask(sandbox, method, path, status=200, **kwargs):
    async with sandbox.client.request(method, URL(path, encoded=True), **kwargs) as answer:
        assert answer.status == status, await answer.text()
        body = await answer.read()
        return json.loads(body) if answer.content_type == "application/json" and body else body


async def test_a_workflow_is_stored_listed_read_and_removed(sandbox):
    name = "workflows%2Fsub%2F%E7%8C%AB.json"
    stored = await ask(sandbox, "POST", f"/userdata/{name}", json=WORKFLOW)
    assert stored == "workflows/sub/猫.json"
    await ask(sandbox, "POST", "/userdata/workflows%2Fa.json", json=WORKFLOW)

    listing = "/userdata?dir=workflows"
    assert await ask(sandbox, "GET", listing) == ["a.json"]
    assert await ask(sandbox, "GET", listing + "&recurse=true") == ["a.json", "sub/猫.json"]
    assert await ask(sandbox, "GET", listing + "&recurse=true&split=true") == [
        ["a.json", "a.json"],
        ["sub/猫.json", "sub", "猫.json"],
    ]
    [one] = await ask(sandbox, "GET", listing + "&full_info=true&split=true")
    assert one.keys() == {"path", "size", "modified", "created"}
    assert (one["path"], one["size"]) == ("a.json", len(json.dumps(WORKFLOW)))
    assert one["modified"] > 1_600_000_000_000

    async with sandbox.client.get(URL(f"/api/userdata/{name}", encoded=True)) as answer:
        assert answer.headers["Content-Disposition"] == "attachment"
        assert await answer.json() == WORKFLOW
    await ask(sandbox, "DELETE", f"/userdata/{name}", 204)
    await ask(sandbox, "DELETE", f"/userdata/{name}", 404)
    await ask(sandbox, "GET", f"/userdata/{name}", 404)


async def test_a_file_is_only_overwritten_where_that_is_allowed(sandbox):
    await ask(sandbox, "POST", "/userdata/a.json", data=b"1")
    await ask(sandbox, "POST", "/userdata/a.json?overwrite=false", 409, data=b"2")
    about = await ask(sandbox, "POST", "/userdata/a.json?full_info=true", data=b"22")
    assert (about["path"], about["size"]) == ("a.json", 2)
    assert await ask(sandbox, "GET", "/userdata?dir=.") == ["a.json"]


async def test_all_that_is_kept_is_listed_with_its_folders(sandbox):
    assert await ask(sandbox, "GET", "/v2/userdata") == []
    await ask(sandbox, "POST", "/userdata/workflows%2Fsub%2Fb.json", json=WORKFLOW)
    await ask(sandbox, "POST", "/userdata/a.json", data=b"1")
    whole = await ask(sandbox, "GET", "/v2/userdata")
    assert [(one["type"], one["name"], one["path"]) for one in whole] == [
        ("directory", "sub", "workflows/sub"),
        ("directory", "workflows", "workflows"),
        ("file", "a.json", "a.json"),
        ("file", "b.json", "workflows/sub/b.json"),
    ]
    assert whole[2]["size"] == 1
    assert await ask(sandbox, "GET", "/v2/userdata?path=workflows%2Fsub") == [whole[3]]
    await ask(sandbox, "GET", "/v2/userdata?path=nowhere", 404)
    await ask(sandbox, "GET", "/v2/userdata?path=..", 400)


@pytest.mark.parametrize(
    "name", ["..%2Fa.json", "..%5Ca.json", "%252e%252e%252fa.json", "%2Fetc%2Fhosts", "a%00b"]
)
async def test_nothing_outside_is_touched(sandbox, name):
    for method in ("GET", "POST", "DELETE"):
        await ask(sandbox, method, f"/userdata/{name}", 403)
    await ask(sandbox, "GET", f"/userdata?dir={name}", 403)


async def test_a_folder_that_is_not_there_or_not_named_is_said_so(sandbox):
    await ask(sandbox, "GET", "/userdata?dir=workflows", 404)
    await ask(sandbox, "GET", "/userdata", 400)
    await ask(sandbox, "POST", "/userdata/a.json", data=b"1")
    await ask(sandbox, "POST", "/userdata/a.json%2Fb.json", 400, data=b"1")


async def test_markup_is_no_page(sandbox):
    await ask(sandbox, "POST", "/userdata/a.html", data=b"<script>")
    async with sandbox.client.get("/userdata/a.html") as answer:
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_settings_are_those_of_the_page(sandbox):
    assert await ask(sandbox, "GET", "/settings") == {}
    assert await ask(sandbox, "GET", "/settings/Comfy.Locale") is None
    await ask(sandbox, "POST", "/userdata/comfy.settings.json", json={"Comfy.Locale": "zh"})
    assert await ask(sandbox, "GET", "/settings") == {"Comfy.Locale": "zh"}
    assert await ask(sandbox, "GET", "/settings/Comfy.Locale") == "zh"
