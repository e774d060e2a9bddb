"""Which pictures belong to which model."""

from backplane.models.previews import own_previews, previews_of, renamed

IMAGES = ["a.preview.png", "a.webp", "a.jpg", "a.PNG", "ab.png", "a.b.png", "b.png", "a.previews.png"]


def test_the_plain_name_goes_before_preview_and_png_before_the_others():
    assert previews_of("a.safetensors", IMAGES) == ["a.PNG", "a.jpg", "a.webp", "a.preview.png"]
    assert previews_of("a.b.gguf", IMAGES) == ["a.b.png"]
    assert previews_of("c.safetensors", IMAGES) == []


def test_an_image_is_not_its_own_preview():
    assert previews_of("a.PNG", ["a.PNG", "a.jpg"]) == ["a.jpg"]


def test_previews_that_another_model_has_too_are_not_its_own():
    beside = ["a.safetensors", "b.safetensors"]
    assert own_previews("a.safetensors", IMAGES, beside) == ["a.PNG", "a.jpg", "a.webp", "a.preview.png"]
    assert own_previews("a.safetensors", IMAGES, [*beside, "a.gguf"]) == []
    assert own_previews("a.safetensors", IMAGES, [*beside, "a.preview.gguf"]) == ["a.PNG", "a.jpg", "a.webp"]
    assert own_previews("a.preview.gguf", IMAGES, [*beside, "a.preview.gguf"]) == []
    assert own_previews("b.safetensors", IMAGES, [*beside, "b.png"]) == []


def test_a_preview_keeps_what_follows_the_models_name():
    assert renamed("a.preview.png", "a.safetensors", "new.name.safetensors") == "new.name.preview.png"
    assert renamed("a.PNG", "a.safetensors", "b.safetensors") == "b.PNG"
