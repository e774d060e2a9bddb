"""Workflows that are converted, judged and changed, without and with running them."""

import json
import uuid

import pytest
from graphs import image, node


@pytest.fixture
def picture():
    return image()


@pytest.fixture
async def drawn(api, picture):
    """The same workflow as the page would save it."""
    answer = await api.post("/ext/workflow/convert?to=ui", {"workflow": picture})
    assert answer["format"] == "ui"
    return answer["workflow"]


def plain(graph):
    return {node_id: (each["class_type"], each["inputs"]) for node_id, each in graph.items()}


async def test_to_the_page_and_back_is_the_same_workflow(api, drawn, picture):
    assert {"nodes", "links", "version"} <= drawn.keys()
    back = await api.post("/ext/workflow/convert", {"workflow": drawn})
    assert plain(back["workflow"]) == plain(picture)
    assert back["node_ids"] == {node_id: [node_id] for node_id in picture}
    assert (back["carrier"], back["format"], back["unknown"]) == ("json", "api", [])


async def test_the_file_itself_will_do_as_a_body(api, drawn, picture):
    assert plain((await api.post("/ext/workflow/convert", drawn))["workflow"]) == plain(picture)


async def test_what_is_in_api_format_stays_as_it_is(api, picture):
    answer = await api.post("/ext/workflow/convert", {"workflow": picture})
    assert (answer["workflow"], answer["node_ids"]) == (picture, {})


async def test_a_workflow_of_the_page_runs_and_its_image_carries_it(api, drawn, picture):
    task = await api.run(drawn)
    assert task["status"] == "succeeded", task["error"]
    assert task["node_ids"] == {node_id: [node_id] for node_id in picture}
    [output] = [output for output in task["outputs"] if output["kind"] == "image"]
    async with api.session.get(output["url"]) as reply:
        file = await reply.read()
    async with api.session.post(
        "/ext/workflow/convert", data=file, headers={"Content-Type": "image/png"}
    ) as reply:
        carried = await reply.json()
    assert carried["carrier"] == "png"
    assert plain(carried["workflow"]) == plain(picture)
    async with api.session.post(
        "/ext/workflow/convert?to=ui", data=file, headers={"Content-Type": "image/png"}
    ) as reply:
        assert (await reply.json())["workflow"]["nodes"] == drawn["nodes"]
    again = await api.post(f"/ext/tasks/{task['id']}/retry", status=202)
    assert again["node_ids"] == task["node_ids"]
    assert (await api.finish(again["id"]))[-1]["status"] == "succeeded"


async def test_a_class_that_is_not_here_is_named(api, drawn):
    drawn["nodes"][0]["type"] = "NoSuchClassAnywhere"
    for path in ("/ext/workflow/convert", "/ext/tasks"):
        error = await api.error(path, {"workflow": drawn}, status=422)
        assert error["code"] == "UNKNOWN_NODE_CLASS"
        assert "NoSuchClassAnywhere" in json.dumps(error["details"])
    partial = await api.post("/ext/workflow/convert?partial=1", {"workflow": drawn})
    assert [one["class_type"] for one in partial["unknown"]] == ["NoSuchClassAnywhere"]


async def test_a_file_without_a_workflow_is_refused(api):
    async with api.session.post(
        "/ext/workflow/convert", data=b"\x89PNG\r\n\x1a\nnothing", headers={"Content-Type": "image/png"}
    ) as reply:
        assert reply.status == 400
        assert (await reply.json())["error"]["code"] == "WORKFLOW_MISSING"


@pytest.mark.parametrize("query", ["?to=xml", "?too=ui"])
async def test_a_wrong_query_is_refused(api, query, picture):
    error = await api.error(f"/ext/workflow/convert{query}", {"workflow": picture}, status=400)
    assert error["code"] == "INVALID_REQUEST"


async def test_judging_says_what_running_would(api, drawn, picture):
    good = await api.post("/ext/workflow/validate", {"workflow": picture})
    assert (good["valid"], good["findings"]) == (True, [])
    assert good["outputs"] == ["3"]
    assert (await api.post("/ext/workflow/validate", {"workflow": drawn}))["valid"] is True
    bad = picture
    bad["1"]["inputs"]["width"] = -5
    bad["2"]["class_type"] = "NoSuchClassAnywhere"
    judged = await api.post("/ext/workflow/validate", {"workflow": bad})
    assert (judged["valid"], judged["outputs"]) == (False, [])
    assert "UNKNOWN_NODE_CLASS" in {finding["code"] for finding in judged["findings"]}
    error = await api.error("/ext/tasks", {"workflow": bad}, status=422)
    assert error["details"]["findings"] == judged["findings"]
    broken = await api.post("/ext/workflow/validate", {"workflow": {"1": "no node"}})
    assert [finding["code"] for finding in broken["findings"]] == ["BAD_NODE"]


async def test_a_patch_changes_and_undoes(api, picture):
    ops = [
        {
            "op": "insert_node",
            "class_type": "ImageInvert",
            "target_node_id": "3",
            "input": "images",
            "alias": "twice",
        },
        {"op": "set_title", "node_id": "$twice", "title": "Once more"},
    ]
    answer = await api.post("/ext/workflow/patch", {"workflow": picture, "ops": ops})
    [made] = answer["created"]
    assert answer["findings"] == []
    assert answer["workflow"]["3"]["inputs"]["images"] == [made["node_id"], 0]
    task = await api.run(answer["workflow"])
    assert task["status"] == "succeeded", task["error"]
    undone = await api.post(
        "/ext/workflow/patch", {"workflow": answer["workflow"], "ops": answer["inverse"], "validate": False}
    )
    assert undone["workflow"] == picture


async def test_a_patch_that_cannot_be_done_changes_nothing_and_says_where(api, picture):
    ops = [
        {"op": "set_title", "node_id": "1", "title": "x"},
        {"op": "connect", "source_node_id": "99", "target_node_id": "3"},
    ]
    error = await api.error("/ext/workflow/patch", {"workflow": picture, "ops": ops}, status=422)
    assert (error["code"], error["details"]["op"], error["details"]["operation"]) == (
        "NODE_NOT_FOUND",
        1,
        "connect",
    )


async def test_a_fragment_goes_in_by_its_name_in_a_session_too(api, picture):
    name = f"mirror-{uuid.uuid4().hex[:8]}"
    fragment = {
        "kind": "fragment",
        "workflow": {"a": node("ImageInvert")},
        "ports": {"image": {"node": "a", "field": "image"}},
        "outputs": {"image": {"node": "a", "output": "IMAGE"}},
        "place": [{"class_type": "SaveImage", "input": "images"}],
    }
    async with api.session.put(f"/ext/templates/{name}", json=fragment) as reply:
        assert reply.status == 201, await reply.text()
    ops = [{"op": "add_fragment", "fragment": name}]
    patched = await api.post("/ext/workflow/patch", {"workflow": picture, "ops": ops})
    [made] = patched["created"]
    after = patched["workflow"]
    assert after["3"]["inputs"]["images"] == [made["node_id"], 0]
    assert after[made["node_id"]]["inputs"] == {"image": ["2", 0]}
    assert patched["findings"] == []
    session = await api.post("/ext/workflow/sessions", {"workflow": picture}, status=201)
    held = await api.post("/ext/workflow/patch", {"session_id": session["id"], "ops": ops})
    assert plain(held["workflow"]) == plain(after)
    error = await api.error(
        "/ext/workflow/patch",
        {"workflow": picture, "ops": [{"op": "add_fragment", "fragment": "no-such-fragment"}]},
        status=404,
    )
    assert (error["code"], error["details"]["op"]) == ("TEMPLATE_NOT_FOUND", 0)


async def test_shipped_templates_and_fragments_are_there(api):
    listed = {entry["name"]: entry for entry in (await api.get("/ext/templates?limit=200"))["items"]}
    complete = [name for name, entry in listed.items() if entry["kind"] == "template" and entry["read_only"]]
    assert len(complete) >= 5
    assert {"add-lora-sd", "hires-fix-sd", "upscale-model", "controlnet-sdxl"} <= listed.keys()
    task = await api.post("/ext/tasks", {"template": "detect-edges", "inputs": {}}, status=None)
    assert task["error"]["code"] == "TEMPLATE_INPUT_INVALID"
    assert "image" in task["error"]["details"]["inputs"]


async def test_each_finding_brings_a_fix_that_mends_it(api, picture):
    broken = json.loads(json.dumps(picture))
    broken["1"]["inputs"]["width"] = 10**6
    broken["1"]["inputs"]["batch_size"] = "two"
    del broken["3"]["inputs"]["filename_prefix"]
    judged = await api.post("/ext/workflow/validate", {"workflow": broken})
    assert {finding["code"] for finding in judged["findings"]} == {
        "VALUE_OUT_OF_RANGE",
        "VALUE_WRONG_TYPE",
        "MISSING_INPUT",
    }
    ops = [finding["fix"] for finding in judged["findings"]]
    mended = await api.post("/ext/workflow/patch", {"workflow": broken, "ops": ops})
    assert (await api.post("/ext/workflow/validate", {"workflow": mended["workflow"]}))["valid"]
