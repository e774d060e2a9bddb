"""The catalogue on a running server."""

import uuid


async def test_the_catalogue_has_every_node_that_object_info_has(api):
    catalog = await api.get("/ext/catalog")
    object_info = await api.get("/object_info")

    assert {entry["name"] for entry in catalog["nodes"]} == set(object_info)


async def test_every_declared_input_is_in_the_catalogue(api):
    catalog = {entry["name"]: entry for entry in (await api.get("/ext/catalog"))["nodes"]}
    object_info = await api.get("/object_info")

    for name, info in object_info.items():
        entry = catalog[name]
        shown = {port["name"] for port in entry["inputs"] + entry["params"]}
        declared = {key for section in ("required", "optional") for key in (info["input"].get(section) or {})}
        assert declared == shown, name
        assert len(entry["outputs"]) == len(info["output"]), name


async def test_an_unchanged_catalogue_costs_no_body(api):
    async with api.session.get("/ext/catalog") as reply:
        etag = reply.headers["ETag"]
        assert not etag.startswith("W/")

    async with api.session.get("/ext/catalog", headers={"If-None-Match": etag}) as reply:
        assert reply.status == 304
        assert await reply.read() == b""


async def test_a_new_model_file_is_there_at_the_next_request(api):
    folder = api.server.models / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{uuid.uuid4().hex}.safetensors"

    async def options():
        spec = await api.get("/ext/catalog/CheckpointLoaderSimple")
        [param] = [param for param in spec["params"] if param["name"] == "ckpt_name"]
        assert param["folder"] == "checkpoints"
        return param["options"]

    before = await options()
    (folder / name).write_bytes(b"")
    with_it = await options()
    (folder / name).unlink()
    after = await options()

    assert name not in before
    assert name in with_it
    assert name not in after


async def test_one_node_by_name(api):
    spec = await api.get("/ext/catalog/KSampler")
    assert [port["name"] for port in spec["inputs"]] == ["model", "positive", "negative", "latent_image"]
    assert next(param for param in spec["params"] if param["name"] == "steps")["default"] == 20

    error = await api.error("/ext/catalog/KSampeler", method="GET", status=404)
    assert error["code"] == "NODE_CLASS_NOT_FOUND"
    assert "KSampler" in error["details"]["close_matches"]


async def test_what_fits_next_and_before(api):
    following = await api.get("/ext/catalog/KSampler/next?output=0")
    assert following["items"][0]["name"] == "VAEDecode"
    before = await api.get("/ext/catalog/KSampler/previous?input=model")
    assert "CheckpointLoaderSimple" in [item["name"] for item in before["items"][:5]]
    error = await api.error("/ext/catalog/KSampler/next?output=9", method="GET", status=404)
    assert error["code"] == "PORT_NOT_FOUND"
