"""What is proposed as inputs and outputs: titles, App mode, the usual fields."""

from urllib.parse import quote

import pytest
from backplane.conversion import to_api
from backplane.templates import propose
from backplane.templates.app_mode import app_mode, has_app_mode
from backplane.templates.document import read_document
from backplane.templates.rules import misdeclared
from converting import every_template, node, workflow
from converting import specs as real_specs
from fakes import spec
from templating import at, classes, text_to_image

SPECS = classes()


def titled(**titles):
    graph = text_to_image()
    for node_id, title in titles.items():
        graph[node_id.removeprefix("n")]["_meta"] = {"title": title}
    return graph


def test_titles_name_inputs_and_outputs():
    graph = titled(n2="$prompt", n4="$width", n5="Sampler", n7="$poster", n6="$nothing", n3="costs $5")
    found = propose(graph, SPECS)
    assert found.inputs == {"prompt": at("2", "text", "string"), "width": at("4", "width", "integer")}
    assert found.outputs == {"poster": {"node": "7"}}
    assert found.origin == {"prompt": "title", "width": "title"}
    assert found.notes == ["$nothing: node 6 (Decode) has 0 values; say which, as in $nothing.nothing."]


def test_a_title_names_several_fields():
    found = propose(titled(n5="$seed $detail.steps, $x.mode"), SPECS)
    assert found.inputs == {
        "seed": at("5", "seed", "seed"),
        "detail": at("5", "steps", "integer"),
        "x": at("5", "mode", "string"),
    }


def test_what_a_title_does_not_lead_to_is_noted():
    graph = titled(n5="$thing $other.nope", n2="$prompt $prompt", n4="$size")
    graph["4"]["inputs"]["width"] = ["8", 0]
    graph["8"] = {"class_type": "Number", "inputs": {"value": 3}}
    graph["9"] = {"class_type": "Gone", "inputs": {}, "_meta": {"title": "$gone"}}
    found = propose(graph, SPECS)
    assert found.inputs == {"prompt": at("2", "text", "string")}
    assert found.notes == [
        "size: width of node 4 is linked, or holds what no input can be.",
        "$thing: node 5 (Sampler) has 5 values; say which, as in $thing.thing.",
        "$other: node 5 (Sampler) has no value 'nope'.",
        "$gone: node 9 is of a class that is not here.",
    ]


def test_names_that_are_taken_get_a_number():
    found = propose(titled(n2="$text", n3="$text"), SPECS)
    assert found.inputs == {"text": at("2", "text", "string"), "text_2": at("3", "text", "string")}


def test_without_marks_the_usual_fields_are_proposed():
    found = propose(text_to_image(), SPECS)
    assert found.inputs == {
        "prompt": at("2", "text", "string"),
        "negative_prompt": at("3", "text", "string"),
        "width": at("4", "width", "integer"),
        "seed": at("5", "seed", "seed"),
        "steps": at("5", "steps", "integer"),
        "cfg": at("5", "cfg", "number"),
    }
    assert set(found.origin.values()) == {"usual"}
    assert found.outputs == {}


def test_a_value_that_comes_by_a_link_is_proposed_where_it_is_held():
    graph = text_to_image()
    graph["4"]["inputs"]["width"] = ["8", 0]
    graph["8"] = {"class_type": "Number", "inputs": {"value": 640}}
    assert propose(graph, SPECS).inputs["width"] == at("8", "value", "integer")


def test_one_value_in_two_places_is_one_input_and_two_values_are_two():
    graph = text_to_image()
    graph["9"] = {
        **graph["5"],
        "inputs": {**graph["5"]["inputs"], "latent_image": ["5", 0], "steps": 5, "seed": 1},
    }
    graph["6"]["inputs"]["samples"] = ["9", 0]
    found = propose(graph, SPECS).inputs
    assert found["cfg"] == at("5", "cfg", "number", also=[{"node": "9", "field": "cfg"}])
    assert found["seed"]["also"] == [{"node": "9", "field": "seed"}]
    assert (found["steps"]["node"], found["steps_2"]["node"]) == ("5", "9")


def test_files_that_are_loaded_are_proposed():
    graph = text_to_image()
    graph["8"] = {"class_type": "Load", "inputs": {"image": "a.png"}, "_meta": {"title": "The face"}}
    assert propose(graph, SPECS).inputs["image"] == at("8", "image", "image", title="The face")


# App mode. The classes are ComfyUI's own; documents as its page saves them.


def page(*more, inputs, outputs=(), **extra):
    """Two loaders and an image that is shown, in App mode."""
    return workflow(
        node(1, "LoadImage", ["a.png", "image"], outputs=["IMAGE"], title="The face"),
        node(2, "PreviewImage", links={"images": (1, "IMAGE")}),
        *more,
        links=[(1, 1, 0, 2, 0)],
        id="0aa-bb",
        extra={"linearData": {"inputs": inputs, "outputs": list(outputs)}},
        **extra,
    )


def shown(document):
    graph = to_api(document, real_specs()).graph
    return propose(graph, real_specs(), app_mode(document, real_specs()))


@pytest.mark.parametrize(
    "name", [[1, "image"], ["1", "image"], ["1", "image", {"height": 300}], ["0aa-bb:1:image", "image"]]
)
def test_a_node_of_app_mode_is_found_by_each_way_the_page_names_it(name):
    found = shown(page(inputs=[name], outputs=["2"]))
    assert found.inputs == {"the_face": at("1", "image", "image", title="The face")}
    assert found.outputs == {"output": {"node": "2"}}
    assert found.origin == {"the_face": "app"}


def test_a_name_of_app_mode_is_percent_encoded():
    widget = "1:image"
    found = shown(page(inputs=[[f"0aa-bb:{quote('1', safe='')}:{quote(widget, safe='')}", "image"]]))
    assert found.inputs.keys() == {"the_face"}


def test_what_app_mode_names_and_is_not_there_is_noted():
    found = shown(page(inputs=[[9, "image"], [1, "nope"], [1, "image"], ["x:y:z:w", "a"]], outputs=[9]))
    assert found.inputs.keys() == {"the_face"}
    assert found.notes == [
        "App mode's 9.image leads to nothing in the workflow.",
        "App mode's 1.nope leads to nothing in the workflow.",
        "App mode's x:y:z:w.a leads to nothing in the workflow.",
        "App mode's output 9 is not in the workflow.",
    ]


@pytest.mark.parametrize(
    "data",
    [
        None,
        5,
        [],
        {"inputs": 5},
        {"inputs": [5, [], [1], [None, "a"], [1, 5], [True, "image"]], "outputs": [None, []]},
    ],
)
def test_app_mode_of_another_shape_is_none(data):
    document = page(inputs=[])
    document["extra"]["linearData"] = data
    assert not has_app_mode(document)
    assert app_mode(document, real_specs()).inputs == ()


def test_a_widget_that_a_subgraph_shows_leads_to_the_node_inside():
    inner = {
        "id": "sub",
        "name": "Colour",
        "inputs": [{"id": "i", "name": "width", "type": "INT", "linkIds": [1], "label": "How wide"}],
        "outputs": [{"id": "o", "name": "IMAGE", "type": "IMAGE", "linkIds": [2]}],
        "nodes": [
            {
                "id": 7,
                "type": "EmptyImage",
                "inputs": [{"name": "width", "type": "INT", "link": 1, "widget": {"name": "width"}}],
                "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [2]}],
                "widgets_values": [512, 512, 1, 0],
            }
        ],
        "links": [
            {"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 7, "target_slot": 0, "type": "INT"},
            {"id": 2, "origin_id": 7, "origin_slot": 0, "target_id": -20, "target_slot": 0, "type": "IMAGE"},
        ],
    }
    host = {
        "id": 5,
        "type": "sub",
        "inputs": [
            {"name": "width", "type": "INT", "link": None, "label": "How wide", "widget": {"name": "width"}}
        ],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [2]}],
        "widgets_values": [640],
    }
    saved = node(6, "PreviewImage", links={"images": (2, "IMAGE")})
    for name in (["0aa-bb:5:width", "width"], [5, "width"], ["7", "width"]):
        document = page(host, saved, inputs=[name], outputs=[6], definitions={"subgraphs": [inner]})
        document["links"].append([2, 5, 0, 6, 0, "IMAGE"])
        found = shown(document)
        assert found.inputs == {"how_wide": at("5:7", "width", "integer", title="How wide")}, name


def test_every_template_of_comfyui_gives_a_proposal_that_can_be_kept():
    with_app_mode = 0
    for name, document in every_template():
        graph = to_api(document, real_specs(), partial=True).graph
        app = app_mode(document, real_specs())
        with_app_mode += bool(app.inputs)
        found = propose(graph, real_specs(), app)
        assert len(found.notes) + len(found.inputs) >= len(app.inputs), name
        if graph:
            declared = {"workflow": graph, "inputs": found.inputs, "outputs": found.outputs}
            assert misdeclared(read_document(declared, "a", 1), real_specs()) == {}, name
    assert with_app_mode > 15


def test_a_class_without_a_value_that_can_be_declared_is_left_out():
    curve = spec("Curve", {"curve": ("CURVE", {"default": {"points": []}})}, ("CURVE",), output_node=False)
    assert (
        propose(
            {"1": {"class_type": "Curve", "inputs": {"curve": {}}, "_meta": {"title": "$c"}}},
            {"Curve": curve},
        ).inputs
        == {}
    )
