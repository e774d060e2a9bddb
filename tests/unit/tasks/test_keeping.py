"""Marks and deletions when something goes wrong between the file and the store."""

import asyncio
import errno
import hashlib
import os
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from backplane.errors import ApiError
from backplane.tasks.engine import Mark
from backplane.tasks.events import Hub
from backplane.tasks.keeping import Keeping
from backplane.tasks.outputs import Output
from backplane.tasks.store.trouble import StoreError
from backplane.tasks.trash import Trash
from stores import SUCCEEDED, Rig, claimed

CAT = hashlib.sha256(b"cat").hexdigest()
IMAGE = Output("9", "image", "images", "image/png", "a.png", "", "output", size=3, sha256=CAT)
UPLOAD = replace(IMAGE, type="input")
TEXT = Output("9", "text", "text", "text/plain", value="x")


class Machine:
    def __init__(self, folder):
        self.folder = folder

    def output_place(self, filename, subfolder, kind):
        return self.folder / kind / subfolder / filename

    def output_file(self, filename, subfolder, kind):
        path = self.output_place(filename, subfolder, kind)
        return path if path.is_file() else None


class Tasks:
    """As much of the tasks as is needed."""

    def __init__(self, engine):
        self._engine = engine
        self.hub = Hub()
        self.told = []

    async def engine(self):
        return self._engine

    async def find(self, task_id):
        found = await self._engine.get(task_id)
        assert found is not None
        return found

    def remarked(self, task_id):
        self.told.append(task_id)


@pytest.fixture
async def rig(tmp_path):
    async with rigged(tmp_path) as made:
        yield made


@asynccontextmanager
async def rigged(folder: Path):
    async with Rig(folder / "tasks.sqlite3").running() as stores:
        engine = stores.open("a")
        held = await claimed(engine)
        outputs = [output.to_json() for output in (IMAGE, UPLOAD, TEXT)]
        await engine.complete(held.lease, replace(SUCCEEDED, result={"outputs": outputs}))
        image = folder / "output" / "a.png"
        image.parent.mkdir()
        image.write_bytes(b"cat")
        tasks = Tasks(engine)
        keeping = Keeping(tasks, Machine(folder), Trash(folder / "trash", days=7))
        yield SimpleNamespace(keeping=keeping, tasks=tasks, engine=engine, id=held.task.id, image=image)


def failing(*_args):
    raise StoreError("STORE_FULL", "The disk of the store is full")


def trashed(rig):
    return [path.name for path in rig.image.parents[1].glob("trash/*")]


async def marks(rig):
    return (await rig.engine.get(rig.id)).marks


async def test_a_file_comes_back_if_its_deletion_cannot_be_written_down(rig, monkeypatch):
    monkeypatch.setattr(rig.engine, "mark", failing)
    with pytest.raises(StoreError):
        await rig.keeping.delete(rig.id, 0)
    assert rig.image.read_bytes() == b"cat"
    assert trashed(rig) == []


async def test_a_file_goes_back_to_the_trash_if_its_return_cannot_be_written_down(rig, monkeypatch):
    await rig.keeping.delete(rig.id, 0)
    before = trashed(rig)
    with monkeypatch.context() as patched:
        patched.setattr(rig.engine, "mark", failing)
        with pytest.raises(StoreError):
            await rig.keeping.restore(rig.id, 0)
    assert (trashed(rig), rig.image.exists()) == (before, False)
    assert (await rig.keeping.restore(rig.id, 0))["deleted"] is False
    assert rig.image.read_bytes() == b"cat"


async def test_a_file_that_cannot_be_moved_stays_and_the_reason_is_told(rig, monkeypatch):
    def refused(*_args):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(ApiError) as told:
        await rig.keeping.delete(rig.id, 0)
    assert told.value.code == "OUTPUT_NOT_MOVED"
    assert "Permission denied" in told.value.message
    assert str(rig.image.parent) not in told.value.message
    assert rig.image.exists()
    assert await marks(rig) == {}


@pytest.mark.parametrize("other", [b"a dog", b"dog"])
async def test_a_later_file_of_the_same_name_is_left_alone(rig, other):
    """ComfyUI gives a name again when the file before is gone."""
    rig.image.write_bytes(other)
    with pytest.raises(ApiError) as told:
        await rig.keeping.delete(rig.id, 0)
    assert told.value.code == "OUTPUT_CHANGED"
    assert (rig.image.read_bytes(), trashed(rig), await marks(rig)) == (other, [], {})


async def test_a_file_that_is_gone_already_counts_as_deleted_and_cannot_come_back(rig):
    rig.image.unlink()
    await rig.keeping.delete(rig.id, 0)
    assert (await marks(rig))[0].trashed is None
    with pytest.raises(ApiError) as told:
        await rig.keeping.restore(rig.id, 0)
    assert told.value.code == "OUTPUT_NOT_FOUND"


async def test_what_was_moved_before_the_process_ended_can_be_deleted_and_restored(rig, monkeypatch):
    """The file is in the trash, and nothing more was written down."""

    async def ended(*_args):
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(rig.keeping, "_marked", ended)
        gone = asyncio.create_task(rig.keeping.delete(rig.id, 0))
        while not trashed(rig) or rig.image.exists():
            await asyncio.sleep(0.01)
        [moving] = rig.keeping._moving
        patched.setattr(rig.keeping, "_undo_discard", lambda *_args: None)
        moving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
    assert (await marks(rig))[0].deleted_at is None
    await rig.keeping.delete(rig.id, 0)
    assert (await marks(rig))[0].trashed in trashed(rig)
    assert (await rig.keeping.restore(rig.id, 0))["deleted"] is False
    assert rig.image.read_bytes() == b"cat"


async def test_a_deletion_whose_client_went_away_is_done_to_its_end(rig, monkeypatch):
    put, begun, on = rig.keeping._trash.put, asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(path, name):
        loop.call_soon_threadsafe(begun.set)
        assert on.wait(10)
        put(path, name)

    monkeypatch.setattr(rig.keeping._trash, "put", slow)
    asked = asyncio.create_task(rig.keeping.delete(rig.id, 0))
    await begun.wait()
    asked.cancel()
    await asyncio.sleep(0)
    on.set()
    await rig.keeping.stop()
    assert (await marks(rig))[0].trashed in trashed(rig)
    assert (await rig.keeping.restore(rig.id, 0))["deleted"] is False


@pytest.mark.parametrize("place", [1, 2])
async def test_uploads_and_values_are_not_deleted(rig, place):
    with pytest.raises(ApiError) as told:
        await rig.keeping.delete(rig.id, place)
    assert told.value.code == "OUTPUT_NOT_DELETABLE"


async def test_a_value_can_be_rated_and_every_change_is_told(rig):
    shown = await rig.keeping.mark(rig.id, 2, {"rating": "chosen"})
    assert (shown["rating"], shown["value"], shown["url"]) == (
        "chosen",
        "x",
        f"/ext/tasks/{rig.id}/outputs/2",
    )
    assert await marks(rig) == {2: Mark(rating="chosen")}
    assert rig.tasks.told == [rig.id]
    [event] = rig.tasks.hub.after(0, None)
    assert event.name == "output.changed"


async def test_the_trash_is_emptied_as_the_server_starts(rig):
    await rig.keeping.delete(rig.id, 0)
    [name] = trashed(rig)
    trash = rig.image.parents[1] / "trash"
    (trash / name).rename(trash / ("1000000000" + name[10:]))
    emptied = Trash(trash, days=7)
    done = []
    empty = emptied.empty
    emptied.empty = lambda: done.append(empty())
    keeping = Keeping(rig.tasks, Machine(rig.image.parents[1]), emptied)
    keeping.start()
    try:
        deadline = time.monotonic() + 10
        while not done:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
    finally:
        await keeping.stop()
    assert (done, trashed(rig)) == ([1], [])
