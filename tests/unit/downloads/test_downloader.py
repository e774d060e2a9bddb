"""Downloads as their callers see them: what is taken in, refused, joined, repeated, forgotten."""

import asyncio
import hashlib
import json
import time
from dataclasses import asdict

import pytest
from backplane.downloader import Policy
from backplane.downloads.plan import Asked, Wanted
from backplane.errors import ApiError
from backplane.tasks import Query
from backplane.tasks.engine import AlreadyRememberedError, Remembered
from downloading import PIECE, model, opened, slower
from fake_models import until
from hostile_http import answer, says

A = "/a.safetensors"


@pytest.fixture
async def desk(tmp_path):
    async with opened(tmp_path) as made:
        yield made


@pytest.fixture
async def hub(tmp_path):
    async with opened(tmp_path, hub=True) as made:
        yield made


async def tasks_of(desk):
    return (await desk.tasks.list(Query(limit=100)))[0]


# From a link to a file


async def test_a_link_becomes_a_file_that_everybody_knows(hub):
    body = model(40 * PIECE)
    url = hub.publish("loras/detail.safetensors", body)
    task, new = await hub.ask(url, type="lora", client="me")
    assert (new, task.status, task.kind, task.client) == (True, "queued", "download", "me")

    shown = await hub.ended(task.id, "succeeded")
    assert (shown["progress"], shown["eta_s"], shown["error"]) == (1.0, None, None)
    download = shown["download"]
    assert (download["phase"], download["source"], download["verified_by"]) == (
        "completed",
        "huggingface",
        "huggingface",
    )
    assert (download["folder"], download["name"]) == ("loras", "detail.safetensors")
    assert (download["received"], download["size"]) == (len(body), len(body))
    assert download["sha256"] == hashlib.sha256(body).hexdigest()
    assert hub.holds() == ["loras/detail.safetensors"]
    assert hub.has("detail.safetensors", body)

    assert hub.told == [{"folder": "loras", "name": "detail.safetensors", "change": "added"}]
    assert "loras" in hub.models.told
    assert await hub.library.known_sha256("loras", "detail.safetensors") == download["sha256"]
    assert str(hub.folder) not in json.dumps(shown)


async def test_how_it_goes_is_told(desk):
    url = desk.serve(A, hold=4 * PIECE)
    task_id = await desk.submit(url)
    await desk.received(task_id, 4 * PIECE)
    running = await desk.shown(task_id)
    assert (running["progress"], running["download"]["phase"]) == (0.4, "downloading")
    assert (running["download"]["connections"], running["download"]["size"]) == (1, len(model()))
    desk.files.hold(A, None)
    await desk.ended(task_id, "succeeded")

    assert desk.statuses(task_id) == ["queued", "running", "succeeded"]
    told = desk.events(task_id, "progress")
    assert (told[0]["phase"], told[-1]["phase"]) == ("resolving", "publishing")
    received = [one["received"] for one in told if one["phase"] == "downloading"]
    assert received == sorted(received)
    assert 4 * PIECE in received
    assert all(0 <= one["progress"] < 1 for one in told)
    assert {one["size"] for one in told} == {None, len(model())}
    assert desk.events(task_id)[-1]["progress"] == 1.0


# The same thing twice


async def test_what_is_being_fetched_is_not_fetched_twice(desk):
    url = desk.serve(A, hold=4 * PIECE)
    first, new = await desk.ask(url)
    assert new
    for _ in range(2):  # while it waits, and while it runs
        again, new = await desk.ask(url, client="another", priority=3)
        assert (again.id, new) == (first.id, False)
        await desk.received(first.id, 4 * PIECE)
    await desk.pause(first.id)
    assert (await desk.ask(url))[0].id == first.id
    desk.files.hold(A, None)
    await desk.resume(first.id)
    await desk.ended(first.id, "succeeded")
    assert len(await tasks_of(desk)) == 1


async def test_two_equal_requests_at_one_moment_are_one_download(desk):
    url = desk.serve(A)
    asked = await asyncio.gather(*[desk.ask(url) for _ in range(8)])
    assert len({task.id for task, _ in asked}) == 1
    assert sorted(new for _, new in asked) == [False] * 7 + [True]
    await desk.ended(asked[0][0].id, "succeeded")
    assert desk.files.starts(A) == [None, None]


async def test_equal_links_in_one_request_are_one_download(desk):
    one = Asked(Wanted(desk.serve(A), "loras"), {})
    made = await desk.downloader.submit([one, one], client="me", batch_id="b")
    assert [new for _, new in made] == [True, True]
    assert made[0][0].id == made[1][0].id
    await desk.ended(made[0][0].id, "succeeded")


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled"])
async def test_what_has_just_ended_is_no_download_to_join(desk, end):
    url = desk.serve(A, hold=PIECE)
    if end == "failed":
        desk.files.first(A, says(answer(b"", status="404 Not Found")))
    first = await desk.submit(url, overwrite=True)
    if end == "cancelled":
        await desk.cancel(first)
    desk.files.hold(A, None)
    await desk.ended(first, end)
    second, new = await desk.ask(url, overwrite=True)
    assert new
    assert second.id != first
    await desk.ended(second.id, "succeeded")


# Two for one place


async def test_two_links_to_one_place_are_refused_at_once(desk):
    first = desk.serve(A, hold=PIECE)
    other = desk.serve("/other.safetensors")
    task_id = await desk.submit(first, filename="x.safetensors")
    error = await desk.refused("DOWNLOAD_CONFLICT", other, filename="x.safetensors")
    assert (error.status, error.details) == (409, {"task_id": task_id})
    await desk.received(task_id, PIECE)
    await desk.refused("DOWNLOAD_CONFLICT", other, filename="x.safetensors", overwrite=True)

    asked = [Asked(Wanted(url, "loras", "y.safetensors"), {}) for url in (first, other)]
    with pytest.raises(ApiError) as caught:
        await desk.downloader.submit(asked, client="me")
    assert caught.value.code == "DOWNLOAD_CONFLICT"
    assert len(await tasks_of(desk)) == 1  # of the two none was queued

    desk.files.hold(A, None)
    await desk.ended(task_id, "succeeded")


async def test_a_place_that_only_the_source_names_is_given_to_the_first(desk):
    first = await desk.submit(desk.serve("/one/a.safetensors", hold=PIECE))
    await desk.received(first, PIECE)
    # known at once, for that download runs
    await desk.refused("DOWNLOAD_CONFLICT", desk.serve("/three"), filename="a.safetensors")
    # known when its turn comes
    failed = await desk.failed("DOWNLOAD_CONFLICT", desk.serve("/two/a.safetensors", model(seed=2)))
    assert failed["error"]["details"] == {"task_id": first}
    assert desk.parts() == [f".{first}.part"]
    desk.files.hold("/one/a.safetensors", None)
    await desk.ended(first, "succeeded")
    assert desk.has("a.safetensors", model())


# What is there already


async def test_a_file_with_the_same_bytes_is_not_fetched_again(hub):
    url = hub.publish("loras/a.safetensors")
    hub.put("a.safetensors", model())
    shown = await hub.fetched(url)
    assert (shown["download"]["skipped"], shown["download"]["phase"]) == (True, "completed")
    assert (shown["download"]["received"], shown["progress"]) == (len(model()), 1.0)
    assert hub.hub.cdn_requests == []
    assert (await hub.fetched(url, overwrite=True))["download"]["skipped"] is True
    assert hub.hub.cdn_requests == []


async def test_the_hash_that_the_user_gives_will_do_too(desk):
    desk.put("a.safetensors", model())
    url = desk.serve(A)
    shown = await desk.fetched(url, sha256=hashlib.sha256(model()).hexdigest(), filename="a.safetensors")
    assert shown["download"]["skipped"] is True
    assert desk.files.starts(A) == [None]  # the look


async def test_a_file_with_other_bytes_is_kept(hub):
    old = model(seed=9)
    hub.put("a.safetensors", old)
    url = hub.publish("loras/a.safetensors")
    # at once where nothing has to be asked; else when its turn comes
    await hub.refused("DOWNLOAD_FILE_EXISTS", url, filename="a.safetensors")
    await hub.failed("DOWNLOAD_FILE_EXISTS", url)
    await hub.failed("DOWNLOAD_FILE_EXISTS", url, filename="a.safetensors", sha256=_sha(model()))
    assert hub.has("a.safetensors", old)
    assert hub.hub.cdn_requests == []
    assert hub.parts() == []

    shown = await hub.fetched(url, filename="a.safetensors", overwrite=True)
    assert shown["download"]["skipped"] is False
    assert hub.has("a.safetensors", model())
    assert hub.told[-1] == {"folder": "loras", "name": "a.safetensors", "change": "changed"}


async def test_a_hash_that_source_and_user_give_differently_ends_it_before_a_byte(hub):
    url = hub.publish("loras/a.safetensors")
    failed = await hub.failed("DOWNLOAD_HASH_MISMATCH", url, sha256="0" * 64)
    assert failed["error"]["details"] == {"expected": "0" * 64, "declared": _sha(model())}
    assert hub.hub.cdn_requests == []


# What is refused at once


@pytest.mark.parametrize(
    ("code", "url", "fields"),
    [
        ("DOWNLOAD_INVALID_TYPE", A, {"type": "nonsense"}),
        ("DOWNLOAD_INVALID_TYPE", A, {"type": "../loras"}),
        ("DOWNLOAD_INVALID_FILENAME", A, {"filename": "../a.safetensors"}),
        ("DOWNLOAD_INVALID_FILENAME", A, {"filename": "con.safetensors"}),
        ("DOWNLOAD_INVALID_TARGET", A, {"target_dir": "../../etc"}),
        ("DOWNLOAD_INVALID_TARGET", A, {"target_dir": "/etc"}),
        ("DOWNLOAD_UNSAFE_FORMAT", A, {"filename": "a.ckpt"}),
        ("DOWNLOAD_UNSAFE_FORMAT", A, {"filename": "a.zip"}),
        ("DOWNLOAD_UNSAFE_FORMAT", A, {"filename": "a.sh"}),
        ("DOWNLOAD_INVALID_URL", "file:///etc/passwd", {}),
        ("DOWNLOAD_INVALID_URL", "http://user:pass@127.0.0.1/a.safetensors", {}),
        ("DOWNLOAD_FORBIDDEN_DOMAIN", "https://elsewhere.example/a.safetensors", {}),
    ],
)
async def test_what_cannot_be_is_refused_at_once_and_costs_nothing(tmp_path, code, url, fields):
    async with opened(tmp_path, policy=Policy(per_hour=1)) as desk:
        good = desk.serve(A)
        await desk.refused(code, desk.url(url) if url.startswith("/") else url, **fields)
        assert await tasks_of(desk) == []
        assert desk.files.asked == []
        await desk.fetched(good)


async def test_so_many_an_hour_for_each_client_also_over_a_restart(tmp_path):
    async with opened(tmp_path, policy=Policy(per_hour=2)) as desk:
        one, two, three = (desk.serve(f"/{name}.safetensors") for name in "abc")
        first = await desk.submit(one)
        await desk.ask(one)  # joins
        await desk.refused("DOWNLOAD_INVALID_TYPE", two, type="nonsense")
        with pytest.raises(ApiError):  # more than may be: none of them
            await desk.downloader.submit(
                [Asked(Wanted(url, "loras"), {}) for url in (two, three)], client="me"
            )
        await desk.fetched(two)
        await desk.ended(first, "succeeded")
        for _ in range(2):
            error = await desk.refused("DOWNLOAD_RATE_LIMITED", three)
            assert (error.status, error.details["per_hour"]) == (429, 2)
            assert 3500 < error.details["retry_after_s"] <= 3600
            await desk.restart()
        assert len(await tasks_of(desk)) == 2
        await desk.fetched(three, client="another")


async def test_no_more_wait_than_may(tmp_path):
    async with opened(tmp_path, policy=Policy(concurrency=1, per_hour=3, max_queued=2)) as desk:
        links = [desk.serve(f"/{name}.safetensors", hold=PIECE) for name in "abc"]
        for url in links[:2]:
            await desk.submit(url)
        error = await desk.refused("QUEUE_FULL", links[2])
        assert error.status == 429
        assert (await desk.ask(links[1]))[1] is False  # one of those that wait is no further one
        desk.files.hold("/a.safetensors", None)
        await until(lambda: "b.safetensors" in str(desk.files.asked))
        task_id = await desk.submit(links[2])  # and it was not counted by the hour
        for name in "bc":
            desk.files.hold(f"/{name}.safetensors", None)
        await desk.ended(task_id, "succeeded")


# Requests that are repeated, and batches


async def test_a_key_that_was_used_queues_nothing_more(desk):
    url = desk.serve(A)
    made = []

    def remember(tasks):
        made.append([task.id for task in tasks])
        return Remembered("POST /x", "key", "0", 202, json.dumps(made[0]), time.time())

    first, _ = await desk.ask(url, remember=remember)
    await desk.ended(first.id, "succeeded")
    with pytest.raises(AlreadyRememberedError) as caught:
        await desk.ask(desk.serve("/b.safetensors"), remember=remember)
    assert json.loads(caught.value.first.answer) == [first.id]
    assert len(await tasks_of(desk)) == 1
    # nothing of the second is left in memory either: it can be asked for anew
    assert (await desk.ask(desk.url("/b.safetensors")))[1] is True


async def test_a_batch_ends_with_its_last_and_its_progress_goes_by_bytes(desk):
    small, large = model(), model(30 * PIECE, 2)
    links = [
        desk.serve("/small.safetensors", small),
        desk.serve("/large.safetensors", large, hold=15 * PIECE),
    ]
    asked = [Asked(Wanted(url, "loras"), {"for": "test"}) for url in links]
    made = await desk.downloader.submit(asked, client="me", batch_id="batch")
    ids = [task.id for task, _ in made]
    await desk.ended(ids[0], "succeeded")
    await desk.received(ids[1], 15 * PIECE)

    batch = await desk.tasks.batch("batch")
    assert (batch["status"], batch["counts"]) == ("running", {"succeeded": 1, "running": 1})
    assert batch["progress"] == pytest.approx(25 / 40)
    assert {item["id"] for item in batch["items"]} == set(ids)
    assert all(item["batch_id"] == "batch" and item["metadata"] == {"for": "test"} for item in batch["items"])

    desk.files.hold("/large.safetensors", None)
    batch = await desk.tasks.batch("batch", 20)
    assert (batch["status"], batch["progress"]) == ("succeeded", 1.0)


async def test_of_a_batch_all_are_queued_or_none(desk):
    good = Asked(Wanted(desk.serve(A), "loras"), {})
    bad = Asked(Wanted(desk.serve("/b.safetensors"), "nonsense"), {})
    with pytest.raises(ApiError):
        await desk.downloader.submit([good, bad], client="me", batch_id="b")
    assert await tasks_of(desk) == []


async def test_a_store_that_cannot_be_written_queues_nothing(desk, monkeypatch):
    async def full(*args):
        raise ApiError("STORE_FULL", "The disk is full.")

    url = desk.serve(A)
    with monkeypatch.context() as patch:
        patch.setattr(desk.engine, "submit", full)
        await desk.refused("STORE_FULL", url)
    with monkeypatch.context() as patch:
        patch.setattr(desk.engine, "save", full)  # the count of the hour is not worth a download
        task, new = await desk.ask(url)
    assert new
    await desk.ended(task.id, "succeeded")


# Told to others


async def test_its_end_is_told_to_webhooks(tmp_path):
    async with opened(tmp_path, webhook_url="https://all.example/hook") as desk:
        good = await desk.submit(desk.serve(A), webhook="https://own.example/hook")
        await desk.ended(good, "succeeded")
        bad = await desk.failed("DOWNLOAD_NOT_FOUND", desk.url("/nothing.safetensors"))
        stopped = await desk.submit(desk.serve("/c.safetensors", hold=PIECE))
        await desk.received(stopped, PIECE)
        await desk.cancel(stopped)

        due = await desk.engine.due(time.time() + 1, 100)
        told = {(one.task_id, one.url): (one.event, json.loads(one.payload)) for one in due}
        assert {(task_id, url): event for (task_id, url), (event, _) in told.items()} == {
            (good, "https://all.example/hook"): "task.succeeded",
            (good, "https://own.example/hook"): "task.succeeded",
            (bad["id"], "https://all.example/hook"): "task.failed",
            (stopped, "https://all.example/hook"): "task.cancelled",
        }
        told_task = told[good, "https://own.example/hook"][1]["data"]
        assert told_task == {**await desk.shown(good), "outputs": told_task["outputs"]}
        assert told_task["download"]["name"] == "a.safetensors"


async def test_that_one_was_cancelled_before_it_began_is_told_too(tmp_path):
    async with opened(
        tmp_path, webhook_url="https://all.example/hook", policy=Policy(concurrency=1, per_hour=0)
    ) as desk:
        await desk.submit(desk.serve("/busy.safetensors", hold=PIECE))
        task_id = await desk.submit(desk.serve(A))
        await desk.cancel(task_id)
        [one] = await desk.engine.due(time.time() + 1, 100)
        told = json.loads(one.payload)["data"]
        assert (told["id"], told["kind"], told["status"]) == (task_id, "download", "cancelled")
        assert told["prompt_id"] is None
        assert told["download"]["phase"] == "cancelled"


# Looking ahead


async def test_a_plan_says_what_would_be_and_changes_nothing(hub):
    body = model()
    url = hub.publish("loras/a.safetensors", body)

    async def plan(**fields):
        return await hub.downloader.plan(Wanted(url, **fields))

    planned = await plan()
    assert (planned["folder"], planned["name"], planned["state"]) == ("loras", "a.safetensors", "absent")
    assert (planned["size"], planned["sha256"], planned["problems"]) == (len(body), _sha(body), [])
    assert planned["free_bytes"] > len(body)
    assert planned["same_file"] is None
    wrong = await plan(sha256="0" * 64)
    assert [each["code"] for each in wrong["problems"]] == ["DOWNLOAD_HASH_MISMATCH"]
    assert [each["code"] for each in (await plan(type="nonsense"))["problems"]] == ["DOWNLOAD_INVALID_TYPE"]
    assert (hub.holds(), await tasks_of(hub), hub.hub.cdn_requests) == ([], [], [])

    await hub.fetched(url)
    await hub.fetched(url, filename="b.safetensors")
    assert (await plan())["state"] == "present"
    assert (await plan())["same_file"] is not None
    hub.put("a.safetensors", model(seed=9))
    assert (await plan())["state"] in {"unknown", "different"}


async def test_a_plan_says_when_there_is_no_room(tmp_path):
    async with opened(tmp_path, free=lambda path: 1000) as desk:
        planned = await desk.downloader.plan(Wanted(desk.serve(A), "loras"))
        assert [each["code"] for each in planned["problems"]] == ["DOWNLOAD_DISK_FULL"]


async def test_requests_are_written_down_without_what_is_secret_in_them(desk):
    task, _ = await desk.ask(desk.serve(A) + "?X-Amz-Signature=abc#frag")
    assert task.request["wanted"] == asdict(Wanted(desk.url(A), "loras"))
    await desk.ended(task.id, "succeeded")


async def test_limits_of_the_transfer_are_those_that_are_set(tmp_path):
    async with opened(tmp_path, download_max_bytes=5 * PIECE, limits=slower(waits_s=())) as desk:
        await desk.failed("DOWNLOAD_SIZE_EXCEEDED", desk.serve(A))
        assert desk.holds() == []


def _sha(body):
    return hashlib.sha256(body).hexdigest()
