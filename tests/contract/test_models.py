"""The model library: ComfyUI's own lists and ours agree, and follow the disk."""

import asyncio
import os

import pytest
from model_bytes import safetensors

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def loras(api):
    folder = api.server.models / "loras"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def listed(api, folder="loras"):
    """The same list from four places: ours, one folder of ours, ComfyUI's, and a node's options."""
    whole = (await api.get("/ext/models"))[folder]
    page = await api.get(f"/ext/models/{folder}?limit=1000")
    assert page["items"] == whole
    theirs = await api.get(f"/models/{folder}")
    assert [name.replace("\\", "/") for name in theirs] == whole
    if folder == "loras":
        spec = await api.get("/ext/catalog/LoraLoader")
        [param] = [param for param in spec["params"] if param["name"] == "lora_name"]
        assert [name.replace("\\", "/") for name in param["options"]] == whole
    return whole


async def test_a_file_that_is_dropped_in_changed_and_deleted_shows_at_once(api, loras):
    before = await listed(api)
    file = loras / "dropped" / "in.safetensors"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(safetensors())
    assert await listed(api) == sorted([*before, "dropped/in.safetensors"], key=str.casefold)
    first = await api.get("/ext/models/loras/dropped/in.safetensors")
    file.write_bytes(safetensors(9))
    second = await api.get("/ext/models/loras/dropped/in.safetensors")
    assert second["size"] == file.stat().st_size > first["size"]
    file.unlink()
    assert await listed(api) == before
    error = await api.error("/ext/models/loras/dropped/in.safetensors", method="GET", status=404)
    assert error["code"] == "MODEL_NOT_FOUND"


async def test_changes_are_told_as_events(api, loras):
    await api.get("/ext/models")
    told = []

    async def follow():
        async for _, name, data in api.events("/ext/events"):
            if name == "model.changed" and data["name"] == "told.safetensors":
                told.append(data)
                return

    following = asyncio.ensure_future(follow())
    file = loras / "told.safetensors"
    try:
        await asyncio.sleep(0)
        file.write_bytes(safetensors())
        while not following.done():
            await api.get("/ext/models")
            await asyncio.sleep(0.02)
        assert told == [{"folder": "loras", "name": "told.safetensors", "change": "added"}]
    finally:
        following.cancel()
        file.unlink()


async def test_what_a_header_says_is_shown(api, loras):
    file = loras / "described.safetensors"
    metadata = {"ss_base_model_version": "sdxl_base_v1-0", "modelspec.title": "A title"}
    file.write_bytes(safetensors(metadata=metadata))
    try:
        model = await api.get("/ext/models/loras/described.safetensors?hash=1")
        assert model["title"] == "A title"
        assert model["base_model"]
        assert len(model["sha256"]) == 64
        [item] = [
            item
            for item in (await api.get("/ext/models/loras?detail=1&q=described"))["items"]
            if item["name"] == "described.safetensors"
        ]
        assert item["sha256"] == model["sha256"]
    finally:
        file.unlink()


async def test_moving_and_deleting(api, loras):
    file = loras / "moving.safetensors"
    file.write_bytes(safetensors())
    async with api.session.patch(
        "/ext/models/loras/moving.safetensors", json={"name": "sub/moved.safetensors"}
    ) as reply:
        assert reply.status == 200, await reply.text()
    assert "sub/moved.safetensors" in await listed(api)
    assert not file.exists()
    async with api.session.patch(
        "/ext/models/loras/sub/moved.safetensors", json={"folder": "embeddings", "name": "moved.safetensors"}
    ) as reply:
        assert reply.status == 200, await reply.text()
    assert "moved.safetensors" in await listed(api, "embeddings")
    async with api.session.delete("/ext/models/embeddings/moved.safetensors") as reply:
        assert reply.status == 204
    assert "moved.safetensors" not in await listed(api, "embeddings")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
async def test_nothing_outside_the_model_folders_is_reached(api, loras, tmp_path):
    outside = tmp_path / "outside.safetensors"
    outside.write_bytes(safetensors())
    link = loras / "link.safetensors"
    link.symlink_to(outside)
    try:
        for name in ("..%2f..%2finput%2fx", "%2e%2e/x", "link.safetensors/../../x"):
            async with api.session.delete(f"/ext/models/loras/{name}") as reply:
                assert reply.status in {400, 404, 405}, name
        async with api.session.patch(
            "/ext/models/loras/link.safetensors", json={"name": "../x.safetensors"}
        ) as reply:
            assert reply.status in {400, 403}, await reply.text()
        async with api.session.delete("/ext/models/loras/link.safetensors") as reply:
            assert reply.status in {204, 403}
        assert outside.exists()
    finally:
        link.unlink(missing_ok=True)


async def test_a_known_list_costs_nothing(api):
    async with api.session.get("/ext/models") as reply:
        etag = reply.headers["ETag"]
    async with api.session.get("/ext/models", headers={"If-None-Match": etag}) as reply:
        assert reply.status == 304
