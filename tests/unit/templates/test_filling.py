"""Filling templates in, and the schema that says what may be filled in: the two must agree."""

import json
from dataclasses import replace

import pytest
from backplane.errors import ApiError
from backplane.tasks.drawing import Drawn
from backplane.tasks.inputs import FromBase64, FromUpload, FromUrl
from backplane.templates import fill, schema
from backplane.templates.document import read_document
from backplane.templates.filling import refuse_uploads
from hypothesis import given
from hypothesis import strategies as st
from templating import at, classes, judging, poster, text_to_image, valid

SPECS = classes()


def template(document=None, **inputs):
    return read_document(document or poster(**inputs), "poster", 2)


def filled(made, inputs=None, seed=99, specs=SPECS):
    return fill(made, specs, inputs or {}, lambda: seed)


def faults(made, inputs, specs=SPECS):
    with pytest.raises(ApiError) as raised:
        filled(made, inputs, specs=specs)
    assert raised.value.code == "TEMPLATE_INPUT_INVALID"
    assert raised.value.details["template"] == "poster@2"
    return raised.value.details["inputs"]


def test_without_inputs_the_workflow_is_as_it_is():
    made = template()
    found = filled(made)
    assert found.graph == text_to_image()
    assert found.inputs == {"prompt": "a cat", "seed": 7, "steps": 20, "cfg": 8.0, "model": "a.safetensors"}
    assert (found.drawn, found.files, found.outputs) == ((), {}, ("7",))


def test_inputs_are_written_into_their_places_and_the_template_stays():
    made = template()
    before = json.dumps(made.document)
    found = filled(made, {"prompt": "a dog", "steps": 5, "seed": 1, "cfg": 3})
    assert found.graph["2"]["inputs"]["text"] == "a dog"
    assert found.graph["5"]["inputs"] == {**text_to_image()["5"]["inputs"], "steps": 5, "seed": 1, "cfg": 3}
    assert found.inputs["prompt"] == "a dog"
    assert json.dumps(made.document) == before


def test_one_input_may_have_several_places():
    made = template(text=at("2", "text", "string", also=[{"node": "3", "field": "text"}]))
    found = filled(made, {"text": "x"})
    assert [found.graph[node]["inputs"]["text"] for node in "23"] == ["x", "x"]
    # the default is that of the first place, also where it is not given
    assert [filled(made).graph[node]["inputs"]["text"] for node in "23"] == ["a cat", "a cat"]


def test_what_is_wrong_is_named_all_at_once():
    wrong = {"promt": "x", "steps": 99, "seed": "rnd", "cfg": "8", "model": "bb.safetensors"}
    assert faults(template(), wrong) == {
        "promt": "unknown; did you mean 'prompt'?",
        "seed": 'must be a whole number or "random"',
        "steps": "must be at most 50",
        "cfg": "must be a number",
        "model": "'bb.safetensors' is not an option; did you mean 'b.safetensors'?",
    }


@pytest.mark.parametrize(
    ("declared", "value", "words"),
    [
        (at("5", "steps", "integer"), 0, "at least 1"),
        (at("5", "steps", "integer"), 10_001, "at most 10000"),
        (at("5", "steps", "integer"), True, "whole number"),
        (at("5", "steps", "integer"), 1.5, "whole number"),
        (at("5", "steps", "integer", max=10**6), 10_001, "at most 10000"),
        (at("5", "steps", "integer", enum=[10, 20]), 15, "not an option; there are: 10, 20"),
        (at("5", "cfg", "number"), float("nan"), "a number"),
        (at("5", "cfg", "number", min=0.5), 0.25, "at least 0.5"),
        (at("5", "tiled", "boolean"), 1, "true or false"),
        (at("5", "seed", "seed"), -1, "at least 0"),
        (at("5", "seed", "seed"), 2**64, f"at most {2**64 - 1}"),
        (at("2", "text", "string"), ["1", 0], "a text"),
        (at("2", "text", "string"), None, "a text"),
        (at("5", "mode", "string", enum=["fast"]), "good", "there are: fast"),
    ],
)
def test_limits_are_the_declared_and_those_of_the_node(declared, value, words):
    assert words in faults(template(value=declared), {"value": value})["value"]


def test_a_whole_number_may_be_written_as_a_float():
    assert repr(filled(template(), {"steps": 5.0}).graph["5"]["inputs"]["steps"]) == "5"


def test_what_the_class_judges_itself_is_left_to_it():
    made = template(mode=at("5", "mode", "string"), steps=at("5", "steps", "integer", max=50))
    found = filled(made, {"mode": "other", "steps": 0}, specs=judging(SPECS, "Sampler", "mode", "steps"))
    assert found.inputs == {"mode": "other", "steps": 0}
    every = judging(SPECS, "Sampler", "*")
    assert faults(made, {"steps": 51}, specs=every) == {"steps": "must be at most 50"}


def test_a_class_that_is_not_here_leaves_what_is_declared():
    made = template(steps=at("5", "steps", "integer", max=50))
    assert filled(made, {"steps": -4}, specs={}).graph["5"]["inputs"]["steps"] == -4
    assert faults(made, {"steps": 51}, specs={}) == {"steps": "must be at most 50"}


# Defaults


def test_a_default_goes_before_what_the_workflow_has():
    made = template(steps=at("5", "steps", "integer", default=9))
    assert filled(made).graph["5"]["inputs"]["steps"] == 9


def test_what_the_workflow_lacks_comes_from_the_node():
    document = poster(steps=at("5", "steps", "integer"))
    del document["workflow"]["5"]["inputs"]["steps"]
    assert filled(template(document)).graph["5"]["inputs"]["steps"] == 20


def test_a_required_input_must_be_given():
    made = template(steps=at("5", "steps", "integer", required=True))
    assert faults(made, {}) == {"steps": "missing"}
    assert filled(made, {"steps": 3}).inputs == {"steps": 3}


def test_a_default_that_is_not_here_makes_the_input_required():
    made = template(model=at("1", "name", "model", default="gone.safetensors"))
    assert faults(made, {})["model"].startswith(
        "missing, and its default 'gone.safetensors' is not an option"
    )
    document = schema(made, SPECS)
    assert document["required"] == ["model"]
    assert "gone" in document["properties"]["model"]["x-backplane"]["default_missing"]
    assert filled(made, {"model": "b.safetensors"}).inputs == {"model": "b.safetensors"}


def test_an_input_that_need_not_be_given_leaves_the_workflow_as_it_is():
    document = poster(model=at("1", "name", "model", required=False))
    document["workflow"]["1"]["inputs"]["name"] = "gone.safetensors"
    found = filled(template(document))
    assert found.graph["1"]["inputs"]["name"] == "gone.safetensors"
    assert found.inputs == {}


# Seeds


def test_a_random_seed_is_drawn_and_told():
    made = template(seed=at("5", "seed", "seed"), steps=at("5", "steps", "integer"))
    found = filled(made, {"seed": "random"}, seed=123)
    assert found.graph["5"]["inputs"]["seed"] == 123
    assert found.inputs == {"seed": 123, "steps": 20}
    assert found.drawn == (Drawn("seed", (("5", "seed"),), 0, 2**64 - 1),)


def test_a_seed_may_be_random_unless_it_is_given():
    made = template(seed=at("5", "seed", "seed", default="random", also=[{"node": "5", "field": "steps"}]))
    found = filled(made, seed=12)
    assert (found.graph["5"]["inputs"]["seed"], found.graph["5"]["inputs"]["steps"]) == (12, 12)
    assert found.drawn[0].places == (("5", "seed"), ("5", "steps"))
    assert filled(made, {"seed": 3}).drawn == ()


@given(st.integers(0, 2**53 - 1), st.integers(0, 100), st.integers(0, 100))
def test_a_drawn_seed_is_within_the_limits(drawn, least, more):
    made = template(seed=at("5", "seed", "seed", min=least, max=least + more, default="random"))
    assert least <= filled(made, seed=drawn).inputs["seed"] <= least + more


def test_each_random_seed_is_drawn_for_itself():
    made = template(a=at("5", "seed", "seed"), b=at("5", "steps", "seed"))
    seeds = iter([5, 6])
    found = fill(made, SPECS, {"a": "random", "b": "random"}, lambda: next(seeds))
    assert found.inputs == {"a": 5, "b": 6}


# Files


def loading(**more):
    document = poster(picture=at("8", "image", "image", **more))
    document["workflow"]["8"] = {"class_type": "Load", "inputs": {"image": "here.png"}}
    return template(document)


@pytest.mark.parametrize(
    ("value", "source", "shown"),
    [
        ("https://user:pass@a.example/b.png?token=1", FromUrl, "https://a.example/b.png"),
        ({"url": "http://a.example/b.png"}, FromUrl, "http://a.example/b.png"),
        ("https://[", FromUrl, ""),
        ("data:image/png;base64,AAAA", FromBase64, {"base64": None}),
        ({"url": "DATA:image/png;base64,AAAA"}, FromBase64, {"base64": None}),
        ({"base64": "AAAA", "filename": "a.png"}, FromBase64, {"base64": None}),
        ({"upload": "part"}, FromUpload, {"upload": "part"}),
    ],
)
def test_a_file_from_elsewhere_is_left_to_who_stores_it(value, source, shown):
    found = filled(loading(), {"picture": value})
    assert isinstance(found.files["8.image"], source)
    assert found.graph["8"]["inputs"]["image"] == "here.png"
    assert found.inputs == {"picture": shown}
    with pytest.raises(ApiError, match="only the name of a file"):
        refuse_uploads(found.template, found)


@pytest.mark.parametrize("value", ["sub/a.png", {"file": "sub/a.png"}])
def test_a_file_that_is_here_is_named(value):
    found = filled(loading(), {"picture": value})
    assert found.graph["8"]["inputs"]["image"] == "sub/a.png"
    assert (found.files, found.inputs) == ({}, {"picture": "sub/a.png"})
    refuse_uploads(found.template, found)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "../a.png",
            "a/../b.png",
            "/etc/passwd",
            "C:\\a.png",
            "c:/a.png",
            "a\\b",
            "",
            ".",
            "./a",
            "a/./b",
            "a\n",
        ),
        *("https://a.example/b.png\n", "file:///etc/passwd", "ftp://a/b"),
        *(
            {},
            {"url": ""},
            {"url": "a.png"},
            {"file": "https://a/b"},
            {"base64": ""},
            {"url": "https://a/b", "x": "y"},
        ),
        *({"base64": "AA", "filename": "a" * 256}, {"file": 1}, ["8", 0], None, 5, True),
    ],
)
def test_a_file_that_is_none_is_refused(value):
    assert "must be" in faults(loading(), {"picture": value})["picture"]


# Dynamic combos


def resizing(**inputs):
    workflow = {
        "0": {"class_type": "Load", "inputs": {"image": "here.png"}},
        "1": {"class_type": "Resize", "inputs": {"image": ["0", 0], "how": "by", "how.factor": 3.0}},
        "2": {"class_type": "Show", "inputs": {"images": ["1", 0]}},
    }
    return template({"workflow": workflow, "inputs": inputs})


HOW = {
    "how": at("1", "how", "string"),
    "factor": at("1", "how.factor", "number"),
    "width": at("1", "how.width", "integer"),
}


def test_a_choice_brings_its_own_inputs():
    made = resizing(**HOW)
    found = filled(made, {"how": "to", "width": 32})
    assert found.graph["1"]["inputs"] == {"image": ["0", 0], "how": "to", "how.width": 32}
    assert found.inputs == {"how": "to", "width": 32}
    assert filled(made, {"how": "to"}).graph["1"]["inputs"]["how.width"] == 64


def test_what_the_choice_has_no_place_for_is_refused():
    assert faults(resizing(**HOW), {"how": "to", "factor": 4.0}) == {
        "factor": "has no place with the other inputs as they are"
    }


def test_without_another_choice_its_inputs_stay():
    found = filled(resizing(**HOW), {"factor": 4.0})
    assert found.graph["1"]["inputs"]["how.factor"] == 4.0


# The schema


def test_the_schema_says_what_may_be_filled_in():
    made = template(
        {
            **poster(
                prompt=at("2", "text", "string", title="What", description="To see"),
                steps=at("5", "steps", "integer", max=50, step=5, required=True),
                seed=at("5", "seed", "seed"),
                model=at("1", "name", "model"),
            ),
            "description": "Makes posters.",
        }
    )
    document = schema(made, SPECS)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (document["title"], document["description"]) == ("Poster", "Makes posters.")
    assert document["x-backplane"] == {"name": "poster", "version": 2, "digest": made.digest}
    assert document["required"] == ["steps"]
    assert document["properties"] == {
        "prompt": {
            "title": "What",
            "description": "To see",
            "default": "a cat",
            "type": "string",
            "x-backplane": {"type": "string", "multiline": True},
        },
        "steps": {
            "title": "Steps",
            "default": 20,
            "type": "integer",
            "minimum": 1,
            "maximum": 50,
            "x-backplane": {"type": "integer", "step": 5},
        },
        "seed": {
            "title": "Seed",
            "default": 7,
            "anyOf": [{"type": "integer", "minimum": 0, "maximum": 2**64 - 1}, {"const": "random"}],
            "x-backplane": {"type": "seed"},
        },
        "model": {
            "title": "Model",
            "default": "a.safetensors",
            "type": "string",
            "enum": ["a.safetensors", "b.safetensors"],
            "x-backplane": {"type": "model"},
        },
    }


DECLARED = st.fixed_dictionaries(
    {},
    optional={
        "prompt": st.just(at("2", "text", "string")) | st.just(at("2", "text", "string", required=True)),
        "steps": st.builds(
            lambda least, more, default, required: at(
                "5", "steps", "integer", min=least, max=least + more, default=default, required=required
            ),
            st.integers(-5, 30),
            st.integers(0, 30),
            st.none() | st.integers(-5, 60),
            st.none() | st.booleans(),
        ),
        "cfg": st.builds(
            lambda least, enum: at("5", "cfg", "number", min=least, enum=enum),
            st.none() | st.floats(-1, 9),
            st.none() | st.lists(st.integers(-2, 12) | st.floats(0, 10), min_size=1, max_size=4),
        ),
        "seed": st.sampled_from(
            [
                at("5", "seed", "seed"),
                at("5", "seed", "seed", default="random"),
                at("5", "seed", "seed", max=9),
            ]
        ),
        "tiled": st.just(at("5", "tiled", "boolean")),
        "mode": st.sampled_from(
            [
                at("5", "mode", "string"),
                at("5", "mode", "string", enum=["good", "x"]),
                at("5", "mode", "model", default="x"),
            ]
        ),
        "picture": st.sampled_from([at("8", "image", "image"), at("8", "image", "file", required=True)]),
    },
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 70),
    st.integers(),
    st.floats(-2, 70, allow_nan=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["random", "fast", "good", "x", "", "a/../b", "..", "https://a/b", "data:,x", "a.png", "data:", "a\n"]
    ),
    st.text(max_size=4),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(
        st.sampled_from(["url", "base64", "upload", "file", "filename", "x"]), st.text(max_size=3), max_size=2
    ),
    st.dictionaries(
        st.sampled_from(["url", "file"]), st.sampled_from(["https://a/b", "a.png", ".."]), max_size=1
    ),
)
NAMES = ["prompt", "steps", "cfg", "seed", "tiled", "mode", "picture", "other"]


@given(DECLARED, st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4), st.booleans())
def test_what_the_schema_accepts_is_filled_in_and_the_reverse(declared, inputs, here):
    document = {"workflow": text_to_image(), "inputs": declared}
    document["workflow"]["8"] = {"class_type": "Load", "inputs": {"image": "here.png"}}
    made = read_document(document, "poster", 2)
    specs = SPECS if here else {}
    accepted = valid(schema(made, specs), inputs)
    assert valid(json.loads(json.dumps(schema(made, specs))), inputs) == accepted
    if accepted:
        found = filled(made, inputs, specs=specs)
        given = {
            name: value
            for name, value in inputs.items()
            if isinstance(value, str | int) and value != "random"
        }
        assert all(
            found.inputs[name] == value
            for name, value in given.items()
            if declared[name]["type"] not in {"image", "file"}
        )
    else:
        wrong = faults(made, inputs, specs=specs)
        assert wrong.keys() <= {*declared, *inputs}
        # and each that is named is really wrong, by itself
        for name in wrong.keys() & inputs.keys() & declared.keys():
            assert not valid(schema(made, specs)["properties"][name], inputs[name])


def test_a_schema_of_an_input_with_nothing_to_choose_from_takes_nothing():
    loader = SPECS["Loader"]
    ports = replace(loader.ports, params=(replace(loader.ports.params[0], options=()),))
    specs = {**SPECS, "Loader": replace(loader, ports=ports)}
    made = template(model=at("1", "name", "model"))
    assert schema(made, specs)["properties"]["model"]["enum"] == []
    assert "nothing to choose from" in faults(made, {"model": "a.safetensors"}, specs)["model"]
