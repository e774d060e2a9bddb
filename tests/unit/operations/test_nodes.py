"""add_node, remove_node, replace_node, duplicate, restore."""

import pytest
from patching import LORA, MODELS, dropped, exactly, node, patched, refused, rewired, text_to_image


def added(graph, **fields):
    result = patched(graph, {"op": "add_node", **fields})
    return result.graph[result.created[0].node_id]


def test_a_new_node_has_the_defaults_that_the_page_would_give_it():
    assert added({}, class_type="Sampler") == node("Sampler", seed=0, steps=20, sampler_name="euler")
    assert added({}, class_type="Encode") == node("Encode", text="")
    assert added({}, class_type="Latent", title="Size") == node("Latent", "Size", width=512)
    assert added({}, class_type="Resize") == node(
        "Resize", mode="by size", **{"mode.width": 512, "mode.crop": "a"}
    )


def test_a_new_node_has_what_was_asked_for_and_the_defaults_that_follow_from_it():
    made = added(
        text_to_image(),
        class_type="Resize",
        params={"mode.factor": 3.0, "mode": "by factor"},
        inputs={"image": ["6", "image"]},
        id="resize",
    )
    assert made == node("Resize", image=["6", 0], mode="by factor", **{"mode.factor": 3.0})


def test_the_output_may_be_left_out_where_only_one_fits():
    made = added(text_to_image(), class_type="Encode", inputs={"clip": {"node_id": 1}})
    assert made == node("Encode", text="", clip=["1", 1])
    error = refused(
        {"1": node("ControlNet")},
        {"op": "add_node", "class_type": "Sampler", "inputs": {"positive": {"node_id": "1"}}},
    )
    assert error.code == "AMBIGUOUS_PORT"
    assert [each["output"] for each in error.details["candidates"]] == ["positive", "negative"]


def test_a_growing_input_takes_links_by_its_own_name_and_by_its_places():
    graph = text_to_image()
    assert added(graph, class_type="Batch", inputs={"images": ["6", 0]}) == node(
        "Batch", **{"images.image0": ["6", 0]}
    )
    made = added(graph, class_type="Batch", inputs={"images.image2": ["6", 0], "images.image0": ["6", 0]})
    assert made["inputs"].keys() == {"images.image0", "images.image2"}
    add = {"op": "add_node", "class_type": "Batch"}
    assert refused(graph, {**add, "inputs": {"images.image4": ["6", 0]}}).code == "PORT_UNKNOWN"


def test_a_variant_brings_its_inputs():
    params, inputs = {"mode": "like"}, {"mode.image": ["6", 0]}
    made = added(text_to_image(), class_type="Resize", params=params, inputs=inputs)
    assert made["inputs"] == {"mode": "like", "mode.crop": "a", "mode.image": ["6", 0]}
    error = refused(text_to_image(), {"op": "add_node", "class_type": "Resize", "inputs": inputs})
    assert error.code == "PORT_UNKNOWN"
    assert error.hint == "It is there when mode is 'like'."


def test_a_param_may_be_linked_and_an_array_is_wrapped():
    graph = {"1": node("Number", value=3)}
    assert added(graph, class_type="Latent", inputs={"width": ["1", 0]})["inputs"] == {"width": ["1", 0]}
    assert added({}, class_type="ToMask", params={"list": [1, 2, 3]})["inputs"] == {
        "list": {"__value__": [1, 2, 3]}
    }
    error = refused(graph, {"op": "add_node", "class_type": "Latent", "params": {"width": ["1", 0]}})
    assert error.code == "VALUE_WRONG_TYPE"


def test_what_a_class_does_not_have_is_refused_with_what_is_near():
    error = refused({}, {"op": "add_node", "class_type": "Sampler", "params": {"step": 3}})
    assert (error.code, error.hint) == ("PARAM_UNKNOWN", "Did you mean steps?")
    error = refused({}, {"op": "add_node", "class_type": "Sampler", "params": {"model": 3}})
    assert (error.code, error.hint) == (
        "PARAM_UNKNOWN",
        "It is an input that takes links only: use connect, or the field inputs.",
    )
    error = refused({}, {"op": "add_node", "class_type": "sampler"})
    assert (error.code, error.hint) == ("UNKNOWN_NODE_CLASS", "Did you mean Sampler?")


def test_a_new_id_does_not_catch_a_link_that_led_nowhere():
    graph = {"1": node("Save", images=["2", 0])}
    assert list(patched(graph, {"op": "add_node", "class_type": "Number"}).graph) == ["1", "3"]


def test_removing_a_node_takes_the_links_to_it_along():
    graph = text_to_image()
    result = patched(graph, {"op": "remove_node", "node_id": "1"})
    assert rewired(graph, result) == {"2.clip": None, "3.clip": None, "5.model": None, "6.vae": None}
    assert dropped(result) == [("2", "clip"), ("3", "clip"), ("5", "model"), ("6", "vae")]
    assert "1" not in result.graph


def test_a_param_that_was_linked_to_a_removed_node_gets_its_default_back():
    graph = {"1": node("Number", value=3), "2": node("Latent", width=["1", 0])}
    result = patched(graph, {"op": "remove_node", "node_id": "1"})
    assert result.graph == {"2": node("Latent", width=512)}


def test_a_node_in_the_middle_comes_back_to_its_place():
    graph = text_to_image()
    result = patched(
        graph, {"op": "remove_node", "node_id": "4"}, {"op": "add_node", "class_type": "Latent", "id": "4"}
    )
    assert list(result.graph) == ["1", "2", "3", "5", "6", "7", "4"]  # patched() looks that it comes back


def test_removing_with_a_bridge_links_who_used_it_to_what_went_through():
    graph = text_to_image()
    lora = patched(graph, {"op": "insert_node", "class_type": "Lora", "source_node_id": "1"}).graph
    result = patched(lora, {"op": "remove_node", "node_id": "8", "bridge": True})
    assert result.graph == graph
    assert dropped(result) == []


def test_a_bridge_drops_what_nothing_goes_through_to():
    graph = text_to_image()
    result = patched(graph, {"op": "remove_node", "node_id": "6", "bridge": True})
    assert dropped(result) == [("7", "images")]


def test_replacing_keeps_what_fits_by_name():
    graph = text_to_image()
    graph["5"]["inputs"]["steps"] = 33
    result = patched(
        graph, {"op": "replace_node", "node_id": "5", "class_type": "Sampler", "params": {"seed": 9}}
    )
    assert rewired(graph, result) == {}
    assert result.graph["5"]["inputs"] == {**graph["5"]["inputs"], "seed": 9}


def test_replacing_keeps_links_by_type_and_lists_what_it_dropped():
    graph = text_to_image()
    result = patched(graph, {"op": "replace_node", "node_id": "6", "class_type": "Any"})
    assert result.graph["6"] == node("Any", anything=["5", 0])
    assert rewired(graph, result) == {"6.anything": "5.0", "6.samples": None, "6.vae": None}
    assert dropped(result) == [("6", "vae")]  # samples went to anything, which has one place
    result = patched(graph, {"op": "replace_node", "node_id": "1", "class_type": "Unet"})
    assert dropped(result) == [("1", "ckpt_name"), ("2", "clip"), ("3", "clip"), ("6", "vae")]
    assert result.graph["1"] == node("Unet", unet_name=MODELS[0])


def test_replacing_keeps_values_only_where_they_are_allowed():
    graph = {"1": node("Latent", width=5), "2": node("Load", image="gone.png")}
    result = patched(graph, {"op": "replace_node", "node_id": "2", "class_type": "Load"})
    assert result.graph["2"]["inputs"] == {"image": "a.png"}
    result = patched(graph, {"op": "replace_node", "node_id": "1", "class_type": "Latent"})
    assert result.graph["1"]["inputs"] == {"width": 512}


def test_replacing_finds_the_outputs_by_name_and_then_by_type():
    graph = {
        "1": node("Gone"),
        "2": node("Encode", text="", clip=["1", 0]),
        "3": node("Decode", vae=["1", 4]),
    }
    result = patched(graph, {"op": "replace_node", "node_id": "1", "class_type": "Checkpoint"})
    assert rewired(graph, result) == {"2.clip": "1.1", "3.vae": "1.2"}
    graph = {"1": node("ControlNet"), "2": node("Sampler", negative=["1", 1], positive=["1", 0])}
    result = patched(graph, {"op": "replace_node", "node_id": "1", "class_type": "Combine"})
    assert rewired(graph, result) == {"2.negative": "1.0"}


def test_replacing_keeps_the_title_and_the_id():
    result = patched(text_to_image(), {"op": "replace_node", "node_id": "2", "class_type": "Combine"})
    assert result.graph["2"]["_meta"] == {"title": "Prompt"}
    assert list(result.graph) == list(text_to_image())
    assert result.created == ()


def test_replacing_keeps_a_match_type_consistent():
    graph = {
        "1": node("Load", image="a.png"),
        "2": node("Blend", image1=["1", 0], image2=["1", 0], factor=0.5),
    }
    graph["3"] = node("ControlNet", positive=["9", 0], negative=["9", 0], image=["1", 0])
    result = patched(graph, {"op": "replace_node", "node_id": "2", "class_type": "Switch"})
    assert result.graph["2"]["inputs"] == {"on_true": ["1", 0], "on_false": ["1", 0]}
    graph["2"] = node("Decode", samples=["4", 0], vae=["5", 2])
    graph |= {"4": node("Latent", width=64), "5": node("Checkpoint", ckpt_name=MODELS[0])}
    result = patched(graph, {"op": "replace_node", "node_id": "2", "class_type": "Switch"})
    assert result.graph["2"]["inputs"] == {"on_true": ["4", 0]}
    assert dropped(result) == [("2", "on_false")]


def test_a_copy_keeps_its_links_and_is_used_by_nobody():
    graph = text_to_image()
    result = patched(
        graph,
        {"op": "duplicate", "node_id": "5", "params": {"seed": 8}, "title": "Twin", "alias": "twin"},
        {"op": "set_param", "node_id": "$twin", "param": "steps", "value": 3},
    )
    assert result.graph["8"]["inputs"] == {**graph["5"]["inputs"], "seed": 8, "steps": 3}
    assert result.graph["8"]["_meta"] == {"title": "Twin"}
    assert {**result.graph, "8": None} == {**graph, "8": None}
    assert result.created[0].to_json() == {
        "op": 0,
        "node_id": "8",
        "class_type": "Sampler",
        "alias": "twin",
        "copy_of": "5",
    }


def test_copies_of_several_nodes_are_linked_among_themselves():
    graph = text_to_image()
    copies = {"op": "duplicate", "node_ids": ["6", "5"], "alias": "c"}
    result = patched(graph, copies, {"op": "set_title", "node_id": "$c.6", "title": "x"})
    assert result.aliases == {"c.6": "8", "c.5": "9"}
    assert result.graph["8"] == node("Decode", "x", samples=["9", 0], vae=["1", 2])
    alone = patched(graph, {**copies, "keep_inputs": False}).graph
    assert alone["8"] == node("Decode", samples=["9", 0])
    assert alone["9"] == node("Sampler", seed=1, steps=20, sampler_name="euler")


def test_restoring_puts_whole_nodes_back_unchecked():
    graph = text_to_image()
    odd = {"class_type": "Missing", "inputs": {"x": ["y", 7]}, "extra": 1}
    restore = {"op": "restore", "nodes": {"5": odd, "7": None, "new": odd}, "place": {"new": 0}}
    result = patched(graph, restore)
    assert result.graph == {**{key: graph[key] for key in "12346"}, "5": odd, "new": odd}
    assert list(result.graph) == ["new", "1", "2", "3", "4", "5", "6"]
    assert patched(result.graph, restore).changes == ()


@pytest.mark.parametrize("ids", [["1"], ["7"], ["3", "1", "6"], list("1234567")])
def test_removed_nodes_come_back_in_their_order_from_any_number_of_steps(ids):
    graph = text_to_image()
    stack = []
    done = graph
    for node_id in ids:
        result = patched(done, {"op": "remove_node", "node_id": node_id})
        stack.append(result.inverse)
        done = patched(result.graph).graph
    for inverse in reversed(stack):
        done = patched(done, *inverse).graph
    assert exactly(done) == exactly(graph)


def test_the_fragment_of_these_tests_is_left_as_it_is():
    before = exactly(LORA)
    patched(text_to_image(), {"op": "add_fragment", "fragment": LORA})
    assert exactly(LORA) == before
