"""What the library changes on the disk, and what it refuses to; previews."""

import asyncio
import os
import sys
import threading
import time

import pytest
from backplane.errors import InvalidRequest
from backplane.models.hashing import Halted
from fake_models import code_of, of, opened, safetensors, until

CONTENT = os.urandom(9 * 1024**2)
LINKS = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")


# Deleting


async def test_deleting_takes_the_previews_along(host, lib, told):
    for name in ("s/a.pt", "s/a.png", "s/a.preview.webp", "s/ab.png", "s/b.pt"):
        host.put("loras", name)
    await lib.delete("loras", "s/a.pt")
    root = host.folders["loras"].roots[0]
    assert sorted(path.name for path in (root / "s").iterdir()) == ["ab.png", "b.pt"]
    assert told.take() == [{"folder": "loras", "name": "s/a.pt", "change": "removed"}]
    assert host.told == ["loras"]


async def test_a_preview_that_another_model_has_too_stays(host, lib):
    for name in ("a.pt", "a.gguf", "a.png"):
        host.put("loras", name)
    await lib.delete("loras", "a.pt")
    root = host.folders["loras"].roots[0]
    assert sorted(path.name for path in root.iterdir()) == ["a.gguf", "a.png"]


@pytest.mark.parametrize(
    "name",
    [
        "../loras/a.pt",
        "/etc/passwd",
        "a.pt/../a.pt",
        "sub/../a.pt",
        "A.pt",
        "a.pt\0",
        "a.pt/",
        "",
        ".",
        "sub",
        "b.png",
    ],
)
async def test_only_exact_names_of_models_are_deleted(host, lib, name):
    path = host.put("loras", "a.pt")
    host.put("loras", "sub/b.pt")
    host.put("loras", "b.png")
    assert await code_of(lib.delete("loras", name)) == "MODEL_NOT_FOUND"
    assert path.exists()


async def test_folders_that_share_a_root_both_learn_of_it(host, lib, told, tmp_path):
    root = host.folders["loras"].roots[0]
    host.add("more_loras", root)
    host.put("loras", "a.pt")
    await lib.delete("loras", "a.pt")
    assert [change["folder"] for change in told.take()] == ["loras", "more_loras"]
    assert host.told == ["loras", "more_loras"]


@LINKS
async def test_links_that_lead_outside_are_listed_and_else_refused(host, lib, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "far.safetensors").write_bytes(safetensors({"secret": "x"}))
    root = host.folders["loras"].roots[0]
    (root / "link.safetensors").symlink_to(outside / "far.safetensors")
    (root / "dir").symlink_to(outside, target_is_directory=True)
    (root / "link.png").symlink_to(outside / "far.safetensors")
    names = ["dir/far.safetensors", "link.safetensors"]
    assert of(await lib.index())["loras"] == names
    items = of(await lib.index(detail=True))["loras"]
    assert [(item["name"], item["header"], item["precision"]) for item in items] == [
        (name, "outside", None) for name in names
    ]
    for name in names:
        for work in (
            lib.file("loras", name),
            lib.file("loras", name, hashed=True),
            lib.preview("loras", name),
            lib.delete("loras", name),
            lib.move("loras", name, to_name="new.safetensors"),
        ):
            assert await code_of(work) == "MODEL_REFUSED"
    assert (outside / "far.safetensors").exists()
    host.put("loras", "ok.safetensors", safetensors())
    assert await code_of(lib.move("loras", "ok.safetensors", to_name="dir/ok.safetensors")) == "MODEL_REFUSED"
    assert sorted(path.name for path in outside.iterdir()) == ["far.safetensors"]


@LINKS
async def test_a_whole_folder_may_be_a_link_to_another_disk(host, lib, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "models" / "vae").symlink_to(disk, target_is_directory=True)
    host.add("vae", tmp_path / "models" / "vae")
    host.put("vae", "a.safetensors", safetensors({"modelspec.title": "A"}))
    assert of(await lib.file("vae", "a.safetensors", hashed=True))["title"] == "A"
    moved = of(await lib.move("vae", "a.safetensors", to_name="sub/b.safetensors"))
    assert moved["sha256"]
    await lib.delete("vae", "sub/b.safetensors")
    assert not any(path.is_file() for path in disk.rglob("*"))


@LINKS
async def test_of_a_link_within_the_folders_only_the_link_is_deleted(host, lib):
    path = host.put("checkpoints", "real.pt")
    link = host.folders["loras"].roots[0] / "link.pt"
    link.symlink_to(path)
    await lib.delete("loras", "link.pt")
    assert (path.exists(), link.is_symlink()) == (True, False)


# Moving


async def test_a_model_moves_with_its_previews_and_what_is_known_of_it(host, lib, told):
    for name in ("a.safetensors", "a.png", "a.preview.webp"):
        host.put("loras", name, safetensors() if name.endswith("s") else b"image")
    sha256 = of(await lib.file("loras", "a.safetensors", hashed=True))["sha256"]
    found = of(
        await lib.move("loras", "a.safetensors", to_folder="checkpoints", to_name="new/b.v2.safetensors")
    )
    assert (found["folder"], found["name"], found["sha256"]) == (
        "checkpoints",
        "new/b.v2.safetensors",
        sha256,
    )
    assert found["header"] == "ok"
    root = host.folders["checkpoints"].roots[0] / "new"
    assert sorted(path.name for path in root.iterdir()) == [
        "b.v2.png",
        "b.v2.preview.webp",
        "b.v2.safetensors",
    ]
    assert told.take() == [
        {"folder": "checkpoints", "name": "new/b.v2.safetensors", "change": "added"},
        {"folder": "loras", "name": "a.safetensors", "change": "removed"},
    ]
    assert host.told == ["checkpoints", "loras"]
    assert await lib.by_sha256(sha256) == ("checkpoints", "new/b.v2.safetensors")


async def test_a_rename_stays_below_its_root(host, lib, tmp_path):
    host.add("loras", tmp_path / "one", tmp_path / "two")
    host.put("loras", "a.pt", root=1)
    assert of(await lib.move("loras", "a.pt", to_name="b.pt"))["root"] == 1
    assert (tmp_path / "two" / "b.pt").exists()
    same = of(await lib.move("loras", "b.pt", to_folder="loras"))
    assert same["name"] == "b.pt"


async def test_a_new_folder_keeps_the_name_and_takes_its_first_root_even_if_it_is_not_there(
    host, lib, tmp_path
):
    host.add("vae", tmp_path / "new", tmp_path / "other")
    (tmp_path / "new").rmdir()
    host.put("loras", "sub/a.pt")
    assert of(await lib.move("loras", "sub/a.pt", to_folder="vae"))["name"] == "sub/a.pt"
    assert (tmp_path / "new" / "sub" / "a.pt").exists()


async def test_the_case_of_a_name_can_be_changed(host, lib):
    host.put("loras", "a.pt")
    await lib.move("loras", "a.pt", to_name="A.pt")
    assert of(await lib.index())["loras"] == ["A.pt"]


async def test_nothing_is_moved_over_another(host, lib, tmp_path):
    host.add("loras", tmp_path / "one", tmp_path / "two")
    host.put("loras", "a.pt", b"a", root=1)
    host.put("loras", "b.pt", b"b", root=0)
    assert await code_of(lib.move("loras", "a.pt", to_name="b.pt")) == "MODEL_EXISTS"
    host.put("checkpoints", "a.pt", b"c")
    assert await code_of(lib.move("loras", "a.pt", to_folder="checkpoints")) == "MODEL_EXISTS"
    (tmp_path / "two" / "c.pt").mkdir()
    assert await code_of(lib.move("loras", "a.pt", to_name="c.pt")) == "MODEL_EXISTS"
    assert await code_of(lib.move("loras", "a.pt", to_name="a.pt/x.pt")) == "MODEL_EXISTS"
    assert (tmp_path / "two" / "a.pt").read_bytes() == b"a"


@pytest.mark.parametrize(
    "name",
    [
        "../a.pt",
        "/a.pt",
        "sub//a.pt",
        "a.gguf",
        "a",
        "sub/.a.pt",
        ".pt",
        "con.pt",
        "a:b.pt",
        "a\\b.pt",
        "a\0.pt",
        "sub/../a.pt",
        "",
        "/".join("abcdefghijklmnopq") + ".pt",
    ],
)
async def test_names_that_no_file_should_have_are_refused(host, lib, name):
    path = host.put("loras", "a.pt")
    with pytest.raises(InvalidRequest) as caught:
        await lib.move("loras", "a.pt", to_name=name)
    assert caught.value.details["fields"]["name"]
    assert path.exists()


async def test_a_folder_that_would_not_list_the_file_is_refused(host, lib):
    host.add("upscale_models", suffixes=(".pth",))
    host.put("loras", "a.pt")
    with pytest.raises(InvalidRequest):
        await lib.move("loras", "a.pt", to_folder="upscale_models")
    assert await code_of(lib.move("loras", "a.pt", to_folder="nothing")) == "MODEL_FOLDER_NOT_FOUND"


async def test_two_changes_of_one_file_at_once_are_one_too_many(host, lib):
    host.put("loras", "a.pt", CONTENT)
    found = await asyncio.gather(
        lib.move("loras", "a.pt", to_name="b.pt"),
        lib.move("loras", "a.pt", to_name="c.pt"),
        return_exceptions=True,
    )
    codes = sorted(getattr(each, "code", "moved") for each in found)
    assert codes in (["MODEL_IN_USE", "moved"], ["MODEL_NOT_FOUND", "moved"])
    assert len(of(await lib.index())["loras"]) == 1


async def test_stopping_ends_a_copy_and_all_is_as_it_was(host, tmp_path, monkeypatch):
    path = host.put("loras", "a.pt", CONTENT)
    begun = threading.Event()

    def endless(_path, _target, go_on):
        begun.set()
        while go_on():
            time.sleep(0.001)
        raise Halted

    monkeypatch.setattr("backplane.models.moves._move", endless)
    async with opened(host, tmp_path) as (lib, _):
        moving = asyncio.ensure_future(lib.move("loras", "a.pt", to_name="new/b.pt"))
        await until(begun.is_set)
    assert await code_of(moving) == "HOST_UNAVAILABLE"
    assert path.read_bytes() == CONTENT
    assert not (path.parent / "new").exists()


# Previews


async def test_the_preview_beside_a_model_is_given(host, lib):
    host.put("loras", "s/a.pt")
    assert await code_of(lib.preview("loras", "s/a.pt")) == "PREVIEW_IMAGE_NOT_FOUND"
    host.put("loras", "s/a.preview.webp", b"webp")
    found = await lib.preview("loras", "s/a.pt")
    assert (found.body, found.media_type) == (b"webp", "image/webp")
    host.put("loras", "s/a.JPG", b"jpg")
    found = await lib.preview("loras", "s/a.pt")
    assert (found.body, found.media_type) == (b"jpg", "image/jpeg")


async def test_pictures_that_are_too_large_or_of_another_kind_are_no_previews(host, lib, monkeypatch):
    monkeypatch.setattr("backplane.models.previews.MOST_BYTES", 10)
    host.put("loras", "a.pt")
    host.put("loras", "a.svg", b"<svg/>")
    host.put("loras", "a.png", b"x" * 11)
    assert await code_of(lib.preview("loras", "a.pt")) == "PREVIEW_IMAGE_NOT_FOUND"


@LINKS
async def test_a_preview_that_leads_outside_is_none(host, lib, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    host.put("loras", "a.pt")
    (host.folders["loras"].roots[0] / "a.png").symlink_to(tmp_path / "secret")
    assert await code_of(lib.preview("loras", "a.pt")) == "PREVIEW_IMAGE_NOT_FOUND"
