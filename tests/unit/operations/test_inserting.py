"""insert_node, parallel, add_fragment: finding the ports."""

import pytest
from patching import AGAIN, LORA, MODELS, dropped, node, patched, refused, rewired, text_to_image

LORA_TAKEN = {"8.model": "1.0", "8.clip": "1.1", "5.model": "8.0", "2.clip": "8.1", "3.clip": "8.1"}


def insert(class_type, **where):
    return {"op": "insert_node", "class_type": class_type, **where}


@pytest.mark.parametrize(
    "where",
    [
        {"target_node_id": "5", "input": "model"},
        {"target_node_id": "5", "input": 0},
        {"source_node_id": "1"},
        {"source_node_id": "1", "output": "MODEL"},
        {"source_node_id": "1", "output": 1},
        {"source_node_id": "1", "target_node_id": "5"},
    ],
)
def test_a_lora_takes_model_and_clip_together(where):
    graph = text_to_image()
    result = patched(graph, insert("Lora", params={"strength": 0.5}, **where))
    assert rewired(graph, result) == LORA_TAKEN
    assert result.graph["8"]["inputs"]["strength"] == 0.5
    assert dropped(result) == []


def separate():
    graph = text_to_image()
    graph["1"] = node("Unet", unet_name=MODELS[0])
    graph["9"] = node("ClipLoader", clip_name=MODELS[0])
    graph["2"]["inputs"]["clip"] = graph["3"]["inputs"]["clip"] = ["9", 0]
    del graph["6"]["inputs"]["vae"]
    return graph


def test_a_lora_takes_the_clip_of_the_one_other_loader():
    graph = separate()
    result = patched(graph, insert("Lora", target_node_id="5", input="model"))
    assert rewired(graph, result) == {
        "10.model": "1.0",
        "10.clip": "9.0",
        "5.model": "10.0",
        "2.clip": "10.1",
        "3.clip": "10.1",
    }
    second = patched(result.graph, insert("Lora", target_node_id="5", input="model"))
    assert rewired(result.graph, second) == {
        "11.model": "10.0",
        "11.clip": "10.1",
        "5.model": "11.0",
        "2.clip": "11.1",
        "3.clip": "11.1",
    }


def test_a_lora_asks_where_two_loaders_give_a_clip():
    graph = separate()
    graph["12"] = node("ClipLoader", clip_name=MODELS[1])
    graph["3"]["inputs"]["clip"] = ["12", 0]
    error = refused(graph, insert("Lora", target_node_id="5", input="model"))
    assert error.code == "AMBIGUOUS_PORT"
    assert [each["node_id"] for each in error.details["candidates"]] == ["9", "12"]
    chosen = error.details["candidates"][1]
    link = [chosen["node_id"], chosen["slot"]]
    told = insert("Lora", target_node_id="5", input="model", inputs={error.details["input"]: link})
    assert rewired(graph, patched(graph, told)) == {"13.model": "1.0", "13.clip": "12.0", "5.model": "13.0"}


def test_a_second_lora_goes_behind_or_before_the_first():
    graph = patched(text_to_image(), insert("Lora", source_node_id="1")).graph
    behind = patched(graph, insert("Lora", source_node_id="8"))
    assert rewired(graph, behind) == {
        "9.model": "8.0",
        "9.clip": "8.1",
        "5.model": "9.0",
        "2.clip": "9.1",
        "3.clip": "9.1",
    }
    before = patched(graph, insert("Lora", target_node_id="8", input="model"))
    assert rewired(graph, before) == {"9.model": "1.0", "9.clip": "1.1", "8.model": "9.0", "8.clip": "9.1"}


@pytest.mark.parametrize(
    "where",
    [
        {"target_node_id": "5"},
        {"target_node_id": "5", "input": "positive"},
        {"target_node_id": "5", "input": "negative"},
        {"source_node_id": "2"},
    ],
)
def test_what_goes_through_two_equal_ports_goes_by_its_name(where):
    graph = text_to_image()
    result = patched(graph, insert("ControlNet", **where))
    assert rewired(graph, result) == {
        "8.positive": "2.0",
        "8.negative": "3.0",
        "5.positive": "8.0",
        "5.negative": "8.1",
    }


def test_one_place_for_two_links_is_asked_for():
    error = refused(text_to_image(), insert("Any", target_node_id="5"))
    assert error.code == "AMBIGUOUS_PORT"
    graph = {"1": node("Load", image="a.png"), "2": node("Save", images=["1", 0])}
    error = refused(graph, insert("Blend", target_node_id="2"))
    assert [each["node_input"] for each in error.details["candidates"]] == ["image1", "image2"]
    told = patched(graph, insert("Blend", target_node_id="2", node_input="image2"))
    assert rewired(graph, told) == {"3.image2": "1.0", "2.images": "3.0"}
    error = refused(graph, insert("Twins", target_node_id="2"))
    assert [each["node_output"] for each in error.details["candidates"]] == [0, 1]
    told = patched(graph, insert("Twins", target_node_id="2", node_output=1))
    assert rewired(graph, told) == {"3.image": "1.0", "2.images": "3.1"}


def test_a_growing_input_and_a_match_type_can_be_gone_through():
    graph = {"1": node("Load", image="a.png"), "2": node("Save", images=["1", 0])}
    assert rewired(graph, patched(graph, insert("Batch", target_node_id="2"))) == {
        "3.images.image0": "1.0",
        "2.images": "3.0",
    }
    told = patched(graph, insert("Switch", target_node_id="2", node_input="on_false"))
    assert rewired(graph, told) == {"3.on_false": "1.0", "2.images": "3.0"}


def test_only_one_link_of_several_is_gone_into_where_that_is_said():
    graph = text_to_image()
    graph["8"] = node("Show", images=["6", 0])
    one = patched(graph, insert("Invert", target_node_id="8", input="images"))
    assert rewired(graph, one) == {"9.image": "6.0", "8.images": "9.0"}
    all_ = patched(graph, insert("Invert", source_node_id="6"))
    assert rewired(graph, all_) == {"9.image": "6.0", "8.images": "9.0", "7.images": "9.0"}


@pytest.mark.parametrize(
    ("op", "code"),
    [
        (insert("Invert", target_node_id="5", input="model"), "NO_FITTING_PORT"),
        (insert("Decode", target_node_id="5", input="latent"), "NO_FITTING_PORT"),
        (insert("Invert", source_node_id="1"), "NO_FITTING_PORT"),
        (insert("Invert", source_node_id="7"), "LINK_NOT_FOUND"),
        (insert("Invert", target_node_id="7", input="filename_prefix"), "LINK_NOT_FOUND"),
        (insert("Invert", source_node_id="1", target_node_id="7"), "LINK_NOT_FOUND"),
        (insert("Invert", target_node_id="7", input="imagess"), "PORT_UNKNOWN"),
        (insert("Invert", target_node_id="7", node_input="imagess"), "PORT_UNKNOWN"),
    ],
)
def test_where_nothing_can_be_put_in_is_said(op, code):
    assert refused(text_to_image(), op).code == code


def test_links_of_an_unknown_class_can_be_gone_into():
    graph = {"1": node("Missing"), "2": node("Save", images=["1", 3])}
    result = patched(graph, insert("Invert", target_node_id="2", input="images"))
    assert rewired(graph, result) == {"3.image": "1.3", "2.images": "3.0"}


def parallel(class_type, node_id, **fields):
    return {"op": "parallel", "class_type": class_type, "node_id": node_id, **fields}


def test_a_branch_takes_what_its_neighbour_takes():
    graph = text_to_image()
    graph["5"]["inputs"]["steps"] = 11
    result = patched(graph, parallel("Sampler", "5", params={"seed": 2}, alias="b"), parallel("Show", "7"))
    assert result.graph["8"]["inputs"] == {**graph["5"]["inputs"], "seed": 2}
    assert rewired(graph, result) == {
        "8.model": "1.0",
        "8.positive": "2.0",
        "8.negative": "3.0",
        "8.latent": "4.0",
        "9.images": "6.0",
    }


def test_a_branch_finds_its_inputs_by_type():
    graph = text_to_image()
    assert rewired(graph, patched(graph, parallel("Invert", "7"))) == {"8.image": "6.0"}
    error = refused(graph, parallel("Blend", "7"))
    assert error.code == "AMBIGUOUS_PORT"
    assert [each["input"] for each in error.details["candidates"]] == ["image1", "image2"]
    told = patched(graph, parallel("Blend", "7", inputs={"image2": ["6", 0]}))
    assert rewired(graph, told) == {"8.image2": "6.0"}
    error = refused(graph, parallel("Combine", "5"))
    assert error.code == "AMBIGUOUS_PORT"
    graph["8"] = node("Blend", image1=["6", 0], image2=["9", 0], factor=0.5)
    graph["9"] = node("Load", image="a.png")
    error = refused(graph, parallel("Invert", "8"))
    assert [each["node_id"] for each in error.details["candidates"]] == ["6", "9"]


@pytest.mark.parametrize(("class_type", "beside"), [("Checkpoint", "5"), ("Show", "5"), ("Save", "1")])
def test_a_branch_that_would_take_nothing_is_refused(class_type, beside):
    assert refused(text_to_image(), parallel(class_type, beside)).code == "NO_FITTING_PORT"


def fragment(document, **fields):
    return {"op": "add_fragment", "fragment": document, **fields}


@pytest.mark.parametrize("where", [{}, {"source_node_id": "1"}, {"target_node_id": "5", "input": "model"}])
def test_a_fragment_is_wired_by_type(where):
    graph = text_to_image()
    result = patched(graph, fragment(LORA, alias="lora", **where))
    assert rewired(graph, result) == LORA_TAKEN
    assert result.aliases == {"lora.a": "8"}
    assert result.created[0].copy_of == "a"


def test_a_fragment_takes_what_it_needs_from_its_neighbours():
    graph = text_to_image()
    result = patched(graph, fragment(AGAIN, target_node_id="6", input="samples", params={"s": {"steps": 5}}))
    assert rewired(graph, result) == {
        "8.latent": "5.0",
        "6.samples": "8.0",
        "9.samples": "8.0",
        "8.model": "1.0",
        "8.positive": "2.0",
        "8.negative": "3.0",
        "9.vae": "1.2",
    }
    assert result.graph["8"]["inputs"]["steps"] == 5
    assert result.graph["8"]["_meta"] == {"title": "Again"}


def test_a_fragment_is_wired_as_it_is_told():
    graph = text_to_image()
    result = patched(
        graph,
        fragment(
            AGAIN,
            inputs={
                "latent": {"node_id": "5"},
                "positive": ["3", 0],
                "negative": ["2", "CONDITIONING"],
                "model": ["1", 0],
                "vae": ["1", 2],
            },
            outputs={"image": ["7", "images"]},
        ),
    )
    assert rewired(graph, result) == {
        "8.latent": "5.0",
        "8.positive": "3.0",
        "8.negative": "2.0",
        "8.model": "1.0",
        "9.vae": "1.2",
        "9.samples": "8.0",
        "7.images": "9.0",
    }


def test_a_fragment_that_cannot_be_wired_is_refused_or_left_open():
    error = refused(text_to_image(), fragment(AGAIN))
    assert error.code == "AMBIGUOUS_PORT"  # two encoders
    assert error.details["input"] in AGAIN["inputs"]
    error = refused({}, fragment(LORA))
    assert error.code == "NO_FITTING_PORT"
    assert [each["input"] for each in error.details["inputs"]] == ["model", "clip"]
    result = patched({}, fragment(LORA, wire=False))
    assert result.graph == {"1": LORA["workflow"]["a"]}


def test_one_open_input_may_go_into_several_places():
    both = {
        "workflow": {"a": node("Invert", image=["out there", 0]), "b": node("Invert"), "c": node("Blend")},
        "inputs": {"image": [{"node": "a", "field": "image"}, {"node": "b", "field": "image"}]},
        "outputs": {"image": {"node": "c", "output": "IMAGE"}},
    }
    both["workflow"]["c"]["inputs"] = {"image1": ["a", 0], "image2": ["b", 0]}
    graph = text_to_image()
    assert rewired(graph, patched(graph, fragment(both, target_node_id="7"))) == {
        "8.image": "6.0",
        "9.image": "6.0",
        "10.image1": "8.0",
        "10.image2": "9.0",
        "7.images": "10.0",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"workflow": {}},
        {"workflow": {"a": {"inputs": {}}}},
        {"other": 1},
        {"inputs": {"model": {"node": "b", "field": "model"}}},
        {"inputs": {"model": {"node": "a"}}},
        {"inputs": {"model": {"node": "a", "field": None}}},
        {"outputs": {"model": {"node": "a", "field": "x"}}},
        {"workflow": {"a": node("Lora", model=["x", 0])}, "inputs": {}},
    ],
)
def test_a_fragment_that_cannot_be_read_is_refused(change):
    error = refused(text_to_image(), fragment({**LORA, **change}))
    assert (error.code, error.details["fields"].keys()) == ("INVALID_REQUEST", {"fragment"})


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"inputs": {"modell": ["1", 0]}}, "inputs"),
        ({"outputs": {"modell": ["1", 0]}}, "outputs"),
        ({"params": {"b": {}}}, "params"),
        ({"params": {"a": 3}}, "params of a"),
        ({"outputs": {"model": "5"}}, "outputs"),
    ],
)
def test_what_a_fragment_does_not_have_is_refused(fields, name):
    error = refused(text_to_image(), fragment(LORA, **fields))
    assert (error.code, error.details["fields"].keys()) == ("INVALID_REQUEST", {name})


def test_a_port_that_the_fragments_node_does_not_have_is_refused():
    wrong = {**LORA, "inputs": {"model": {"node": "a", "field": "modell"}}}
    assert refused(text_to_image(), fragment(wrong)).code == "PORT_UNKNOWN"


def test_what_another_part_of_the_workflow_uses_is_not_taken_over_for_being_of_the_same_type():
    graph = text_to_image()
    del graph["5"]["inputs"]["negative"]
    graph["3"] = node("Combine")
    result = patched(graph, insert("ControlNet", target_node_id="5", input="positive"))
    assert rewired(graph, result) == {"8.positive": "2.0", "5.positive": "8.0"}
