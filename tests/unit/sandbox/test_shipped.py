"""The shipped templates run on the sandbox, alone and with every fragment in."""

import io

import PIL.Image
import pytest
from backplane.patch_engine import apply
from backplane.templates.filling import fill
from shipped import IMAGE, document, fragment, models, of_kind, read, specs_with_files

QUICK = {"steps": 1, "width": 256, "height": 256, "megapixels": 0.25}


@pytest.fixture
def stocked(sandbox):
    """A sandbox with a file for each model that is named."""
    for folder, names in models().items():
        for name in names:
            sandbox.host.files.models(folder).joinpath(name).write_bytes(b"")
    return sandbox


def filled(name):
    template = read(name)
    images = {key: IMAGE for key, about in document(name)["inputs"].items() if about["type"] == "image"}
    quick = {key: value for key, value in QUICK.items() if key in template.inputs}
    return fill(template, specs_with_files(), {**images, **quick}, lambda: 7)


async def pictures(sandbox, graph, node_id):
    ended = await sandbox.run(graph)
    assert ended.status == "succeeded"
    assert set(ended.outputs) == {node_id}
    return [
        PIL.Image.open(io.BytesIO(await sandbox.bytes_of(image)))
        for image in ended.outputs[node_id]["images"]
    ]


@pytest.mark.parametrize("name", of_kind("template"))
async def test_a_template_runs(stocked, name):
    run = filled(name)
    [picture] = await pictures(stocked, run.graph, *run.outputs)
    size = {"resize-image": (256, 256), "upscale-image": (1024, 1024)}.get(name)
    known = (512, 512) if {"image", "image_above"} & run.inputs.keys() else (256, 256)
    if name.startswith("controlnet"):
        known = (256, 256)
    assert picture.size == (size or known)
    assert ("backplane" in picture.text) is ("no-model" not in document(name)["tags"])


@pytest.mark.parametrize(
    "name", [name for name in of_kind("template") if "no-model" in document(name)["tags"]]
)
async def test_what_needs_no_model_runs_on_a_fresh_server(sandbox, name):
    images = {key: IMAGE for key, about in document(name)["inputs"].items() if about["type"] == "image"}
    run = fill(read(name), specs_with_files(), images, lambda: 7)
    [picture] = await pictures(sandbox, run.graph, *run.outputs)
    assert picture.size == ((1024, 1024) if name == "resize-image" else (512, 512))


@pytest.mark.parametrize("base_model", ["SD 1.5", "SDXL", "Flux"])
async def test_a_template_runs_with_every_fragment_in(stocked, base_model):
    name = next(each for each in of_kind("template", base_model) if each.startswith("text-to-image"))
    run = filled(name)
    fragments = of_kind("fragment", base_model)
    ops = [{"op": "add_fragment", "fragment": fragment(each), "alias": each} for each in fragments]
    result = apply(run.graph, ops, specs_with_files())
    [sampler] = (node_id for alias, node_id in result.aliases.items() if alias.endswith(".sampler"))
    quick = apply(
        result.graph,
        [{"op": "set_param", "node_id": sampler, "param": "steps", "value": 1}],
        specs_with_files(),
    )
    [picture] = await pictures(stocked, quick.graph, *run.outputs)
    assert picture.size == (768, 768)  # 256, by 1.5 in latents, by 4 and 0.5 in pixels
