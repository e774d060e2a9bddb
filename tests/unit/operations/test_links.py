"""connect, disconnect, set_param, set_title; which types fit."""

import pytest
from backplane.errors import ApiError
from backplane.patch_engine import apply
from patching import dropped, match, node, patched, refused, rewired, spec, text_to_image


def connect(source, target, output=None, name=None):
    ends = {"op": "connect", "source_node_id": source, "target_node_id": target}
    return ends | {
        key: value for key, value in {"output": output, "input": name}.items() if value is not None
    }


def extra(**nodes):
    return text_to_image() | nodes


@pytest.mark.parametrize(
    ("op", "link"),
    [
        (connect("8", "5", 0, "model"), {"5.model": "8.0"}),
        (connect("8", "5", "MODEL", "model"), {"5.model": "8.0"}),
        (connect("8", "5", "model"), {"5.model": "8.0"}),
        (connect("8", "5", "0", "model"), {"5.model": "8.0"}),
        (connect("8", "5", name=0), {"5.model": "8.0"}),
        (connect("8", "5", name="positive", output=None) | {"source_node_id": "3"}, {"5.positive": "3.0"}),
        (connect("8", "6"), {"6.vae": "8.2"}),
        (connect(8, 2), {"2.clip": "8.1"}),
    ],
)
def test_ports_are_found_by_name_number_or_type(op, link):
    graph = extra(**{"8": node("Checkpoint", ckpt_name="b.safetensors")})
    assert rewired(graph, patched(graph, op)) == link


def test_inputs_that_are_free_come_before_those_that_are_linked():
    graph = text_to_image()
    del graph["5"]["inputs"]["negative"]
    assert rewired(graph, patched(graph, connect("2", "5"))) == {"5.negative": "2.0"}
    error = refused(text_to_image(), connect("2", "5"))
    assert error.code == "AMBIGUOUS_PORT"
    assert [each["input"] for each in error.details["candidates"]] == ["positive", "negative"]
    assert error.details["candidates_total"] == 2


def test_sockets_come_before_params():
    graph = {"1": node("Number", value=3), "2": node("Any"), "3": node("Sampler")}
    assert patched(graph, connect("1", "2")).graph["2"] == node("Any", anything=["1", 0])
    candidates = refused(graph, connect("1", "3")).details["candidates"]
    assert [each["input"] for each in candidates] == ["seed", "steps"]


def test_a_growing_input_takes_the_next_place():
    graph = {"1": node("Load", image="a.png"), "2": node("Batch")}
    result = patched(graph, connect("1", "2"), connect("1", "2"), connect("1", "2", 0, "images"))
    assert list(result.graph["2"]["inputs"]) == ["images.image0", "images.image1", "images.image2"]
    full = patched(result.graph, connect("1", "2", 0, "images.image3")).graph
    assert rewired(full, patched(full, connect("1", "2", 0, "images.image0"))) == {}


def test_types_that_do_not_fit_are_refused_with_both():
    error = refused(text_to_image(), connect("6", "5", 0, "model"))
    assert error.code == "TYPE_MISMATCH"
    assert error.details["output"]["type"] == "IMAGE"
    assert error.details["input"] == {
        "node_id": "5",
        "class_type": "Sampler",
        "input": "model",
        "type": "MODEL",
    }
    assert refused(text_to_image(), connect("6", "5")).code == "NO_FITTING_PORT"
    assert refused(text_to_image(), connect("6", "5", None, "model")).code == "NO_FITTING_PORT"


@pytest.mark.parametrize(
    ("source", "fits"), [("Load", True), ("Invert", True), ("Latent", False), ("Any", True)]
)
def test_unions_and_wildcards_fit_as_comfyui_says(source, fits):
    graph = {"1": node(source), "2": node("ToMask")}
    if fits:
        assert patched(graph, connect("1", "2", 0, "pixels")).graph["2"]["inputs"]["pixels"] == ["1", 0]
    else:
        assert refused(graph, connect("1", "2", 0, "pixels")).code == "TYPE_MISMATCH"


def test_a_combo_takes_its_own_list_and_no_text():
    specs = {
        made.name: made
        for made in [
            spec("List", {}, (["a", "b"],)),
            spec("Other", {}, (["a", "c"],)),
            spec("Any", {}, ("COMBO",)),
            spec("Text", {}, ("STRING",)),
            spec("Pick", {"one": (["a", "b"],)}, ()),
        ]
    }
    graph = {"1": node("List"), "2": node("Text"), "3": node("Pick", one="a")}
    graph |= {"4": node("Other"), "5": node("Any")}
    assert apply(graph, [connect("1", "3", 0, "one")], specs).graph["3"]["inputs"] == {"one": ["1", 0]}
    for other in ("2", "4", "5"):  # ComfyUI refuses these when the workflow is queued
        with pytest.raises(ApiError) as error:
            apply(graph, [connect(other, "3", 0, "one")], specs)
        assert error.value.code == "TYPE_MISMATCH"


SWITCHED = {
    "1": node("Load", image="a.png"),
    "2": node("Latent", width=512),
    "3": node("Switch"),
    "4": node("Save", filename_prefix="x"),
    "5": node("Switch"),
}


def test_the_inputs_of_a_match_type_agree():
    result = patched(SWITCHED, connect("1", "3", 0, "on_true"))
    error = refused(result.graph, connect("2", "3", 0, "on_false"))
    assert error.code == "TYPE_MISMATCH"
    assert "on_true of node 3 is IMAGE and has to be the same, not LATENT" in error.message
    assert patched(result.graph, connect("2", "3", 0, "on_true"))  # it may take its own place


def test_an_output_of_a_match_type_has_the_type_of_the_input_however_far_it_came():
    chain = patched(SWITCHED, connect("2", "3", 0, "on_true"), connect("3", "5", 0, "on_false")).graph
    error = refused(chain, connect("5", "4", 0, "images"))
    assert (error.code, "not LATENT" in error.message) == ("TYPE_MISMATCH", True)
    good = patched(SWITCHED, connect("1", "3", 0, "on_true"), connect("3", "5", 0, "on_false")).graph
    assert patched(good, connect("5", "4", 0, "images"))


def test_who_uses_a_match_type_says_what_it_may_be():
    used = patched(SWITCHED, connect("3", "4", 0, "images")).graph
    error = refused(used, connect("2", "3", 0, "on_true"))
    assert error.code == "TYPE_MISMATCH"
    assert "images of node 4 comes behind it and takes IMAGE, not LATENT" in error.message
    assert patched(used, connect("1", "3", 0, "on_true"))
    further = patched(SWITCHED, connect("3", "5", 0, "on_false"), connect("5", "4", 0, "images")).graph
    assert refused(further, connect("2", "3", 0, "on_true")).code == "TYPE_MISMATCH"
    assert patched(further, connect("1", "3", 0, "on_true"))


def test_a_match_type_keeps_to_what_it_allows():
    specs = {
        made.name: made
        for made in [
            spec("Only", {"in": match("T", "IMAGE,MASK")}, ("IMAGE,MASK",), output_matchtypes=("T",)),
            spec("Text", {}, ("STRING",)),
        ]
    }
    graph = {"1": node("Text"), "2": node("Only")}
    with pytest.raises(ApiError) as error:
        apply(graph, [connect("1", "2", 0, "in")], specs)
    assert error.value.code == "TYPE_MISMATCH"


def test_a_node_of_an_unknown_class_is_linked_as_it_is_told():
    graph = extra(**{"8": node("Missing")})
    result = patched(graph, connect("8", "5", 3, "model"), connect("1", "8", "MODEL", "whatever"))
    assert rewired(graph, result) == {"5.model": "8.3", "8.whatever": "1.0"}
    assert refused(graph, connect("8", "5", "MODEL", "model")).code == "UNKNOWN_NODE_CLASS"
    assert refused(graph, connect("1", "8", "MODEL")).code == "UNKNOWN_NODE_CLASS"
    assert refused(graph, connect("8", "5")).code == "UNKNOWN_NODE_CLASS"


@pytest.mark.parametrize(
    ("op", "hint"),
    [
        (connect("1", "5", "MODELS", "model"), "Did you mean MODEL?"),
        (connect("1", "5", 0, "modell"), "Did you mean model?"),
        (connect("1", "5", 7, "model"), "It has: MODEL, CLIP, VAE."),
        (connect("1", "5", -1, "model"), "It has: MODEL, CLIP, VAE."),
        (connect("1", "5", 0, 9), None),
        (connect("1", "8", 0, "mode"), "It is a param that cannot be linked: use set_param."),
        (connect("1", "8", 0, "mode.image"), "It is there when mode is 'like'."),
    ],
)
def test_a_port_that_is_not_there_is_refused_with_what_is_near(op, hint):
    error = refused(extra(**{"8": node("Resize", mode="by factor")}), op)
    assert error.code == "PORT_UNKNOWN"
    assert hint is None or error.hint == hint


def test_outputs_of_the_same_name_are_told_apart_by_number():
    graph = extra(**{"8": node("Twins", image=["6", 0])})
    assert refused(graph, connect("8", "7", "out", "images")).code == "AMBIGUOUS_PORT"
    assert refused(graph, connect("8", "7")).code == "AMBIGUOUS_PORT"
    assert rewired(graph, patched(graph, connect("8", "7", 1))) == {"7.images": "8.1"}


@pytest.mark.parametrize(
    ("fields", "gone"),
    [
        ({"target_node_id": "5", "input": "model"}, {"5.model"}),
        ({"target_node_id": "5", "input": 0}, {"5.model"}),
        ({"target_node_id": "6"}, {"6.samples", "6.vae"}),
        ({"source_node_id": "1"}, {"2.clip", "3.clip", "5.model", "6.vae"}),
        ({"source_node_id": "1", "output": "CLIP"}, {"2.clip", "3.clip"}),
        ({"source_node_id": "1", "target_node_id": "6"}, {"6.vae"}),
        ({"source_node_id": "1", "output": 1, "target_node_id": "3", "input": "clip"}, {"3.clip"}),
    ],
)
def test_links_are_taken_out_by_what_is_said_of_them(fields, gone):
    graph = text_to_image()
    result = patched(graph, {"op": "disconnect", **fields})
    assert rewired(graph, result) == dict.fromkeys(gone)
    assert dropped(result) == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"target_node_id": "5", "input": "steps"},
        {"target_node_id": "5", "input": "nothing"},
        {"source_node_id": "7"},
        {"source_node_id": "1", "output": 0, "target_node_id": "6"},
    ],
)
def test_a_link_that_is_not_there_cannot_be_taken_out(fields):
    assert refused(text_to_image(), {"op": "disconnect", **fields}).code == "LINK_NOT_FOUND"


def set_param(node_id, param, value):
    return {"op": "set_param", "node_id": node_id, "param": param, "value": value}


def test_a_param_is_set_by_name():
    result = patched(text_to_image(), set_param("5", "steps", 33))
    assert [change.to_json() for change in result.changes] == [
        {
            "op": 0,
            "kind": "input_set",
            "node_id": "5",
            "class_type": "Sampler",
            "input": "steps",
            "old": 20,
            "new": 33,
        }
    ]
    assert patched({"1": node("ToMask")}, set_param("1", "list", ["a"])).graph == {
        "1": node("ToMask", list={"__value__": ["a"]})
    }


def test_a_value_takes_the_place_of_a_link():
    graph = {"1": node("Number", value=3), "2": node("Latent", width=["1", 0])}
    assert patched(graph, set_param("2", "width", 64)).graph["2"] == node("Latent", width=64)


def test_another_variant_brings_its_params_and_takes_the_old_ones_away():
    graph = extra(
        **{
            "8": node(
                "Resize", mode="by size", image=["6", 0], **{"mode.width": 64, "mode.crop": "b", "odd": 1}
            )
        }
    )
    result = patched(graph, set_param("8", "mode", "by factor"))
    assert result.graph["8"]["inputs"] == {
        "mode": "by factor",
        "image": ["6", 0],
        "odd": 1,
        "mode.factor": 2.0,
    }
    assert dropped(result) == [("8", "mode.width"), ("8", "mode.crop")]
    kept = patched(graph, set_param("8", "mode", "like")).graph["8"]["inputs"]
    assert kept == {"mode": "like", "image": ["6", 0], "odd": 1, "mode.crop": "b"}
    error = refused(graph, set_param("8", "mode", "by sizes"))
    assert (error.code, error.hint) == ("UNKNOWN_OPTION", "Did you mean 'by size'?")
    error = refused(graph, set_param("8", "mode.factor", 3))
    assert (error.code, error.hint) == ("PARAM_UNKNOWN", "It is there when mode is 'by factor'.")
    assert patched(graph, set_param("8", "mode.width", 128)).graph["8"]["inputs"]["mode.width"] == 128


def test_a_node_of_an_unknown_class_has_the_params_that_it_has():
    graph = {"1": node("Missing", steps=3, model=["1", 0])}
    assert patched(graph, set_param("1", "steps", 4)).graph["1"]["inputs"]["steps"] == 4
    assert refused(graph, set_param("1", "seed", 4)).code == "UNKNOWN_NODE_CLASS"


def test_titles_are_set_and_taken_away():
    graph = text_to_image()
    result = patched(graph, {"op": "set_title", "node_id": "1", "title": "Model"})
    assert result.graph["1"]["_meta"] == {"title": "Model"}
    bare = patched(result.graph, {"op": "set_title", "node_id": "1", "title": None}).graph
    assert bare == graph
    graph["1"]["_meta"] = {"other": 1}
    assert patched(graph, {"op": "set_title", "node_id": "1", "title": ""}).changes == ()


@pytest.mark.parametrize("number", ["9" * 5000, "٣", "-1", "1.0", "01"])
def test_what_is_no_number_of_a_port_is_no_port(number):
    graph = {"1": node("Load", image="a.png"), "2": node("Batch")}
    assert (
        refused(graph, connect("1", "2", number if number != "01" else "7", "images")).code == "PORT_UNKNOWN"
    )
    assert refused(graph, connect("1", "2", 0, f"images.image{number}")).code == "PORT_UNKNOWN"


def test_values_may_be_nested_deeply():
    deep = value = {}
    for _ in range(300):
        deep["x"] = [{}]
        deep = deep["x"][0]
    graph = {"1": node("ToMask", list=value)}
    assert patched(graph, set_param("1", "list", {**value})).changes == ()
