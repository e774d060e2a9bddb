"""The library as routes and downloads call it: lists, files, hashes, news."""

import asyncio
import hashlib
import json
import os
import threading
import time

import pytest
from backplane.errors import InvalidRequest, NotFound
from backplane.models import Origin, library
from fake_models import age, code_of, gguf, of, opened, safetensors, until

CONTENT = os.urandom(9 * 1024**2)
SHA = hashlib.sha256(CONTENT).hexdigest()


# Lists


async def test_the_short_form_is_names_by_folder(host, lib):
    host.put("loras", "sub/a.safetensors")
    assert of(await lib.index()) == {
        "checkpoints": [],
        "diffusion_models": [],
        "loras": ["sub/a.safetensors"],
    }


async def test_the_long_form_says_what_is_known(host, lib):
    content = safetensors({"ss_base_model_version": "sdxl_base_v1-0", "modelspec.trigger_phrase": "cat"})
    host.put("loras", "sub dir/é a.safetensors", content)
    host.put("loras", "sub dir/é a.png", b"png")
    path = host.put("loras", "sub dir/é a.safetensors", content)
    at = path.stat().st_mtime
    (item,) = of(await lib.index(detail=True))["loras"]
    assert item == {
        "name": "sub dir/é a.safetensors",
        "size": len(content),
        "modified": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z",
        "format": "safetensors",
        "sha256": None,
        "base_model": "sdxl",
        "title": None,
        "trigger_words": ["cat"],
        "resolution": None,
        "precision": "fp16",
        "header": "ok",
        "preview": "/ext/models/loras/sub%20dir/%C3%A9%20a.safetensors/preview",
        "root": 0,
    }


async def test_what_has_no_header_or_a_damaged_one_is_listed_too(host, lib):
    host.put("loras", "a.pt")
    host.put("loras", "b.safetensors", b"<html>")
    host.put("loras", "c.gguf", gguf(general__architecture="flux"))
    found = of(await lib.index(detail=True))["loras"]
    assert [(item["name"], item["header"], item["base_model"]) for item in found] == [
        ("a.pt", "none", None),
        ("b.safetensors", "damaged", None),
        ("c.gguf", "ok", "flux"),
    ]


async def test_headers_that_there_was_no_time_for_come_next_time(host, lib, monkeypatch):
    host.put("loras", "a.safetensors", safetensors({"modelspec.title": "A"}))
    monkeypatch.setattr(library, "HEADERS_S", -1)
    assert of(await lib.index(detail=True))["loras"][0]["header"] == "pending"
    monkeypatch.setattr(library, "HEADERS_S", 10)
    assert of(await lib.index(detail=True))["loras"][0]["title"] == "A"


async def test_headers_and_hashes_are_known_after_a_restart(host, lib, tmp_path, monkeypatch):
    host.put("loras", "a.safetensors", safetensors({"modelspec.title": "A"}))
    await lib.file("loras", "a.safetensors", hashed=True)
    before = of(await lib.index(detail=True))["loras"]
    await lib.stop()
    monkeypatch.setattr("backplane.models.details.read_facts", lambda path: 1 / 0)
    async with opened(host, tmp_path) as (again, _):
        assert of(await again.index(detail=True))["loras"] == before
        assert before[0]["sha256"]


async def test_searching_looks_in_name_folder_and_header(host, lib):
    host.put("loras", "style/Cat.safetensors", safetensors({"ss_base_model_version": "sdxl_base_v1-0"}))
    host.put("loras", "dog.safetensors", safetensors({"modelspec.trigger_phrase": "good boy"}))
    host.put("checkpoints", "cat.pt")
    assert of(await lib.index("CAT")) == {"checkpoints": ["cat.pt"], "loras": ["style/Cat.safetensors"]}
    assert of(await lib.index("cat loras")) == {"loras": ["style/Cat.safetensors"]}
    assert of(await lib.index("good")) == {}  # its header has not been read yet
    await lib.index(detail=True)
    assert of(await lib.index("boy good")) == {"loras": ["dog.safetensors"]}
    (found,) = of(await lib.index("sdxl", detail=True))["loras"]
    assert found["name"] == "style/Cat.safetensors"
    assert of(await lib.index("nothing")) == {}


async def test_a_folder_comes_in_pages_that_hold_while_files_come_and_go(host, lib):
    for name in ("B", "a", "C", "d", "E"):
        host.put("loras", f"{name}.pt")
    first = of(await lib.folder("loras", limit=2))
    assert (first["folder"], first["items"]) == ("loras", ["a.pt", "B.pt"])
    host.put("loras", "A.pt")
    (host.folders["loras"].roots[0] / "B.pt").unlink()
    second = of(await lib.folder("loras", limit=2, cursor=first["next_cursor"]))
    assert second["items"] == ["C.pt", "d.pt"]
    third = of(await lib.folder("loras", limit=2, cursor=second["next_cursor"], detail=True))
    assert ([item["name"] for item in third["items"]], third["next_cursor"]) == (["E.pt"], None)
    found = of(await lib.folder("loras", q=".pt", limit=3))
    assert found["items"] == ["A.pt", "a.pt", "C.pt"]
    assert of(await lib.folder("loras", q="e.pt"))["items"] == ["E.pt"]
    with pytest.raises(InvalidRequest):
        await lib.folder("loras", cursor="?")
    with pytest.raises(NotFound):
        await lib.folder("nothing")
    assert of(await lib.folder("unet")) == {"folder": "diffusion_models", "items": [], "next_cursor": None}


async def test_the_same_list_is_the_same_bytes(host, lib):
    host.put("loras", "a.safetensors", safetensors())
    assert (await lib.index()) is (await lib.index())
    assert (await lib.index(detail=True)) is (await lib.index(detail=True))


async def test_who_asks_at_once_shares_one_look(host, lib, monkeypatch):
    looks = []
    folders = host.model_folders
    monkeypatch.setattr(host, "model_folders", lambda: looks.append(1) or folders())
    await asyncio.gather(*(lib.index() for _ in range(20)))
    assert len(looks) <= 2


async def test_one_file_with_all_that_is_known(host, lib):
    metadata = {"ss_tag_frequency": json.dumps({"x": {"cat": 3}}), "ss_network_dim": "8", "own": "words"}
    host.put("loras", "a.safetensors", safetensors(metadata, {"w": ("F32", [2, 3])}))
    found = of(await lib.file("loras", "a.safetensors"))
    assert found["folder"] == "loras"
    assert found["metadata"] == metadata
    assert (found["tags"], found["network_dim"], found["tensors"]) == ({"cat": 3}, "8", 1)
    assert (found["parameters"], found["dtypes"]) == (6, {"F32": 24})
    host.put("loras", "b.pt")
    assert of(await lib.file("loras", "b.pt"))["metadata"] is None
    host.put("loras", "c.safetensors", b"{}")
    assert of(await lib.file("loras", "c.safetensors"))["damaged"]


# Hashes


async def test_a_hash_is_worked_out_once_for_all_who_ask(host, lib, monkeypatch):
    host.put("loras", "a.pt", CONTENT)
    assert of(await lib.file("loras", "a.pt"))["sha256"] is None
    read = []
    work = library.sha256_of
    monkeypatch.setattr(library, "sha256_of", lambda *a: read.append(1) or work(*a))
    found = await asyncio.gather(*(lib.file("loras", "a.pt", hashed=True) for _ in range(10)))
    assert {of(each)["sha256"] for each in found} == {SHA}
    assert of(await lib.file("loras", "a.pt", hashed=True))["sha256"] == SHA
    assert of(await lib.file("loras", "a.pt"))["sha256"] == SHA
    assert len(read) == 1


async def test_a_hash_is_of_the_content_that_is_there_now(host, lib):
    host.put("loras", "a.pt", CONTENT)
    await lib.file("loras", "a.pt", hashed=True)
    host.put("loras", "a.pt", b"new")
    assert of(await lib.file("loras", "a.pt"))["sha256"] is None
    assert of(await lib.file("loras", "a.pt", hashed=True))["sha256"] == hashlib.sha256(b"new").hexdigest()


async def test_a_file_that_keeps_changing_is_in_use(host, lib, monkeypatch):
    host.put("loras", "a.pt", CONTENT)
    monkeypatch.setattr(library, "sha256_of", lambda *_: None)
    assert await code_of(lib.file("loras", "a.pt", hashed=True)) == "MODEL_IN_USE"


async def test_a_client_that_leaves_does_not_end_the_others_hash(host, lib, monkeypatch):
    host.put("loras", "a.pt", CONTENT)
    begun, go = threading.Event(), threading.Event()
    work = library.sha256_of

    def slow(*arguments):
        begun.set()
        assert go.wait(20)
        return work(*arguments)

    monkeypatch.setattr(library, "sha256_of", slow)
    first = asyncio.ensure_future(lib.file("loras", "a.pt", hashed=True))
    await until(begun.is_set)
    second = asyncio.ensure_future(lib.file("loras", "a.pt", hashed=True))
    first.cancel()
    go.set()
    assert of(await second)["sha256"] == SHA


async def test_stopping_ends_a_hash_that_is_asked_for(host, tmp_path, monkeypatch):
    host.put("loras", "a.pt", CONTENT)
    begun = threading.Event()
    work = library.sha256_of

    def endless(real, go_on):
        begun.set()
        while go_on():
            time.sleep(0.001)
        return work(real, go_on)

    monkeypatch.setattr(library, "sha256_of", endless)
    async with opened(host, tmp_path) as (lib, _):
        asked = asyncio.ensure_future(lib.file("loras", "a.pt", hashed=True))
        await until(begun.is_set)
    assert await code_of(asked) == "HOST_UNAVAILABLE"


async def test_files_are_found_by_their_hash_while_they_have_it(host, lib):
    host.put("loras", "deep/a.pt", CONTENT)
    assert await lib.by_sha256(SHA) is None
    await lib.file("loras", "deep/a.pt", hashed=True)
    assert await lib.by_sha256(SHA.upper()) == ("loras", "deep/a.pt")
    host.put("loras", "deep/a.pt", b"other")
    assert await lib.by_sha256(SHA) is None


async def test_a_hash_is_given_only_while_it_is_known(host, lib):
    host.put("diffusion_models", "a.pt", CONTENT)
    assert await lib.known_sha256("diffusion_models", "a.pt") is None
    await lib.file("unet", "a.pt", hashed=True)
    assert await lib.known_sha256("unet", "a.pt") == SHA
    host.put("diffusion_models", "a.pt", b"other")
    for folder, name in (("diffusion_models", "a.pt"), ("diffusion_models", "b.pt"), ("nothing", "a.pt")):
        assert await lib.known_sha256(folder, name) is None


async def test_in_the_background_everything_is_hashed(host, tmp_path):
    host.put("loras", "a.pt", CONTENT)
    async with opened(host, tmp_path, hash_models=True) as (lib, told):
        await until(lambda: lib.by_sha256(SHA))
        host.put("loras", "b.pt", b"b")
        await until(lambda: lib.by_sha256(hashlib.sha256(b"b").hexdigest()))
        assert told.take() == [{"folder": "loras", "name": "b.pt", "change": "added"}]


# Changes by others


async def test_what_others_do_is_told_at_the_next_request(host, lib, told):
    path = host.put("loras", "a.pt")
    await lib.index(detail=True)
    assert told.take() == []
    host.put("loras", "b.pt")
    await lib.index(detail=True)
    assert told.take() == [{"folder": "loras", "name": "b.pt", "change": "added"}]
    path.unlink()
    host.put("loras", "b.pt", b"something else")
    await lib.folder("loras", detail=True)
    assert told.take() == [
        {"folder": "loras", "name": "a.pt", "change": "removed"},
        {"folder": "loras", "name": "b.pt", "change": "changed"},
    ]
    await lib.index(detail=True)
    assert told.take() == []


async def test_many_changes_are_told_as_one_for_each_folder(host, lib, told):
    host.put("loras", "old.pt")
    await lib.index()
    (host.folders["loras"].roots[0] / "old.pt").unlink()
    for number in range(100):
        host.put("loras", f"{number}.pt")
    host.put("checkpoints", "a.pt")
    await lib.index()
    assert told.take() == [
        {"folder": "checkpoints", "name": None, "change": "many", "added": 1, "changed": 0, "removed": 0},
        {"folder": "loras", "name": None, "change": "many", "added": 100, "changed": 0, "removed": 1},
    ]


# Changes by downloads


@pytest.mark.parametrize("asked_before", [True, False])
async def test_a_new_download_is_told_once_with_its_hash(host, lib, told, asked_before):
    if asked_before:
        await lib.index()
    host.put("loras", "a.safetensors", safetensors(), at=time.time())
    origin = Origin(page="https://example.org/7", base_model="sdxl", trigger_words=("cat",), licence="MIT")
    await lib.changed("loras", "a.safetensors", sha256=SHA, origin=origin)
    assert told.take() == [{"folder": "loras", "name": "a.safetensors", "change": "added"}]
    assert host.told == ["loras"]
    found = of(await lib.file("loras", "a.safetensors"))
    assert (found["sha256"], found["base_model"], found["trigger_words"]) == (SHA, "sdxl", ["cat"])
    assert (found["page"], found["licence"], found["base_model_from"]) == (
        "https://example.org/7",
        "MIT",
        "source",
    )
    assert await lib.by_sha256(SHA) == ("loras", "a.safetensors")
    assert told.take() == []


async def test_a_download_over_an_old_file_is_a_change(host, lib, told):
    host.put("loras", "a.pt", b"old")
    await lib.index(detail=True)
    host.put("loras", "a.pt", CONTENT)
    await lib.changed("loras", "a.pt", sha256=SHA)
    await lib.index(detail=True)
    assert told.take() == [{"folder": "loras", "name": "a.pt", "change": "changed"}]


async def test_a_download_that_is_no_model_is_not_told(host, lib, told):
    host.put("loras", "a.txt")
    await lib.changed("loras", "a.txt", sha256=SHA)
    assert told.take() == []
    assert await code_of(lib.changed("nothing", "a.pt")) == "MODEL_FOLDER_NOT_FOUND"


async def test_the_library_works_where_nothing_can_be_kept(host, tmp_path):
    (tmp_path / "state").write_bytes(b"a file, no folder")
    host.put("loras", "a.pt", CONTENT)
    async with opened(host, tmp_path) as (lib, _):
        assert of(await lib.file("loras", "a.pt", hashed=True))["sha256"] == SHA
        assert await lib.by_sha256(SHA) == ("loras", "a.pt")


async def test_a_file_that_was_just_written_is_hashed_and_kept_once_it_has_settled(host, lib, monkeypatch):
    path = host.put("loras", "a.pt", CONTENT, at=time.time())
    waited = []

    def wait(seconds):
        waited.append(seconds)
        age(path)
        return True

    monkeypatch.setattr(lib._jobs, "wait", wait)
    assert of(await lib.file("loras", "a.pt", hashed=True))["sha256"] == SHA
    assert len(waited) == 1
    assert await lib.by_sha256(SHA) == ("loras", "a.pt")
