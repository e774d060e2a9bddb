"""Cancelling downloads, in whatever phase they are."""

import asyncio
import time

import pytest
from backplane.downloader import Policy
from backplane.downloads.follower import Follower
from backplane.downloads.unzip import _Meter
from downloading import PIECE, model, opened, slower
from fake_models import until
from hostile_http import answer, says
from model_bytes import safetensors, zipped

BUSY = answer(b"busy", status="503 Service Unavailable")
LATER = answer(b"later", "Retry-After: 200", status="429 Too Many Requests")


@pytest.fixture
async def desk(tmp_path):
    async with opened(tmp_path) as made:
        yield made


async def queued(desk):
    for name in ("x", "y"):
        await desk.submit(desk.serve(f"/{name}.safetensors", hold=PIECE))
    return await desk.submit(desk.serve("/a.safetensors"))


async def paused(desk):
    task_id = await downloading(desk)
    await desk.pause(task_id)
    return task_id


async def resolving(desk):
    url = desk.serve("/a.safetensors")
    desk.files.first("/a.safetensors", lambda asked: asked.hang())
    task_id = await desk.submit(url)
    await until(lambda: desk.files.starts("/a.safetensors"))
    return task_id


async def downloading(desk):
    return await desk.begun()


async def waiting_for_headers(desk):
    url = desk.serve("/a.safetensors")
    desk.files.first("/a.safetensors", desk.files.give, lambda asked: asked.hang())
    task_id = await desk.submit(url)
    await until(lambda: len(desk.files.starts("/a.safetensors")) == 2)
    return task_id


async def retrying(desk):
    url = desk.serve("/a.safetensors")
    desk.files.first("/a.safetensors", desk.files.give, lambda asked: asked.reset())
    desk.limits = slower(waits_s=(200.0,))
    await desk.restart()
    task_id = await desk.submit(url)
    await desk.phase(task_id, "retrying")
    return task_id


async def waiting_to_try_again(desk):
    url = desk.serve("/a.safetensors", hold=4 * PIECE)
    desk.files.first("/a.safetensors", desk.files.give, lambda asked: asked.reset(), says(LATER))
    task_id = await desk.submit(url)
    await desk.phase(task_id, "retrying", "queued")
    return task_id


async def verifying(desk):
    def stay(self, view):
        while not self._over:
            time.sleep(0.01)
            self._tick()

    desk.patch.setattr(Follower, "_follow", stay)
    task_id = await desk.submit(desk.serve("/a.safetensors"))
    await desk.phase(task_id, "verifying")
    return task_id


async def looking_at_what_is_there(desk):
    def stay(path, stop):
        while True:
            stop.check()
            time.sleep(0.001)

    desk.patch.setattr("backplane.downloads.job.file_sha256", stay)
    old = desk.put("a.safetensors", model(seed=9))
    task_id = await desk.submit(desk.serve("/a.safetensors"), sha256="0" * 64, overwrite=True)
    await desk.phase(task_id, "verifying")
    assert old.exists()
    return task_id


async def extracting(desk):
    add = _Meter.add

    def stay(self, count):
        add(self, count)
        while True:
            self._stop.check()
            time.sleep(0.001)

    desk.patch.setattr(_Meter, "add", stay)
    body = zipped({"sub/one.safetensors": safetensors(), "two.safetensors": safetensors(3)})
    task_id = await desk.submit(desk.serve("/a.zip", body), unzip=True, target_dir="new")
    await desk.phase(task_id, "extracting")
    return task_id


PHASES = [
    *(queued, paused, resolving, downloading, waiting_for_headers, retrying),
    *(waiting_to_try_again, verifying, looking_at_what_is_there, extracting),
]


@pytest.mark.parametrize("begin", PHASES, ids=lambda begin: begin.__name__)
async def test_a_cancelled_download_is_gone_and_the_others_are_not(tmp_path, begin, monkeypatch):
    async with opened(tmp_path, policy=Policy(concurrency=3, per_hour=0)) as desk:
        desk.patch = monkeypatch
        sibling = await desk.submit(
            desk.serve("/sibling.safetensors", host="b.test", hold=2 * PIECE), filename="sibling.safetensors"
        )
        await desk.received(sibling, 2 * PIECE)
        task_id = await begin(desk)
        if begin is not retrying:  # which starts the server anew
            assert sibling in desk.runs()
        before = {path: path.read_bytes() for path in desk.models.base.rglob("*.safetensors")}

        cancelled = await desk.cancel(task_id)
        assert (cancelled["status"], cancelled["download"]["phase"]) == ("cancelled", "cancelled")
        assert (cancelled["error"], cancelled["eta_s"], cancelled["download"]["speed"]) == (None, None, None)
        assert desk.statuses(task_id)[-1] == "cancelled"
        await until(lambda: f".{task_id}.part" not in desk.parts())
        assert {path: path.read_bytes() for path in desk.models.base.rglob("*.safetensors")} == before
        assert not (desk.models.base / "loras" / "new").exists()
        assert (await desk.cancel(task_id))["status"] == "cancelled"  # twice is once

        monkeypatch.undo()
        for path in ("/sibling.safetensors", "/x.safetensors", "/y.safetensors"):
            desk.files.hold(path, None)
        await desk.ended(sibling, "succeeded")
        assert desk.has("sibling.safetensors", model())
        assert [name for name in desk.parts() if task_id in name] == []


async def test_a_cancel_that_comes_while_the_file_gets_its_name_comes_too_late(desk, monkeypatch):
    from backplane.downloads import publish

    there, go_on, real = asyncio.Event(), asyncio.Event(), publish.publish
    loop = asyncio.get_running_loop()

    def slow(*args, **options):
        loop.call_soon_threadsafe(there.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
        real(*args, **options)

    monkeypatch.setattr(publish, "publish", slow)
    task_id = await desk.submit(desk.serve("/a.safetensors"))
    await there.wait()
    assert (await desk.shown(task_id))["download"]["phase"] == "publishing"
    cancelling = asyncio.create_task(desk.tasks.cancel(task_id))
    await until(lambda: "canceling" in desk.statuses(task_id))
    go_on.set()
    assert (await cancelling).status == "succeeded"
    assert desk.has("a.safetensors", model())
    assert desk.parts() == []


async def test_a_cancel_goes_over_a_pause(desk):
    task_id = await downloading(desk)
    run = desk.downloader._line.run(task_id)
    run.stop("pause")
    await desk.cancel(task_id)
    shown = await desk.ended(task_id, "cancelled")
    assert shown["download"]["phase"] == "cancelled"
    await until(lambda: desk.parts() == [])


@pytest.mark.parametrize("write", ["fail", "release"])
async def test_a_cancel_while_the_end_of_an_attempt_is_written(desk, monkeypatch, write):
    real, there, go_on = getattr(desk.engine, write), asyncio.Event(), asyncio.Event()

    async def slow(*args, **options):
        there.set()
        await go_on.wait()
        return await real(*args, **options)

    monkeypatch.setattr(desk.engine, write, slow)
    monkeypatch.setattr("backplane.downloads.line.PAUSES_S", (200.0,))
    url = desk.serve("/a.safetensors", hold=4 * PIECE)
    task_id = await desk.submit(url)
    await desk.received(task_id, 4 * PIECE)
    if write == "fail":
        desk.files.first("/a.safetensors", *[says(BUSY)] * 2)
        desk.files.drop("/a.safetensors")
    else:
        pausing = asyncio.create_task(desk.pause(task_id))
    await there.wait()
    cancelling = asyncio.create_task(desk.cancel(task_id))
    await until(lambda: "canceling" in desk.statuses(task_id))
    go_on.set()
    assert (await cancelling)["status"] == "cancelled"
    if write == "release":
        await pausing
    await until(lambda: desk.parts() == [])
