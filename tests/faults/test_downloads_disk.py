"""Downloads as tasks on disks that are full, that fail, and that others write to (cases 65 to 67)."""

import errno
import json
import os
import subprocess
from contextlib import contextmanager

import pytest
from backplane.downloads import part as parts
from backplane.downloads import publish
from backplane.downloads.part import Part
from downloading import PIECE, model, opened, sha256

A = "/a.safetensors"
OLD = model(7 * PIECE, 99)
NEW = model()


@pytest.fixture
async def desk(tmp_path):
    async with opened(tmp_path) as made:
        yield made


@contextmanager
def small_disk(path, size):
    """A file system in memory of *size* bytes at *path*; gives what makes it larger."""
    path.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    try:
        made = subprocess.run(mount, check=False, capture_output=True)
    except OSError:
        pytest.skip("there is no mount here")
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.decode().strip()}")
    try:
        yield lambda more: subprocess.run(["mount", "-o", f"remount,size={more}", str(path)], check=True)
    finally:
        subprocess.run(["umount", str(path)], check=True)


async def test_a_file_for_which_there_is_no_room_is_not_begun(tmp_path):
    with small_disk(tmp_path / "models", 64 * PIECE) as grow:
        body = model(80 * PIECE)
        async with opened(tmp_path) as desk:
            failed = await desk.failed("DOWNLOAD_DISK_FULL", desk.serve(A, body))
            assert failed["error"]["details"]["needed"] == len(body)
            assert failed["error"]["retryable"] is False
            assert (desk.files.starts(A), desk.holds()) == ([None], [])
            grow(160 * PIECE)
            await desk.ended(await desk.retry(failed["id"]), "succeeded")
            assert desk.has("a.safetensors", body)


@pytest.mark.parametrize("told", [True, False], ids=["size known", "size unknown"])
async def test_a_disk_that_becomes_full_in_the_middle(tmp_path, told):
    with small_disk(tmp_path / "models", 64 * PIECE) as grow:
        body = model(80 * PIECE)
        async with opened(tmp_path, free=lambda path: 1 << 40) as desk:
            if not told:
                desk.files.chunked.add(A)
            failed = await desk.failed("DOWNLOAD_DISK_FULL", desk.serve(A, body))
            assert not desk.path("a.safetensors").exists()
            grow(160 * PIECE)
            await desk.ended(await desk.retry(failed["id"]), "succeeded")
            assert desk.has("a.safetensors", body)
            assert desk.parts() == []
            if not told:
                assert 50 * PIECE < desk.files.starts(A)[-1] <= 64 * PIECE


async def test_downloads_do_not_promise_the_same_room_twice(tmp_path):
    with small_disk(tmp_path / "models", 100 * PIECE) as grow:
        body = model(60 * PIECE)
        async with opened(tmp_path) as desk:
            first = await desk.submit(desk.serve(A, body, hold=PIECE))
            await desk.received(first, PIECE)
            second = await desk.failed("DOWNLOAD_DISK_FULL", desk.serve("/b.safetensors", body))
            desk.files.hold(A, None)
            await desk.ended(first, "succeeded")
            grow(160 * PIECE)
            await desk.ended(await desk.retry(second["id"]), "succeeded")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "DOWNLOAD_DISK_FULL"),
        (errno.EDQUOT, "DOWNLOAD_DISK_FULL"),
        (errno.EIO, "DOWNLOAD_IO_ERROR"),
        (errno.EROFS, "DOWNLOAD_PERMISSION_DENIED"),
    ],
)
async def test_a_disk_that_does_not_write(desk, monkeypatch, number, code):
    """After 4 pieces; what was written before is there for the next try."""
    real = Part._write

    def write(part, view, offset):
        if offset >= 4 * PIECE:
            raise OSError(number, os.strerror(number))
        return real(part, view, offset)

    desk.put("a.safetensors", OLD)
    with monkeypatch.context() as patch:
        patch.setattr(Part, "_write", write)
        failed = await desk.failed(code, desk.serve(A, NEW), overwrite=True)
    assert str(desk.folder) not in json.dumps(failed)
    assert desk.has("a.safetensors", OLD)
    assert desk.parts() == [f".{failed['id']}.part"]
    await desk.ended(await desk.retry(failed["id"]), "succeeded")
    assert desk.files.starts(A)[-1] == 4 * PIECE
    assert desk.has("a.safetensors", NEW)


async def test_a_disk_that_writes_a_little_at_a_time(desk, monkeypatch):
    real = Part._write
    monkeypatch.setattr(Part, "_write", lambda part, view, offset: real(part, view[:1000], offset))
    await desk.fetched(desk.serve(A, NEW))
    assert desk.has("a.safetensors", NEW)


def unkept(*args):
    raise OSError(errno.EIO, os.strerror(errno.EIO))


async def test_a_disk_that_cannot_keep_what_it_took(desk, monkeypatch):
    desk.put("a.safetensors", OLD)
    with monkeypatch.context() as patch:
        patch.setattr(Part, "sync", unkept)
        failed = await desk.failed("DOWNLOAD_IO_ERROR", desk.serve(A, NEW, hold=4 * PIECE), overwrite=True)
    desk.files.hold(A, None)
    assert desk.has("a.safetensors", OLD)
    await desk.ended(await desk.retry(failed["id"]), "succeeded")
    assert desk.files.starts(A)[-1] is None  # nothing of it was sure
    assert desk.has("a.safetensors", NEW)


async def test_a_disk_that_cannot_keep_the_last_of_it(desk, monkeypatch):
    desk.put("a.safetensors", OLD)
    with monkeypatch.context() as patch:
        patch.setattr(publish, "_sync", unkept)
        failed = await desk.failed("DOWNLOAD_IO_ERROR", desk.serve(A, NEW), overwrite=True)
    assert desk.has("a.safetensors", OLD)
    await desk.ended(await desk.retry(failed["id"]), "succeeded")
    assert desk.has("a.safetensors", NEW)


async def test_a_disk_that_failed_once_is_not_believed_to_have_kept_the_rest(desk, monkeypatch):
    """A second fsync after one that failed says nothing of the pages that the first one lost."""
    name = "fdatasync" if hasattr(os, "fdatasync") else "fsync"
    real, failures = getattr(os, name), []

    def sync(handle):
        if not failures:
            failures.append(handle)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    url = desk.serve(A, NEW, hold=4 * PIECE)
    with monkeypatch.context() as patch:
        patch.setattr(parts.os, name, sync)
        failed = await desk.failed("DOWNLOAD_IO_ERROR", url)
    desk.files.hold(A, None)
    await desk.ended(await desk.retry(failed["id"]), "succeeded")
    assert desk.files.starts(A)[-1] is None


async def test_a_folder_that_cannot_be_written(desk):
    folder = desk.path("")
    folder.chmod(0o555)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this account may write everywhere")
        failed = await desk.failed("DOWNLOAD_PERMISSION_DENIED", desk.serve(A, NEW))
        assert str(desk.folder) not in json.dumps(failed)
        await desk.failed("DOWNLOAD_PERMISSION_DENIED", desk.url(A), target_dir="new")
    finally:
        folder.chmod(0o755)
    await desk.ended(await desk.retry(failed["id"]), "succeeded")


async def test_a_part_that_cannot_be_made(desk, monkeypatch):
    def create(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Part, "create", create)
        failed = await desk.failed("DOWNLOAD_PERMISSION_DENIED", desk.serve(A, NEW), target_dir="new")
    assert str(desk.folder) not in json.dumps(failed)
    assert not desk.path("new").exists()
    await desk.ended(await desk.retry(failed["id"]), "succeeded")


async def test_a_part_that_somebody_deletes_is_begun_anew(desk):
    task_id = await desk.submit(desk.serve(A, NEW, hold=4 * PIECE))
    await desk.received(task_id, 4 * PIECE)
    await desk.pause(task_id)
    desk.path(f".{task_id}.part").unlink()
    desk.files.hold(A, None)
    await desk.resume(task_id)
    await desk.ended(task_id, "succeeded")
    assert desk.has("a.safetensors", NEW)


async def test_a_part_that_somebody_changes_is_noticed(desk):
    task_id = await desk.submit(desk.serve(A, NEW, hold=4 * PIECE), sha256=sha256(NEW))
    await desk.received(task_id, 4 * PIECE)
    await desk.pause(task_id)
    with desk.path(f".{task_id}.part").open("r+b") as file:
        file.seek(2 * PIECE)
        file.write(b"damage")
    desk.files.hold(A, None)
    await desk.resume(task_id)
    await desk.ended(task_id, "succeeded")
    assert desk.files.starts(A) == [None, None, 4 * PIECE, None]  # fetched anew, once
    assert desk.has("a.safetensors", NEW)
