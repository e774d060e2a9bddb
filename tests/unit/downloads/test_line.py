"""The line of downloads: whose turn it is, and how those that run are paused, stopped and ended."""

import asyncio
import threading
import time
from contextlib import asynccontextmanager

import pytest
from backplane.downloader import Policy
from backplane.errors import ApiError
from downloading import PIECE, model, opened, slower
from fake_models import until
from hostile_http import answer, says

BUSY = answer(b"busy", status="503 Service Unavailable")
LATER = answer(b"later", "Retry-After: 200", status="429 Too Many Requests")


@pytest.fixture
async def desk(tmp_path):
    async with opened(tmp_path) as made:
        yield made


@asynccontextmanager
async def one_at_a_time(folder, **options):
    async with opened(folder, policy=Policy(concurrency=1, per_hour=0), **options) as made:
        yield made


# Whose turn it is


async def test_two_run_at_once_and_the_rest_waits_in_order(desk):
    links = [desk.serve(f"/{number}.safetensors", hold=PIECE) for number in range(4)]
    ids = [await desk.submit(url) for url in links]

    await until(lambda: desk.runs() == set(ids[:2]))
    assert [(await desk.shown(one))["queue_position"] for one in ids] == [None, None, 1, 2]
    assert [path for path, _ in desk.files.asked if path in {"/2.safetensors", "/3.safetensors"}] == []

    desk.files.hold("/1.safetensors", None)
    await desk.ended(ids[1], "succeeded")
    await until(lambda: desk.runs() == {ids[0], ids[2]})
    for number in range(4):
        desk.files.hold(f"/{number}.safetensors", None)
    for one in ids:
        await desk.ended(one, "succeeded")


async def test_no_more_than_two_from_one_host_and_another_hosts_do_not_wait_for_them(tmp_path):
    async with opened(tmp_path, policy=Policy(concurrency=4, per_hour=0)) as desk:
        for number in range(70):
            url = desk.serve(f"/{number}.safetensors", host="a.test", hold=PIECE)
            await desk.submit(url, filename=f"{number}.safetensors")
        other = await desk.submit(desk.serve("/b.safetensors", host="b.test", hold=PIECE))

        await until(lambda: other in desk.runs())
        await until(lambda: len(desk.runs()) == 3)
        assert {path for path, _ in desk.files.asked} == {f"/{n}.safetensors" for n in ("0", "1", "b")}


async def test_the_higher_priority_goes_first_also_if_it_is_given_later(tmp_path):
    async with one_at_a_time(tmp_path) as desk:
        first = await desk.submit(desk.serve("/first.safetensors", hold=PIECE))
        await until(lambda: desk.runs() == {first})
        low = await desk.submit(desk.serve("/low.safetensors"), priority=-5)
        high = await desk.submit(desk.serve("/high.safetensors"), priority=5)
        late = await desk.submit(desk.serve("/late.safetensors"))
        await desk.tasks.prioritise(late, 9)

        desk.files.hold("/first.safetensors", None)
        for one in (low, high, late):
            await desk.ended(one, "succeeded")
        order = list(dict.fromkeys(path for path, _ in desk.files.asked))
        assert order == [f"/{name}.safetensors" for name in ("first", "late", "high", "low")]


# Pausing


async def test_one_that_waits_is_paused_and_takes_its_turn_when_it_is_resumed(tmp_path):
    async with one_at_a_time(tmp_path) as desk:
        first = await desk.submit(desk.serve("/first.safetensors", hold=PIECE))
        second = await desk.submit(desk.serve("/second.safetensors"))
        third = await desk.submit(desk.serve("/third.safetensors"))

        paused = await desk.pause(second)
        assert (paused["status"], paused["download"]["phase"]) == ("queued", "paused")
        assert paused["queue_position"] is None
        assert (await desk.pause(second))["download"]["phase"] == "paused"  # twice is once
        desk.files.hold("/first.safetensors", None)
        await desk.ended(third, "succeeded")
        assert desk.files.starts("/second.safetensors") == []

        assert (await desk.resume(second))["download"]["phase"] != "paused"
        await desk.ended(second, "succeeded")
        await desk.ended(first, "succeeded")
        assert [told.get("phase") for told in desk.events(second, "status")][:4] == [
            None,
            "paused",
            "paused",
            "queued",
        ]


async def test_one_that_asks_its_source_is_paused(desk):
    url = desk.serve("/a.safetensors")
    desk.files.first("/a.safetensors", lambda asked: asked.hang())
    task_id = await desk.submit(url)
    await until(lambda: desk.files.asked)

    paused = await desk.pause(task_id)
    assert (paused["status"], paused["download"]["phase"], paused["attempt"]) == ("queued", "paused", 0)
    assert (desk.runs(), desk.parts()) == (set(), [])

    await desk.resume(task_id)
    assert (await desk.ended(task_id, "succeeded"))["attempt"] == 1


async def test_one_in_the_middle_is_paused_and_goes_on_with_the_byte_it_had_come_to(desk):
    url = desk.serve("/a.safetensors", hold=4 * PIECE)
    task_id = await desk.submit(url)
    await desk.received(task_id, 4 * PIECE)

    paused = await desk.pause(task_id)
    assert (paused["status"], paused["download"]["phase"], paused["attempt"]) == ("queued", "paused", 0)
    assert (paused["download"]["received"], paused["progress"]) == (4 * PIECE, 0.4)
    assert (paused["download"]["speed"], paused["eta_s"]) == (None, None)
    assert desk.parts() == [f".{task_id}.part"]
    assert desk.holds() == [f"loras/.{task_id}.part"]

    desk.files.hold("/a.safetensors", None)
    await desk.resume(task_id)
    await desk.ended(task_id, "succeeded")
    assert desk.files.starts("/a.safetensors") == [None, None, 4 * PIECE]
    assert desk.has("a.safetensors", model())
    assert desk.parts() == []


async def test_one_that_waits_to_try_again_is_paused_and_tries_at_once_when_resumed(desk, monkeypatch):
    monkeypatch.setattr("backplane.downloads.line.PAUSES_S", (200.0,))
    url = desk.serve("/a.safetensors")
    desk.files.first("/a.safetensors", *[says(BUSY)] * 3)
    task_id = await desk.submit(url)
    waiting = await desk.phase(task_id, "retrying", "queued")
    assert waiting["error"]["code"] == "DOWNLOAD_UPSTREAM_ERROR"

    assert (await desk.pause(task_id))["download"]["phase"] == "paused"
    await desk.restart()
    assert (await desk.shown(task_id))["download"]["phase"] == "paused"
    desk.files._first.clear()
    await desk.resume(task_id)
    assert (await desk.ended(task_id, "succeeded"))["attempt"] == 2


async def test_one_that_waits_between_two_connections_is_paused(tmp_path):
    async with opened(tmp_path, limits=slower(waits_s=(200.0,), jitter=0.0)) as desk:
        url = desk.serve("/a.safetensors")
        desk.files.first("/a.safetensors", desk.files.give, lambda asked: asked.reset())
        task_id = await desk.submit(url)
        shown = await desk.phase(task_id, "retrying", "running")
        assert shown["download"]["retries"] == 1
        assert "127.0.0.1" in shown["download"]["note"]

        assert (await desk.pause(task_id))["download"]["phase"] == "paused"
        await desk.resume(task_id)
        await desk.ended(task_id, "succeeded")


async def test_a_pause_outlives_the_server(desk):
    url = desk.serve("/a.safetensors", hold=4 * PIECE)
    other = desk.serve("/b.safetensors")
    task_id = await desk.submit(url)
    await desk.received(task_id, 4 * PIECE)
    await desk.pause(task_id)

    await desk.restart()
    desk.files.hold("/a.safetensors", None)
    await desk.fetched(other)
    shown = await desk.shown(task_id)
    assert (shown["status"], shown["download"]["phase"]) == ("queued", "paused")
    assert shown["download"]["received"] == 4 * PIECE
    assert desk.parts() == [f".{task_id}.part"]

    await desk.resume(task_id)
    await desk.ended(task_id, "succeeded")
    assert desk.files.starts("/a.safetensors") == [None, None, 4 * PIECE]
    assert desk.has("a.safetensors", model())


async def test_what_has_ended_can_neither_be_paused_nor_resumed(desk):
    task_id = (await desk.fetched(desk.serve("/a.safetensors")))["id"]
    for pause in (True, False):
        with pytest.raises(ApiError) as caught:
            await desk.downloader.hold(await desk.tasks.find(task_id), pause=pause)
        assert caught.value.code == "DOWNLOAD_INVALID_STATE"


async def test_a_pause_in_the_moment_in_which_it_is_begun(desk, monkeypatch):
    claim, taken, go_on = desk.engine.claim, asyncio.Event(), asyncio.Event()

    async def slow(*args, **options):
        found = await claim(*args, **options)
        if found is not None:
            taken.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(desk.engine, "claim", slow)
    url = desk.serve("/a.safetensors", hold=PIECE)
    task_id = await desk.submit(url)
    await taken.wait()  # it is taken from the store, and does not run yet
    pausing = asyncio.create_task(desk.pause(task_id))
    while not pausing.done() and not desk.runs():
        await asyncio.sleep(0.01)
        go_on.set()
    assert (await pausing)["download"]["phase"] == "paused"


# Failing


async def test_it_is_tried_as_often_as_it_may_be_and_then_fails_with_its_part_kept(tmp_path):
    async with opened(tmp_path, policy=Policy(per_hour=0, max_attempts=2)) as desk:
        url = desk.serve("/a.safetensors")

        def half(asked):
            body = model()
            asked.say(f'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: {len(body)}\r\n\r\n'.encode())
            asked.say(body[: 4 * PIECE])

        desk.files.first("/a.safetensors", half, half, *[says(BUSY)] * 9)
        failed = await desk.ended(await desk.submit(url), "failed", "DOWNLOAD_UPSTREAM_ERROR")

        assert (failed["attempt"], failed["max_attempts"]) == (2, 2)
        assert failed["error"]["retryable"] is True
        assert failed["download"]["phase"] == "failed"
        assert desk.statuses(failed["id"]) == ["queued", "running", "queued", "running", "failed"]
        assert desk.files.starts("/a.safetensors") == [None, None, *[4 * PIECE] * 3]
        assert desk.parts() == [f".{failed['id']}.part"]


async def test_a_source_that_wants_patience_does_not_hold_the_place_of_others(tmp_path):
    async with one_at_a_time(tmp_path) as desk:
        patient = desk.serve("/a.safetensors")
        desk.files.first("/a.safetensors", desk.files.give, says(LATER))
        first = await desk.submit(patient)
        other = await desk.submit(desk.serve("/b.safetensors"))

        await desk.ended(other, "succeeded")
        shown = await desk.phase(first, "retrying", "queued")
        assert shown["error"]["code"] == "DOWNLOAD_UPSTREAM_RATE_LIMITED"
        stored = await desk.engine.get(first)
        assert 190 < stored.not_before - time.time() <= 200
        await desk.resume(first)
        await desk.ended(first, "succeeded")


@pytest.mark.parametrize("code", ["DOWNLOAD_INTERNAL_ERROR", "DOWNLOAD_IO_ERROR"])
async def test_a_fault_ends_a_download_and_not_the_line(desk, monkeypatch, code):
    fault = RuntimeError("a bug") if code == "DOWNLOAD_INTERNAL_ERROR" else OSError(5, "no good")

    def broken(*args):
        raise fault

    monkeypatch.setattr("backplane.downloads.job.transfer", broken)
    failed = await desk.failed(code, desk.serve("/a.safetensors"))
    assert "a bug" not in str(failed)
    monkeypatch.undo()
    await desk.fetched(desk.serve("/b.safetensors"))


async def test_a_file_that_the_library_cannot_read_was_downloaded_all_the_same(desk, monkeypatch):
    async def broken(*args, **options):
        raise RuntimeError("the library's own trouble")

    monkeypatch.setattr(desk.library, "changed", broken)
    await desk.fetched(desk.serve("/a.safetensors"))
    assert desk.has("a.safetensors", model())


async def test_an_end_is_written_as_soon_as_the_store_can_be(desk, monkeypatch):
    monkeypatch.setattr("backplane.downloads.line.WRITE_AGAIN_S", 0.01)
    for name, times in (("progress", 2), ("complete", 2)):
        real, left = getattr(desk.engine, name), [times]

        async def full(*args, real=real, left=left):
            if left[0]:
                left[0] -= 1
                raise ApiError("STORE_FULL", "The disk is full.")
            return await real(*args)

        monkeypatch.setattr(desk.engine, name, full)
    await desk.fetched(desk.serve("/a.safetensors"))


async def test_what_another_process_has_taken_over_is_stopped_and_not_written_of(desk, monkeypatch):
    task_id = await desk.begun()
    other = f"UPDATE tasks SET node='other', attempt=attempt+1 WHERE id='{task_id}'"
    await desk.engine._writer.run(lambda tx: tx.db.execute(other))
    desk.downloader.lost(task_id)
    await until(lambda: desk.runs() == set())
    stored = await desk.engine.get(task_id)
    assert (stored.status, stored.node, stored.attempt) == ("running", "other", 2)
    assert desk.parts() == [f".{task_id}.part"]


async def test_one_taken_over_is_not_put_in_its_place_by_who_lost_it(desk, monkeypatch):
    task_id = await desk.begun()
    other = f"UPDATE tasks SET node='other', attempt=attempt+1 WHERE id='{task_id}'"
    await desk.engine._writer.run(lambda tx: tx.db.execute(other))
    desk.files.hold("/a.safetensors", None)
    await until(lambda: desk.runs() == set())
    assert (await desk.engine.get(task_id)).status == "running"
    assert desk.holds() == [f"loras/.{task_id}.part"]


# Stopping


async def test_the_end_of_the_server_is_no_failure_and_the_next_start_goes_on(desk):
    task_id = await desk.begun()
    waiting = await desk.submit(desk.serve("/b.safetensors", hold=PIECE))
    await until(lambda: len(desk.runs()) == 2)

    await desk.stop()
    desk.files.hold("/a.safetensors", None)
    desk.files.hold("/b.safetensors", None)
    await desk.start()
    shown = await desk.ended(task_id, "succeeded")
    assert (shown["attempt"], shown["error"]) == (1, None)
    assert desk.files.starts("/a.safetensors") == [None, None, 4 * PIECE]
    assert desk.has("a.safetensors", model())
    await desk.ended(waiting, "succeeded")


async def test_one_that_is_begun_while_the_server_ends_is_given_back(desk, monkeypatch):
    claim, taken, go_on = desk.engine.claim, asyncio.Event(), asyncio.Event()

    async def slow(*args, **options):
        found = await claim(*args, **options)
        if found is not None:
            taken.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(desk.engine, "claim", slow)
    task_id = await desk.submit(desk.serve("/a.safetensors", hold=PIECE))
    await taken.wait()
    stopping = asyncio.create_task(desk.stop())
    await asyncio.sleep(0)
    while not stopping.done():
        await asyncio.sleep(0.01)
        go_on.set()
    await stopping
    await desk.start()
    stored = await desk.engine.get(task_id)
    assert (stored.status, stored.attempt) in {("queued", 0), ("running", 1)}
    desk.files.hold("/a.safetensors", None)
    await desk.ended(task_id, "succeeded")


async def test_a_thread_that_cannot_be_begun_is_a_failure_like_others(desk, monkeypatch):
    real = threading.Thread.start

    def start(thread):
        if thread.name.startswith("backplane-dl"):
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    await desk.failed("DOWNLOAD_INTERNAL_ERROR", desk.serve("/a.safetensors"))
    monkeypatch.undo()
    await desk.fetched(desk.serve("/b.safetensors"))
