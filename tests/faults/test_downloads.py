"""Downloads as tasks under faults: sources that change their mind, full and broken disks, archives, secrets.

After each test every file in a model folder is the old one or a verified new one, and every part is one that
a task can go on with: ``downloading.opened`` looks.
"""

import json
import time

import pytest
from backplane.downloader import Policy
from downloading import PIECE, model, opened, sha256, slower
from fake_http import Reply
from fake_hub import FakeHub
from hostile_http import answer, head, says
from model_bytes import HTML, pickled, safetensors, zipped

A = "/a.safetensors"
OLD = model(7 * PIECE, 99)
NEW = model()
DENIED = answer(b"no", status="403 Forbidden")
BUSY = answer(b"busy", status="503 Service Unavailable")


@pytest.fixture
async def desk(tmp_path):
    async with opened(tmp_path) as made:
        yield made


# The old file, on every failure (case 75)


def flipped():
    return NEW[:-1] + bytes([NEW[-1] ^ 1])


FAILURES = {
    "no such file": ([answer(b"", status="404 Not Found")], "DOWNLOAD_NOT_FOUND"),
    "refused": ([DENIED], "DOWNLOAD_UPSTREAM_FORBIDDEN"),
    "busy for ever": ([BUSY] * 9, "DOWNLOAD_UPSTREAM_ERROR"),
    "a page": ([answer(HTML, "Content-Type: text/html")], "DOWNLOAD_BAD_RESPONSE"),
    "a page that says it is a file": ([answer(HTML)] * 2, "DOWNLOAD_SIZE_MISMATCH"),
    "cut": ([head("200 OK", f"Content-Length: {len(NEW)}") + NEW[: 3 * PIECE]] * 9, "DOWNLOAD_INCOMPLETE"),
    "a flipped bit": ([answer(flipped())] * 2, "DOWNLOAD_HASH_MISMATCH"),
    "too long": ([answer(NEW + b"x")] * 2, "DOWNLOAD_SIZE_MISMATCH"),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("before", [OLD, None], ids=["over an old file", "where nothing was"])
async def test_on_failure_the_place_is_as_it_was(tmp_path, failure, before):
    replies, code = FAILURES[failure]
    async with opened(tmp_path, policy=Policy(per_hour=0, max_attempts=1)) as desk:
        if before is not None:
            desk.put("a.safetensors", before)
        url = desk.serve(A, NEW)
        desk.files.first(A, desk.files.give, *map(says, replies))
        failed = await desk.failed(code, url, overwrite=True, sha256=sha256(NEW))
        assert desk.path("a.safetensors").exists() == (before is not None)
        assert desk.has("a.safetensors", before) or before is None
        assert not [name for name in desk.holds() if name != "loras/a.safetensors" and ".part" not in name]
        desk.files._first.clear()
        await desk.ended(await desk.retry(failed["id"]), "succeeded")
        assert desk.has("a.safetensors", NEW)
        assert desk.parts() == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (HTML + bytes(5000), "DOWNLOAD_BAD_RESPONSE"),
        (pickled() + bytes(5000), "DOWNLOAD_UNSAFE_FORMAT"),
        (NEW[:-5], "DOWNLOAD_INVALID_FORMAT"),
        (NEW + b"junk", "DOWNLOAD_INVALID_FORMAT"),
        (b"", "DOWNLOAD_INVALID_FORMAT"),
    ],
    ids=["a page", "a pickle", "too short", "too long", "empty"],
)
async def test_what_is_no_model_takes_no_models_place(desk, body, code):
    desk.put("a.safetensors", OLD)
    desk.files.put(A, body)
    await desk.failed(code, desk.url(A), overwrite=True)
    assert desk.has("a.safetensors", OLD)
    assert desk.holds() == ["loras/a.safetensors"]


class Damaged(FakeHub):
    """A Hub whose CDN gives other bytes than those whose hash is declared."""

    def _deliver(self, request):
        reply = super()._deliver(request)
        return Reply(reply.status, reply.headers, flipped())


async def test_a_hash_that_the_hub_declares_and_the_file_has_not(tmp_path):
    async with opened(tmp_path, hub=Damaged) as desk:
        failed = await desk.failed("DOWNLOAD_HASH_MISMATCH", desk.publish("loras/a.safetensors", NEW))
        details = failed["error"]["details"]
        assert (details["expected"], details["declared_by"]) == (sha256(NEW), "huggingface")
        assert len(desk.hub.cdn_requests) == 2  # once more from the first byte, and no third time
        assert desk.holds() == []


# What comes in between (cases 52, 74 and 78)


@pytest.mark.parametrize("there", [OLD, NEW], ids=["another file", "the same file"])
async def test_a_file_that_appears_meanwhile_is_not_touched(desk, there):
    task_id = await desk.submit(desk.serve(A, NEW, hold=4 * PIECE))
    await desk.received(task_id, 4 * PIECE)
    desk.put("a.safetensors", there)
    desk.files.hold(A, None)
    await desk.ended(task_id, "failed", "DOWNLOAD_FILE_EXISTS")
    assert desk.has("a.safetensors", there)
    assert desk.parts() == [f".{task_id}.part"]

    again = await desk.fetched(desk.url(A), overwrite=True)
    assert desk.files.starts(A)[2:] == [None]  # a look, and no byte of the file a second time
    assert again["download"]["skipped"] is False
    assert desk.has("a.safetensors", NEW)
    assert desk.parts() == []


async def test_a_file_that_appears_while_it_is_paused_makes_the_rest_needless(desk):
    task_id = await desk.submit(desk.serve(A, NEW, hold=4 * PIECE), sha256=sha256(NEW), target_dir="x")
    await desk.received(task_id, 4 * PIECE)
    await desk.pause(task_id)
    desk.put("x/a.safetensors", NEW)
    await desk.resume(task_id)
    assert (await desk.ended(task_id, "succeeded"))["download"]["skipped"] is True
    assert desk.holds() == ["loras/x/a.safetensors"]


async def test_a_link_in_the_place_is_replaced_and_not_written_through(desk):
    outside = desk.folder / "outside.safetensors"
    outside.write_bytes(OLD)
    desk.path("a.safetensors").symlink_to(outside)
    url = desk.serve(A, NEW)
    await desk.failed("DOWNLOAD_FILE_EXISTS", url)
    await desk.fetched(url, overwrite=True)
    assert desk.has("a.safetensors", NEW)
    assert not desk.path("a.safetensors").is_symlink()
    assert outside.read_bytes() == OLD


class Expiring(FakeHub):
    """A Hub whose link to the CDN is too old when 98 % are here, and once more when it is used again."""

    def __init__(self):
        super().__init__()
        self.cut_at = None
        self.stale = 1

    def _deliver(self, request):
        reply = super()._deliver(request)
        if reply.status == 200 and self.cut_at is not None:
            return Reply(200, {**reply.headers, "Content-Length": len(reply.body)}, reply.body[: self.cut_at])
        return reply

    def _resolve(self, request, *what):
        reply = super()._resolve(request, *what)
        if request.method == "GET" and "range" in request.headers and self.stale:
            self.stale -= 1
            self.expire()  # before it is used
        return reply


@pytest.mark.parametrize("size", [50, 500])
async def test_a_link_that_expires_near_the_end_costs_no_byte(tmp_path, size):
    body = model(size * PIECE)
    async with opened(tmp_path, hub=Expiring, limits=slower(waits_s=(0.01,) * 3)) as desk:
        desk.hub.cut_at = len(body) * 98 // 100
        task_id = (await desk.fetched(desk.publish("loras/a.safetensors", body)))["id"]
        assert desk.statuses(task_id) == ["queued", "running", "succeeded"]
        ranges = [request.headers.get("range") for request in desk.hub.cdn_requests]
        rest = f"bytes={desk.hub.cut_at}-"
        assert ranges == [None, rest, rest]
        signatures = [request.query["Signature"] for request in desk.hub.cdn_requests]
        assert signatures == ["cdn-1", "cdn-1", "cdn-2"]
        assert desk.has("a.safetensors", body)


class Revoking(FakeHub):
    """A Hub that breaks off in the middle, and from then on takes another token only."""

    def _deliver(self, request):
        reply = super()._deliver(request)
        if reply.status != 200:
            return reply
        self.tokens.discard("hf_old")
        self.gate("org/repo", granted={"hf_new"})
        return Reply(200, {**reply.headers, "Content-Length": len(reply.body)}, reply.body[: 5 * PIECE])


async def test_a_token_that_was_renewed_is_used_at_the_next_attempt(tmp_path):
    async with opened(tmp_path, hub=Revoking) as desk:
        desk.environ["HF_TOKEN"] = "hf_old"
        url = desk.publish("loras/a.safetensors", NEW)
        desk.hub.gate("org/repo", granted={"hf_old"})
        failed = await desk.failed("DOWNLOAD_AUTH_REQUIRED", url)
        assert desk.parts() == [f".{failed['id']}.part"]

        desk.environ["HF_TOKEN"] = "hf_new"
        await desk.ended(await desk.retry(failed["id"]), "succeeded")
        assert desk.hub.cdn_requests[-1].headers["range"] == f"bytes={5 * PIECE}-"
        assert {request.token for request in desk.hub.requests} == {"hf_old", "hf_new"}
        assert desk.has("a.safetensors", NEW)


# Archives


ONE, TWO = safetensors(), safetensors(3)
ARCHIVE = zipped({"sub/one.safetensors": ONE, "two.safetensors": TWO, "readme.txt": b"hello"})


async def test_an_archive_becomes_its_models(desk):
    desk.good(ONE, TWO, b"hello")
    shown = await desk.fetched(desk.serve("/pack.zip", ARCHIVE), unzip=True, target_dir="pack")
    files = shown["download"]["files"]
    assert {"pack/sub/one.safetensors", "pack/two.safetensors"} <= set(files)
    assert desk.holds() == sorted(f"loras/{name}" for name in files)
    assert desk.has("pack/sub/one.safetensors", ONE)
    assert desk.has("pack/two.safetensors", TWO)
    assert {told["name"] for told in desk.told} >= {"pack/sub/one.safetensors", "pack/two.safetensors"}
    assert "extracting" in {told["phase"] for told in desk.events(shown["id"], "progress")}


async def test_of_an_archive_all_files_or_none(desk):
    desk.good(ONE, TWO, b"hello")
    desk.put("two.safetensors", OLD)
    url = desk.serve("/pack.zip", ARCHIVE)
    failed = await desk.failed("DOWNLOAD_FILE_EXISTS", url, unzip=True)
    assert desk.holds() == [f"loras/.{failed['id']}.part", "loras/two.safetensors"]
    assert desk.has("two.safetensors", OLD)

    await desk.fetched(url, unzip=True, overwrite=True)
    assert desk.files.starts("/pack.zip") == [None] * 3  # look, fetch, look
    assert desk.has("two.safetensors", TWO)
    assert desk.parts() == []
    # and what is there with the same bytes is no hindrance
    await desk.fetched(url, unzip=True)


@pytest.mark.parametrize(
    ("archive", "code"),
    [
        (zipped({"../../evil.safetensors": ONE}), "DOWNLOAD_ARCHIVE_UNSAFE"),
        (zipped({"one.safetensors": ONE, "evil.pt": pickled()}), "DOWNLOAD_UNSAFE_FORMAT"),
        (zipped({"one.safetensors": ONE, "two.safetensors": HTML + bytes(999)}), "DOWNLOAD_BAD_RESPONSE"),
        (ARCHIVE[:-40], "DOWNLOAD_INVALID_ARCHIVE"),
    ],
    ids=["out of the folder", "pickle", "no model", "cut"],
)
async def test_an_archive_that_is_refused_leaves_nothing(desk, archive, code):
    await desk.failed(code, desk.serve("/a.zip", archive), unzip=True, target_dir="new")
    assert desk.holds() == []
    assert not desk.path("new").exists()


# What is secret (case 79)


async def test_no_secret_is_written_down_or_shown(tmp_path, caplog):
    caplog.set_level("DEBUG")
    secrets = {
        "signature": "s1gnatur3-0f-the-l1nk",
        "key": "k3y-0f-the-l1nk",
        "token": "hf_t0k3n0fth30wner",
        "cdn": "cdn-signature-1",
    }
    said = []
    async with opened(
        tmp_path, hub=True, hf_token=secrets["token"], webhook_url="https://a.example/"
    ) as desk:
        desk.hub._signature = secrets["cdn"]
        gated = desk.publish("loras/gated.safetensors", NEW)
        desk.hub.gate("org/repo", granted={secrets["token"]})
        query = f"X-Amz-Signature={secrets['signature']}&token={secrets['key']}"
        signed = desk.serve(A, NEW, hold=4 * PIECE) + "?" + query
        failing = desk.url("/none.safetensors") + "?" + query

        said.append(await desk.downloader.plan(desk_wanted(gated)))
        said.append(await desk.fetched(gated))
        task_id = await desk.submit(signed)
        await desk.received(task_id, 4 * PIECE)
        said.append(await desk.shown(task_id))
        said.append(await desk.pause(task_id))
        await desk.resume(task_id)
        await desk.received(task_id, 4 * PIECE)
        desk.files.first(A, says(DENIED))
        desk.files.drop(A)
        said.append(await desk.ended(task_id, "failed"))
        said.append(await desk.ended(await desk.submit(failing), "failed"))
        desk.files.first("/none.safetensors", lambda asked: asked.reset())
        said.append(await desk.refused("DOWNLOAD_INVALID_TYPE", failing, type="nonsense"))
        paused = await desk.submit(desk.serve("/p.safetensors", NEW, hold=PIECE) + "?" + query)
        await desk.received(paused, PIECE)
        said.append([event.data.decode() for event in desk.tasks.hub.after(0, None)])
        said.append([one.payload.decode() for one in await desk.engine.due(time.time() + 1, 100)])
        said.append([vars(record) for record in caplog.records])
        assert secrets["token"] in {request.token for request in desk.hub.requests}
        assert any(secrets["cdn"] in request.target for request in desk.hub.cdn_requests)
        assert said[-2]
        await desk.stop()
        for path in desk.state.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                for name, secret in secrets.items():
                    assert secret.encode() not in content, (name, path)
        await desk.start()
        said.append(await desk.ended(paused, "failed", "DOWNLOAD_AUTH_REQUIRED"))
    text = repr(said) + caplog.text + json.dumps(said, default=repr)
    for name, secret in secrets.items():
        assert secret not in text, name


def desk_wanted(url):
    from backplane.downloads.plan import Wanted

    return Wanted(url)


async def test_a_model_is_seen_only_when_it_is_whole(desk):
    """No moment shows half a file under its name."""
    task_id = await desk.submit(desk.serve(A, NEW, hold=4 * PIECE))
    await desk.received(task_id, 4 * PIECE)
    assert json.loads((await desk.library.index()).body)["loras"] == []
    desk.files.hold(A, None)
    await desk.ended(task_id, "succeeded")
    assert json.loads((await desk.library.index()).body)["loras"] == ["a.safetensors"]
