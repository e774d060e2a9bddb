"""The simulated family: a whole request over HTTP, and what the picture depends on."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from backplane.host.protocol import NodeProgressed
from backplane.sandbox.nodes.picture import LABEL, Recipe, noise_for, noisy, paint, stamp
from backplane.sandbox.nodes.text_to_image import Latent

REQUESTS = Path(__file__).resolve().parents[3] / "docs" / "requests"


def request(name):
    return json.loads((REQUESTS / name).read_text())["workflow"]


def opened(content):
    return PIL.Image.open(io.BytesIO(content))


async def picture_of(sandbox, workflow):
    ended = await sandbox.run(workflow)
    assert ended.status == "succeeded"
    (image,) = ended.outputs["9"]["images"]
    return opened(await sandbox.bytes_of(image))


async def test_text_to_image_over_http(sandbox):
    workflow = request("text_to_image.json")
    ended = await sandbox.run(workflow, extra_data={"extra_pnginfo": {"workflow": {"nodes": [1]}}})
    assert ended.status == "succeeded"
    (image,) = ended.outputs["9"]["images"]
    assert image == {"filename": "text_to_image_00001_.png", "subfolder": "", "type": "output"}
    picture = opened(await sandbox.bytes_of(image))
    assert (picture.size, picture.mode) == ((512, 512), "RGB")
    assert picture.text["backplane"] == "simulated"
    assert json.loads(picture.text["prompt"]) == workflow
    assert json.loads(picture.text["workflow"]) == {"nodes": [1]}
    steps = sandbox.of(ended.prompt_id, NodeProgressed)
    assert [(step.node_id, step.value, step.max) for step in steps] == [("3", n, 20) for n in range(1, 21)]
    assert all(max(step.preview.image.size) <= 256 for step in steps)


@pytest.mark.parametrize("name", ["image_edit.json", "batch_images.json"])
async def test_the_other_example_requests_run(sandbox, name):
    ended = await sandbox.run(request(name))
    assert ended.status == "succeeded"
    images = ended.outputs["4"]["images"]
    assert len(images) == (2 if name == "batch_images.json" else 1)
    assert opened(await sandbox.bytes_of(images[0])).size == (256, 256)


async def test_the_same_request_gives_the_same_picture_and_every_setting_changes_it(sandbox):
    workflow = request("text_to_image.json")
    workflow["5"]["inputs"] |= {"width": 128, "height": 64}
    workflow["3"]["inputs"] |= {"steps": 4}
    first = np.asarray(await picture_of(sandbox, workflow))
    assert first.shape == (64, 128, 3)
    sandbox.host.worker.free()
    assert np.array_equal(first, np.asarray(await picture_of(sandbox, workflow)))
    for node_id, name, value in (
        ("3", "seed", 1),
        ("3", "steps", 5),
        ("3", "cfg", 3.0),
        ("3", "sampler_name", "dpmpp_2m"),
        ("6", "text", "a forest"),
        ("7", "text", "people"),
    ):
        changed = json.loads(json.dumps(workflow))
        changed[node_id]["inputs"][name] = value
        assert not np.array_equal(first, np.asarray(await picture_of(sandbox, changed))), name


async def test_batches_loras_upscaling_and_image_to_image_run(sandbox, node):
    workflow = request("text_to_image.json")
    workflow["5"]["inputs"] |= {"width": 64, "height": 96, "batch_size": 3}
    workflow["3"]["inputs"] |= {"steps": 2, "model": ["10", 0]}
    workflow["10"] = node(
        "LoraLoader",
        model=["4", 0],
        clip=["4", 1],
        lora_name="sandbox-placeholder-lora.safetensors",
        strength_model=0.8,
        strength_clip=1.0,
    )
    workflow["11"] = node(
        "LatentUpscale", samples=["3", 0], upscale_method="bislerp", width=128, height=0, crop="disabled"
    )
    workflow["12"] = node("VAEDecode", samples=["11", 0], vae=["4", 2])
    workflow["13"] = node("VAEEncode", pixels=["12", 0], vae=["4", 2])
    again = dict(workflow["3"]["inputs"], latent_image=["13", 0], denoise=0.5)
    workflow["14"] = node("KSampler", **again)
    workflow["8"]["inputs"]["samples"] = ["14", 0]
    ended = await sandbox.run(workflow)
    assert ended.status == "succeeded", ended.error
    pictures = [opened(await sandbox.bytes_of(image)) for image in ended.outputs["9"]["images"]]
    assert [picture.size for picture in pictures] == [(128, 192)] * 3
    assert len({picture.tobytes() for picture in pictures}) == 3


async def test_nothing_denoised_leaves_the_image_as_it_was(sandbox, node):
    workflow = request("text_to_image.json")
    workflow["1"] = node("EmptyImage", width=64, height=64, batch_size=1, color=0x00FF00)
    workflow["5"] = node("VAEEncode", pixels=["1", 0], vae=["4", 2])
    workflow["3"]["inputs"] |= {"denoise": 0.0, "steps": 1}
    assert np.asarray(await picture_of(sandbox, workflow))[0, 0].tolist() == [0, 255, 0]


def test_few_steps_are_grainier_than_many():
    def grain(steps):
        picture = paint(64, 64, Recipe("a lake", 1, steps=steps))
        return np.abs(np.diff(picture[:12], axis=1)).mean()

    assert grain(1) > 2 * grain(30)


def test_previews_get_closer_to_the_picture_with_every_step():
    recipe = Recipe("a lake", 1)
    goal, noise = paint(64, 64, recipe), noise_for(64, 64, recipe)
    far = [np.abs(noisy(goal, noise, step / 10) - goal).mean() for step in range(1, 11)]
    assert far == sorted(far, reverse=True)
    assert far[-1] == 0


@pytest.mark.parametrize("size", [(512, 512), (64, 64), (16, 16), (2000, 40), (8, 8)])
def test_the_label_changes_only_the_corner_and_fits(size):
    width, height = size
    image = np.full((height, width, 3), 0.5, np.float32)
    marked = image.copy()
    stamp(marked)
    rows, columns = np.nonzero(np.any(marked != image, axis=2))
    assert rows.size
    assert rows.max() >= height // 2
    assert columns.max() >= width // 2
    if min(size) >= 64:
        assert rows.min() > height // 2
        assert marked.max() > 0.8  # the letters
    assert LABEL == "simulated"


@pytest.mark.parametrize(
    ("width", "height", "batch"), [(16384, 16384, 1), (64, 64, 4096), (16384, 16, 4096), (512, 512, 1)]
)
def test_what_is_drawn_is_bounded_whatever_is_asked_for(width, height, batch):
    drawn = Latent(width, height, batch).drawn_size()
    assert max(drawn) <= 1024
    assert drawn[0] * drawn[1] * batch <= 17_000_000 or min(drawn) == 8


def test_pictures_of_all_scenes_have_the_right_size():
    for prompt in ("night", "forest", "city", "sea", "", "a red desert", "\ud800"):
        assert paint(40, 24, Recipe(prompt, 2**64 - 1)).shape == (24, 40, 3)
        assert paint(8, 8, replace(Recipe(prompt, 0), steps=1, cfg=0.0)).shape == (8, 8, 3)
