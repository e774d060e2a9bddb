"""The shipped templates as ComfyUI's page lists them: example_workflows/."""

import importlib.util
import itertools
import json
from urllib.parse import urlsplit

import PIL.Image
import pytest
from backplane.conversion import to_api
from shipped import EXAMPLES, FILES, ROOT, document, infos, of_kind, specs, workflow

TITLE = 30
"""How far a node's title stands above its position, in the page's pixels."""


def example(name):
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def make_examples():
    spec = importlib.util.spec_from_file_location("make_examples", ROOT / "data" / "make_examples.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_complete_template_is_an_example_with_a_picture():
    names = {path.name for path in EXAMPLES.iterdir()}
    assert names == {f"{name}.{suffix}" for name in of_kind("template") for suffix in ("json", "jpg")}


def test_the_examples_are_what_the_script_makes():
    made = dict(make_examples().examples(infos()))
    assert made == {name: example(name) for name in of_kind("template")}


@pytest.mark.parametrize("name", of_kind("template"))
def test_an_example_is_its_template(name):
    converted = to_api(example(name), specs())
    assert (converted.notes, converted.unknown) == ((), ())
    assert list(converted.ids) == list(converted.graph)
    assert converted.graph == workflow(name)


@pytest.mark.parametrize("name", of_kind("template"))
def test_no_nodes_lie_on_each_other(name):
    nodes = example(name)["nodes"]
    boxes = [
        (x, y - TITLE, x + width, y + height)
        for (x, y), (width, height) in ((node["pos"], node["size"]) for node in nodes)
    ]
    assert len(boxes) == len(document(name)["workflow"])
    for one, two in itertools.combinations(boxes, 2):
        assert one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]


@pytest.mark.parametrize("name", of_kind("template"))
def test_every_model_says_where_it_may_be_had(name):
    told = {
        (node["type"], entry["name"]): entry
        for node in example(name)["nodes"]
        for entry in node["properties"].get("models", ())
    }
    named = {
        (node["class_type"], value): FILES[node["class_type"], param]
        for node in workflow(name).values()
        for param, value in node["inputs"].items()
        if (node["class_type"], param) in FILES
    }
    assert {key: entry["directory"] for key, entry in told.items()} == named
    for (_, model), entry in told.items():
        address = urlsplit(entry["url"])
        assert (address.scheme, address.hostname) == ("https", "huggingface.co")
        assert address.path.endswith(f"/{model}")


@pytest.mark.parametrize("name", of_kind("template"))
def test_a_picture_is_small(name):
    path = EXAMPLES / f"{name}.jpg"
    assert path.stat().st_size < 8_000
    with PIL.Image.open(path) as image:
        assert (image.format, image.size) == ("JPEG", (384, 256))


def test_the_picture_shows_the_nodes_and_links():
    script = make_examples()
    colours = {colour for _, colour in script.picture(example("resize-image")).getcolors(1 << 20)}
    assert {(0x3A, 0x3E, 0x47), (0x55, 0x5B, 0x67), (0x1D, 0x1F, 0x24)} <= colours  # nodes, titles, ground
    assert any(blue > 200 and red < 140 for red, _, blue in colours)  # the links of images
