"""Loaders of parts, guidance, masks, sizes and outlines."""

import numpy as np
import pytest
from backplane.sandbox.files import Files
from backplane.sandbox.nodes import builtin
from backplane.sandbox.nodes.base import Studio
from backplane.sandbox.nodes.edges import grown
from backplane.sandbox.nodes.loaders import ControlNet, Upscaler
from backplane.sandbox.nodes.stand_ins import Conditioning, Latent, Model

PLAIN = Conditioning("a lake", Model("clip"))


@pytest.fixture
def call(tmp_path):
    files = Files(tmp_path)
    files.make_folders()
    for folder, name in [
        ("vae", "ae.safetensors"),
        ("upscale_models", "4x.pth"),
        ("loras", "ink.safetensors"),
    ]:
        files.models(folder).joinpath(name).write_bytes(b"")
    classes = builtin(Studio(files, 0.0))

    def run(class_type, **inputs):
        return classes[class_type]().execute(**inputs)

    run.classes = classes
    return run


def square(size=64, inner=16):
    """A black image with a white square in its middle."""
    image = np.zeros((1, size, size, 3), np.float32)
    image[:, inner : size - inner, inner : size - inner] = 1
    return image


def sampled(call, **changed):
    inputs = {
        "model": Model("m"),
        "seed": 1,
        "steps": 1,
        "cfg": 7.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "positive": PLAIN,
        "negative": PLAIN,
        "latent_image": Latent(64, 64, 1),
    }
    return call("KSampler", **{**inputs, **changed})[0].pictures


def test_file_lists_are_those_of_the_folders(call):
    def required(name):
        return call.classes[name].INPUT_TYPES()["required"]

    assert required("VAELoader") == {"vae_name": (["ae.safetensors", "pixel_space"],)}
    assert required("UpscaleModelLoader")["model_name"][1]["options"] == ["4x.pth"]
    assert required("LoraLoaderModelOnly")["lora_name"] == (["ink.safetensors"],)
    assert required("LoraLoader")["lora_name"] == (["ink.safetensors"], {})
    assert required("DualCLIPLoader")["clip_name2"] == ([],)


def test_every_part_has_its_say_in_the_picture(call):
    plain = sampled(call)
    (unet,) = call("UNETLoader", unet_name="flux.safetensors", weight_dtype="default")
    (lora,) = call("LoraLoaderModelOnly", model=Model("m"), lora_name="ink.safetensors", strength_model=0.5)
    (none,) = call("LoraLoaderModelOnly", model=Model("m"), lora_name="ink.safetensors", strength_model=0.0)
    (clip,) = call("DualCLIPLoader", clip_name1="a", clip_name2="b", type="flux")
    (guided,) = call("FluxGuidance", conditioning=PLAIN, guidance=3.5)
    (zero,) = call("ConditioningZeroOut", conditioning=PLAIN)
    assert np.array_equal(plain, sampled(call, model=none))
    assert call("VAELoader", vae_name="ae.safetensors") == call("CheckpointLoaderSimple", ckpt_name="x")[2:]
    for changed in (
        {"model": unet},
        {"model": lora},
        {"positive": Conditioning("a lake", clip)},
        {"positive": guided},
        {"negative": zero},
    ):
        assert not np.array_equal(plain, sampled(call, **changed)), changed
    assert (zero.text, zero.clip) == ("", PLAIN.clip)


def test_the_image_of_a_controlnet_shines_through(call):
    (net,) = call("ControlNetLoader", control_net_name="canny.safetensors")
    assert net == ControlNet("canny.safetensors")
    inputs = {
        "positive": PLAIN,
        "negative": PLAIN,
        "control_net": net,
        "image": square(),
        "start_percent": 0.0,
    }
    positive, negative = call("ControlNetApplyAdvanced", **inputs, strength=1.0, end_percent=1.0)
    picture = sampled(call, positive=positive, negative=negative)[0]
    inside, outside = picture[20:44, 20:44], picture[:10]
    assert inside.min() >= 0.5
    assert outside.max() <= 0.5
    off = call("ControlNetApplyAdvanced", **inputs, strength=0.0, end_percent=1.0)
    assert off == (PLAIN, PLAIN)
    assert call("ControlNetApplyAdvanced", **inputs, strength=1.0, end_percent=0.0) == (PLAIN, PLAIN)


@pytest.mark.parametrize("class_type", ["InpaintModelConditioning", "VAEEncodeForInpaint"])
def test_only_what_is_masked_is_painted_anew(call, class_type):
    image = np.full((1, 64, 64, 3), 0.25, np.float32)
    mask = np.zeros((1, 64, 64), np.float32)
    mask[:, :, 32:] = 1
    inputs = {"pixels": image, "vae": "simulated", "mask": mask}
    if class_type == "VAEEncodeForInpaint":
        (latent,) = call(class_type, **inputs, grow_mask_by=0)
    else:
        positive, negative, latent = call(class_type, **inputs, positive=PLAIN, negative=PLAIN)
        assert (positive, negative) == (PLAIN, PLAIN)
    (model,) = call("DifferentialDiffusion", model=Model("m"))
    picture = sampled(call, model=model, latent_image=latent)[0]
    assert np.allclose(picture[:, :31], 0.25)
    assert not np.allclose(picture[:, 33:], 0.25, atol=0.01)
    (larger,) = call("LatentUpscaleBy", samples=latent, upscale_method="bislerp", scale_by=2.0)
    assert larger.mask is mask


def test_masks_grow_and_shrink(call):
    mask = np.zeros((1, 9, 9), np.float32)
    mask[0, 4, 4] = 1
    assert grown(mask, 0).sum() == 1
    assert grown(mask, 1).sum() == 9
    assert grown(mask, 1, tapered=True).sum() == 5
    assert call("GrowMask", mask=mask, expand=2, tapered_corners=True)[0].sum() == 13
    assert call("GrowMask", mask=grown(mask, 2), expand=-2, tapered_corners=False)[0].sum() == 1
    assert call("GrowMask", mask=mask, expand=16384, tapered_corners=False)[0].sum() == 81


@pytest.mark.parametrize(
    ("name", "factor"), [("RealESRGAN_x4plus.safetensors", 4), ("2x_sharp.pth", 2), ("BSRGAN.pth", 4)]
)
def test_an_upscale_model_tells_its_factor_by_its_name(call, name, factor):
    (larger,) = call("ImageUpscaleWithModel", upscale_model=Upscaler(name), image=square(16, 4))
    assert call("UpscaleModelLoader", model_name=name) == (Upscaler(name),)
    assert larger.shape == (1, 16 * factor, 16 * factor, 3)
    assert larger[0, 8 * factor, 8 * factor].tolist() == [1, 1, 1]


def test_sizes(call):
    image = np.zeros((2, 30, 60, 3), np.float32)
    (half,) = call("ImageScaleBy", image=image, upscale_method="lanczos", scale_by=0.5)
    assert half.shape == (2, 15, 30, 3)
    (whole,) = call("ImageScaleToTotalPixels", image=image, upscale_method="area", megapixels=0.5)
    assert whole.shape == (2, 512, 1024, 3)
    options = {"upscale_method": "area", "megapixels": 0.1, "resolution_steps": 64}
    assert call("ImageScaleToTotalPixels", image=image, **options)[0].shape == (2, 256, 448, 3)
    (latent,) = call("EmptySD3LatentImage", width=80, height=48)
    (larger,) = call("LatentUpscaleBy", samples=latent, upscale_method="area", scale_by=1.5)
    assert (larger.width, larger.height, larger.batch, larger.pictures) == (120, 72, 1, None)


def test_outlines_are_where_light_meets_dark(call):
    (edges,) = call("Canny", image=square(), low_threshold=0.4, high_threshold=0.8)
    assert edges.shape == (1, 64, 64, 3)
    assert set(np.unique(edges)) == {0.0, 1.0}
    drawn = np.argwhere(edges[0, ..., 0] == 1)
    assert len(drawn) >= 4 * 28
    near = np.minimum(np.abs(drawn - 15.5), np.abs(drawn - 47.5)).min(axis=1)
    assert near.max() <= 1.5
    (none,) = call(
        "Canny", image=np.full((1, 32, 32, 3), 0.7, np.float32), low_threshold=0.1, high_threshold=0.2
    )
    assert none.sum() == 0


def test_weak_outlines_stay_where_they_hang_on_strong_ones(call):
    image = np.zeros((1, 48, 96, 3), np.float32)
    image[:, 24:] = np.linspace(1.0, 0.2, 96)[None, None, :, None]  # one line, fading from left to right
    image[:, 4:12, 40:60] = 0.25  # as weak as its end, on its own
    (edges,) = call("Canny", image=image, low_threshold=0.2, high_threshold=1.2)
    assert edges[0, 20:28, 90, 0].sum() == 1
    assert edges[0, :16].sum() == 0
    with pytest.raises(ValueError, match="above"):
        call("Canny", image=image, low_threshold=0.8, high_threshold=0.4)
