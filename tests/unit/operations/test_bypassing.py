"""bypass, and what goes through a node."""

import pytest
from backplane.operations.bypassing import is_bypassed
from patching import dropped, node, patched, refused, rewired, text_to_image


def bypass(node_id, **fields):
    return {"op": "bypass", "node_id": node_id, **fields}


def with_lora():
    return patched(text_to_image(), {"op": "insert_node", "class_type": "Lora", "source_node_id": "1"}).graph


def test_a_bypassed_node_stays_and_nobody_uses_it():
    graph = with_lora()
    result = patched(graph, bypass("8"))
    assert rewired(graph, result) == {"5.model": "1.0", "2.clip": "1.1", "3.clip": "1.1"}
    assert is_bypassed(result.graph["8"])
    assert not is_bypassed(graph["8"])
    assert result.graph["8"]["inputs"] == graph["8"]["inputs"]
    assert patched(result.graph, bypass("8")).changes == ()


def test_a_bypass_is_taken_back_exactly():
    graph = with_lora()
    bypassed = patched(graph, bypass("8")).graph
    assert patched(bypassed, bypass("8", on=False)).graph == graph
    assert patched(graph, bypass("8", on=False)).changes == ()


def test_what_has_been_linked_elsewhere_since_stays_there():
    graph = with_lora()
    graph["9"] = node("Checkpoint", ckpt_name="b.safetensors")
    moved = {"op": "connect", "source_node_id": "9", "output": 1, "target_node_id": "3", "input": "clip"}
    result = patched(graph, bypass("8"), moved, {"op": "remove_node", "node_id": "2"}, bypass("8", on=False))
    assert rewired(graph, result) == {"3.clip": "9.1", "5.positive": None}


@pytest.mark.parametrize("first", ["8", "9"])
@pytest.mark.parametrize("back", ["8", "9"])
def test_neighbours_can_be_bypassed_and_taken_back_in_any_order(first, back):
    graph = patched(with_lora(), {"op": "insert_node", "class_type": "Lora", "source_node_id": "8"}).graph
    other = {"8": "9", "9": "8"}
    both = patched(graph, bypass(first), bypass(other[first]))
    assert rewired(graph, both)["5.model"] == "1.0"
    result = patched(both.graph, bypass(back, on=False), bypass(other[back], on=False))
    assert result.graph == graph


def test_where_nothing_goes_through_the_link_is_dropped_and_comes_back():
    graph = text_to_image()
    result = patched(graph, bypass("6"))
    assert dropped(result) == [("7", "images")]
    assert patched(result.graph, bypass("6", on=False)).graph == graph


def test_a_param_that_used_the_node_gets_its_default_until_it_comes_back():
    graph = {"1": node("Number", value=3), "2": node("Latent", width=["1", 0])}
    result = patched(graph, bypass("1"))
    assert result.graph["2"] == node("Latent", width=512)
    assert patched(result.graph, bypass("1", on=False)).graph == graph


def test_what_shows_or_saves_cannot_be_bypassed():
    assert refused(text_to_image(), bypass("7")).code == "NODE_NOT_BYPASSABLE"


@pytest.mark.parametrize(
    ("inputs", "output", "link"),
    [
        ({"image1": ["1", 0], "image2": ["2", 0]}, 0, "1.0"),
        ({"image2": ["2", 0]}, 0, "2.0"),
        ({}, 0, None),
        ({"image1": ["gone", 0], "image2": ["2", 0]}, 0, "2.0"),
    ],
)
def test_the_first_input_of_the_type_goes_through(inputs, output, link):
    graph = {"1": node("Load"), "2": node("Load"), "3": node("Blend", **inputs)}
    graph["4"] = node("Save", images=["3", output])
    assert rewired(graph, patched(graph, bypass("3"))) == {"4.images": link}


def test_the_input_with_the_number_of_the_output_goes_through_first():
    graph = {
        "1": node("Encode"),
        "2": node("Encode"),
        "3": node("ControlNet", positive=["1", 0], negative=["2", 0]),
        "4": node("Sampler", positive=["3", 0], negative=["3", 1]),
    }
    assert rewired(graph, patched(graph, bypass("3"))) == {"4.positive": "1.0", "4.negative": "2.0"}


def test_a_wildcard_goes_through_only_to_what_takes_it():
    graph = {"1": node("Load"), "2": node("Any", anything=["1", 0]), "3": node("Save", images=["2", 0])}
    assert rewired(graph, patched(graph, bypass("2"))) == {"3.images": "1.0"}
    graph = {"1": node("Latent"), "2": node("Any", anything=["1", 0]), "3": node("Save", images=["2", 0])}
    assert rewired(graph, patched(graph, bypass("2"))) == {"3.images": None}


def test_a_bypassed_node_can_be_copied_and_replaced():
    graph = with_lora()
    bypassed = patched(graph, bypass("8")).graph
    copy = patched(bypassed, {"op": "duplicate", "node_id": "8"}).graph["9"]
    assert copy == graph["8"]
    replaced = patched(bypassed, {"op": "replace_node", "node_id": "8", "class_type": "ModelSampling"}).graph
    result = patched(replaced, bypass("8", on=False))
    assert rewired(replaced, result) == {"5.model": "8.0"}


@pytest.mark.parametrize("memory", [3, [3], [{}], [{"node_id": "5", "input": "model", "slot": "x"}], {}])
def test_what_is_remembered_may_have_been_tampered_with(memory):
    graph = with_lora()
    graph["8"]["_meta"] = {"bypassed": memory}
    result = patched(graph, bypass("8", on=False))
    assert rewired(graph, result) == {}
    assert "_meta" not in result.graph["8"]
