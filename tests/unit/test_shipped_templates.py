"""The shipped templates and fragments: what they say of themselves, and where fragments go."""

import itertools
import json
import re

import pytest
from backplane.conversion import to_api
from backplane.graph import is_link
from backplane.patch_engine import apply
from backplane.templates.filling import fill
from backplane.templates.rules import misdeclared, rules_of
from converting import sorted_specs
from converting import template as public_template
from patching import exactly, rewired
from shipped import (
    FILES,
    IMAGE,
    NAMES,
    ROOT,
    document,
    fragment,
    of_kind,
    read,
    specs,
    specs_with_files,
    workflow,
)

BASE_MODELS = {"SD 1.5", "SDXL", "Flux"}
TEXT_TO_IMAGE = (
    "text-to-image-sd15",
    "text-to-image-sdxl",
    "text-to-image-flux",
    "text-to-image-flux-schnell",
)
FRAGMENTS = [
    (name, into)
    for name in of_kind("fragment")
    for into in dict.fromkeys(
        into for base_model in document(name)["base_models"] for into in of_kind("template", base_model)
    )
]
"""Each fragment with each template that has a base model in common."""
PUBLIC = (
    "flux_dev_checkpoint_example",
    "flux_dev_full_text_to_image",
    "flux_schnell",
    "flux_schnell_full_text_to_image",
    "flux1_krea_dev",
)
"""Templates of ComfyUI's own package for Flux."""


def findings(graph, of):
    """What validation says of the whole workflow."""
    return apply({}, [{"op": "restore", "nodes": graph}], of, validate=True).findings


def param(node, field, of):
    return next(each for each in of[node["class_type"]].params if each.name == field)


def add(name, alias="new"):
    return {"op": "add_fragment", "fragment": fragment(name), "alias": alias}


def only(graph, class_type):
    [found] = (node_id for node_id, node in graph.items() if node["class_type"] == class_type)
    return found


# What they are


def test_there_is_what_is_promised():
    for base_model in BASE_MODELS:
        fragments = [document(name)["tags"] for name in of_kind("fragment", base_model)]
        for tag in ("lora", "upscale", "controlnet", "hires-fix"):
            assert any(tag in tags for tags in fragments), (base_model, tag)
        assert any("text-to-image" in document(name)["tags"] for name in of_kind("template", base_model))
    assert len([name for name in of_kind("template") if "no-model" in document(name)["tags"]]) >= 3
    assert len(of_kind("template")) >= 10


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_what_the_package_reads(name):
    held = document(name)
    assert (held["format"], held["name"]) == (1, name)
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name)
    assert set(held["base_models"]) <= BASE_MODELS
    assert bool(held["base_models"]) is ("no-model" not in held["tags"] and name != "upscale-image")
    assert 5 < len(held["title"]) < 60
    assert re.fullmatch(
        r"[A-Z][^.]*\.?[^.]*\.", held["description"].replace("SD 1.5", "").replace("FLUX.1", "")
    )
    template = read(name)
    assert template.kind == held["kind"]
    assert template.outputs
    assert misdeclared(template, specs()) == {}
    titles = [node["_meta"]["title"] for node in held["workflow"].values()]
    assert all(titles)
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_fit_the_params_that_they_set(name):
    held, of = document(name), specs_with_files()
    for key, about in held["inputs"].items():
        node = held["workflow"][about["node"]]
        declared = param(node, about["field"], of)
        assert about["title"][0].isupper(), key
        if about["type"] in {"integer", "number"}:
            assert declared.min <= about["min"] < about["max"] <= declared.max, key
            assert about["step"] >= (declared.step or 0), key
        if about["type"] == "integer":
            step = declared.step or 1
            assert (about["step"] % step, about["min"] % step, about["default"] % about["step"]) == (0, 0, 0)
        if "enum" in about:
            assert set(about["enum"]) <= set(declared.options), key
            assert len(set(about["enum"])) == len(about["enum"]) > 1, key
        if about.get("required"):
            assert "default" not in about, key
        elif about["type"] == "seed":
            assert about["default"] == "random"
        else:
            assert about["default"] == node["inputs"][about["field"]], key
        assert (about["type"] == "model") is ((node["class_type"], about["field"]) in FILES), key
        assert about.get("multiline", False) is bool(declared.multiline), key
    assert {rule.default_fault for rule in rules_of(read(name), of).values()} == {None}
    assert sum(about["type"] == "seed" for about in held["inputs"].values()) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_a_user_would_set_is_an_input(name):
    held = document(name)
    declared = {(about["node"], about["field"]) for about in held["inputs"].values()}
    for about in held["inputs"].values():
        declared |= {(place["node"], place["field"]) for place in about.get("also", ())}
    for node_id, node in held["workflow"].items():
        for field in ("image", "text", "seed", "steps", "width", "height", *(field for _, field in FILES)):
            if field in node["inputs"] and not is_link(node["inputs"][field]):
                assert (node_id, field) in declared


@pytest.mark.parametrize("name", of_kind("template"))
def test_a_template_needs_nothing_but_files(name):
    graph = workflow(name)
    assert findings(graph, specs_with_files()) == ()
    for finding in findings(graph, specs()):
        assert (graph[finding.node_id]["class_type"], finding.input) in FILES, finding


@pytest.mark.parametrize("name", of_kind("template"))
def test_a_template_runs_with_its_images_alone(name):
    template = read(name)
    images = {key: IMAGE for key, about in document(name)["inputs"].items() if about["type"] == "image"}
    filled = fill(template, specs_with_files(), images, lambda: 7)
    assert [each.name for each in filled.drawn] == (["seed"] if "seed" in template.inputs else [])
    for node_id, node in workflow(name).items():
        seed = {"seed": 7} if "seed" in node["inputs"] else {}
        assert filled.graph[node_id] == {**node, "inputs": {**node["inputs"], **seed}}
    assert filled.outputs == tuple(out["node"] for out in document(name)["outputs"].values())


# Where fragments go


def lora(graph, ids, loads_clip):
    """Everyone who used the model, and the text encoder, uses it with the LoRA."""
    loaders = {"CheckpointLoaderSimple": 1, "DualCLIPLoader": 0}
    model = only(graph, "UNETLoader" if "UNETLoader" in classes(graph) else "CheckpointLoaderSimple")
    moved = {f"{ids['lora']}.model": f"{model}.0", **users(graph, model, 0, f"{ids['lora']}.0")}
    if loads_clip:
        [(clip, slot)] = (
            (node_id, loaders[node["class_type"]])
            for node_id, node in graph.items()
            if node["class_type"] in loaders
        )
        moved |= {f"{ids['lora']}.clip": f"{clip}.{slot}", **users(graph, clip, slot, f"{ids['lora']}.1")}
    return moved


def classes(graph):
    return {node["class_type"] for node in graph.values()}


def users(graph, source, slot, new):
    found = {
        f"{node_id}.{name}": new
        for node_id, node in graph.items()
        for name, value in node["inputs"].items()
        if value == [source, slot]
    }
    assert found
    return found


def taken(graph, node_id, name):
    source, slot = graph[node_id]["inputs"][name]
    return f"{source}.{slot}"


def hires_fix(graph, ids):
    """Between the sampler and the decoder, with the sampler's model and conditionings."""
    sampler, decode = only(graph, "KSampler"), only(graph, "VAEDecode")
    assert taken(graph, decode, "samples") == f"{sampler}.0"
    second = ids["sampler"]
    return {
        f"{ids['upscale']}.samples": f"{sampler}.0",
        f"{second}.latent_image": f"{ids['upscale']}.0",
        **{f"{second}.{name}": taken(graph, sampler, name) for name in ("model", "positive", "negative")},
        f"{decode}.samples": f"{second}.0",
    }


def controlnet(graph, ids, vae):
    """Between both conditionings and the sampler."""
    sampler, apply_ = only(graph, "KSampler"), ids["apply"]
    return {
        f"{ids['edges']}.image": f"{ids['image']}.0",
        f"{apply_}.image": f"{ids['edges']}.0",
        f"{apply_}.control_net": f"{ids['loader']}.0",
        f"{apply_}.positive": taken(graph, sampler, "positive"),
        f"{apply_}.negative": taken(graph, sampler, "negative"),
        f"{sampler}.positive": f"{apply_}.0",
        f"{sampler}.negative": f"{apply_}.1",
        **({f"{apply_}.vae": taken(graph, only(graph, "VAEDecode"), "vae")} if vae else {}),
    }


def upscale(graph, ids):
    """Before the image is saved."""
    save = only(graph, "SaveImage")
    return {
        f"{ids['upscale']}.image": taken(graph, save, "images"),
        f"{ids['upscale']}.upscale_model": f"{ids['loader']}.0",
        f"{ids['scale']}.image": f"{ids['upscale']}.0",
        f"{save}.images": f"{ids['scale']}.0",
    }


WIRING = {
    "add-lora-sd": lambda graph, ids: lora(graph, ids, loads_clip=True),
    "add-lora-flux": lambda graph, ids: lora(graph, ids, loads_clip=False),
    "controlnet-flux": lambda graph, ids: controlnet(graph, ids, vae=True),
    "controlnet-sd15": lambda graph, ids: controlnet(graph, ids, vae=False),
    "controlnet-sdxl": lambda graph, ids: controlnet(graph, ids, vae=False),
    "hires-fix-flux": hires_fix,
    "hires-fix-sd": hires_fix,
    "upscale-model": upscale,
}


def put_in(graph, name, of):
    """Put a fragment in with nothing said of its place; it is asserted to go as an expert would have it."""
    result = apply(graph, [add(name)], of)
    ids = {alias.removeprefix("new."): node_id for alias, node_id in result.aliases.items()}
    assert rewired(graph, result) == WIRING[name](graph, ids)
    assert exactly(apply(result.graph, list(result.inverse), of).graph) == exactly(graph)
    return result


def test_every_fragment_is_tried():
    assert set(WIRING) == set(of_kind("fragment"))
    assert {into for _, into in FRAGMENTS} == {
        name for name in of_kind("template") if document(name)["base_models"]
    }


@pytest.mark.parametrize(("name", "into"), FRAGMENTS)
def test_a_fragment_goes_by_itself_where_it_belongs(name, into):
    result = put_in(workflow(into), name, specs())
    assert findings(result.graph, specs_with_files()) == ()


@pytest.mark.parametrize("into", [name for name in of_kind("template") if not document(name)["base_models"]])
def test_any_image_can_be_made_larger_before_it_is_saved(into):
    result = put_in(workflow(into), "upscale-model", specs())
    assert findings(result.graph, specs_with_files()) == ()


@pytest.mark.parametrize("name", of_kind("fragment"))
def test_what_is_declared_of_a_fragment_can_be_set(name):
    held = document(name)
    values = {"model": None, "image": IMAGE, "seed": 5, "integer": "min", "number": "min"}
    params = {}
    for about in held["inputs"].values():
        value = values.get(about["type"])
        value = about["min"] if value == "min" else value
        value = held["workflow"][about["node"]]["inputs"][about["field"]] if value is None else value
        for place in (about, *about.get("also", ())):
            params.setdefault(place["node"], {})[place["field"]] = value
    base_model = held["base_models"][0]
    into = next(each for each in TEXT_TO_IMAGE if base_model in document(each)["base_models"])
    graph = workflow(into)
    result = apply(graph, [{**add(name), "params": params}], specs_with_files(), validate=True)
    assert result.findings == ()
    for node, given in params.items():
        inputs = result.graph[result.aliases[f"new.{node}"]]["inputs"]
        assert {key: inputs[key] for key in given} == given


@pytest.mark.parametrize("into", TEXT_TO_IMAGE)
def test_two_loras_stack(into):
    base_model, graph = document(into)["base_models"][0], workflow(into)
    name = "add-lora-flux" if base_model == "Flux" else "add-lora-sd"
    result = apply(graph, [add(name, "one"), add(name, "two")], specs_with_files(), validate=True)
    assert result.findings == ()
    one, two = result.aliases["one.lora"], result.aliases["two.lora"]
    made = result.graph
    assert made[one]["inputs"]["model"] == [two, 0]
    assert made[only(made, "KSampler")]["inputs"]["model"] == [one, 0]
    if base_model != "Flux":
        assert made[one]["inputs"]["clip"] == [two, 1]
        texts = [node for node in made.values() if node["class_type"] == "CLIPTextEncode"]
        assert [node["inputs"]["clip"] for node in texts] == [[one, 1], [one, 1]]
    assert exactly(apply(made, list(result.inverse), specs()).graph) == exactly(graph)


@pytest.mark.parametrize("into", TEXT_TO_IMAGE)
def test_a_third_pass_goes_behind_the_second(into):
    base_model, graph = document(into)["base_models"][0], workflow(into)
    name = "hires-fix-flux" if base_model == "Flux" else "hires-fix-sd"
    result = apply(graph, [add(name, "two"), add(name, "three")], specs())
    ids, made = result.aliases, result.graph
    assert made[ids["three.upscale"]]["inputs"]["samples"] == [ids["two.sampler"], 0]
    assert made[only(made, "VAEDecode")]["inputs"]["samples"] == [ids["three.sampler"], 0]
    second, third = (made[ids[f"{each}.sampler"]]["inputs"] for each in ("two", "three"))
    for key in ("model", "positive", "negative"):
        assert second[key] == third[key] == graph[only(graph, "KSampler")]["inputs"][key]


@pytest.mark.parametrize("into", TEXT_TO_IMAGE)
def test_all_fragments_give_the_same_workflow_in_any_order(into):
    base_model, graph = document(into)["base_models"][0], workflow(into)
    names = of_kind("fragment", base_model)
    assert len(names) == 4
    made = []
    for order in itertools.permutations(names):
        result = apply(graph, [add(name, name) for name in order], specs_with_files(), validate=True)
        assert result.findings == ()
        made.append(by_title(result.graph))
    assert all(each == made[0] for each in made)
    samplers = [made[0][title] for title in ("Sampler", "Second pass")]
    for inputs in samplers:
        assert [inputs["positive"], inputs["negative"]] == [("Apply ControlNet", 0), ("Apply ControlNet", 1)]
        assert inputs["model"] == ("LoRA", 0)


def by_title(graph):
    """The workflow with titles instead of ids; they must differ."""
    titles = {node_id: node["_meta"]["title"] for node_id, node in graph.items()}
    assert len(set(titles.values())) == len(titles)
    return {
        titles[node_id]: {
            name: (titles[value[0]], value[1]) if is_link(value) else value
            for name, value in node["inputs"].items()
        }
        for node_id, node in graph.items()
    }


@pytest.mark.parametrize("public", PUBLIC)
def test_fragments_go_into_comfyuis_own_templates(public):
    graph = to_api(public_template(public), sorted_specs()).graph
    for name in of_kind("fragment", "Flux"):
        put_in(graph, name, specs())


@pytest.mark.parametrize("name", ["add-lora-sd", "controlnet-sdxl"])
def test_a_workflow_with_two_models_is_asked_about(name):
    graph = to_api(public_template("sdxl_simple_example"), sorted_specs()).graph
    with pytest.raises(Exception, match="equally") as error:
        apply(graph, [add(name)], specs())
    assert error.value.code == "AMBIGUOUS_PORT"
    assert len(error.value.details["candidates"]) > 1


def test_the_second_pass_goes_behind_the_refiner():
    graph = to_api(public_template("sdxl_simple_example"), sorted_specs()).graph
    decode = only(graph, "VAEDecode")
    refiner = graph[decode]["inputs"]["samples"][0]
    result = apply(graph, [add("hires-fix-sd")], specs())
    second = result.graph[result.aliases["new.sampler"]]["inputs"]
    assert graph[refiner]["class_type"] == "KSamplerAdvanced"
    for key in ("model", "positive", "negative"):
        assert second[key] == graph[refiner]["inputs"][key]


def test_the_files_are_small():
    assert max(len(json.dumps(document(name))) for name in NAMES) < 10_000


def test_the_page_lists_what_ships():
    page = (ROOT / "docs" / "templates-shipped.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in page.splitlines()
        if line.startswith("| `")
    ]
    assert sorted(row[0].strip("`") for row in rows) == NAMES
    for name, _, base_models, last in rows:
        held = document(name.strip("`"))
        assert base_models == ", ".join(held["base_models"])
        if held["kind"] == "template":
            files = {
                value
                for node in held["workflow"].values()
                for field, value in node["inputs"].items()
                if (node["class_type"], field) in FILES
            }
            assert set(re.findall(r"`([^`]+)`", last)) == files
