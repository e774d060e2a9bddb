"""Files that are moved: whole, and never over another."""

import errno
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from backplane.errors import ApiError
from backplane.models import moves
from backplane.models.hashing import Halted
from backplane.models.moves import move, publish, remove

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX's links and permissions")
CONTENT = os.urandom(9 * 1024**2)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(CONTENT)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


@pytest.fixture
def other_disk(monkeypatch):
    """Have links between directories fail as they do between file systems."""
    link = os.link

    def refuse(source, target, **options):
        if Path(source).parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        link(source, target, **options)

    monkeypatch.setattr(os, "link", refuse)


def go_on():
    return True


def code_of(call, *arguments):
    with pytest.raises(ApiError) as caught:
        call(*arguments)
    return caught.value.code


def files(directory):
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def test_a_file_moves_and_its_directory_is_made(model, tmp_path):
    target = tmp_path / "to" / "deep" / "b.pt"
    before = model.stat()
    moved = move(str(model), str(target), "a.pt", go_on)
    assert files(tmp_path) == ["to/deep/b.pt"]
    assert (moved.sha256, moved.stamp.inode) == (None, before.st_ino)


@pytest.mark.parametrize("disks", ["one", "two"])
def test_nothing_is_replaced(model, tmp_path, disks, request):
    if disks == "two":
        request.getfixturevalue("other_disk")
    target = tmp_path / "to" / "b.pt"
    target.parent.mkdir()
    target.write_bytes(b"old")
    assert code_of(move, str(model), str(target), "a.pt", go_on) == "MODEL_EXISTS"
    assert (target.read_bytes(), model.read_bytes()) == (b"old", CONTENT)
    assert files(tmp_path) == ["a.pt", "to/b.pt"]


def test_to_another_disk_it_is_copied_verified_and_keeps_its_time(model, tmp_path, other_disk):
    target = tmp_path / "to" / "b.pt"
    moved = move(str(model), str(target), "a.pt", go_on)
    assert target.read_bytes() == CONTENT
    assert moved.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert moved.stamp.mtime_ns == 10**18
    assert files(tmp_path) == ["to/b.pt"]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_between_two_real_file_systems(model):
    other = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        if other.stat().st_dev == model.stat().st_dev:
            pytest.skip("it is the same one")
        target = other / "sub" / "b.pt"
        assert move(str(model), str(target), "a.pt", go_on).sha256 == hashlib.sha256(CONTENT).hexdigest()
        assert not model.exists()
        assert files(other) == ["sub/b.pt"]
    finally:
        shutil.rmtree(other)


@pytest.mark.parametrize("pieces", [0, 1, 4])
def test_a_copy_that_is_halted_leaves_all_as_it_was(model, tmp_path, other_disk, pieces):
    left = iter([True] * pieces)
    with pytest.raises(Halted):
        move(str(model), str(tmp_path / "to" / "b.pt"), "a.pt", lambda: next(left, False))
    assert files(tmp_path) == ["a.pt"]
    assert not (tmp_path / "to").exists()


def test_a_copy_whose_original_changes_is_given_up(model, tmp_path, other_disk):
    calls = []

    def write():
        calls.append(1)
        if len(calls) == 2:
            with model.open("r+b") as file:
                file.write(b"changed")
        return True

    assert code_of(move, str(model), str(tmp_path / "to" / "b.pt"), "a.pt", write) == "MODEL_IN_USE"
    assert files(tmp_path) == ["a.pt"]


def test_a_copy_that_is_not_what_was_read_is_given_up(model, tmp_path, other_disk, monkeypatch):
    monkeypatch.setattr(moves, "_digest", lambda *_: "0" * 64)
    with pytest.raises(OSError, match="error"):
        move(str(model), str(tmp_path / "to" / "b.pt"), "a.pt", go_on)
    assert files(tmp_path) == ["a.pt"]


def test_a_full_disk_is_told_before_and_while_it_is_copied(model, tmp_path, other_disk, monkeypatch):
    target = str(tmp_path / "to" / "b.pt")
    monkeypatch.setattr(moves, "KEPT_FREE", 2**62)
    assert code_of(move, str(model), target, "a.pt", go_on) == "DOWNLOAD_DISK_FULL"
    monkeypatch.setattr(moves, "KEPT_FREE", 0)

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert code_of(move, str(model), target, "a.pt", go_on) == "DOWNLOAD_DISK_FULL"
    assert files(tmp_path) == ["a.pt"]


def test_where_there_are_no_hard_links_it_is_renamed_but_not_over_another(model, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "b.pt"
    target.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        publish(str(model), str(target))
    target.unlink()
    publish(str(model), str(target))
    assert files(tmp_path) == ["b.pt"]


@POSIX
def test_of_a_link_only_the_link_is_moved_and_leads_where_it_led(model, tmp_path):
    link = tmp_path / "link.pt"
    link.symlink_to("a.pt")
    target = tmp_path / "to" / "moved.pt"
    move(str(link), str(target), "link.pt", go_on)
    assert target.is_symlink()
    assert target.read_bytes() == CONTENT
    assert files(tmp_path) == ["a.pt", "to/moved.pt"]
    remove(str(target), "moved.pt")
    assert files(tmp_path) == ["a.pt"]


@POSIX
def test_an_original_that_cannot_be_removed_stays_and_there_is_no_second(model, tmp_path, monkeypatch):
    unlink = os.unlink

    def refuse(path, **options):
        if str(path) == str(model):
            raise OSError(errno.EBUSY, "Device or resource busy")
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    assert code_of(move, str(model), str(tmp_path / "to" / "b.pt"), "a.pt", go_on) == "MODEL_IN_USE"
    assert files(tmp_path) == ["a.pt"]
    assert code_of(remove, str(model), "a.pt") == "MODEL_IN_USE"


def test_what_windows_says_of_a_file_that_is_open(model, monkeypatch):
    def locked(_):
        error = PermissionError(errno.EACCES, "used by another process")
        error.winerror = 32
        raise error

    monkeypatch.setattr(os, "unlink", locked)
    assert code_of(remove, str(model), "a.pt") == "MODEL_IN_USE"


def test_what_is_not_there_or_not_allowed_is_told(model, tmp_path, monkeypatch):
    assert code_of(remove, str(tmp_path / "none.pt"), "none.pt") == "MODEL_NOT_FOUND"
    assert code_of(move, str(tmp_path / "none.pt"), str(tmp_path / "b.pt"), "n", go_on) == "MODEL_NOT_FOUND"
    assert code_of(move, str(model), str(model / "b.pt"), "b.pt", go_on) == "MODEL_EXISTS"
    assert code_of(move, str(model), str(tmp_path / ("b" * 300)), "b", go_on) == "MODEL_EXISTS"

    def refuse(_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "unlink", refuse)
    assert code_of(remove, str(model), "a.pt") == "MODEL_REFUSED"
    assert model.exists()
