"""Downloads as tasks, whole: a real store, real folders and threads; only the sources are fakes.

The servers hold a file where a test wants, and remember which bytes were asked for.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import select
import struct
import threading
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from backplane.access import Rules, Streams
from backplane.downloader import Downloader, Policy
from backplane.downloads.job import Busy, Tools
from backplane.downloads.plan import Asked, Wanted
from backplane.downloads.record import Record
from backplane.downloads.sources import claimed, sources
from backplane.downloads.sources.streams_web import StreamsWeb
from backplane.downloads.space import Space
from backplane.downloads.transfer import Limits
from backplane.errors import ApiError
from backplane.models import Library
from backplane.settings import Settings
from backplane.tasks import Query, Tasks
from backplane.tasks.intake import Inputs
from backplane.tasks.notices import Notices
from backplane.tasks.store import open_engine
from fake_hub import FakeHub
from fake_models import FakeModels, until
from fakes import FakeClasses, FakeHost
from hostile_http import QUICK, Gone, Server, answer, head, open_descriptors, some_bytes

PIECE = 16 * 1024
"""Files are read and held in pieces of so many bytes."""
LIMITS = Limits(stream=QUICK, waits_s=(0.01,), piece_bytes=PIECE, sync_bytes=8 * PIECE, sync_s=0.2)
DONE = {"succeeded", "failed", "cancelled"}


@cache
def model(size=10 * PIECE, seed=1):
    """A safetensors file of exactly *size* bytes."""
    for room in range(100):  # the header's length depends on the number that is in it
        count = size - 8 - 80 - room
        header = json.dumps({"a": {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}}).encode()
        if len(header) <= 80 + room:
            header = header.ljust(80 + room)
            return struct.pack("<Q", len(header)) + header + some_bytes(count, seed)
    raise AssertionError


def sha256(body):
    return hashlib.sha256(body).hexdigest()


class Files:
    """Speaks as a good server of several files does. Nothing is said of a file beyond where it is held."""

    def __init__(self):
        self.asked = []
        """(path, first byte of the Range or None for the whole file), as they came."""
        self.secret = {}
        """path → the query that it is given for, if it is not given for all."""
        self.chunked = set()
        """Paths of which the length is not told."""
        self.pause_s = 0.0
        """Between two pieces."""
        self.times = []
        """When they came, of a clock that all processes share."""
        self._bodies = {}
        self._holds = {}
        self._first = {}
        self._drops = {}
        self._lock = threading.Lock()

    def put(self, path, body, *, hold=None, etag=None):
        self._bodies[path] = (body, etag or f'"{sha256(body)[:16]}"')
        self.hold(path, hold)

    def hold(self, path, at):
        """Say nothing from byte *at* on; None: let it go."""
        with self._lock:
            self._holds[path] = at

    def first(self, path, *speaks):
        """Answer the next requests for *path* so."""
        self._first.setdefault(path, []).extend(speaks)

    def starts(self, path):
        """Where what was asked for began: None for the whole file."""
        return [start for asked, start in self.asked if asked == path]

    def drop(self, path):
        """End the connections on which it is given, in the middle."""
        with self._lock:
            self._drops[path] = self._drops.get(path, 0) + 1

    def __call__(self, asked):
        path = asked.path.partition("?")[0]
        with self._lock:
            self.asked.append((path, asked.start))
            self.times.append(time.monotonic())
            first = self._first.get(path)
            speak = first.pop(0) if first else None
        (speak or self.give)(asked)

    def give(self, asked):
        """Give the file that is asked for."""
        path, _, query = asked.path.partition("?")
        if path not in self._bodies:
            asked.say(answer(b"gone", status="404 Not Found"))
        elif self.secret.get(path, query) != query:
            asked.say(answer(b"no", status="403 Forbidden"))
        else:
            self._give(asked, path)

    def _give(self, asked, path):
        body, etag = self._bodies[path]
        start, end, status = 0, len(body), "200 OK"
        fields = [f"ETag: {etag}", "Accept-Ranges: bytes", "Content-Type: application/octet-stream"]
        if asked.start is not None and asked.headers.get("if-range", etag) == etag:
            start, status = asked.start, "206 Partial Content"
            end = end if asked.end is None else min(asked.end + 1, end)
            fields.append(f"Content-Range: bytes {start}-{end - 1}/{len(body)}")
        if asked.start is not None and start >= len(body):
            asked.say(answer(status="416 Range Not Satisfiable"))
            return
        chunked = path in self.chunked and start == 0
        fields.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {end - start}")
        asked.say(head(status, *fields))
        drops = self._drops.get(path, 0)
        while start < end:
            upto = min(end, start + PIECE)
            while (held := self._holds.get(path)) is not None and upto > held:
                if held > start:
                    upto = held
                    break
                self._wait(asked, path, drops)
            piece = body[start:upto]
            asked.say(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            start = upto
            if self.pause_s:
                asked.server.over.wait(self.pause_s)
        if chunked:
            asked.say(b"0\r\n\r\n")

    def _wait(self, asked, path, drops):
        # who has something to say to us has hung up
        hung_up = select.select([asked.sock], [], [], 0.005)[0]
        if hung_up or asked.server.over.is_set() or self._drops.get(path, 0) != drops:
            raise Gone


class Desk:
    """All that a download is made of. It can be stopped and started again on the same folder."""

    def __init__(self, folder, hub, server, files, **options):
        self.folder = folder
        self.hub = hub
        self.server = server
        self.files = files
        self.models = FakeModels(folder / "models")
        self.state = folder / "state"
        self.state.mkdir(exist_ok=True)
        self.store = self.state / "tasks.sqlite3"
        self.policy = options.pop("policy", None) or Policy(per_hour=0)
        self.limits = options.pop("limits", LIMITS)
        self.webhook_url = options.pop("webhook_url", "")
        self.free = options.pop("free", None)
        self.settings = {
            "download_hosts": "127.0.0.1 *.test",
            "outbound_allow_private": True,
            "download_keep_free_bytes": 0,
            **options,
        }
        self.environ = {"HF_HOME": str(folder / "hub")}
        if hub is not None:
            self.environ["HF_ENDPOINT"] = hub.url
        self.told = []
        self._good = set()
        self._running = False

    # life

    async def start(self):
        settings = Settings(**self.settings)
        streams = Streams(Rules.of(settings), resolve=lambda _, port: [("127.0.0.1", port)])
        among = sources(settings, StreamsWeb(streams), self.environ, hub_token=None)
        space = {} if self.free is None else {"free": self.free}
        self.tools = Tools(
            folders=self.models,
            sources=lambda url: claimed(url, among),
            streams=streams,
            space=Space(settings.download_keep_free_bytes, **space),
            busy=Busy(),
            limits=self.limits,
            max_bytes=settings.download_max_bytes,
            allow_pickle=settings.allow_pickle,
        )
        self.library = Library(
            self.models, lambda name, data: self.told.append(data), self.state, hash_models=False
        )
        self.library.start()
        self.downloader = Downloader(self.tools, self.library, self.policy)
        self.tasks = Tasks(
            FakeHost(self.state),
            FakeClasses(),
            lambda node: open_engine(self.store, node=node),
            notices=Notices(self.webhook_url),
            inputs=Inputs(None, None, max_bytes=1),
            others=lambda: [self.downloader],
        )
        self.tasks.start()
        self.engine = await self.tasks.engine()
        self._running = True

    async def stop(self):
        if self._running:
            self._running = False
            await self.tasks.stop()
            await self.library.stop()

    async def restart(self, **settings):
        await self.stop()
        self.settings |= settings
        await self.start()

    # what there is to fetch

    def url(self, path, host="127.0.0.1"):
        return self.server.url(path, host=host)

    def serve(self, path, body=None, *, host="127.0.0.1", **options):
        """Have the server give *body*; give its link."""
        body = model() if body is None else body
        self.good(body)
        self.files.put(path, body, **options)
        return self.url(path, host)

    def publish(self, path, body=None, repo="org/repo"):
        """Have the Hub give *body*; give its link."""
        body = model() if body is None else body
        self.good(body)
        self.hub.add(repo, path, body)
        return f"{self.hub.url}/{repo}/resolve/main/{path}"

    def good(self, *bodies):
        """These bytes may lie in model folders at the end."""
        self._good |= {sha256(body) for body in bodies}

    def put(self, name, body, folder="loras"):
        """Have a file there before."""
        self.good(body)
        return self.models.put(folder, name, body)

    # what is asked of it

    async def submit(self, url, *, client="me", **fields):
        """Ask for one download; give its id."""
        (task, _) = await self.ask(url, client=client, **fields)
        return task.id

    async def ask(self, url, *, client="me", remember=None, **fields):
        """Ask for one download; give its task, and whether it is new."""
        asked = {name: fields.pop(name) for name in ("priority", "webhook") if name in fields}
        wanted = Wanted(url, **{"type": "loras", **fields})
        [one] = await self.downloader.submit([Asked(wanted, {}, **asked)], client=client, remember=remember)
        return one

    async def shown(self, task_id):
        """Give a task as replies carry it."""
        return await self.tasks.show(await self.tasks.find(task_id))

    async def begun(self, path="/a.safetensors", body=None, *, pieces=4, **fields):
        """Have a download come so far, and no farther until it is let go; give its id."""
        task_id = await self.submit(self.serve(path, body, hold=pieces * PIECE), **fields)
        await self.received(task_id, pieces * PIECE)
        return task_id

    async def ended(self, task_id, status=None, code=None):
        """Wait until a task has ended; check how."""
        await self.tasks.wait_end(task_id, 20)
        shown = await self.shown(task_id)
        assert shown["status"] in DONE, shown
        assert status is None or shown["status"] == status, shown
        assert code is None or (shown["error"] or {}).get("code") == code, shown
        return shown

    async def fetched(self, url, **fields):
        """Download; give the task, which has to succeed."""
        return await self.ended(await self.submit(url, **fields), "succeeded")

    async def failed(self, code, url, **fields):
        """Download, which has to fail with this code."""
        return await self.ended(await self.submit(url, **fields), "failed", code)

    async def refused(self, code, url, **fields):
        """Ask for a download that has to be refused at once."""
        with pytest.raises(ApiError) as caught:
            await self.submit(url, **fields)
        assert caught.value.code == code, caught.value
        return caught.value

    async def phase(self, task_id, phase, status=None):
        """Wait until a download is in this phase, and its task in this status."""

        async def met():
            shown = await self.shown(task_id)
            assert shown["finished_at"] is None, shown
            return shown["download"]["phase"] == phase and status in {None, shown["status"]} and shown

        return await until(met)

    async def received(self, task_id, count):
        """Wait until so many bytes are here, and it waits for more."""

        async def met():
            shown = await self.shown(task_id)
            assert shown["finished_at"] is None, shown
            return shown["download"]["received"] >= count and shown["status"] == "running"

        await until(met)

    async def pause(self, task_id):
        await self.downloader.hold(await self.tasks.find(task_id), pause=True)
        return await self.shown(task_id)

    async def resume(self, task_id):
        await self.downloader.hold(await self.tasks.find(task_id), pause=False)
        return await self.shown(task_id)

    async def cancel(self, task_id):
        return await self.tasks.show(await self.tasks.cancel(task_id))

    async def retry(self, task_id):
        return (await self.tasks.repeat(task_id, None)).id

    def events(self, task_id, name=None):
        """What was told of a task, in order."""
        told = self.tasks.hub.after(0, task_id)
        return [json.loads(event.data) for event in told if name in {None, event.name}]

    def statuses(self, task_id):
        return [told["status"] for told in self.events(task_id, "status")]

    def runs(self):
        """The ids of those that run."""
        return {lease.task_id for lease in self.downloader.leases()}

    # what is on the disk

    def path(self, name, folder="loras"):
        return self.models.folders[folder].roots[0] / name

    def has(self, name, body, folder="loras"):
        path = self.path(name, folder)
        return path.is_file() and path.read_bytes() == body

    def parts(self):
        """The names of what is not whole yet, or in the way."""
        return sorted(path.name for path in self._files() if path.name.endswith((".part", ".old")))

    def holds(self):
        """All files in model folders, whole or not."""
        base = self.models.base
        return sorted(path.relative_to(base).as_posix() for path in self._files())

    def _files(self):
        """Walk as os.walk does: folders may be removed meanwhile."""
        for folder, _, names in os.walk(self.models.base):
            for name in names:
                yield Path(folder, name)

    async def check(self):
        """What has to hold after every test: no file is half a model, each part has a task to go on with."""
        engine = open_engine(self.store, node="check")
        tasks, _ = await engine.list(Query(limit=1000))
        await engine.close()
        going_on = set()
        for task in tasks:
            record = Record.from_json(task.result or task.request.get("resume") or {})
            if task.status not in {"succeeded", "cancelled"} and record.part is not None:
                going_on.add(record.part)
        for path in self.models.base.rglob("*"):
            if path.is_file() and path.name not in going_on:
                assert sha256(path.read_bytes()) in self._good, path


def threads():
    return {each for each in threading.enumerate() if each.name.startswith("backplane")}


@contextlib.asynccontextmanager
async def opened(folder, *, hub=False, **options):
    """A desk that has been started; it leaves no thread, no descriptor, and no part that is nobody's.

    *hub*: whether there is a Hub, or what makes one.
    """
    files = Files()
    before, others = open_descriptors(), threads()
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patched:
        patched.setattr("backplane.downloads.pacing.EVERY_S", 0.01)
        patched.setattr("backplane.downloads.follower.TICK_S", 0.02)
        patched.setattr("backplane.downloads.transfer.TICK_S", 0.02)
        patched.setattr("backplane.downloads.line.PAUSES_S", (0.05, 0.05))
        server = stack.enter_context(Server(files))
        service = stack.enter_context((FakeHub if hub is True else hub)()) if hub else None
        desk = Desk(folder, service, server, files, **options)
        await desk.start()
        try:
            yield desk
        finally:
            await desk.stop()
        await until(lambda: threads() <= others)
        await desk.check()
    await until(lambda: not _more(before))


def _more(before):
    return {name: to for name, to in open_descriptors().items() if before.get(name) != to}


def slower(limits=LIMITS, **changes):
    """Other limits than the usual ones."""
    return replace(limits, **changes)


async def together(*work):
    return await asyncio.gather(*work)
