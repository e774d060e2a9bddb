"""Putting a file in its place: after every test the name is free, or has the old bytes or the new ones."""

import errno
import hashlib
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from backplane.downloads import publish as room
from backplane.downloads.publish import (
    finish_publish,
    is_file,
    publish,
    sync_folder,
    translate_os_error,
)
from backplane.downloads.stopping import Stopper
from backplane.downloads.trouble import DownloadError, Stopped

NEW, OLD = b"new" * 1000, b"old" * 999
SHA = hashlib.sha256(NEW).hexdigest()


class Place:
    """A folder with a finished part in it."""

    def __init__(self, folder):
        self.folder = folder
        self.part = folder / ".dl-1.part"
        self.target = folder / "a.safetensors"
        self.part.write_bytes(NEW)

    def old(self):
        self.target.write_bytes(OLD)
        return self

    def publish(self, **options):
        publish(self.part, self.target, **{"overwrite": False, "pause": lambda seconds: None, **options})

    def refused(self, **options):
        with pytest.raises(DownloadError) as caught:
            self.publish(**options)
        assert str(self.folder) not in f"{caught.value.message}{caught.value.hint}{caught.value.details}"
        return caught.value.code

    def names(self):
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def here(tmp_path):
    made = Place(tmp_path)
    yield made
    assert not os.path.lexists(made.target) or made.target.is_dir() or made.target.read_bytes() in {OLD, NEW}


def failing(code, *, times=99, winerror=None):
    """A call that fails that often, and what was called."""
    calls = []

    def fail(*args, **kwargs):
        calls.append(args)
        if len(calls) > times:
            return
        error = PermissionError if code in {errno.EACCES, errno.EPERM} else OSError
        raised = error(code, os.strerror(code), "/secret/path")
        raised.winerror = winerror
        raise raised

    return fail, calls


def test_a_new_file(here):
    here.publish()
    assert here.names() == ["a.safetensors"]
    assert here.target.read_bytes() == NEW
    assert here.target.stat().st_nlink == 1


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_that_is_there(here, overwrite):
    here.old()
    if overwrite:
        here.publish(overwrite=True)
        assert here.names() == ["a.safetensors"]
        assert here.target.read_bytes() == NEW
    else:
        assert here.refused() == "DOWNLOAD_FILE_EXISTS"
        assert here.target.read_bytes() == OLD
        assert here.part.read_bytes() == NEW


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_a_link_leads_to_is_never_written(here, tmp_path_factory, overwrite):
    other = tmp_path_factory.mktemp("other") / "precious"
    other.write_bytes(OLD)
    here.target.symlink_to(other)
    if overwrite:
        here.publish(overwrite=True)
        assert not here.target.is_symlink()
    else:
        assert here.refused() == "DOWNLOAD_FILE_EXISTS"
        assert here.target.is_symlink()
    assert other.read_bytes() == OLD


def test_a_link_to_nowhere_is_not_written_through(here, tmp_path_factory):
    away = tmp_path_factory.mktemp("other") / "new"
    here.target.symlink_to(away)
    assert here.refused() == "DOWNLOAD_FILE_EXISTS"
    assert not away.exists()
    here.target.unlink()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_that_name(here, overwrite):
    here.target.mkdir()
    assert here.refused(overwrite=overwrite) == "DOWNLOAD_FILE_EXISTS"
    assert here.part.read_bytes() == NEW


CODES = [
    (errno.ENOSPC, "DOWNLOAD_DISK_FULL"),
    (errno.EDQUOT, "DOWNLOAD_DISK_FULL"),
    (errno.EROFS, "DOWNLOAD_PERMISSION_DENIED"),
    (errno.EIO, "DOWNLOAD_IO_ERROR"),
    (errno.ENAMETOOLONG, "DOWNLOAD_INVALID_FILENAME"),
    (errno.EFBIG, "DOWNLOAD_IO_ERROR"),
    (errno.ESTALE, "DOWNLOAD_IO_ERROR"),
]


@pytest.mark.parametrize(("code", "told"), [*CODES, (errno.EACCES, "DOWNLOAD_PERMISSION_DENIED")])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_disk_that_fails_before_the_file_has_its_name(here, monkeypatch, code, told, overwrite):
    here.old()
    for call in ("fsync", "replace" if overwrite else "link"):
        with monkeypatch.context() as patched:
            fail, calls = failing(code)
            if call == "replace":
                patched.setattr(Path, "replace", fail)
            else:
                patched.setattr(os, call, fail)
            if call == "link" and code == errno.EACCES:
                continue  # then other ways are tried: below
            assert here.refused(overwrite=overwrite) == told
            assert calls
        assert here.target.read_bytes() == OLD
        assert here.part.read_bytes() == NEW


def test_a_folder_whose_names_cannot_be_synced_is_no_failure(here, monkeypatch):
    synced = os.fsync
    calls = []

    def fsync(handle):
        calls.append(handle)
        if len(calls) > 1:
            raise OSError(errno.EINVAL, "not here")
        synced(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    here.publish()
    assert len(calls) == 2
    assert here.names() == ["a.safetensors"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EACCES])
def test_a_disk_without_hard_links(here, monkeypatch, code):
    monkeypatch.setattr(os, "link", failing(code)[0])
    monkeypatch.setattr(os, "supports_follow_symlinks", {os.link, *os.supports_follow_symlinks})
    here.publish()
    assert here.names() == ["a.safetensors"]
    here.part.write_bytes(OLD)
    assert here.refused() == "DOWNLOAD_FILE_EXISTS"
    assert here.target.read_bytes() == NEW


def test_a_disk_without_links_and_without_renameat2(here, monkeypatch):
    monkeypatch.setattr(os, "link", failing(errno.EOPNOTSUPP)[0])
    monkeypatch.setattr(room, "_rename_noreplace", lambda part, target: False)
    here.publish()
    assert here.names() == ["a.safetensors"]
    assert here.target.read_bytes() == NEW
    here.part.write_bytes(OLD)
    assert here.refused() == "DOWNLOAD_FILE_EXISTS"
    here.target.unlink()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", failing(errno.EIO)[0])
        assert here.refused() == "DOWNLOAD_IO_ERROR"
    assert here.names() == [".dl-1.part"]


def test_renameat2_does_not_replace(here):
    here.old()
    with pytest.raises(FileExistsError):
        room._rename_noreplace(here.part, here.target)
    here.target.unlink()
    if room._rename_noreplace(here.part, here.target):
        assert here.names() == ["a.safetensors"]


def test_a_file_that_is_held_open_is_tried_again(here, monkeypatch):
    here.old()
    replace, pauses = Path.replace, []
    fail, calls = failing(errno.EACCES, times=3, winerror=5)

    def held(part, target):
        fail(part, target)
        return replace(part, target)

    monkeypatch.setattr(Path, "replace", held)
    here.publish(overwrite=True, pause=pauses.append)
    assert len(calls) == 4
    assert pauses == sorted(pauses)
    assert len(pauses) == 3
    assert here.target.read_bytes() == NEW


@pytest.mark.parametrize("winerror", [5, 32, 33])
def test_a_file_that_stays_held_open(here, monkeypatch, winerror):
    here.old()
    fail, calls = failing(errno.EACCES, winerror=winerror)
    monkeypatch.setattr(Path, "replace", fail)
    assert here.refused(overwrite=True) == "DOWNLOAD_TARGET_IN_USE"
    assert len(calls) == room.REPLACE_TRIES
    assert here.target.read_bytes() == OLD
    assert here.part.read_bytes() == NEW


def test_of_many_that_publish_at_once_one_gets_the_name(tmp_path):
    target, got, refusals, ready = tmp_path / "a.safetensors", [], [], threading.Barrier(8)
    parts = [tmp_path / f".dl-{number}.part" for number in range(8)]
    for number, part in enumerate(parts):
        part.write_bytes(bytes([number]) * 500)

    def run(number):
        ready.wait()
        try:
            publish(parts[number], target, overwrite=False)
            got.append(number)
        except DownloadError as error:
            refusals.append(error.code)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    assert refusals == ["DOWNLOAD_FILE_EXISTS"] * 7
    assert target.read_bytes() == bytes(got) * 500
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.safetensors",
        *(part.name for number, part in enumerate(parts) if number != got[0]),
    }


def test_while_a_file_is_replaced_it_is_never_away(here):
    here.old()
    stop, seen = threading.Event(), set()

    def look():
        while not stop.is_set():
            seen.add(here.target.read_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(50):
            here.part.write_bytes(NEW)
            here.publish(overwrite=True)
    finally:
        stop.set()
        thread.join()
    assert seen <= {OLD, NEW}


def test_killed_before_the_link(here):
    assert not finish_publish(here.part, here.target, len(NEW), SHA)
    assert here.names() == [".dl-1.part"]


def test_killed_between_link_and_unlink(here):
    os.link(here.part, here.target)
    assert finish_publish(here.part, here.target, len(NEW), SHA)
    assert here.names() == ["a.safetensors"]
    here.part.write_bytes(NEW)
    here.target.unlink()
    os.link(here.part, here.target)
    here.publish()  # the same, by publishing again
    assert here.names() == ["a.safetensors"]


def test_killed_between_unlink_and_the_store_s_commit(here):
    here.publish()
    assert finish_publish(here.part, here.target, len(NEW), SHA)
    assert here.names() == ["a.safetensors"]


def test_another_s_file_is_not_taken_for_ours(here):
    here.old()
    assert not finish_publish(here.part, here.target, len(NEW), SHA)
    here.target.write_bytes(NEW[:-1] + b"!")
    assert not finish_publish(here.part, here.target, len(NEW), SHA)
    assert here.part.read_bytes() == NEW
    here.target.unlink()
    here.target.symlink_to(here.part)
    assert not finish_publish(here.part, here.target, len(NEW), SHA)
    here.target.unlink()
    here.target.mkdir()
    assert not finish_publish(here.part, here.target, len(NEW), SHA)


def test_looking_at_a_file_stops_when_asked(here):
    here.target.write_bytes(NEW)
    here.part.unlink()
    stopper = Stopper()
    stopper.stop()
    with pytest.raises(Stopped):
        is_file(here.target, len(NEW), SHA, stop=stopper)


def test_a_part_that_is_gone(here):
    here.part.unlink()
    assert here.refused() == "DOWNLOAD_IO_ERROR"
    assert here.names() == []


@pytest.mark.parametrize(
    ("code", "told"), [*CODES, (errno.EEXIST, "DOWNLOAD_FILE_EXISTS"), (0, "DOWNLOAD_IO_ERROR")]
)
def test_no_message_holds_a_path(code, told):
    error = translate_os_error(
        OSError(code, os.strerror(code), "/models/secret"), "The file could not be written"
    )
    assert error.code == told
    assert "/models" not in error.message + (error.hint or "")
    assert error.message.startswith("The file could not be written: ")


def test_the_windows_errors_for_a_full_disk():
    error = OSError(errno.EINVAL, "?")
    error.winerror = 112
    assert translate_os_error(error, "x").code == "DOWNLOAD_DISK_FULL"


def test_a_folder_that_is_gone_is_not_synced(tmp_path):
    sync_folder(tmp_path / "gone")


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 256 KiB, where this account may mount one."""
    mount = shutil.which("mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True, check=False
    )
    if not done or done.returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_really_full(small_disk):
    place = Place(small_disk).old()
    with pytest.raises(OSError, match="No space") as caught:
        (small_disk / "rest").write_bytes(bytes(1 << 20))
    assert translate_os_error(caught.value, "The file could not be written").code == "DOWNLOAD_DISK_FULL"
    assert place.refused() == "DOWNLOAD_FILE_EXISTS"
    place.publish(overwrite=True)  # a new name takes no room
    assert place.target.read_bytes() == NEW


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(here):
    here.folder.chmod(0o500)
    try:
        assert here.refused() == "DOWNLOAD_PERMISSION_DENIED"
    finally:
        here.folder.chmod(0o700)


def test_a_disk_that_can_only_be_read(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    place = Place(folder)
    mount = shutil.which("mount")
    steps = [["--bind", folder, folder], ["-o", "remount,bind,ro", folder]]
    if not mount or any(
        subprocess.run([mount, *step], capture_output=True, check=False).returncode for step in steps
    ):
        subprocess.run(["umount", folder], capture_output=True, check=False)
        pytest.skip("nothing can be mounted here")
    try:
        assert place.refused() == "DOWNLOAD_PERMISSION_DENIED"
        assert place.names() == [".dl-1.part"]
    finally:
        subprocess.run(["umount", folder], check=True)
