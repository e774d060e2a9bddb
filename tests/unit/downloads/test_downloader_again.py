"""Downloads that are repeated, and what failed and deleted ones leave behind."""

import os
import time

import pytest
from backplane.downloader import Policy
from downloading import PIECE, model, opened
from fake_models import until
from hostile_http import answer, says

DENIED = answer(b"no", status="403 Forbidden")
A = "/a.safetensors"


@pytest.fixture
async def desk(tmp_path):
    async with opened(tmp_path) as made:
        yield made


async def half(desk, path=A, **fields):
    """Have a download fail when it has 4 pieces; give its id."""
    url = desk.serve(path, hold=4 * PIECE)
    task_id = await desk.submit(url, **fields)
    await desk.received(task_id, 4 * PIECE)
    desk.files.first(path, says(DENIED))
    desk.files.drop(path)
    await desk.ended(task_id, "failed", "DOWNLOAD_UPSTREAM_FORBIDDEN")
    desk.files.hold(path, None)
    return task_id


# Once more


@pytest.mark.parametrize("how", ["retry", "ask", "retry after a restart", "ask after a restart"])
async def test_a_failed_download_goes_on_with_what_it_had(desk, how):
    first = await half(desk)
    assert desk.parts() == [f".{first}.part"]
    if "restart" in how:
        await desk.restart()
    if how.startswith("retry"):
        second = await desk.retry(first)
        assert (await desk.shown(second))["retry_of"] == first
    else:
        second = await desk.submit(desk.url(A))
    assert second != first
    shown = await desk.ended(second, "succeeded")
    assert desk.files.starts(A)[-1] == 4 * PIECE
    assert desk.has("a.safetensors", model())
    assert desk.parts() == []
    assert shown["download"]["received"] == len(model())


async def test_a_second_failure_hands_on_what_the_first_had(desk):
    first = await half(desk)
    desk.files.first(A, desk.files.give, says(DENIED))
    second = await desk.ended(await desk.retry(first), "failed")
    assert desk.parts() == [f".{second['id']}.part"]
    await desk.restart()  # both are known to have failed
    third = await desk.ended(await desk.retry(first), "succeeded")
    assert desk.files.starts(A)[-1] == 4 * PIECE
    assert third["retry_of"] == first
    assert desk.parts() == []


async def test_a_repetition_that_fails_at_the_source_loses_nothing(desk):
    first = await half(desk)
    for _ in range(2):
        desk.files.first(A, says(DENIED))  # already the look
        await desk.ended(await desk.retry(first), "failed")
        await desk.restart()
        assert desk.parts() == [f".{first}.part"]
    await desk.ended(await desk.retry(first), "succeeded")
    assert desk.files.starts(A)[-1] == 4 * PIECE


async def test_a_file_that_is_another_one_by_now_is_begun_anew(desk):
    first = await half(desk)
    new = model(12 * PIECE, 7)
    desk.serve(A, new)
    await desk.ended(await desk.retry(first), "succeeded")
    assert desk.has("a.safetensors", new)
    assert desk.parts() == []


async def test_a_repetition_that_is_cancelled_before_its_turn_leaves_nothing(tmp_path):
    async with opened(tmp_path, policy=Policy(concurrency=1, per_hour=0)) as desk:
        first = await half(desk)
        await desk.submit(desk.serve("/busy.safetensors", hold=PIECE))
        second = await desk.retry(first)
        await desk.cancel(second)
        await until(lambda: f".{first}.part" not in desk.parts())


@pytest.mark.parametrize("restart", [False, True])
async def test_with_a_failed_download_its_part_is_deleted(desk, restart):
    first = await half(desk, target_dir="new/er")
    if restart:
        await desk.restart()
    await desk.tasks.delete(first)
    await until(lambda: desk.parts() == [])
    await until(lambda: not desk.path("new").exists())
    await desk.fetched(desk.url(A))
    assert desk.files.starts(A)[-1] is None


async def test_what_failed_for_good_leaves_no_part(desk):
    url = desk.serve(A, b"x" * 200 + model())
    failed = await desk.failed("DOWNLOAD_INVALID_FORMAT", url, target_dir="new")
    assert desk.holds() == []
    assert not desk.path("new").exists()
    assert failed["download"]["phase"] == "failed"


@pytest.mark.parametrize("state", ["failed", "paused", "queued"])
async def test_a_fresh_link_serves_an_old_download(desk, state):
    """The link's signature is in memory only: after a restart it has to be given again."""
    desk.files.secret[A] = "sig=one"
    url = desk.serve(A, hold=4 * PIECE)
    first = await desk.submit(url + "?sig=one")
    await desk.received(first, 4 * PIECE)
    await desk.pause(first)
    desk.files.secret[A] = "sig=two"
    desk.files.hold(A, None)
    await desk.restart()
    if state == "failed":
        await desk.resume(first)
        await desk.ended(first, "failed", "DOWNLOAD_AUTH_REQUIRED")
    task, new = await desk.ask(url + "?sig=two")
    assert new is (state == "failed")
    if state == "paused":
        await desk.resume(task.id)
    elif state == "queued":
        await desk.resume(task.id)
        await desk.ask(url + "?sig=two")
    await desk.ended(task.id, "succeeded")
    assert desk.files.starts(A)[-1] == 4 * PIECE


async def test_a_link_with_a_secret_can_be_retried_while_the_server_runs(desk):
    desk.files.secret[A] = "token=t0p"
    url = desk.serve(A) + "?token=t0p"
    desk.files.first(A, desk.files.give, says(DENIED))
    first = await desk.ended(await desk.submit(url), "failed")
    await desk.ended(await desk.retry(first["id"]), "succeeded")


# What is left over


async def test_parts_that_nobody_goes_on_with_are_removed_at_the_next_start(desk):
    folder = desk.path("sub")
    folder.mkdir()
    paused_id = await desk.submit(desk.serve(A, hold=4 * PIECE))
    await desk.received(paused_id, 4 * PIECE)
    await desk.pause(paused_id)
    failed = await half(desk, "/failed.safetensors")
    done = (await desk.fetched(desk.serve("/done.safetensors")))["id"]
    strange = "dl-" + "0" * 32
    old = time.time() - 8 * 86_400
    left = {
        f".{done}.part": time.time(),
        f".{done}.3.part": time.time(),
        f".{strange}.part": old,
        f".{strange.replace('0', '1')}.part": time.time(),
    }
    for name, at in left.items():
        (folder / name).write_bytes(b"")
        os.utime(folder / name, (at, at))
    (folder / ".hidden.part").write_bytes(b"")  # somebody else's
    desk.good(b"")
    await desk.restart()
    kept = [".hidden.part", f".{paused_id}.part", f".{failed}.part", f".{strange.replace('0', '1')}.part"]
    await until(lambda: desk.parts() == sorted(kept))


async def test_an_old_file_that_was_in_the_way_when_the_server_died_comes_back(desk):
    done = (await desk.fetched(desk.serve("/done.safetensors")))["id"]
    desk.good(model(seed=5))
    desk.path(f".{done}.old.safetensors.old").write_bytes(model(seed=5))
    await desk.restart()
    await until(lambda: desk.has("old.safetensors", model(seed=5)))
    assert desk.parts() == []


async def test_one_that_was_to_be_cancelled_when_its_server_died_leaves_no_part(desk):
    task_id = await desk.submit(desk.serve(A, hold=4 * PIECE))
    await desk.received(task_id, 4 * PIECE)
    await desk.pause(task_id)
    # as a process that was killed in that moment leaves it
    died = (
        "UPDATE tasks SET status='canceling', cancel_requested=1, attempt=1, node='dead',"
        " lease_until=0, lease_ticks=0 WHERE id=?"
    )
    await desk.engine._writer.run(lambda tx: tx.db.execute(died, (task_id,)))
    await desk.restart()
    await desk.ended(task_id, "cancelled")
    await until(lambda: desk.parts() == [])
