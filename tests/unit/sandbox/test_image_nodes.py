"""The nodes that are executed for real, called as the executor calls them."""

import json

import numpy as np
import PIL.Image
import pytest
from backplane.sandbox.files import Files
from backplane.sandbox.nodes import builtin
from backplane.sandbox.nodes.base import Studio


@pytest.fixture
def files(tmp_path):
    files = Files(tmp_path)
    files.make_folders()
    return files


@pytest.fixture
def call(files):
    classes = builtin(Studio(files, 0.0))

    def run(class_type, **inputs):
        node = classes[class_type]()
        result = node.execute(**inputs)
        return result["result"] if isinstance(result, dict) else result

    return run


def ramp(height=4, width=6, batch=1):
    return np.linspace(0, 1, batch * height * width * 3, dtype=np.float32).reshape(batch, height, width, 3)


def test_an_empty_image_has_size_batch_and_colour(call):
    (image,) = call("EmptyImage", width=5, height=3, batch_size=2, color=0xFF8000)
    assert image.shape == (2, 3, 5, 3)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image[1, 2, 4], [1, 128 / 255, 0])


def test_inverting_twice_gives_the_image_back(call):
    (once,) = call("ImageInvert", image=ramp())
    np.testing.assert_allclose(once, 1 - ramp())
    np.testing.assert_allclose(call("ImageInvert", image=once)[0], ramp(), atol=1e-6)


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"])
def test_scaling_keeps_a_flat_colour_and_gives_the_size(call, method):
    flat = np.full((2, 8, 8, 3), 0.25, np.float32)
    (scaled,) = call("ImageScale", image=flat, upscale_method=method, width=20, height=5, crop="disabled")
    assert scaled.shape == (2, 5, 20, 3)
    np.testing.assert_allclose(scaled, 0.25, atol=1e-5)


def test_area_scaling_averages_without_rounding_to_bytes(call):
    image = ramp(2, 2)
    (scaled,) = call("ImageScale", image=image, upscale_method="area", width=1, height=1, crop="disabled")
    np.testing.assert_allclose(scaled[0, 0, 0], image[0].mean(axis=(0, 1)), atol=1e-6)


def test_a_side_of_zero_follows_from_the_other(call):
    args = {"upscale_method": "bilinear", "crop": "disabled"}
    assert call("ImageScale", image=ramp(4, 8), width=16, height=0, **args)[0].shape[1:3] == (8, 16)
    assert call("ImageScale", image=ramp(4, 8), width=0, height=2, **args)[0].shape[1:3] == (2, 4)
    assert call("ImageScale", image=ramp(4, 8), width=0, height=0, **args)[0].shape[1:3] == (4, 8)


def test_center_crop_takes_the_middle(call):
    image = np.zeros((1, 2, 6, 3), np.float32)
    image[:, :, 2:4] = 1
    (scaled,) = call(
        "ImageScale", image=image, upscale_method="nearest-exact", width=2, height=2, crop="center"
    )
    np.testing.assert_allclose(scaled, 1)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("normal", 0.25),
        ("multiply", 0.125),
        ("screen", 0.625),
        ("overlay", 0.25),
        ("soft_light", 0.375),
        ("difference", 0.25),
    ],
)
def test_every_blend_mode(call, mode, expected):
    one, two = np.full((1, 2, 2, 3), 0.5, np.float32), np.full((1, 4, 4, 3), 0.25, np.float32)
    (full,) = call("ImageBlend", image1=one, image2=two, blend_factor=1.0, blend_mode=mode)
    np.testing.assert_allclose(full, expected, atol=1e-6)
    (none,) = call("ImageBlend", image1=one, image2=two, blend_factor=0.0, blend_mode=mode)
    np.testing.assert_allclose(none, 0.5, atol=1e-6)


def test_cropping_stays_inside(call):
    image = ramp(4, 6)
    np.testing.assert_array_equal(
        call("ImageCrop", image=image, width=2, height=3, x=1, y=1)[0], image[:, 1:4, 1:3]
    )
    assert call("ImageCrop", image=image, width=9, height=9, x=99, y=99)[0].shape == (1, 1, 1, 3)


def test_blurring_spreads_a_point_and_keeps_its_light(call):
    image = np.zeros((1, 9, 9, 3), np.float32)
    image[0, 4, 4] = 1
    (blurred,) = call("ImageBlur", image=image, blur_radius=2, sigma=1.0)
    assert blurred.shape == image.shape
    assert blurred[0, 4, 4, 0] > blurred[0, 4, 5, 0] > blurred[0, 4, 6, 0] > blurred[0, 4, 7, 0] == 0
    np.testing.assert_allclose(blurred.sum(), 3, rtol=1e-5)
    (tiny,) = call("ImageBlur", image=np.full((1, 1, 1, 3), 0.5, np.float32), blur_radius=31, sigma=10.0)
    np.testing.assert_allclose(tiny, 0.5, rtol=1e-5)


def test_loading_gives_pixels_and_a_mask_where_it_is_transparent(call, files):
    picture = PIL.Image.new("RGBA", (3, 2), (255, 0, 0, 255))
    picture.putpixel((1, 0), (0, 255, 0, 0))
    picture.save(files.folder("input") / "a.png")
    image, mask = call("LoadImage", image="a.png")
    assert image.shape == (1, 2, 3, 3)
    assert mask.shape == (1, 2, 3)
    np.testing.assert_allclose(image[0, 0, 0], [1, 0, 0])
    assert (mask[0, 0, 1], mask[0, 0, 0]) == (1, 0)


def test_loading_an_opaque_image_gives_an_empty_mask_and_all_frames(call, files):
    frames = [PIL.Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(files.folder("output") / "a.gif", save_all=True, append_images=frames[1:])
    image, mask = call("LoadImage", image="a.gif [output]")
    assert image.shape == (3, 4, 4, 3)
    assert mask.shape == (3, 64, 64)
    assert not mask.any()


def test_loading_follows_the_orientation_of_a_photo(call, files):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    PIL.Image.new("RGB", (10, 4)).save(files.folder("input") / "a.jpg", exif=exif)
    assert call("LoadImage", image="a.jpg")[0].shape == (1, 10, 4, 3)


def test_saving_numbers_files_and_writes_the_workflow_into_them(call, files):
    prompt = {"1": {"class_type": "EmptyImage", "inputs": {}}}
    for _ in range(2):
        call(
            "SaveImage",
            images=ramp(batch=2),
            filename_prefix="sub/pic",
            prompt=prompt,
            extra_pnginfo={"workflow": {"nodes": []}},
        )
    saved = sorted(path.name for path in (files.folder("output") / "sub").iterdir())
    assert saved == [f"pic_{number:05}_.png" for number in (1, 2, 3, 4)]
    with PIL.Image.open(files.folder("output") / "sub" / saved[0]) as picture:
        assert json.loads(picture.text["prompt"]) == prompt
        assert json.loads(picture.text["workflow"]) == {"nodes": []}
        assert "backplane" not in picture.text  # nothing was simulated
        np.testing.assert_allclose(np.asarray(picture), np.rint(ramp(batch=2)[0] * 255))


def test_a_prefix_may_name_size_and_day_but_not_leave_the_folder(call, files):
    call("SaveImage", images=ramp(4, 6), filename_prefix="%width%x%height%_%year%")
    (name,) = [path.name for path in files.folder("output").iterdir()]
    assert name.startswith("6x4_2")
    for prefix in ("../x", "/etc/x", "a/../../x", "", "."):
        with pytest.raises(ValueError, match="inside the output folder"):
            call("SaveImage", images=ramp(), filename_prefix=prefix)


def test_previews_go_to_the_temp_folder_under_names_of_their_own(call, files):
    call("PreviewImage", images=ramp())
    call("PreviewImage", images=ramp())
    names = [path.name for path in files.folder("temp").iterdir()]
    assert len(set(names)) == 2
    assert all(name.startswith("ComfyUI_temp_") for name in names)
    files.make_folders()  # as at the next start
    assert not list(files.folder("temp").iterdir())


def test_batching_brings_all_to_the_first_size_and_fills_alpha(call):
    second = np.full((2, 8, 8, 4), 0.5, np.float32)
    (batch,) = call("BatchImagesNode", images={"image0": ramp(4, 6), "image1": second})
    assert batch.shape == (3, 4, 6, 4)
    np.testing.assert_allclose(batch[0, ..., 3], 1)
    np.testing.assert_allclose(batch[2], 0.5, atol=1e-5)


@pytest.mark.parametrize(
    ("way", "more", "size"),
    [
        ("scale dimensions", {"width": 10, "height": 5, "crop": "center"}, (5, 10)),
        ("scale dimensions", {"width": 0, "height": 10, "crop": "disabled"}, (10, 20)),
        ("scale by multiplier", {"multiplier": 0.5}, (2, 4)),
        ("scale longer dimension", {"longer_size": 16}, (8, 16)),
        ("scale shorter dimension", {"shorter_size": 16}, (16, 32)),
        ("scale width", {"width": 4}, (2, 4)),
        ("scale height", {"height": 4}, (4, 8)),
        ("scale total pixels", {"megapixels": 32 * 64 / 1024 / 1024}, (32, 64)),
        ("match size", {"match": ramp(3, 7), "crop": "disabled"}, (3, 7)),
        ("scale to multiple", {"multiple": 3}, (3, 6)),
        ("scale to multiple", {"multiple": 99}, (4, 8)),
    ],
)
def test_every_way_to_resize_works_for_images_and_masks(call, way, more, size):
    for given in (ramp(4, 8), ramp(4, 8)[..., 0]):
        (resized,) = call(
            "ResizeImageMaskNode",
            input=given,
            resize_type={"resize_type": way, **more},
            scale_method="bilinear",
        )
        assert resized.shape == (1, *size, *given.shape[3:])
        assert resized.dtype == np.float32


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (7, "7"),
        (0.5, "0.5"),
        (True, "True"),
        (None, "None"),
        ({"a": [1]}, '{\n    "a": [\n        1\n    ]\n}'),
        ({1}, "{1}"),
    ],
)
def test_anything_can_be_shown_as_text(call, value, text):
    assert call("PreviewAny", source=value) == (text,)


@pytest.mark.parametrize(
    ("class_type", "value"),
    [("PrimitiveInt", 3), ("PrimitiveFloat", 0.5), ("PrimitiveString", "a"), ("PrimitiveBoolean", True)],
)
def test_primitives_give_their_value(call, class_type, value):
    assert call(class_type, value=value) == (value,)


def test_images_too_large_for_any_machine_are_refused_before_memory_is_taken(call):
    with pytest.raises(MemoryError, match="4 GiB"):
        call(
            "ImageScale",
            image=ramp(),
            upscale_method="area",
            width=16384,
            height=16384 * 2,
            crop="disabled",
        )
    (image,) = call("EmptyImage", width=16384, height=16384, batch_size=4096, color=0)
    assert image.shape == (4096, 16384, 16384, 3)
    with pytest.raises(MemoryError, match="4 GiB"):
        call("ImageInvert", image=image)
