"""What POST /prompt takes and refuses, in ComfyUI's words; the queue and the history."""

import pytest
from backplane.host.protocol import QueuedPrompt
from backplane.sandbox.checks import fits
from backplane.sandbox.prompt_queue import Item, Outcome, PromptQueue
from backplane.sandbox.validation import validate_prompt


def sleeping(node, seconds=600.0):
    return {
        "1": node("SandboxSleep", value=1, seconds=seconds, steps=6),
        "2": node("PackShow", value=["1", 0]),
    }


async def error_of(sandbox, graph, node_id="1"):
    """The one error of the one node at fault."""
    answer = await sandbox.refused(graph)
    assert answer["error"]["type"] == "prompt_outputs_failed_validation"
    (error,) = answer["node_errors"][node_id]["errors"]
    assert answer["node_errors"][node_id]["dependent_outputs"]
    assert set(error) == {"type", "message", "details", "extra_info"}
    return error


async def test_the_answer_has_id_number_and_no_errors(sandbox, node, new_id):
    prompt_id = new_id()
    graph = {"1": node("PackShow", value=1)}
    first = await sandbox.client.post("/prompt", json={"prompt": graph, "prompt_id": prompt_id})
    assert await first.json() == {"prompt_id": prompt_id, "number": 0, "node_errors": {}}
    second = await sandbox.client.post("/api/prompt", json={"prompt": graph})
    assert (await second.json())["number"] == 1
    third = await sandbox.client.post("/prompt", json={"prompt": graph, "number": -3.5, "prompt_id": None})
    assert (await third.json())["number"] == -3.5


async def test_smaller_numbers_and_front_run_first(sandbox, node):
    blocker = await sandbox.queue(sleeping(node))
    await sandbox.started(blocker)
    last = await sandbox.queue({"1": node("PackShow", value=1)})
    front = await sandbox.queue({"1": node("PackShow", value=2)}, front=True)
    numbered = await sandbox.queue({"1": node("PackShow", value=3)}, number=-50)
    assert [p.prompt_id for p in sandbox.host.queue().pending] == [numbered, front, last]
    listed = await (await sandbox.client.get("/queue")).json()
    assert [entry[1] for entry in listed["queue_running"]] == [blocker]
    assert [entry[1] for entry in listed["queue_pending"]] == [numbered, front, last]
    assert listed["queue_pending"][0][4] == ["1"]
    status = await (await sandbox.client.get("/prompt")).json()
    assert status == {"exec_info": {"queue_remaining": 4}}
    await sandbox.client.post("/queue", json={"delete": [front]})
    assert (await sandbox.ended(front)).status == "removed"
    await sandbox.client.post("/queue", json={"clear": True})
    assert (await sandbox.ended(last)).status == "removed"
    await sandbox.client.post("/interrupt")
    await sandbox.ended(blocker)


@pytest.mark.parametrize(
    "prompt_id", ["1", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc999c0b4ef8bb6d6bb9bd380a11", 7, [], ""]
)
async def test_only_canonical_uuids_are_taken_as_ids(sandbox, node, prompt_id):
    answer = await sandbox.refused({"1": node("PackShow", value=1)}, prompt_id=prompt_id)
    assert answer["error"]["type"] == "invalid_prompt_id"
    assert answer["node_errors"] == {}


async def test_no_prompt_and_no_outputs(sandbox, node):
    answer = await sandbox.client.post("/prompt", json={})
    assert (answer.status, (await answer.json())["error"]["type"]) == (400, "no_prompt")
    for graph in ({}, {"1": node("PrimitiveInt", value=1)}):
        assert (await sandbox.refused(graph))["error"]["type"] == "prompt_no_outputs"
    graph = {"1": node("PackShow", value=1)}
    answer = await sandbox.refused(graph, partial_execution_targets=["2"])
    assert answer["error"]["type"] == "prompt_no_outputs"


@pytest.mark.parametrize(
    "node",
    [{"class_type": "Nope", "inputs": {}}, {"inputs": {}}, {"class_type": ["x"]}, {"class_type": None}],
)
async def test_an_unknown_class_is_named(sandbox, node):
    error = (await sandbox.refused({"9": node}))["error"]
    assert error["type"] == "missing_node_type"
    assert error["extra_info"]["node_id"] == "9"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"prompt": []}',
        b'{"prompt": {"1": null}}',
        b'{"prompt": {"1": [1]}}',
        b'{"prompt": "text"}',
        b'{"prompt": {}, "number": "x"}',
        b'{"prompt": {}, "number": NaN}',
        b'{"prompt": {}, "extra_data": 3}',
        b'{"prompt": {}, "partial_execution_targets": "1"}',
    ],
)
async def test_malformed_bodies_are_refused_and_harm_nothing(sandbox, node, body):
    answer = await sandbox.client.post("/prompt", data=body)
    assert answer.status == 400
    assert (await answer.json())["error"]["message"]
    assert (await sandbox.run({"1": node("PackShow", value=1)})).status == "succeeded"


@pytest.mark.parametrize(
    ("inputs", "kind"),
    [
        ({}, "required_input_missing"),
        ({"value": "x"}, "invalid_input_type"),
        ({"value": None}, "invalid_input_type"),
        ({"value": [1, 2, 3]}, "bad_linked_input"),
        ({"value": ["0", 0]}, "return_type_mismatch"),
        ({"value": 2**63}, "value_bigger_than_max"),
        ({"value": -(2**63)}, "value_smaller_than_min"),
    ],
)
async def test_each_fault_of_an_input_has_its_type(sandbox, node, inputs, kind):
    graph = {
        "0": node("PrimitiveString", value="s"),
        "1": node("PrimitiveInt", **inputs),
        "2": node("PackShow", value=["1", 0]),
    }
    error = await error_of(sandbox, graph)
    assert error["type"] == kind
    assert error["extra_info"]["input_name"] == "value"


async def test_a_value_outside_a_combo_is_refused_and_long_lists_are_not_repeated(sandbox, node):
    graph = {
        "1": node("ImageScale", image=["0", 0], upscale_method="magic", width=1, height=1, crop="disabled"),
        "0": node("EmptyImage", width=1, height=1, batch_size=1, color=0),
        "2": node("PreviewImage", images=["1", 0]),
    }
    error = await error_of(sandbox, graph)
    assert error["type"] == "value_not_in_list"
    assert "'magic' not in ['nearest-exact'" in error["details"]
    sampler = {
        "1": node("KSampler", seed=0, steps=1, cfg=1, sampler_name="none", scheduler="normal", denoise=1),
        "2": node("VAEDecode", samples=["1", 0], vae=["3", 2]),
        "3": node("CheckpointLoaderSimple", ckpt_name="absent.safetensors"),
        "4": node("PreviewImage", images=["2", 0]),
    }
    answer = await sandbox.refused(sampler)
    errors = {error["type"]: error for error in answer["node_errors"]["1"]["errors"]}
    assert set(errors) == {"required_input_missing", "value_not_in_list"}
    assert "(list of length" in errors["value_not_in_list"]["details"]
    assert errors["value_not_in_list"]["extra_info"]["input_config"] is None
    assert answer["node_errors"]["3"]["errors"][0]["type"] == "value_not_in_list"


async def test_dangling_links_and_slots_are_told_as_comfyui_does(sandbox, node):
    graph = {"1": node("PackValue", value=["9", 0]), "2": node("PackShow", value=["1", 0])}
    error = await error_of(sandbox, graph)
    assert error["type"] == "exception_during_inner_validation"
    assert (error["details"], error["extra_info"]["exception_type"]) == ("'9'", "KeyError")
    assert error["extra_info"]["linked_node"] == ["1", 0]
    graph = {"0": node("PrimitiveInt", value=1), "1": node("PackShow", value=["0", 5])}
    error = await error_of(sandbox, graph)
    assert error["type"] == "exception_during_validation"
    assert error["extra_info"]["exception_type"] == "IndexError"
    error = await error_of(sandbox, {"1": {"class_type": "PackShow"}})
    assert error["extra_info"]["exception_type"] == "KeyError"


async def test_cycles_are_found_and_every_node_on_one_is_told(sandbox, node):
    graph = {
        "1": node("PackValue", value=["2", 0]),
        "2": node("PackValue", value=["1", 0]),
        "3": node("PackShow", value=["2", 0]),
        "4": node("PackShow", value=["4", 0]),
    }
    answer = await sandbox.refused(graph)
    kinds = {key: [e["type"] for e in entry["errors"]] for key, entry in answer["node_errors"].items()}
    assert kinds == {key: ["dependency_cycle"] for key in ("1", "2", "4")}
    assert answer["node_errors"]["1"]["dependent_outputs"] == ["3"]


async def test_the_nodes_own_check_has_the_last_word(sandbox, node):
    graph = {"1": node("PackStrict", value=7), "2": node("PackShow", value=["1", 0])}
    error = await error_of(sandbox, graph)
    assert (error["type"], error["details"]) == ("custom_validation_failed", "value - 7 is not the answer")
    graph["1"]["inputs"]["value"] = "42"  # over the maximum, which the node checks itself
    assert (await sandbox.run(graph)).outputs == {"2": {"value": [42]}}


async def test_the_images_of_load_image_are_checked_by_file(sandbox, node):
    graph = {"1": node("LoadImage", image="absent.png"), "2": node("PreviewImage", images=["1", 0])}
    error = await error_of(sandbox, graph)
    assert error["details"] == "image - Invalid image file: absent.png"


async def test_a_class_that_cannot_be_described_fails_only_itself(sandbox, node, caplog):
    graph = {"1": node("PackBroken", value=1), "2": node("PackShow", value=["1", 0])}
    error = await error_of(sandbox, graph)
    assert error["extra_info"]["exception_message"] == "no such folder"
    entries = await (await sandbox.client.get("/object_info")).json()
    assert "PackBroken" not in entries
    assert "PackShow" in entries
    assert "PackBroken" in caplog.text


async def test_outputs_that_can_run_do_and_the_errors_of_the_others_are_given(sandbox, node):
    graph = {"1": node("PackShow"), "2": node("PackShow", value=2)}
    answer = await sandbox.client.post("/prompt", json={"prompt": graph})
    body = await answer.json()
    assert answer.status == 200
    assert set(body["node_errors"]) == {"1"}
    assert (await sandbox.ended(body["prompt_id"])).outputs == {"2": {"value": [2]}}


async def test_arrays_are_values_if_they_are_wrapped(sandbox, node):
    graph = {"1": node("PackShow", value={"__value__": [1, 2, 3]})}
    assert (await sandbox.run(graph)).outputs == {"1": {"value": [[1, 2, 3]]}}


async def test_an_array_that_looks_like_a_link_is_checked_as_the_value_it_is(sandbox, node):
    graph = {
        "1": node("ImageInvert", image={"__value__": ["4", 0]}),
        "2": node("PackShow", value=["1", 0]),
        "3": node("PackShow", value=["1", 0]),
        "4": node("ImageInvert"),
    }
    verdict = validate_prompt(graph, None, sandbox.host.registry)
    assert (verdict.targets, verdict.node_errors) == (("2", "3"), {})


async def test_dynamic_inputs_arrive_flat_and_are_checked_one_by_one(sandbox, node):
    graph = {
        "1": node("BatchImagesNode", **{"images.image1": ["2", 0]}),
        "2": node("EmptyImage", width=4, height=4, batch_size=1, color=0),
        "3": node("PreviewImage", images=["4", 0]),
        "4": node(
            "ResizeImageMaskNode",
            input=["1", 0],
            resize_type="scale width",
            scale_method="area",
            **{"resize_type.width": -1},
        ),
    }
    answer = await sandbox.refused(graph)
    (missing,) = answer["node_errors"]["1"]["errors"]
    assert (missing["type"], missing["details"]) == ("required_input_missing", "image0")
    (small,) = answer["node_errors"]["4"]["errors"]
    assert (small["type"], small["details"]) == ("value_smaller_than_min", "resize_type.width")
    graph["1"]["inputs"]["images.image0"] = ["2", 0]
    graph["4"]["inputs"]["resize_type.width"] = 8
    ended = await sandbox.run(graph)
    assert len(ended.outputs["3"]["images"]) == 2


@pytest.mark.parametrize(
    ("given", "wanted", "fine"),
    [
        ("IMAGE", "IMAGE", True),
        ("IMAGE", "MASK", False),
        ("IMAGE", "IMAGE,MASK", True),
        ("A, B", "B", True),
        ("*", "IMAGE", True),
        ("IMAGE", "*", True),
        ("IMAGE", "COMFY_MATCHTYPE_V3", True),
        (["a"], "COMBO", True),
        ("COMBO", ["a"], False),
        (["a"], ["a", "b"], False),
        (["a"], ["a"], True),
        ("STRING", "COMBO", False),
        ("INT", "FLOAT", False),
        ("IMAGE", "COMFY_AUTOGROW_V3", False),
    ],
)
def test_which_types_fit(given, wanted, fine):
    assert fits(given, wanted) is fine


async def test_history_is_listed_cut_and_forgotten(sandbox, node):
    ids = [(await sandbox.run({"1": node("PackShow", value=n)})).prompt_id for n in range(4)]

    async def listed(**query):
        return list(await (await sandbox.client.get("/history", params=query)).json())

    assert await listed() == ids
    assert await listed(max_items=2) == ids[2:]
    assert await listed(max_items=2, offset=1) == ids[1:3]
    assert (await sandbox.client.get("/history?max_items=x")).status == 400
    await sandbox.client.post("/history", json={"delete": [ids[0]]})
    assert await listed() == ids[1:]
    await sandbox.client.post("/history", json={"clear": True})
    assert await listed() == []


async def test_a_history_entry_has_prompt_outputs_status_and_meta(sandbox, node):
    ended = await sandbox.run({"1": node("PackShow", value=5)}, client_id="me")
    entry = await sandbox.history(ended.prompt_id)
    assert entry["prompt"][1:3] == [ended.prompt_id, {"1": node("PackShow", value=5)}]
    assert entry["prompt"][3]["client_id"] == "me"
    assert entry["outputs"] == {"1": {"value": [5]}}
    assert entry["status"]["status_str"] == "success"
    assert [m[0] for m in entry["status"]["messages"]] == [
        "execution_start",
        "execution_cached",
        "execution_success",
    ]
    assert entry["meta"] == {
        "1": {"node_id": "1", "display_node": "1", "parent_node": None, "real_node_id": "1"}
    }


def test_the_history_is_capped_and_a_used_id_counts_as_new():
    queue = PromptQueue(removed=lambda _: None, done=lambda *_: None, changed=lambda _: None, history=2)
    for prompt_id in ("a", "b", "a", "c"):
        queue.put(Item(0, QueuedPrompt(prompt_id, {}, (), None), {}, {}))
        queue.finish(queue.get(), Outcome("succeeded"))
    assert list(queue.history()) == ["a", "c"]
    assert list(queue.history(limit=1)) == ["c"]


async def test_two_prompts_with_one_id_both_run(sandbox, node, new_id):
    prompt_id = new_id()
    blocker = await sandbox.queue(sleeping(node))
    for value in (1, 2):
        await sandbox.queue({"1": node("PackShow", value=value)}, prompt_id=prompt_id, number=5)
    await sandbox.started(blocker)
    sandbox.host.cancel(blocker)
    ended = await sandbox.event(lambda e: getattr(e, "outputs", None) == {"1": {"value": [2]}})
    assert ended.prompt_id == prompt_id
