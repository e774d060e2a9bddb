"""Small pictures of outputs."""

import asyncio
import base64
import io
import os

import pytest
from backplane.errors import NotFound
from backplane.tasks import thumbnails
from backplane.tasks.outputs import Output
from backplane.tasks.thumbnails import NoThumbnail, Thumbnails, inline, thumbnail
from PIL import Image, PngImagePlugin

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def near(pixel, color):
    return all(abs(one - other) < 30 for one, other in zip(pixel, color, strict=False))


def halves(size=(400, 200)):
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image


@pytest.fixture
def file(tmp_path):
    def save(image, name="x.png", **options):
        path = tmp_path / name
        image.save(path, **options)
        return path

    return save


@pytest.mark.parametrize(("form", "kind"), [("webp", "WEBP"), ("jpeg", "JPEG"), ("png", "PNG")])
def test_a_picture_becomes_smaller_in_each_format(file, form, kind):
    image = opened(thumbnail(file(halves()), width=100, format=form))
    assert (image.format, image.size) == (kind, (100, 50))
    assert near(image.convert("RGB").getpixel((10, 25)), RED)
    assert near(image.convert("RGB").getpixel((90, 25)), BLUE)


def test_a_small_picture_is_not_made_larger(file):
    assert opened(thumbnail(file(halves((40, 20))), width=500)).size == (40, 20)


def test_a_tall_picture_becomes_narrower(file):
    assert opened(thumbnail(file(Image.new("RGB", (100, 4000))), width=50)).size == (5, 200)


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.webp", "x.tiff"])
@pytest.mark.parametrize(
    ("orientation", "size"), [(1, (100, 50)), (3, (100, 50)), (6, (100, 200)), (8, (100, 200))]
)
def test_a_picture_is_turned_as_its_exif_says(file, name, orientation, size):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = opened(thumbnail(file(halves(), name, exif=exif), width=100, format="png")).convert("RGB")
    assert image.size == size
    first = {1: RED, 3: BLUE, 6: RED, 8: BLUE}[orientation]
    assert near(image.getpixel((5, 5)), first)


def test_transparency_stays_and_is_white_in_jpeg(file):
    path = file(Image.new("RGBA", (64, 64), (255, 0, 0, 0)))
    for form in ("webp", "png"):
        assert opened(thumbnail(path, width=32, format=form)).convert("RGBA").getpixel((5, 5))[3] == 0
    assert near(opened(thumbnail(path, width=32, format="jpeg")).getpixel((5, 5)), (255, 255, 255))


def test_transparency_of_a_palette_stays(file):
    image = Image.new("P", (64, 64), 1)
    image.putpalette([255, 0, 0, 0, 255, 0])
    path = file(image, transparency=1)
    assert opened(thumbnail(path, width=32)).convert("RGBA").getpixel((5, 5))[3] == 0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "CMYK", "F"])
@pytest.mark.parametrize("form", ["webp", "jpeg", "png"])
def test_every_mode_has_a_thumbnail(file, mode, form):
    image = Image.new(mode, (64, 32))
    name = "x.png" if mode not in {"CMYK", "F", "I"} else "x.tiff"
    assert opened(thumbnail(file(image, name), width=16, format=form)).size == (16, 8)


def test_sixteen_bits_are_not_all_white(file):
    path = file(Image.new("I;16", (64, 64), 0x8000))
    assert near(opened(thumbnail(path, width=16, format="png")).convert("RGB").getpixel((5, 5)), (128,) * 3)


@pytest.mark.parametrize("name", ["x.gif", "x.webp", "x.png"])
def test_the_first_frame_of_an_animation_is_shown(file, name):
    frames = [Image.new("RGB", (64, 64), color) for color in (RED, GREEN, BLUE)]
    path = file(frames[0], name, save_all=True, append_images=frames[1:])
    image = opened(thumbnail(path, width=32))
    assert near(image.convert("RGB").getpixel((5, 5)), RED)
    assert getattr(image, "n_frames", 1) == 1


def test_the_workflow_in_a_picture_is_not_in_its_thumbnail(file):
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", "a secret prompt")
    exif = Image.Exif()
    exif[0x010F] = "a secret prompt"
    path = file(halves(), pnginfo=info, exif=exif)
    for form in ("webp", "jpeg", "png"):
        assert b"secret" not in thumbnail(path, width=100, format=form)


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\0\x18ftypmp42", b"<svg/>", b"glTF\x02\0\0\0", b"%!PS-Adobe-3.0 EPSF"]
)
def test_what_is_no_picture_has_no_thumbnail(tmp_path, data):
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with pytest.raises(NoThumbnail) as caught:
        thumbnail(path, width=100)
    assert isinstance(caught.value, NotFound)
    assert caught.value.code == "THUMBNAIL_NOT_FOUND"
    assert str(tmp_path) not in caught.value.message


def test_a_damaged_picture_has_no_thumbnail(file):
    path = file(Image.effect_noise((200, 200), 50))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(NoThumbnail):
        thumbnail(path, width=100)


def test_a_decompression_bomb_has_no_thumbnail(file):
    with pytest.raises(NoThumbnail, match="pixels"):
        thumbnail(file(Image.new("1", (12_000, 12_000))), width=100)


async def test_a_thumbnail_is_made_once_and_then_read(file, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(thumbnails, "thumbnail", lambda path, **how: made.append(how) or b"picture")
    cache = Thumbnails(tmp_path / "cache", 10_000)
    path = file(halves())
    several = await asyncio.gather(*(cache.get(path, width=100) for _ in range(10)))
    again = await Thumbnails(tmp_path / "cache", 10_000).get(path, width=100)
    assert {one.data for one in (*several, again)} == {b"picture"}
    assert (again.media_type, len(made)) == ("image/webp", 1)
    other = await cache.get(path, width=200, format="png")
    assert (other.media_type, len(made)) == ("image/png", 2)
    assert other.tag != again.tag


async def test_a_file_that_changed_gets_a_new_thumbnail(file, tmp_path):
    cache = Thumbnails(tmp_path / "cache", 100_000)
    path = file(halves())
    first = await cache.get(path, width=100, format="png")
    file(Image.new("RGB", (400, 200), GREEN))
    os.utime(path, ns=(1, 1))
    second = await cache.get(path, width=100, format="png")
    assert second.tag != first.tag
    assert near(opened(second.data).getpixel((5, 5)), GREEN)


async def test_what_was_not_asked_for_longest_is_removed(file, tmp_path, monkeypatch):
    monkeypatch.setattr(thumbnails, "thumbnail", lambda path, **how: bytes(100))
    cache = Thumbnails(tmp_path / "cache", 350)
    path = file(halves())
    tags = []
    for width in (100, 101, 102):
        tags.append((await cache.get(path, width=width)).tag)
        os.utime(tmp_path / "cache" / f"{tags[-1]}.webp", (width, width))
    await cache.get(path, width=100)  # asked for again: now the youngest
    tags.append((await cache.get(path, width=103)).tag)
    assert {kept.stem for kept in (tmp_path / "cache").iterdir()} == {tags[0], tags[2], tags[3]}


async def test_a_failure_is_told_to_all_and_not_kept(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"\0\0\0\x18ftypmp42")
    cache = Thumbnails(tmp_path / "cache", 10_000)
    answers = await asyncio.gather(*(cache.get(path, width=100) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [NoThumbnail] * 3
    halves().save(path, format="PNG")
    assert (await cache.get(path, width=100)).data
    path.unlink()
    with pytest.raises(NoThumbnail, match="gone"):
        await cache.get(path, width=100)


async def test_one_who_goes_away_does_not_cost_the_others_theirs(file, tmp_path):
    cache = Thumbnails(tmp_path / "cache", 10_000)
    path = file(halves())
    first, second = (asyncio.ensure_future(cache.get(path, width=100)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).data
    assert [part.suffix for part in (tmp_path / "cache").iterdir()] == [".webp"]


async def test_a_folder_that_cannot_be_written_costs_only_the_keeping(file, tmp_path):
    (tmp_path / "cache").write_bytes(b"a file in the way")
    thumb = await Thumbnails(tmp_path / "cache", 10_000).get(file(halves()), width=100)
    assert opened(thumb.data).size == (100, 50)


def test_a_small_output_is_given_as_base64(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"12345")
    output = Output("9", "file", "images", "application/octet-stream", filename="x.bin")
    assert base64.b64decode(inline(output, path, 5)) == b"12345"
    assert inline(output, path, 4) is None
    assert inline(output, tmp_path / "gone", 5) is None
    assert inline(output, None, 5) is None


def test_a_value_is_given_as_base64_of_its_text():
    output = Output("9", "text", "text", "text/plain", value="häh")
    assert base64.b64decode(inline(output, None, 10)).decode() == "häh"
    assert inline(output, None, 3) is None
