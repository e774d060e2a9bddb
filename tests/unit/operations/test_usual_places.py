"""Where a fragment goes by itself, and several nodes behind what is put in."""

import pytest
from patching import AGAIN, LORA, node, patched, refused, rewired, text_to_image

CONTROL = {
    "workflow": {"c": node("ControlNet", image=["i", 0]), "i": node("Load", image="a.png")},
    "inputs": {
        "positive": {"node": "c", "field": "positive"},
        "negative": {"node": "c", "field": "negative"},
    },
    "outputs": {
        "positive": {"node": "c", "output": "positive"},
        "negative": {"node": "c", "output": "negative"},
    },
    "place": [{"class_type": "Nowhere", "input": "positive"}, {"class_type": "Sampler", "input": "positive"}],
}
SECOND = {**AGAIN, "place": [{"class_type": "Decode", "input": "samples"}]}


def fragment(document, **fields):
    return {"op": "add_fragment", "fragment": document, **fields}


def two_samplers(negative="3"):
    graph = text_to_image()
    inputs = {**graph["5"]["inputs"], "latent": ["5", 0], "negative": [negative, 0]}
    graph["8"] = node("Sampler", **inputs)
    graph["6"]["inputs"]["samples"] = ["8", 0]
    return graph


def test_a_fragment_goes_where_it_usually_goes():
    graph = text_to_image()
    assert rewired(graph, patched(graph, fragment(CONTROL))) == {
        "8.positive": "2.0",
        "8.negative": "3.0",
        "8.image": "9.0",
        "5.positive": "8.0",
        "5.negative": "8.1",
    }
    assert rewired(graph, patched(graph, fragment(SECOND))) == {
        "8.latent": "5.0",
        "8.model": "1.0",
        "8.positive": "2.0",
        "8.negative": "3.0",
        "9.samples": "8.0",
        "9.vae": "1.2",
        "6.samples": "8.0",
    }


def test_a_place_that_the_request_names_counts_more():
    graph = text_to_image()
    graph["2"]["inputs"]["clip"] = graph["3"]["inputs"]["clip"] = ["1", 1]
    told = {**LORA, "place": [{"class_type": "Decode", "input": "samples"}]}
    usual = {**LORA, "place": [{"class_type": "Sampler", "input": "model"}]}
    taken = {"8.model": "1.0", "8.clip": "1.1", "5.model": "8.0", "2.clip": "8.1", "3.clip": "8.1"}
    assert rewired(graph, patched(graph, fragment(told, target_node_id="5", input="model"))) == taken
    assert rewired(graph, patched(graph, fragment(usual))) == taken
    # a place that the fragment does not fit into is none, and it is wired by type
    assert rewired(graph, patched(graph, fragment(told))) == taken


def test_one_output_that_goes_to_several_nodes_of_that_class_is_one_place():
    graph = two_samplers()
    assert rewired(graph, patched(graph, fragment(CONTROL))) == {
        "9.positive": "2.0",
        "9.negative": "3.0",
        "9.image": "10.0",
        "5.positive": "9.0",
        "5.negative": "9.1",
        "8.positive": "9.0",
        "8.negative": "9.1",
    }


def test_what_the_second_node_behind_takes_from_elsewhere_stays():
    graph = two_samplers(negative="2")
    moved = rewired(graph, patched(graph, fragment(CONTROL)))
    assert (moved["5.negative"], "8.negative" in moved) == ("9.1", False)


def test_a_node_too_is_put_before_all_nodes_behind():
    graph = two_samplers()
    op = {"op": "insert_node", "class_type": "ControlNet", "source_node_id": "2", "output": 0}
    assert rewired(graph, patched(graph, op)) == {
        "9.positive": "2.0",
        "9.negative": "3.0",
        "5.positive": "9.0",
        "5.negative": "9.1",
        "8.positive": "9.0",
        "8.negative": "9.1",
    }


def test_several_outputs_are_no_place():
    graph = two_samplers()
    graph["8"]["inputs"]["positive"] = ["3", 0]
    error = refused(graph, fragment(CONTROL))
    assert error.code == "AMBIGUOUS_PORT"
    assert len(error.details["candidates"]) == 2


def test_ports_that_the_request_wires_do_not_go_to_the_usual_place():
    graph = text_to_image()
    wired = fragment(CONTROL, inputs={"positive": ["3", 0], "negative": ["3", 0]})
    assert rewired(graph, patched(graph, wired)) == {
        "8.positive": "3.0",
        "8.negative": "3.0",
        "8.image": "9.0",
    }
    wired = fragment(SECOND, inputs={"positive": ["3", 0]})
    moved = rewired(graph, patched(graph, wired))
    assert (moved["8.positive"], moved["8.negative"], moved["6.samples"]) == ("3.0", "3.0", "8.0")


def test_outputs_that_the_request_wires_do_not_go_to_the_usual_place():
    graph = text_to_image()
    named = {"inputs": {"positive": ["2", 0], "negative": ["3", 0]}}
    wired = fragment(CONTROL, outputs={"positive": ["5", "negative"]}, **named)
    assert rewired(graph, patched(graph, wired)) == {
        "8.positive": "2.0",
        "8.negative": "3.0",
        "8.image": "9.0",
        "5.negative": "8.0",
    }


def test_open_ports_are_open_although_there_is_a_usual_place():
    graph = text_to_image()
    assert rewired(graph, patched(graph, fragment(CONTROL, wire=False))) == {"8.image": "9.0"}


@pytest.mark.parametrize(
    "place",
    [
        {"class_type": "Decode", "input": "samples"},
        ["Decode"],
        [{"class_type": "Decode"}],
        [{"class_type": 1, "input": "samples"}],
        [{"class_type": "Decode", "input": 0}],
        [{"class_type": "Decode", "input": "samples", "node": "6"}],
    ],
)
def test_a_place_that_cannot_be_read_is_refused(place):
    error = refused(text_to_image(), fragment({**LORA, "place": place}))
    assert (error.code, error.details["fields"].keys()) == ("INVALID_REQUEST", {"fragment"})
