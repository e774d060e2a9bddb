"""Real templates: the same as ComfyUI's own page makes of them, and back."""

import copy
import json

import pytest
from backplane.conversion import to_api, to_ui
from backplane.errors import ApiError
from converting import digest, digests, every_template, sorted_specs, specs, template, template_folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ONLY_THE_PAGE = {
    "api_hunyuan3d_model2uv": {"13": {"image"}},  # names of pictures that the page renders of a 3D scene
}
"""Inputs whose values no converter can know."""


def converted(name, classes):
    return to_api(template(name), classes)


@pytest.mark.parametrize("order", ["declared", "lost"])
def test_each_template_becomes_what_the_page_makes_of_it(order):
    classes = specs() if order == "declared" else sorted_specs()
    template_folder()
    others = [name for name, made in digests().items() if digest(converted(name, classes).graph) != made]
    assert others == list(ONLY_THE_PAGE)


def test_what_only_the_page_can_make_is_told():
    for name, inputs in ONLY_THE_PAGE.items():
        notes = converted(name, specs()).notes
        told = {(note.node_id, note.input) for note in notes if note.code == "PAGE_ONLY_VALUE"}
        assert told == {(node_id, each) for node_id, names in inputs.items() for each in names}


def test_a_graph_comes_back_from_ui_format_as_it_was():
    template_folder()
    for name in digests():
        graph = converted(name, specs()).graph
        drawn = json.loads(json.dumps(to_ui(graph, specs()).document))
        assert to_api(drawn, specs()).graph == graph, name


def test_every_other_template_is_converted_too():
    count = 0
    for name, document in every_template():
        before = copy.deepcopy(document)
        found = to_api(document, sorted_specs(), partial=True)
        assert document == before, name
        assert found.ids.keys() == found.graph.keys()
        known = [each for each in found.graph.values() if each["class_type"] in sorted_specs()]
        assert len(known) == len(found.graph) - len(found.unknown)
        for each in found.graph.values():
            links = [value for value in each["inputs"].values() if isinstance(value, list)]
            assert all(link[0] in found.graph for link in links), name
        count += 1
    assert count > 450


def test_ids_tell_the_way_to_a_node_in_a_subgraph():
    document = template("video_ltx2_3_i2v")
    found = to_api(document, specs())
    inner = next(node_id for node_id in found.graph if ":" in node_id)
    assert found.ids[inner] == tuple(inner.split(":"))


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


SMALL = [
    "image_capybara_v0_1_t2i",
    "llm_gemma4_text_gen",
    "video_ltx2_3_i2v",
    "Image_capybara_v0_1_image_edit",
]
ODD = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        1.5,
        10**30,
        "",
        "x",
        "-10",
        [],
        {},
        [[]],
        [1, 2, 3, 4, 5],
        {"id": 1},
        float("nan"),
        ["a", 0],
    ]
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data())
def test_a_damaged_template_gives_a_graph_or_an_error_for_the_client(data):
    template_folder()
    names = sorted(set(SMALL) & digests().keys())
    document = template(data.draw(st.sampled_from(names)))
    for _ in range(data.draw(st.integers(1, 6))):
        way = data.draw(st.sampled_from(sorted(places(document), key=repr)))
        if not way:
            continue
        holder = document
        for key in way[:-1]:
            holder = holder[key]
        if data.draw(st.booleans()):
            holder[way[-1]] = copy.deepcopy(data.draw(ODD))
        elif isinstance(holder, dict):
            del holder[way[-1]]
        else:
            holder.append(copy.deepcopy(holder[way[-1]]))
    try:
        found = to_api(document, specs(), partial=True)
        back = to_api(to_ui(found.graph, specs()).document, specs(), partial=True)
    except ApiError:
        return
    json.dumps(found.graph, allow_nan=False)
    assert back.graph.keys() == found.graph.keys()
