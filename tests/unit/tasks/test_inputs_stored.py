"""Files of requests on their way to the input folder."""

import asyncio
import base64
import hashlib
import io
import os
import threading

import pytest
from backplane.errors import ApiError
from backplane.tasks.filetypes import sniff
from backplane.tasks.inputs import FromBase64, FromUpload, FromUrl, Placement
from backplane.tasks.intake import Inputs
from PIL import Image


def picture(kind="PNG", size=(4, 3), color=(1, 2, 3)):
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, format=kind)
    return buffer.getvalue()


class Folder:
    def __init__(self, path):
        self.path = path

    def folder(self):
        return self.path


class Web:
    """Answers URLs from a dict; a value may be an error or a function of the file."""

    def __init__(self, **answers):
        self.answers = answers
        self.fetched = []

    async def fetch(self, url, into, *, max_bytes):
        self.fetched.append(url)
        answer = self.answers[url]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            await answer(into)
            return
        for start in range(0, len(answer), 100):
            await asyncio.to_thread(into.write, answer[start : start + 100])


@pytest.fixture
def made(tmp_path):
    def make(max_bytes=100_000, **answers):
        web = Web(**answers)
        return Inputs(Folder(tmp_path), web, max_bytes=max_bytes), web

    return make


def placement(source, upload="image", key="image"):
    return Placement(key, "1", "image", upload, source)


def b64(data):
    return FromBase64(base64.b64encode(data).decode())


async def store(inputs, *placements):
    async with inputs.intake() as intake:
        return await intake.store(placements)


async def refused(inputs, *placements):
    with pytest.raises(ApiError) as caught:
        await store(inputs, *placements)
    return caught.value


def names(tmp_path):
    folder = tmp_path / "backplane"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


async def chunks(*parts):
    for part in parts:
        yield part


async def test_base64_is_stored_under_its_hash(made, tmp_path):
    data = picture()
    inputs, _ = made()
    stored = await store(inputs, placement(b64(data)))
    name = f"{hashlib.sha256(data).hexdigest()[:32]}.png"
    assert stored == {"image": f"backplane/{name}"}
    assert (tmp_path / "backplane" / name).read_bytes() == data
    assert names(tmp_path) == [name]


async def test_a_data_url_is_taken_for_what_it_holds_and_not_for_what_it_says(made, tmp_path):
    text = "data:text/html;base64," + base64.b64encode(picture("JPEG")).decode()
    inputs, _ = made()
    stored = await store(inputs, placement(FromBase64(text)))
    assert stored["image"].endswith(".jpg")


async def test_a_url_is_fetched_once_for_two_inputs(made, tmp_path):
    inputs, web = made(u=picture())
    stored = await store(inputs, placement(FromUrl("u"), key="a"), placement(FromUrl("u"), "file", "b"))
    assert stored["a"] == stored["b"]
    assert web.fetched == ["u"]
    assert len(names(tmp_path)) == 1


async def test_an_upload_is_stored_as_it_comes(made, tmp_path):
    data = picture()
    inputs, _ = made()
    async with inputs.intake() as intake:
        await intake.receive("part", chunks(data[:10], data[10:]))
        stored = await intake.store([placement(FromUpload("part"))])
    assert (tmp_path / stored["image"]).read_bytes() == data


async def test_a_part_that_no_input_uses_leaves_nothing(made, tmp_path):
    inputs, _ = made()
    async with inputs.intake() as intake:
        await intake.receive("part", chunks(picture()))
        assert len(names(tmp_path)) == 1
    assert names(tmp_path) == []


async def test_a_part_that_comes_twice_or_not_at_all_is_refused(made, tmp_path):
    inputs, _ = made()
    async with inputs.intake() as intake:
        await intake.receive("part", chunks(b"x"))
        with pytest.raises(ApiError, match="twice"):
            await intake.receive("part", chunks(b"x"))
    assert (await refused(inputs, placement(FromUpload("part")))).code == "INPUT_NOT_FOUND"


async def test_the_same_content_is_not_written_again(made, tmp_path):
    inputs, _ = made()
    stored = await store(inputs, placement(b64(picture())))
    path = tmp_path / stored["image"]
    os.utime(path, (1, 1))
    inode = path.stat().st_ino
    assert await store(inputs, placement(b64(picture()))) == stored
    assert (path.stat().st_ino, path.stat().st_mtime) == (inode, 1)
    assert len(names(tmp_path)) == 1


async def test_a_stored_file_that_was_damaged_is_replaced(made, tmp_path):
    inputs, _ = made()
    stored = await store(inputs, placement(b64(picture())))
    (tmp_path / stored["image"]).write_bytes(b"short")
    await store(inputs, placement(b64(picture())))
    assert (tmp_path / stored["image"]).read_bytes() == picture()


async def test_many_requests_with_the_same_file_do_not_collide(made, tmp_path):
    inputs, _ = made(u=picture())
    stored = await asyncio.gather(*(store(inputs, placement(FromUrl("u"))) for _ in range(20)))
    assert len({one["image"] for one in stored}) == 1
    assert len(names(tmp_path)) == 1
    assert (tmp_path / stored[0]["image"]).read_bytes() == picture()


@pytest.mark.parametrize(
    "text",
    ["", "!!!!", "AAA", "AA==AA==", "data:image/png;base64,", "QUJD\nQUJD", "data:image/png,AAAA", "ä"],
)
async def test_what_is_no_base64_is_refused(made, tmp_path, text):
    inputs, _ = made()
    assert (await refused(inputs, placement(FromBase64(text)))).code == "INPUT_BAD_ENCODING"
    assert names(tmp_path) == []


async def test_a_file_over_the_limit_is_refused_from_every_source(made, tmp_path):
    data = picture(size=(300, 300), color=(1, 2, 3)) + bytes(5000)
    inputs, _ = made(max_bytes=1000, u=data)
    for source in (b64(data), FromUrl("u")):
        assert (await refused(inputs, placement(source))).code == "INPUT_TOO_LARGE"
    with pytest.raises(ApiError) as caught:
        async with inputs.intake() as intake:
            await intake.receive("part", chunks(data[:600], data[600:]))
    assert caught.value.code == "INPUT_TOO_LARGE"
    assert names(tmp_path) == []


async def test_a_file_of_just_the_limit_is_taken(made):
    data = picture()
    inputs, _ = made(max_bytes=len(data))
    assert await store(inputs, placement(b64(data)))


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html><script>alert(1)</script>",
        b"#!/bin/sh\nrm -rf /\n",
        b"MZ\x90\x00" + bytes(60),
        b"PK\x03\x04" + bytes(60),
        b"x",
        b"BM",
        picture()[:40],
        b"GIF89a",
    ],
)
@pytest.mark.parametrize("upload", ["image", "file"])
async def test_what_is_no_known_type_or_damaged_is_refused(made, tmp_path, data, upload):
    inputs, _ = made()
    error = await refused(inputs, placement(b64(data), upload, key="k"))
    assert (error.code, error.details["file"]) == ("INPUT_TYPE_REFUSED", "k")
    assert str(tmp_path) not in str(error.body())
    assert names(tmp_path) == []


async def test_a_type_that_the_input_does_not_take_is_refused(made, tmp_path):
    wav = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(20)
    inputs, _ = made()
    assert (await refused(inputs, placement(b64(wav), "image"))).code == "INPUT_TYPE_REFUSED"
    assert (await refused(inputs, placement(b64(picture()), "audio"))).code == "INPUT_TYPE_REFUSED"
    assert (await store(inputs, placement(b64(wav), "audio")))["image"].endswith(".wav")


async def test_a_decompression_bomb_is_refused(made, tmp_path):
    buffer = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(buffer, format="PNG")
    inputs, _ = made()
    assert (await refused(inputs, placement(b64(buffer.getvalue())))).code == "INPUT_TYPE_REFUSED"
    assert names(tmp_path) == []


async def test_an_error_of_the_fetcher_is_passed_on_and_says_for_which_file(made, tmp_path):
    inputs, _ = made(u=ApiError("NOT_FOUND", "no"), v=OSError("disk"))
    error = await refused(inputs, placement(FromUrl("u"), key="k"))
    assert (error.code, error.details) == ("NOT_FOUND", {"file": "k"})
    assert (await refused(inputs, placement(FromUrl("v")))).code == "INPUT_FETCH_FAILED"
    assert names(tmp_path) == []


async def test_a_request_that_is_cancelled_leaves_nothing(made, tmp_path):
    began = asyncio.Event()

    async def hang(into):
        await asyncio.to_thread(into.write, picture()[:50])
        began.set()
        await asyncio.Event().wait()

    inputs, _ = made(u=hang)
    running = asyncio.ensure_future(
        store(inputs, placement(b64(picture()), key="a"), placement(FromUrl("u")))
    )
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [name[:6] for name in names(tmp_path)] == [f"{hashlib.sha256(picture()).hexdigest()[:6]}"]


async def test_a_request_that_is_cancelled_in_a_thread_leaves_nothing(made, tmp_path):
    reached, go_on = threading.Event(), threading.Event()

    class Slow(Folder):
        def folder(self):
            reached.set()
            assert go_on.wait(10)
            return self.path

    inputs = Inputs(Slow(tmp_path), Web(), max_bytes=1000)
    running = asyncio.ensure_future(store(inputs, placement(b64(picture()))))
    await asyncio.to_thread(reached.wait, 10)
    running.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert names(tmp_path) == []


def test_what_a_killed_process_left_is_swept(made, tmp_path):
    inputs, _ = made()
    assert inputs.sweep() == 0
    folder = tmp_path / "backplane"
    folder.mkdir()
    (folder / ".part-old").write_bytes(b"x")
    (folder / ".part-new").write_bytes(b"x")
    (folder / "kept.png").write_bytes(b"x")
    os.utime(folder / ".part-old", (1, 1))
    os.utime(folder / "kept.png", (1, 1))
    assert inputs.sweep() == 1
    assert names(tmp_path) == [".part-new", "kept.png"]


@pytest.mark.parametrize(
    ("head", "extension"),
    [
        (picture("PNG"), "png"),
        (picture("JPEG"), "jpg"),
        (picture("WEBP"), "webp"),
        (picture("GIF"), "gif"),
        (picture("BMP"), "bmp"),
        (picture("TIFF"), "tiff"),
        (picture("AVIF"), "avif"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "mp4"),
        (b"\0\0\0\x18ftypXXXX\0\0\0\0isomavc1", "mp4"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "mov"),
        (b"\0\0\0\x14ftypM4A \0\0\0\0isom", "m4a"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "webm"),
        (b"\x1aE\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska", "mkv"),
        (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"fLaC\0\0\0\x22", "flac"),
        (b"ID3\x04\0\0", "mp3"),
        (b"\xff\xfb\x90\x64", "mp3"),
        (b"OggS\0\x02", "ogg"),
        (b"glTF\x02\0\0\0", "glb"),
        (b"Kaydara FBX Binary  \0\x1a\0", "fbx"),
        (b"\x10\0\0\0\0\0\0\0" + b'{"x":{}}', "latent"),
    ],
)
def test_types_are_told_by_the_first_bytes(head, extension):
    assert sniff(head).extension == extension


@pytest.mark.parametrize(
    "head",
    [b"", b"\0\0\0\x18ftypXXXX", b"\xff" * 4, b"RIFF\0\0\0\0XXXX", b'{"a": 1}', b"\x1aE\xdf\xa3", b"ply"],
)
def test_what_only_looks_like_a_type_is_none(head):
    assert sniff(head) is None
