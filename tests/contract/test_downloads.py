"""Downloads, from the link to the node that lists the file, on every host; the Hub is a stand-in."""

import json
import os

import aiohttp
import pytest
from api_client import Api
from contract.conftest import start
from fake_hub import FakeHub
from model_bytes import pickled, safetensors

KINDS = ["sandbox", *(["comfyui"] if "COMFYUI_PATH" in os.environ else [])]


@pytest.fixture(scope="module")
def hub():
    with FakeHub() as hub:
        yield hub


@pytest.fixture(scope="module", params=KINDS)
def server(request, hub, tmp_path_factory):
    environ = {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": "",
        "BACKPLANE_DOWNLOAD_HOSTS": "127.0.0.1",
        "BACKPLANE_OUTBOUND_ALLOW_PRIVATE": "1",
        "BACKPLANE_DOWNLOAD_KEEP_FREE_BYTES": "1000000",
    }
    with start(request.param, tmp_path_factory, **environ) as started:
        yield started


@pytest.fixture
async def api(server):
    async with aiohttp.ClientSession(server.url) as session:
        yield Api(server, session)


async def fetched(api, link, **fields):
    answer = await api.post("/ext/models/download", {"url": link, **fields}, status=202)
    return (await api.finish(answer["task_id"]))[-1]


def link_to(hub, path, repo="org/models"):
    return f"{hub.url}/{repo}/resolve/main/{path}"


async def test_a_link_becomes_a_file_that_every_list_shows(api, hub):
    data = safetensors(5, side=64)
    sha256 = hub.add("org/models", "loras/styles.safetensors", data)
    plan = await api.post("/ext/models/resolve", {"url": link_to(hub, "loras/styles.safetensors")})
    assert (plan["folder"], plan["name"], plan["size"], plan["sha256"], plan["state"], plan["problems"]) == (
        *("loras", "styles.safetensors", len(data)),
        *(sha256, "absent", []),
    )
    task = await fetched(api, link_to(hub, "loras/styles.safetensors"), type="lora", target_dir="new/sub")
    assert (task["status"], task["kind"], task["progress"]) == ("succeeded", "download", 1.0)
    download = task["download"]
    assert (download["phase"], download["folder"], download["name"]) == (
        *("completed", "loras"),
        "new/sub/styles.safetensors",
    )
    assert (download["sha256"], download["verified_by"], download["size"]) == (
        sha256,
        "huggingface",
        len(data),
    )
    assert (api.server.models / "loras" / "new" / "sub" / "styles.safetensors").read_bytes() == data
    assert "new/sub/styles.safetensors" in (await api.get("/ext/models"))["loras"]
    theirs = [name.replace("\\", "/") for name in await api.get("/models/loras")]
    assert "new/sub/styles.safetensors" in theirs
    model = await api.get("/ext/models/loras/new/sub/styles.safetensors")
    assert model["sha256"] == sha256
    spec = await api.get("/ext/catalog/LoraLoader")
    [param] = [param for param in spec["params"] if param["name"] == "lora_name"]
    assert "new/sub/styles.safetensors" in [name.replace("\\", "/") for name in param["options"]]
    again = await fetched(api, link_to(hub, "loras/styles.safetensors"), type="lora", target_dir="new/sub")
    assert (again["status"], again["download"]["skipped"]) == ("succeeded", True)
    plan = await api.post(
        "/ext/models/resolve",
        {"url": link_to(hub, "loras/styles.safetensors"), "type": "loras", "target_dir": "new/sub"},
    )
    assert (plan["state"], plan["same_file"]["name"]) == ("present", "new/sub/styles.safetensors")


async def test_a_download_is_in_the_list_and_tells_events(api, hub):
    hub.add("org/models", "vae/listed.safetensors", safetensors(3))
    answer = await api.post(
        "/ext/models/download",
        {"url": link_to(hub, "vae/listed.safetensors"), "type": "vae", "metadata": {"who": "me"}},
        status=202,
    )
    told = [(name, data) async for _, name, data in api.events(answer["url"] + "/events")]
    assert told[0][0] == "state"
    assert told[-1][0] == "status"
    assert told[-1][1]["status"] == "succeeded"
    listed = await api.get("/ext/tasks?kind=download&metadata.who=me")
    assert [task["id"] for task in listed["items"]] == [answer["task_id"]]
    assert (await api.get("/ext/tasks?kind=prompt&metadata.who=me"))["items"] == []


async def test_what_cannot_be_is_refused_at_once_with_its_code(api, hub):
    url = link_to(hub, "loras/any.safetensors")
    for body, status, code in (
        ({"url": "https://example.com/a.safetensors", "type": "lora"}, 403, "DOWNLOAD_FORBIDDEN_DOMAIN"),
        ({"url": "ftp://huggingface.co/a", "type": "lora"}, 400, "DOWNLOAD_INVALID_URL"),
        ({"url": url, "type": "nonsense", "filename": "a.safetensors"}, 400, "DOWNLOAD_INVALID_TYPE"),
        ({"url": url, "type": "lora", "filename": "../a.safetensors"}, 400, "DOWNLOAD_INVALID_FILENAME"),
        ({"url": url, "type": "lora", "filename": "CON.safetensors"}, 400, "DOWNLOAD_INVALID_FILENAME"),
        ({"url": url, "type": "lora", "target_dir": "../../x"}, 400, "DOWNLOAD_INVALID_TARGET"),
        ({"url": url, "type": "lora", "filename": "a.ckpt"}, 403, "DOWNLOAD_UNSAFE_FORMAT"),
        ({"url": url, "type": "custom_nodes", "filename": "a.py"}, 400, "DOWNLOAD_INVALID_TYPE"),
        ({"url": url, "sha256": "12"}, 400, "INVALID_REQUEST"),
        ({"url": url, "kind": "lora"}, 400, "INVALID_REQUEST"),
        ({}, 400, "INVALID_REQUEST"),
    ):
        error = await api.error("/ext/models/download", body, status=status)
        assert error["code"] == code, body
    assert not (api.server.models / "loras" / "any.safetensors").exists()


async def test_what_only_the_source_can_tell_is_the_error_of_the_task(api, hub):
    hub.add("org/gated", "loras/secret.safetensors", safetensors())
    hub.gate("org/gated", granted=["hf_other"])
    hub.add("org/models", "loras/evil.safetensors", pickled())
    hub.add("org/models", "loras/page.safetensors", b"<!doctype html><title>Sign in</title>" + b" " * 500)
    for link, code in (
        (link_to(hub, "loras/secret.safetensors", "org/gated"), "DOWNLOAD_AUTH_REQUIRED"),
        (link_to(hub, "loras/absent.safetensors"), "DOWNLOAD_NOT_FOUND"),
        (link_to(hub, "loras/evil.safetensors"), "DOWNLOAD_UNSAFE_FORMAT"),
        (link_to(hub, "loras/page.safetensors"), "DOWNLOAD_BAD_RESPONSE"),
    ):
        task = await fetched(api, link, type="lora")
        assert (task["status"], task["error"]["code"]) == ("failed", code), task["error"]
    names = {path.name for path in (api.server.models / "loras").rglob("*")}
    assert not names & {"secret.safetensors", "evil.safetensors", "page.safetensors"}
    assert not [name for name in names if name.endswith(".part")]


async def test_a_good_file_is_not_lost(api, hub):
    folder = api.server.models / "embeddings"
    folder.mkdir(exist_ok=True)
    old, new = safetensors(2), safetensors(4)
    (folder / "mine.safetensors").write_bytes(old)
    hub.add("org/models", "mine.safetensors", new)
    url = link_to(hub, "mine.safetensors")
    task = await fetched(api, url, type="embedding")
    assert (task["status"], task["error"]["code"]) == ("failed", "DOWNLOAD_FILE_EXISTS")
    task = await fetched(api, url, type="embedding", overwrite=True, sha256="0" * 64)
    assert (task["status"], task["error"]["code"]) == ("failed", "DOWNLOAD_HASH_MISMATCH")
    assert (folder / "mine.safetensors").read_bytes() == old
    task = await fetched(api, url, type="embedding", overwrite=True)
    assert task["status"] == "succeeded"
    assert (folder / "mine.safetensors").read_bytes() == new


async def test_an_idempotency_key_makes_one_download(api, hub):
    hub.add("org/models", "vae/once.safetensors", safetensors())
    body = {"url": link_to(hub, "vae/once.safetensors"), "type": "vae"}
    headers = {"Idempotency-Key": "once-and-only"}
    first = await api.post("/ext/models/download", body, status=202, headers=headers)
    await api.finish(first["task_id"])
    assert await api.post("/ext/models/download", body, status=202, headers=headers) == first
    error = await api.error("/ext/models/download", {**body, "type": "lora"}, status=409, headers=headers)
    assert error["code"] == "IDEMPOTENCY_CONFLICT"


async def test_a_failed_download_can_be_asked_for_again(api, hub):
    task = await fetched(api, link_to(hub, "loras/later.safetensors"), type="lora")
    assert task["status"] == "failed"
    hub.add("org/models", "loras/later.safetensors", safetensors(7))
    again = await api.post(f"/ext/tasks/{task['id']}/retry", status=202)
    assert (again["kind"], again["retry_of"]) == ("download", task["id"])
    assert (await api.finish(again["id"]))[-1]["status"] == "succeeded"
    error = await api.error(f"/ext/tasks/{task['id']}/pause", status=409)
    assert error["code"] == "DOWNLOAD_INVALID_STATE"


async def test_a_paused_download_waits_until_it_is_resumed(api, hub):
    hub.add("org/models", "loras/held.safetensors", safetensors(40, side=512))
    body = {"url": link_to(hub, "loras/held.safetensors"), "type": "lora"}
    answer = await api.post("/ext/models/download", body, status=202)
    held = await api.post(answer["url"] + "/pause")
    assert (held["status"], held["download"]["phase"]) == ("queued", "paused")
    assert (await api.get(answer["url"] + "?wait=0.2"))["status"] == "queued"
    resumed = await api.post(answer["url"] + "/resume")
    assert resumed["download"]["phase"] != "paused"
    assert (await api.finish(answer["task_id"]))[-1]["status"] == "succeeded"


async def test_all_that_a_workflow_needs_with_one_call_and_one_id_to_watch(api, hub):
    for name in ("one", "two"):
        hub.add("org/models", f"loras/needed-{name}.safetensors", safetensors())
    graph = {
        "nodes": [
            {
                "id": number,
                "type": "LoraLoader",
                "mode": 0,
                "inputs": [],
                "outputs": [],
                "widgets_values": [f"needed-{name}.safetensors", 1, 1],
                "properties": {
                    "models": [
                        {
                            "name": f"needed-{name}.safetensors",
                            "url": url.format(name=name),
                            "directory": "loras",
                        }
                    ]
                },
            }
            for number, (name, url) in enumerate(
                [("one", "https://example.com/{name}.safetensors"), ("two", "https://example.com/{name}")]
            )
        ],
        "links": [],
        "version": 0.4,
    }
    needed = await api.post("/ext/workflow/requirements", {"workflow": graph})
    assert needed["ready"] is False
    assert {model["name"] for model in needed["models"] if model["status"] == "missing"} == {
        "needed-one.safetensors",
        "needed-two.safetensors",
    }
    answer = await api.post("/ext/models/download", {"workflow": graph})
    assert (answer["batch_id"], len(answer["refused"])) == (None, 2)
    assert answer["refused"][0]["error"]["code"] == "DOWNLOAD_FORBIDDEN_DOMAIN"


async def test_no_reply_names_a_folder_of_the_server(api, hub):
    hub.add("org/models", "loras/quiet.safetensors", safetensors())
    task = await fetched(api, link_to(hub, "loras/quiet.safetensors"), type="lora")
    folder = str(api.server.models.parent)
    assert folder not in json.dumps(task)
    assert folder not in json.dumps(await api.get("/ext/models?detail=1"))
    assert folder not in json.dumps(await api.get("/ext/models/loras/quiet.safetensors"))
