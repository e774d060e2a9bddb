"""The page's rules, one small workflow each."""

from datetime import datetime, timezone

import pytest
from backplane.conversion import to_api
from backplane.errors import ApiError
from converting import node, specs, workflow


def graph_of(document, **how):
    return to_api(document, specs(), **how).graph


def inputs_of(document, node_id, **how):
    return graph_of(document, **how)[node_id]["inputs"]


def codes(document, **how):
    return [note.code for note in to_api(document, specs(), **how).notes]


LOADER = node(1, "CheckpointLoaderSimple", ["a.safetensors"], outputs=("MODEL", "CLIP", "VAE"))
SEED = ["randomize", 20, 8, "euler", "normal", 1]


def sampler(node_id=2, seed=5, **more):
    return node(node_id, "KSampler", [seed, *SEED], **more)


# ---------------------------------------------------------------- widgets


def test_values_go_to_widgets_in_the_order_of_the_definition():
    inputs = inputs_of(workflow(sampler()), "2")
    assert inputs == {
        "seed": 5,
        "steps": 20,
        "cfg": 8,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1,
    }


def test_the_control_behind_a_seed_is_saved_and_not_sent():
    assert "control_after_generate" not in inputs_of(workflow(sampler(seed=7)), "2")


def test_a_widget_without_a_saved_value_has_its_default():
    inputs = inputs_of(workflow(node(1, "EmptyLatentImage", [640])), "1")
    assert inputs == {"width": 640, "height": 512, "batch_size": 1}


def test_an_empty_choice_becomes_the_first_option():
    inputs = inputs_of(
        workflow(sampler(2, 1) | {"widgets_values": [1, "fixed", 20, 8, None, "normal", 1]}), "2"
    )
    assert inputs["sampler_name"] == "euler"


def test_old_names_of_samplers_lose_their_prefix():
    old = node(2, "KSampler", [1, "fixed", 20, 8, "sample_dpmpp_2m", "normal", 1])
    assert inputs_of(workflow(old), "2")["sampler_name"] == "dpmpp_2m"


def test_values_may_be_saved_by_name():
    by_name = node(1, "EmptyLatentImage", {"height": 64, "width": 32, "other": 1})
    assert inputs_of(workflow(by_name), "1") == {"width": 32, "height": 64, "batch_size": 1}


def test_an_upload_button_has_no_input():
    assert inputs_of(workflow(node(1, "LoadImage", ["a.png", "image"])), "1") == {"image": "a.png"}


def test_buttons_that_the_page_sends_are_sent():
    inputs = inputs_of(workflow(node(1, "LoadImageOutput", ["a.png", False, "refresh", "image"])), "1")
    assert inputs == {"image": "a.png", "refresh": "refresh"}


def test_an_array_is_wrapped_so_that_it_is_no_link():
    boxes = [{"x": 1, "y": 2, "width": 3, "height": 4, "metadata": {}}]
    inputs = inputs_of(workflow(node(1, "CreateBoundingBoxes", [512, 512, boxes, []])), "1")
    assert inputs["editor_state"] == {"__value__": boxes}


def test_numbers_are_written_as_the_page_writes_them():
    inputs = inputs_of(workflow(node(1, "EmptyLatentImage", [640.0, float("nan"), 1])), "1")
    assert type(inputs["width"]) is int
    assert inputs["height"] is None


def test_a_choice_brings_its_own_widgets_and_links():
    resize = node(
        2,
        "ResizeImageMaskNode",
        ["scale dimensions", 640, 480, "center", "area"],
        links={"input": 1, "resize_type.match": 2},
    )
    image = node(1, "LoadImage", ["a.png"], outputs=("IMAGE", "MASK"))
    inputs = inputs_of(workflow(image, resize, links=[(1, 1, 0, 2, 0), (2, 1, 0, 2, 1)]), "2")
    assert inputs == {
        "input": ["1", 0],
        "resize_type": "scale dimensions",
        "resize_type.width": 640,
        "resize_type.height": 480,
        "resize_type.crop": "center",
        "scale_method": "area",
    }


def test_choices_may_be_nested():
    values = ["video/x", "mp4", "h264", "auto", "auto"]
    inputs = inputs_of(workflow(node(1, "SaveVideo", values)), "1")
    assert inputs["format.codec"] == "h264"
    assert inputs["format.codec.encoding"] == "auto"


def test_growing_inputs_keep_their_names():
    one, two = (node(n, "LoadImage", [f"{n}.png"], outputs=("IMAGE",)) for n in (1, 2))
    batch = node(3, "BatchImagesNode", links={"images.image0": 1, "images.image1": 2, "images.image2": None})
    inputs = inputs_of(workflow(one, two, batch, links=[(1, 1, 0, 3, 0), (2, 2, 0, 3, 1)]), "3")
    assert inputs == {"images.image0": ["1", 0], "images.image1": ["2", 0]}


def test_options_of_a_custom_combo_are_its_own_widgets():
    inputs = inputs_of(workflow(node(1, "CustomCombo", ["b", 0, "a", "b", ""])), "1")
    assert inputs == {"choice": "b", "index": 1, "option1": "a", "option2": "b", "option3": ""}


def test_a_dummy_of_an_input_that_is_now_a_socket_is_left_out():
    recraft = node(1, "RecraftTextToImageNode", ["a cat", "1024x1024", 1, 0, "randomize", ""])
    inputs = inputs_of(workflow(recraft), "1")
    assert inputs["prompt"] == "a cat"
    assert "negative_prompt" not in inputs


def test_values_in_another_order_than_the_definition_go_where_they_fit():
    turned = node(1, "ResizeImageMaskNode", ["scale dimensions", "center", 640, 480, "area"])
    inputs = inputs_of(workflow(turned), "1")
    assert (inputs["resize_type.crop"], inputs["resize_type.width"], inputs["resize_type.height"]) == (
        "center",
        640,
        480,
    )


# ---------------------------------------------------------------- links


def test_a_link_takes_the_place_of_a_widget():
    width = node(1, "PrimitiveInt", [99, "fixed"], outputs=("INT",))
    latent = node(2, "EmptyLatentImage", [1, 2, 3])
    latent["inputs"] = [{"name": "width", "type": "INT", "link": 1, "widget": {"name": "width"}}]
    inputs = inputs_of(workflow(width, latent, links=[(1, 1, 0, 2, 0)]), "2")
    assert inputs == {"width": ["1", 0], "height": 2, "batch_size": 3}


def test_an_input_for_a_widget_that_is_gone_is_dropped():
    latent = node(2, "EmptyLatentImage", [1, 2, 3])
    latent["inputs"] = [{"name": "depth", "type": "INT", "link": 1, "widget": {"name": "depth"}}]
    assert "depth" not in inputs_of(workflow(LOADER, latent, links=[(1, 1, 0, 2, 0)]), "2")


@pytest.mark.parametrize("form", ["array", "object"])
def test_links_are_read_in_both_forms(form):
    document = workflow(LOADER, sampler(links={"model": 1}), links=[(1, 1, 0, 2, 0)])
    if form == "object":
        document["version"] = 1
        document["links"] = [
            {"id": 1, "origin_id": 1, "origin_slot": 0, "target_id": 2, "target_slot": 0, "type": "*"}
        ]
    assert inputs_of(document, "2")["model"] == ["1", 0]


def test_native_reroutes_change_nothing():
    document = workflow(LOADER, sampler(links={"model": 1}), links=[(1, 1, 0, 2, 0)])
    document["extra"] = {
        "reroutes": [{"id": 1, "pos": [0, 0], "linkIds": [1]}],
        "linkExtensions": [{"id": 1, "parentId": 1}],
    }
    assert inputs_of(document, "2")["model"] == ["1", 0]


def test_a_chain_of_reroutes_is_followed():
    first = node(3, "Reroute", links={"": 1}, outputs=("*",))
    second = node(4, "Reroute", links={"": 2}, outputs=("*",))
    links = [(1, 1, 0, 3, 0), (2, 3, 0, 4, 0), (3, 4, 0, 2, 0)]
    document = workflow(LOADER, first, second, sampler(links={"model": 3}), links=links)
    assert inputs_of(document, "2")["model"] == ["1", 0]
    assert graph_of(document).keys() == {"1", "2"}


def test_reroutes_in_a_circle_are_told():
    first = node(3, "Reroute", links={"": 2}, outputs=("*",))
    second = node(4, "Reroute", links={"": 1}, outputs=("*",))
    links = [(1, 3, 0, 4, 0), (2, 4, 0, 3, 0), (3, 4, 0, 2, 0)]
    document = workflow(first, second, sampler(links={"model": 3}), links=links)
    assert "model" not in inputs_of(document, "2")
    assert codes(document) == ["WORKFLOW_CYCLE"]


@pytest.mark.parametrize("links", [[], [(1, 9, 0, 2, 0)]])
def test_a_link_that_is_missing_is_told_and_left_out(links):
    document = workflow(sampler(links={"model": 1}), links=links)
    assert "model" not in inputs_of(document, "2")
    assert codes(document) == ["DANGLING_LINK"]


def test_a_setter_gives_its_value_to_the_getters_of_its_name():
    setter = node(3, "SetNode", ["base"], links={"MODEL": 1}, outputs=("MODEL",))
    getter = node(4, "GetNode", ["base"], outputs=("MODEL",))
    document = workflow(
        LOADER, setter, getter, sampler(links={"model": 2}), links=[(1, 1, 0, 3, 0), (2, 4, 0, 2, 0)]
    )
    assert inputs_of(document, "2")["model"] == ["1", 0]


# ---------------------------------------------------------------- primitives


def primitive(values, *, target="width", **more):
    made = node(1, "PrimitiveNode", values, outputs=("INT",), **more)
    made["outputs"][0]["links"] = [1]
    latent = node(2, "EmptyLatentImage", [1, 2, 3])
    latent["inputs"] = [{"name": target, "type": "INT", "link": 1, "widget": {"name": target}}]
    return workflow(made, latent, links=[(1, 1, 0, 2, 0)])


def test_a_primitive_writes_its_value_into_the_widget():
    document = primitive([640, "fixed"])
    assert graph_of(document).keys() == {"2"}
    assert inputs_of(document, "2") == {"width": 640, "height": 2, "batch_size": 3}


def test_a_primitive_without_a_value_changes_none():
    assert inputs_of(primitive([]), "2")["width"] == 1


def test_a_primitive_may_fill_in_values_of_other_widgets():
    made = primitive(["%Empty.height%"], target="width", properties={"Run widget replace on values": True})
    made["nodes"][1]["title"] = "Empty"
    assert inputs_of(made, "2")["width"] == "2"


# ---------------------------------------------------------------- muted, bypassed, notes


def test_notes_are_left_out():
    document = workflow(
        LOADER, node(2, "Note", ["hi"]), node(3, "MarkdownNote", ["hi"]), node(4, "Label (rgthree)")
    )
    assert graph_of(document).keys() == {"1"}


def test_a_muted_node_and_the_links_to_it_are_dropped():
    document = workflow({**LOADER, "mode": 2}, sampler(links={"model": 1}), links=[(1, 1, 0, 2, 0)])
    assert graph_of(document).keys() == {"2"}
    assert "model" not in inputs_of(document, "2")


def test_a_widget_whose_link_ends_at_a_muted_node_sends_its_own_value():
    width = node(1, "PrimitiveInt", [99, "fixed"], outputs=("INT",), mode=2)
    latent = node(2, "EmptyLatentImage", [1, 2, 3])
    latent["inputs"] = [{"name": "width", "type": "INT", "link": 1, "widget": {"name": "width"}}]
    assert inputs_of(workflow(width, latent, links=[(1, 1, 0, 2, 0)]), "2")["width"] == 1


def lora(mode, **links):
    return node(3, "LoraLoader", ["l.safetensors", 1, 1], links=links, outputs=("MODEL", "CLIP"), mode=mode)


def test_a_bypassed_node_hands_on_the_input_of_the_same_type():
    text = node(4, "CLIPTextEncode", ["a cat"], links={"clip": (4, "CLIP")})
    links = [(1, 1, 0, 3, 0), (2, 1, 1, 3, 1), (3, 3, 0, 2, 0), (4, 3, 1, 4, 0)]
    document = workflow(LOADER, lora(4, model=1, clip=2), sampler(links={"model": 3}), text, links=links)
    assert inputs_of(document, "2")["model"] == ["1", 0]
    assert inputs_of(document, "4")["clip"] == ["1", 1]
    assert "3" not in graph_of(document)


def test_a_bypassed_node_without_an_input_of_the_type_gives_nothing():
    decode = node(3, "VAEDecode", links={"samples": None, "vae": 1}, outputs=("IMAGE",), mode=4)
    save = node(4, "PreviewImage", links={"images": 2})
    document = workflow(LOADER, decode, save, links=[(1, 1, 2, 3, 1), (2, 3, 0, 4, 0)])
    assert inputs_of(document, "4") == {}


def test_bypassed_nodes_may_follow_each_other():
    first = node(3, "LoraLoaderModelOnly", ["l", 1], links={"model": 1}, outputs=("MODEL",), mode=4)
    second = {**first, "id": 4, "inputs": [{"name": "model", "type": "MODEL", "link": 2}]}
    links = [(1, 1, 0, 3, 0), (2, 3, 0, 4, 0), (3, 4, 0, 2, 0)]
    document = workflow(LOADER, first, second, sampler(links={"model": 3}), links=links)
    assert inputs_of(document, "2")["model"] == ["1", 0]


def test_a_bypassed_switch_takes_the_type_that_its_inputs_share():
    switch = node(3, "ComfySwitchNode", [False], links={"on_false": 1, "on_true": 2}, outputs=("*",), mode=4)
    links = [(1, 1, 0, 3, 0), (2, 1, 0, 3, 1), (3, 3, 0, 2, 0)]
    document = workflow(LOADER, switch, sampler(links={"model": 3}), links=links)
    assert inputs_of(document, "2")["model"] == ["1", 0]


# ---------------------------------------------------------------- texts


def encoded(text, **how):
    return inputs_of(workflow(node(1, "CLIPTextEncode", [text])), "1", **how)["text"]


def test_one_of_several_choices_is_taken_and_told():
    assert encoded("a {red|{light|dark} blue} cat", choose=lambda options: options[-1]) == "a dark blue cat"
    assert encoded("a {red|blue} cat") in {"a red cat", "a blue cat"}
    assert codes(workflow(node(1, "CLIPTextEncode", ["{a|b}"]))) == ["CHOICE_TAKEN"]


def test_comments_are_left_out_and_braces_may_be_escaped():
    assert encoded("a /* b */c // d\ne \\{f\\|g\\} \\(h\\)") == "a c \ne {f|g} \\(h\\)"


def test_names_of_files_are_filled_in():
    now = datetime(2026, 3, 4, 15, 6, 7, tzinfo=timezone.utc)
    save = node(2, "SaveImage", ["%date:yyyy-MM-dd_hhmm%/%Sampler.seed%/%other%/%x.y%"])
    document = workflow(sampler(1, 9, title="Sampler"), save)
    assert inputs_of(document, "2", now=now)["filename_prefix"] == "2026-03-04_1506/9/%other%/%x.y%"


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize("mode", [2, 4])
def test_a_node_of_an_unknown_class_is_named_unless_it_is_off(mode):
    strange = node(3, "KSampler2", ["?"], links={"model": 1}, outputs=("LATENT",))
    document = workflow(LOADER, strange, links=[(1, 1, 0, 3, 0)])
    with pytest.raises(ApiError) as caught:
        to_api(document, specs())
    assert caught.value.code == "UNKNOWN_NODE_CLASS"
    assert caught.value.details["classes"] == ["KSampler2"]
    assert caught.value.details["findings"][0]["details"]["suggestions"][0] == "KSampler"
    strange["mode"] = mode
    assert graph_of(document).keys() == {"1"}


def test_partly_converted_an_unknown_node_keeps_its_links_only():
    strange = node(3, "Unknown", ["?"], links={"model": 1}, outputs=("LATENT",))
    document = workflow(LOADER, strange, links=[(1, 1, 0, 3, 0)])
    found = to_api(document, specs(), partial=True)
    assert found.graph["3"]["inputs"] == {"model": ["1", 0]}
    assert [(each.node_id, each.class_type) for each in found.unknown] == [("3", "Unknown")]


def test_what_is_no_node_is_told():
    document = workflow(LOADER)
    document["nodes"] += [{"id": 3}, 7]
    assert codes(document) == ["BAD_NODE", "BAD_NODE"]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (None, "WORKFLOW_MISSING"),
        ({}, "WORKFLOW_MISSING"),
        ([], "INVALID_REQUEST"),
        ({"1": {"class_type": "KSampler"}}, "INVALID_REQUEST"),
        ({"nodes": [{"id": n, "type": "Note"} for n in range(20_001)]}, "WORKFLOW_INVALID"),
    ],
)
def test_what_is_no_workflow_is_refused(document, code):
    with pytest.raises(ApiError) as caught:
        to_api(document, specs())
    assert caught.value.code == code


def test_a_value_that_is_nested_too_deeply_is_refused():
    value: list = []
    for _ in range(500):
        value = [value]
    with pytest.raises(ApiError):
        to_api(workflow(node(1, "EmptyLatentImage", [value])), specs())


def test_titles_go_along_and_nodes_come_behind_their_sources():
    document = workflow(sampler(links={"model": 1}, title="Mine"), LOADER, links=[(1, 1, 0, 2, 0)])
    graph = graph_of(document)
    assert list(graph) == ["1", "2"]
    assert [each["_meta"]["title"] for each in graph.values()] == ["Load Checkpoint", "Mine"]


def test_what_only_the_page_can_make_is_sent_as_saved_and_told():
    document = workflow(node(1, "RecordAudio", ["old.wav", ""]))
    assert inputs_of(document, "1") == {"audio": "old.wav"}
    assert codes(document) == ["PAGE_ONLY_VALUE"]
