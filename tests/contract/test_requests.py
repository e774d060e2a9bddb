"""Bad input, each with its code; the envelope; what the server says of itself."""

import json

import pytest
from graphs import image, node

UI_FORMAT = {
    "last_node_id": 1,
    "nodes": [{"id": 1, "type": "KSampler", "widgets_values": []}],
    "links": [],
    "version": 0.4,
}


async def refused(api, workflow, code, status=422):
    error = await api.error("/ext/tasks", {"workflow": workflow}, status=status)
    assert error["code"] == code, error
    return error


async def test_a_body_that_is_not_json(api):
    async with api.session.post("/ext/tasks", data=b"{not json") as reply:
        assert reply.status == 400
        assert (await reply.json())["error"]["code"] == "INVALID_JSON"


@pytest.mark.parametrize("body", [[], "text", 7, None])
async def test_a_body_that_is_not_an_object(api, body):
    async with api.session.post("/ext/tasks", data=json.dumps(body)) as reply:
        assert reply.status == 400
        assert (await reply.json())["error"]["code"] == "INVALID_REQUEST"


@pytest.mark.parametrize("body", [{}, {"workflow": None}, {"workflow": {}}])
async def test_no_workflow(api, body):
    error = await api.error("/ext/tasks", body, status=400)
    assert error["code"] == "WORKFLOW_MISSING"
    assert "workflow" in error["hint"]


async def test_unknown_fields_are_refused_by_name(api):
    error = await api.error("/ext/tasks", {"workflow": image(), "wrokflow": 1}, status=400)
    assert error["code"] == "INVALID_REQUEST"
    assert list(error["details"]["fields"]) == ["wrokflow"]


async def test_ui_format_is_judged_like_any_other(api):
    await refused(api, UI_FORMAT, "NO_OUTPUT_NODE")


async def test_an_unknown_class_is_named_with_close_matches(api):
    graph = image()
    graph["2"]["class_type"] = "ImageInvrt"

    error = await refused(api, graph, "UNKNOWN_NODE_CLASS")

    [finding] = error["details"]["findings"]
    assert finding["node_id"] == "2"
    assert "ImageInvert" in finding["details"]["close_matches"]
    assert "ImageInvert" in error["hint"]


async def test_a_dangling_link(api):
    graph = image()
    graph["3"]["inputs"]["images"] = ["22", 0]

    error = await refused(api, graph, "DANGLING_LINK")

    [finding] = error["details"]["findings"]
    assert (finding["node_id"], finding["input"]) == ("3", "images")


@pytest.mark.parametrize("slot", [-1, 1, 99])
async def test_a_slot_that_is_not_there(api, slot):
    graph = image()
    graph["3"]["inputs"]["images"] = ["2", slot]

    error = await refused(api, graph, "LINK_SLOT_OUT_OF_RANGE")

    assert str(slot) in error["message"]


async def test_an_array_that_is_no_link(api):
    graph = image()
    graph["3"]["inputs"]["images"] = [1, 2, 3]

    await refused(api, graph, "BAD_LINK")


async def test_a_cycle(api):
    graph = {
        "1": node("ContractAdd", a=["2", 0], b=1),
        "2": node("ContractAdd", a=["1", 0], b=1),
        "3": node("ContractShow", value=["2", 0]),
    }

    error = await refused(api, graph, "WORKFLOW_CYCLE")

    assert sorted(error["details"]["findings"][0]["details"]["cycle"]) == ["1", "2"]


async def test_a_missing_required_input(api):
    graph = image()
    del graph["2"]["inputs"]["image"]

    error = await refused(api, graph, "MISSING_INPUT")

    [finding] = error["details"]["findings"]
    assert (finding["node_id"], finding["input"]) == ("2", "image")
    assert "IMAGE" in finding["hint"]


async def test_an_unknown_key_of_a_dynamic_combo(api):
    catalog = await api.get("/ext/catalog?fields=name")
    if "ResizeImageMaskNode" not in {entry["name"] for entry in catalog["nodes"]}:
        pytest.skip("this ComfyUI has no node with a dynamic combo to try")
    graph = {
        "1": node("EmptyImage", width=32, height=32, batch_size=1, color=1),
        "2": node("ResizeImageMaskNode", input=["1", 0], resize_type="scale by magic", scale_method="area"),
        "3": node("PreviewImage", images=["2", 0]),
    }

    error = await refused(api, graph, "UNKNOWN_OPTION")

    [finding] = error["details"]["findings"]
    assert finding["input"] == "resize_type"
    assert "scale by multiplier" in finding["details"]["options"]


async def test_several_faults_are_told_at_once(api):
    graph = image()
    del graph["2"]["inputs"]["image"]
    graph["3"]["inputs"]["images"] = ["2", -1]

    error = await refused(api, graph, "WORKFLOW_INVALID")

    codes = [finding["code"] for finding in error["details"]["findings"]]
    assert sorted(codes) == ["LINK_SLOT_OUT_OF_RANGE", "MISSING_INPUT"]


async def test_a_node_that_is_no_object(api):
    await refused(api, {"1": "KSampler"}, "BAD_NODE")


async def test_a_workflow_without_an_output_node(api):
    error = await refused(api, {"1": node("ContractInt", value=1)}, "NO_OUTPUT_NODE")
    assert error["hint"]


async def test_a_value_out_of_range_is_what_comfyui_says_it_is(api):
    graph = image()
    graph["1"]["inputs"]["width"] = 0

    error = await refused(api, graph, "VALUE_OUT_OF_RANGE")

    [finding] = error["details"]["findings"]
    assert (finding["node_id"], finding["input"]) == ("1", "width")


async def test_a_value_of_the_wrong_type(api):
    graph = image()
    graph["1"]["inputs"]["width"] = "wide"

    await refused(api, graph, "VALUE_WRONG_TYPE")


async def test_a_link_of_the_wrong_type(api):
    graph = image()
    graph["4"] = node("ContractInt", value=1)
    graph["3"]["inputs"]["images"] = ["4", 0]

    await refused(api, graph, "TYPE_MISMATCH")


async def test_a_model_that_is_not_there_is_told_with_what_is(api):
    (api.server.models / "checkpoints").mkdir(parents=True, exist_ok=True)
    (api.server.models / "checkpoints" / "contract_base.safetensors").write_bytes(b"")
    graph = {
        "1": node("CheckpointLoaderSimple", ckpt_name="contract_bse.safetensors"),
        "2": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "3": node("VAEDecode", samples=["2", 0], vae=["1", 2]),
        "4": node("PreviewImage", images=["3", 0]),
    }

    error = await refused(api, graph, "MODEL_FILE_MISSING")

    [finding] = error["details"]["findings"]
    assert finding["input"] == "ckpt_name"
    assert finding["fix"]["value"] == "contract_base.safetensors"
    assert finding["details"]["close_matches"][0] == "contract_base.safetensors"


async def test_output_nodes_that_are_none(api):
    error = await api.error("/ext/tasks", {"workflow": image(), "outputs": ["1"]}, status=400)
    assert error["code"] == "INVALID_REQUEST"
    assert error["details"]["output_nodes"] == ["3"]


async def test_nothing_of_a_refused_workflow_remains(api):
    before = await api.get("/ext/tasks?limit=1")
    graph = image()
    graph["1"]["inputs"]["width"] = 0

    await refused(api, graph, "VALUE_OUT_OF_RANGE")

    after = await api.get("/ext/tasks?limit=1")
    assert [task["id"] for task in after["items"]] == [task["id"] for task in before["items"]]


async def test_a_body_over_the_limit(api):
    limit = (await api.get("/ext"))["limits"]["max_body_bytes"]

    async def endless():
        chunk = b" " * (1024 * 1024)
        for _ in range(limit // len(chunk) + 2):
            yield chunk

    async with api.session.post("/ext/tasks", data=endless()) as reply:
        assert reply.status == 413
        error = (await reply.json())["error"]
    assert error["code"] == "BODY_TOO_LARGE"
    assert error["details"]["max_bytes"] == limit


@pytest.mark.parametrize("path", ["", "/cancel", "/preview", "/outputs/0"])
async def test_an_unknown_task(api, path):
    method = "POST" if path == "/cancel" else "GET"
    error = await api.error(f"/ext/tasks/no-such-task{path}", method=method, status=404)
    assert error["code"] == "TASK_NOT_FOUND"


async def test_an_unknown_output(api):
    task = await api.run(image())
    for place in ["1", "-1", "first"]:
        error = await api.error(f"/ext/tasks/{task['id']}/outputs/{place}", method="GET", status=404)
        assert error["code"] == "OUTPUT_NOT_FOUND"


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_every_path_below_ext_answers_in_the_envelope(api, prefix):
    assert (await api.error(f"{prefix}/ext/nothing", method="GET", status=404))["code"] == "NOT_FOUND"
    for method, path in [("POST", "/ext"), ("PUT", "/ext/tasks"), ("DELETE", "/ext/catalog/KSampler")]:
        error = await api.error(prefix + path, method=method, status=405)
        assert error["code"] == "METHOD_NOT_ALLOWED"
        assert error["details"]["allowed"]


@pytest.mark.parametrize("query", ["?limit=0", "?limit=x", "?status=done", "?cursor=x", "?page=2"])
async def test_a_wrong_query_is_refused(api, query):
    error = await api.error(f"/ext/tasks{query}", method="GET", status=400)
    assert error["code"] == "INVALID_REQUEST"
    assert error["details"]["fields"]


async def test_the_server_says_what_it_is(api):
    about = await api.get("/ext")
    assert about["name"] == "backplane"
    assert about["host"] == api.server.kind
    assert about["host_version"]
    assert (await api.get("/api/ext")) == about
    for link in about["links"].values():
        async with api.session.get(link) as reply:
            assert reply.status == 200, link


async def test_the_server_is_healthy(api):
    health = await api.get("/ext/health")
    assert health["status"] == "ok"
    checks = {check["name"]: check for check in health["checks"]}
    assert checks["prompt_worker"]["ok"]
    if api.server.kind == "comfyui":
        hooks = {name: check["detail"] for name, check in checks.items() if name.startswith("hook_")}
        assert set(hooks.values()) == {"installed"}
    for probe in ["/ext/live", "/ping"]:
        async with api.session.get(probe) as reply:
            assert reply.status == 200


async def test_the_server_tells_its_devices_and_memory(api):
    system = await api.get("/ext/system")
    assert system["devices"][0]["name"]
    assert 0 < system["ram_free"] <= system["ram_total"]
    assert 0 < system["disk_free"] <= system["disk_total"]


async def test_a_class_that_is_gone_is_replaced_as_comfyui_would(api):
    gone = "T2IAdapterLoader"
    listed = await api.session.get("/node_replacements")
    if listed.status != 200 or gone not in await listed.json():
        pytest.skip("This host has no node replacements")
    graph = {
        "1": node(gone, t2i_adapter_name="none.safetensors"),
        **{f"{key}0": one for key, one in image().items()},
    }
    for one in graph.values():
        for name, value in one["inputs"].items():
            if isinstance(value, list):
                one["inputs"][name] = [f"{value[0]}0", value[1]]
    task = await api.run(graph)
    assert task["status"] == "succeeded", task["error"]
    [warning] = [each for each in task["warnings"] if each["code"] == "NODE_CLASS_REPLACED"]
    assert warning["details"] == {"old": gone, "new": "ControlNetLoader"}
