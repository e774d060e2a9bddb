"""The trash: files go in and come back, never over another one, and go for good after a while."""

import errno
import os
from pathlib import Path

import pytest
from backplane.tasks.trash import Trash, move

DAY = 86_400.0


class Clock:
    at = 1_800_000_000.0

    def __call__(self):
        return self.at


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def trash(tmp_path, clock):
    return Trash(tmp_path / "state" / "trash", days=7, clock=clock)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "output" / "sub" / "cat_00001_.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"cat")
    return path


@pytest.fixture(params=["same file system", "another file system"])
def disk(request, monkeypatch):
    """Files move within one file system, or are copied to another."""
    if request.param == "another file system":
        replace = Path.replace

        def refused(self, target):
            if self.parent != Path(target).parent:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", refused)


def put(trash, path):
    name = trash.name(path.name)
    trash.put(path, name)
    return name


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.usefixtures("disk")
def test_a_file_goes_and_comes_back_as_it_was(trash, image, tmp_path):
    os.utime(image, (1e9, 1e9))
    name = put(trash, image)
    assert not image.exists()
    assert names(tmp_path) == [name]
    assert name.endswith(".png")
    assert trash.take(name, image) == image
    assert image.read_bytes() == b"cat"
    assert image.stat().st_mtime == 1e9
    assert names(tmp_path) == ["cat_00001_.png"]


@pytest.mark.usefixtures("disk")
def test_no_file_that_took_its_name_is_overwritten(trash, image):
    first, image_again = put(trash, image), image
    image_again.write_bytes(b"dog")
    assert trash.take(first, image) == image.with_name("cat_00001_ (1).png")
    assert image.read_bytes() == b"dog"
    assert image.with_name("cat_00001_ (1).png").read_bytes() == b"cat"


def test_a_folder_that_went_meanwhile_is_made_again(trash, image):
    name = put(trash, image)
    image.parent.rmdir()
    assert trash.take(name, image) == image


def test_two_files_of_one_name_are_two(trash, image, tmp_path):
    first = put(trash, image)
    image.write_bytes(b"dog")
    second = put(trash, image)
    assert first != second
    trash.take(first, tmp_path / "1")
    trash.take(second, tmp_path / "2")
    assert (tmp_path / "1").read_bytes() + (tmp_path / "2").read_bytes() == b"catdog"


@pytest.mark.usefixtures("disk")
def test_a_move_never_replaces(image, tmp_path):
    taken = tmp_path / "taken"
    taken.write_bytes(b"kept")
    with pytest.raises(FileExistsError):
        move(image, taken)
    assert (taken.read_bytes(), image.read_bytes()) == (b"kept", b"cat")


@pytest.mark.usefixtures("disk")
def test_a_move_that_fails_leaves_the_file_and_nothing_else(image, tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        move(image, tmp_path / "new")
    assert names(tmp_path) == ["cat_00001_.png"]
    assert image.read_bytes() == b"cat"


@pytest.mark.parametrize("name", ["", "../output/sub/cat_00001_.png", "1800000000-" + "0" * 32 + ".png", "x"])
def test_only_what_is_in_the_trash_comes_back(trash, image, name, tmp_path):
    put(trash, image)
    with pytest.raises(FileNotFoundError):
        trash.take(name, tmp_path / "back.png")


def test_strange_endings_are_left_out(trash, tmp_path):
    for name in ("no ending", "a.", "b.tar gz", ".png", "c." + "x" * 40):
        path = tmp_path / name
        path.write_bytes(b"1")
        assert trash.take(put(trash, path), path) == path


def test_what_has_been_there_too_long_goes_and_nothing_else(trash, image, clock, tmp_path):
    old = put(trash, image)
    clock.at += 2 * DAY
    image.write_bytes(b"dog")
    young = put(trash, image)
    foreign = tmp_path / "state" / "trash" / "notes.txt"
    foreign.write_text("mine", encoding="utf-8")
    assert trash.empty() == 0
    clock.at += 5.5 * DAY
    assert trash.empty() == 1
    assert names(tmp_path) == sorted([young, "notes.txt"])
    with pytest.raises(FileNotFoundError):
        trash.take(old, image)


def test_a_trash_without_days_is_never_emptied(image, clock, tmp_path):
    trash = Trash(tmp_path / "trash", days=0, clock=clock)
    name = put(trash, image)
    clock.at += 10_000 * DAY
    assert trash.empty() == 0
    assert trash.take(name, image) == image


def test_a_trash_that_was_never_used_is_empty(trash):
    assert trash.empty() == 0
