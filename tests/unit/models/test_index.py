"""What is listed, and that every change is seen at the next look."""

import json
import os
import sys
import time

import pytest
from backplane.errors import NotFound
from backplane.models.index import Index
from backplane.models.values import Change
from fake_models import OLD

LINKS = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")


def listed(index):
    return json.loads(index.look().body.body)


def changes(index):
    return list(index.look().changes)


def test_every_folder_is_listed_with_its_files_sorted_without_regard_to_case(host):
    for name in ("b.safetensors", "A.safetensors", "sub/c.ckpt", "a.gguf"):
        host.put("loras", name)
    assert listed(Index(host)) == {
        "checkpoints": [],
        "diffusion_models": [],
        "loras": ["a.gguf", "A.safetensors", "b.safetensors", "sub/c.ckpt"],
    }


def test_only_the_folders_suffixes_count_whatever_their_case(host):
    for name in ("a.txt", "b.SafeTensors", "c.png", "d"):
        host.put("loras", name)
    assert listed(Index(host))["loras"] == ["b.SafeTensors"]


def test_a_folder_without_suffixes_lists_every_file(host):
    host.add("any", suffixes=())
    for name in ("a.txt", "b", "c.onnx"):
        host.put("any", name)
    assert listed(Index(host))["any"] == ["a.txt", "b", "c.onnx"]


def test_a_folder_for_files_without_a_suffix_lists_only_those(host):
    host.add("classifiers", suffixes=("",))
    host.put("classifiers", "a.txt")
    host.put("classifiers", "model")
    assert listed(Index(host))["classifiers"] == ["model"]


def test_hidden_and_unfinished_files_are_left_out(host):
    host.add("any", suffixes=())
    for name in (".hidden.safetensors", ".git/x.safetensors", "x.safetensors.part", "y.PART", "z.pt"):
        host.put("any", name)
    assert listed(Index(host))["any"] == ["z.pt"]


def test_of_two_roots_the_first_file_of_a_name_wins(host, tmp_path):
    host.add("loras", tmp_path / "one", tmp_path / "two")
    host.put("loras", "a.pt", root=1)
    host.put("loras", "a.pt", root=0)
    host.put("loras", "b.pt", root=1)
    view = Index(host).look().views["loras"]
    assert [(entry.name, entry.root) for entry in view.entries] == [("a.pt", 0), ("b.pt", 1)]


def test_a_root_need_not_exist(host, tmp_path):
    host.add("loras", tmp_path / "one", tmp_path / "two")
    (tmp_path / "two").rmdir()
    host.put("loras", "a.pt")
    assert listed(Index(host))["loras"] == ["a.pt"]


@LINKS
def test_links_are_followed_and_loops_end(host, tmp_path):
    elsewhere = tmp_path / "disk"
    elsewhere.mkdir()
    (elsewhere / "far.pt").write_bytes(b"x")
    root = host.folders["loras"].roots[0]
    host.put("loras", "sub/near.pt")
    (root / "disk").symlink_to(elsewhere, target_is_directory=True)
    (root / "sub" / "up").symlink_to(root, target_is_directory=True)
    (root / "sub" / "self").symlink_to(root / "sub" / "self")
    (root / "file.pt").symlink_to(elsewhere / "far.pt")
    assert listed(Index(host))["loras"] == ["disk/far.pt", "file.pt", "sub/near.pt"]


@LINKS
def test_a_link_that_leads_nowhere_shows_as_soon_as_it_leads_somewhere(host, tmp_path):
    root = host.folders["loras"].roots[0]
    (root / "a.pt").symlink_to(tmp_path / "later.pt")
    (root / "dir").symlink_to(tmp_path / "later", target_is_directory=True)
    os.utime(root, (OLD, OLD))
    index = Index(host)
    assert listed(index)["loras"] == []
    (tmp_path / "later.pt").write_bytes(b"x")
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "b.pt").write_bytes(b"x")
    assert listed(index)["loras"] == ["a.pt", "dir/b.pt"]
    (tmp_path / "later.pt").unlink()
    assert listed(index)["loras"] == ["dir/b.pt"]


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes only there")
def test_names_that_are_no_unicode_are_left_out(host):
    root = os.fsencode(host.folders["loras"].roots[0])
    os.close(os.open(root + b"/\xff.pt", os.O_CREAT))
    host.put("loras", "é中.pt")
    assert listed(Index(host))["loras"] == ["é中.pt"]


def test_files_that_come_change_place_and_go_are_seen_and_told(host):
    index = Index(host)
    host.put("loras", "a.pt")
    assert changes(index) == []  # nothing is news at first
    host.put("loras", "deep/er/b.pt", at=time.time())
    assert changes(index) == [Change("loras", "deep/er/b.pt", "added")]
    path = host.folders["loras"].roots[0] / "deep" / "er" / "b.pt"
    path.rename(path.with_name("c.pt"))
    assert changes(index) == [
        Change("loras", "deep/er/b.pt", "removed"),
        Change("loras", "deep/er/c.pt", "added"),
    ]
    path.with_name("c.pt").unlink()
    path.parent.rmdir()
    assert changes(index) == [Change("loras", "deep/er/c.pt", "removed")]
    assert changes(index) == []


def test_a_file_that_comes_within_the_tick_of_the_directorys_time_is_seen(host):
    host.put("loras", "a.pt")
    root = host.folders["loras"].roots[0]
    now = time.time()
    index = Index(host, clock=lambda: now + 1)
    os.utime(root, (now, now))
    assert listed(index)["loras"] == ["a.pt"]
    (root / "b.pt").write_bytes(b"x")
    os.utime(root, (now, now))  # a coarse clock: the same time as before
    assert listed(index)["loras"] == ["a.pt", "b.pt"]


def test_what_did_not_change_is_not_read_again(host, monkeypatch):
    host.put("loras", "sub/a.pt")
    host.put("checkpoints", "b.pt")
    index = Index(host)
    first = index.look()
    read = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: read.append(path) or scandir(path))
    assert index.look().body is first.body
    assert read == []
    host.put("loras", "sub/c.pt", at=time.time())
    second = index.look()
    assert read == [str(host.folders["loras"].roots[0] / "sub")]
    assert second.views["checkpoints"].names is first.views["checkpoints"].names


def test_a_preview_that_comes_is_seen_although_the_names_are_the_same(host):
    host.put("loras", "a.pt")
    index = Index(host)
    assert index.look().views["loras"].entries[0].where.images == frozenset()
    host.put("loras", "a.png", at=time.time())
    look = index.look()
    assert look.views["loras"].entries[0].where.images == {"a.png"}
    assert look.changes == ()


def test_a_folder_that_a_pack_adds_later_is_seen(host):
    index = Index(host)
    index.look()
    host.add("ipadapter")
    host.put("ipadapter", "a.pt")
    assert changes(index) == []
    assert listed(index)["ipadapter"] == ["a.pt"]
    del host.folders["ipadapter"]
    assert changes(index) == [Change("ipadapter", "a.pt", "removed")]


def test_old_names_of_folders_mean_the_new_ones_and_unknown_ones_are_refused(host):
    look = Index(host).look()
    assert look.view("unet") is look.views["diffusion_models"]
    with pytest.raises(NotFound) as caught:
        look.view("lora")
    assert caught.value.code == "MODEL_FOLDER_NOT_FOUND"
    assert caught.value.details["close_matches"] == ["loras"]


def test_files_are_found_by_their_exact_name_only(host):
    host.put("loras", "sub/Style.safetensors")
    view = Index(host).look().views["loras"]
    assert view.entry("sub/Style.safetensors").file == "Style.safetensors"
    for wrong in ("sub/style.safetensors", "sub\\Style.safetensors", "./sub/Style.safetensors", "", "\0"):
        with pytest.raises(NotFound) as caught:
            view.entry(wrong)
        assert caught.value.code == "MODEL_NOT_FOUND"


def test_copies_that_a_killed_move_left_are_removed_when_they_are_old(host):
    old = host.put("loras", ".backplane-move-0123456789abcdef.part")
    young = host.put("loras", ".backplane-move-fedcba9876543210.part", at=time.time())
    strange = host.put("loras", ".someone-elses.part")
    os.utime(old, (OLD - 3600, OLD - 3600))
    Index(host).look()
    assert (old.exists(), young.exists(), strange.exists()) == (False, True, True)
