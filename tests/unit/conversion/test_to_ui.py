"""API format drawn as the page would save it."""

import copy
import json

import pytest
from backplane.conversion import to_api, to_ui
from backplane.errors import ApiError
from backplane.nodespec import live_ports
from converting import specs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def api(class_type, title=None, **inputs):
    return {"class_type": class_type, "inputs": inputs} | (
        {} if title is None else {"_meta": {"title": title}}
    )


SMALL = {
    "4": api("CheckpointLoaderSimple", ckpt_name="a.safetensors"),
    "5": api("EmptyLatentImage", width=512, height=768, batch_size=1),
    "6": api("CLIPTextEncode", "Positive", text="a cat", clip=["4", 1]),
    "3": api(
        "KSampler",
        seed=2**63,
        steps=20,
        cfg=7.5,
        sampler_name="euler",
        scheduler="normal",
        denoise=1.0,
        model=["4", 0],
        positive=["6", 0],
        negative=["6", 0],
        latent_image=["5", 0],
    ),
    "8": api("VAEDecode", samples=["3", 0], vae=["4", 2]),
    "9": api("SaveImage", filename_prefix="x", images=["8", 0]),
}


def drawn(graph):
    return to_ui(graph, specs()).document


def by_id(document):
    return {str(node["id"]): node for node in document["nodes"]}


def plain(graph):
    return {key: (node["class_type"], node["inputs"]) for key, node in graph.items()}


def back(graph):
    document = json.loads(json.dumps(drawn(graph)))
    return to_api(document, specs(), choose=lambda options: options[0]).graph


def test_it_comes_back_as_it_was():
    before = copy.deepcopy(SMALL)
    assert plain(back(SMALL)) == plain(SMALL)
    assert before == SMALL


def test_values_stand_in_the_order_of_the_widgets_with_the_control_behind_the_seed():
    sampler = by_id(drawn(SMALL))["3"]
    assert sampler["widgets_values"] == [2**63, "randomize", 20, 7.5, "euler", "normal", 1.0]


def test_links_and_slots_name_each_other():
    document = drawn(SMALL)
    nodes = by_id(document)
    assert len(document["links"]) == 8
    for number, origin, slot, target, place, _ in document["links"]:
        assert number in nodes[str(origin)]["outputs"][slot]["links"]
        assert nodes[str(target)]["inputs"][place]["link"] == number
    assert document["last_link_id"] == 8
    assert document["last_node_id"] == 9
    assert document["version"] == 0.4


def test_each_node_stands_right_of_its_sources_and_on_no_other():
    document = drawn(SMALL)
    nodes = by_id(document)
    for _, origin, _, target, _, _ in document["links"]:
        left = nodes[str(origin)]
        assert left["pos"][0] + left["size"][0] < nodes[str(target)]["pos"][0]
    for one in document["nodes"]:
        for other in document["nodes"]:
            beside = any(
                one["pos"][axis] + one["size"][axis] <= other["pos"][axis]
                or other["pos"][axis] + other["size"][axis] <= one["pos"][axis]
                for axis in (0, 1)
            )
            assert one is other or beside


def test_titles_are_kept_where_a_person_gave_them():
    nodes = by_id(drawn(SMALL))
    assert nodes["6"]["title"] == "Positive"
    assert "title" not in nodes["3"]
    assert back(SMALL)["6"]["_meta"]["title"] == "Positive"


def test_ids_that_are_no_numbers_stay():
    graph = {
        "12:3": api("EmptyLatentImage", width=1, height=2, batch_size=3),
        "a": api("PreviewImage", images=["12:3", 0]),
    }
    assert [node["id"] for node in drawn(graph)["nodes"]] == ["12:3", "a"]
    assert plain(back(graph)) == plain(graph)


def test_inputs_that_were_not_set_stay_so_until_somebody_sets_them():
    graph = {"1": api("EmptyLatentImage", width=640)}
    assert plain(back(graph)) == plain(graph)
    document = drawn(graph)
    document["nodes"][0]["widgets_values"][1] = 999
    assert to_api(document, specs()).graph["1"]["inputs"] == {"width": 640, "height": 999}


def test_what_the_page_cannot_say_is_told_and_comes_back():
    graph = {"1": api("PreviewAny", source=7), "2": api("EmptyLatentImage", width=1, depth=2)}
    notes = to_ui(graph, specs()).notes
    assert [(note.code, note.node_id, note.input) for note in notes] == [
        ("INPUT_LEFT_OUT", "1", "source"),
        ("INPUT_LEFT_OUT", "2", "depth"),
    ]
    assert plain(back(graph)) == plain(graph)


@pytest.mark.parametrize(
    "text", ["a {b|c} d", "https://a.b/c", "x /* y */", "{", "a // b /// c", "(a:1.2) \\(b\\)", "a|b}"]
)
def test_a_text_is_written_so_that_the_page_sends_it_as_it_is(text):
    graph = {"1": api("CLIPTextEncode", text=text)}
    assert to_ui(graph, specs()).notes == ()
    assert back(graph)["1"]["inputs"]["text"] == text


def test_what_the_page_would_change_is_told():
    graph = {"1": api("SaveImage", filename_prefix="%date:yyyy%"), "2": api("CLIPTextEncode", text="\\{")}
    assert [note.code for note in to_ui(graph, specs()).notes] == ["VALUE_CHANGES", "VALUE_CHANGES"]


def test_links_to_nowhere_are_left_out_and_told():
    found = to_ui({"1": api("PreviewImage", images=["7", 0])}, specs())
    assert [note.code for note in found.notes] == ["DANGLING_LINK"]
    assert found.document["links"] == []


def test_a_class_that_is_not_here_is_drawn_with_its_links():
    graph = {**SMALL, "10": api("Unknown", image=["8", 0], value=3)}
    found = to_ui(graph, specs())
    assert [note.code for note in found.notes] == ["UNKNOWN_NODE_CLASS"]
    assert by_id(found.document)["10"]["inputs"][0]["name"] == "image"


def test_growing_inputs_have_one_more_to_grow_by():
    image = api("LoadImage", image="a.png")
    graph = {
        "1": image,
        "2": api(
            "BatchImagesNode",
            **{"images.image0": ["1", 0], "images.image1": ["1", 0], "images.image2": ["1", 0]},
        ),
    }
    names = [port["name"] for port in by_id(drawn(graph))["2"]["inputs"]]
    assert names == ["images.image0", "images.image1", "images.image2", "images.image3"]
    assert plain(back(graph)) == plain(graph)


def test_many_nodes_of_one_depth_do_not_make_an_endless_column():
    graph = {str(n): api("EmptyLatentImage", width=n, height=1, batch_size=1) for n in range(1, 200)}
    assert max(node["pos"][1] + node["size"][1] for node in drawn(graph)["nodes"]) < 5000


def test_a_circle_is_drawn_too():
    graph = {"1": api("VAEDecode", samples=["2", 0]), "2": api("VAEEncode", pixels=["1", 0])}
    assert plain(back(graph)) == plain(graph)


def test_what_is_no_node_is_refused():
    with pytest.raises(ApiError) as caught:
        to_ui({"1": {"inputs": {}}}, specs())
    assert caught.value.code == "BAD_NODE"


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\\%"), max_size=20)


def value_of(draw, param):
    if param.options:
        return draw(st.sampled_from(param.options))
    match param.type:
        case "INT":
            return draw(st.integers(0, 2**64 - 1))
        case "FLOAT":
            return draw(st.floats(0, 1e6))
        case "BOOLEAN":
            return draw(st.booleans())
        case "STRING":
            return draw(TEXT)
        case _:
            return draw(st.sampled_from(["", {"x": 1, "y": 2.5}, {"__value__": [1, [2]]}]))


@st.composite
def graphs(draw):
    """Graphs of real classes, any input set, linked or not there."""
    graph = {}
    for number in range(draw(st.integers(1, 6))):
        spec = specs()[draw(st.sampled_from(sorted(specs().keys() - {"CustomCombo"})))]
        inputs = {}
        for _ in range(4):  # choices bring further inputs, which may be choices too
            ports = live_ports(spec, inputs)
            for param in ports.params:
                if param.name not in inputs and draw(st.integers(0, 5)) != 0:
                    inputs[param.name] = value_of(draw, param)
            if all(param.variants is None for param in ports.params):
                break
        for port in (*ports.inputs, *ports.params):
            linkable = getattr(port, "link_type", None) and getattr(port, "variants", None) is None
            if graph and linkable and draw(st.integers(0, 2)) == 0:
                inputs[port.name] = [draw(st.sampled_from(sorted(graph))), draw(st.integers(0, 3))]
        graph[str(number * 3 + 1)] = {"class_type": spec.name, "inputs": inputs}
    return graph


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graph=graphs())
def test_any_graph_comes_back_as_it_was(graph):
    assert plain(back(graph)) == plain(graph)
