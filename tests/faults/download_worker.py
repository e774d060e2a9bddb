"""The processes that test_downloads_kill.py kills: downloads as tasks, in children that this one forks.

    download_worker.py FOLDER LOG PLAN

PLAN is JSON. ``links`` are fetched two at a time, each with ``wanted``; ``kills`` children are killed at
random moments, or one kills itself at ``seam``; the last child ends what is begun. The log says what was on
the disk for certain, and when.
"""

import asyncio
import errno
import importlib.util
import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]


def package():
    """Import the repository root as ``backplane``, as tests/conftest.py does."""
    spec = importlib.util.spec_from_file_location(
        "backplane", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["backplane"] = module
    spec.loader.exec_module(module)
    sys.path.insert(0, str(ROOT / "tests"))


package()

from backplane.downloader import Policy  # noqa: E402
from backplane.downloads import follower, publish, unzip  # noqa: E402
from backplane.tasks import Query  # noqa: E402
from downloading import DONE, PIECE, Desk, slower  # noqa: E402

LIMITS = slower(sync_bytes=4 * PIECE, sync_s=0.05)
"""The journal's interval."""


def die(*_args, **_options):
    os.kill(os.getpid(), signal.SIGKILL)


def at(room, name, *, after=True, times=1):
    """Die before or after the call of *name* in *room* for so many times."""
    real, left = getattr(room, name), [times]

    def call(*args, **options):
        left[0] -= 1
        if not left[0] and not after:
            die()
        found = real(*args, **options)
        if not left[0]:
            die()
        return found

    setattr(room, name, call)


def no_links(*_args):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def without_links():
    """A file system that has no hard links."""
    publish.hard_link = no_links
    at(publish, "_rename_noreplace")


def reserved():
    """One that has no rename either that replaces nothing: the name is taken by an empty file."""
    publish.hard_link = no_links
    publish._rename_noreplace = lambda part, target: False
    real = Path.replace
    Path.replace = lambda path, target: die() if path.suffix == ".part" else real(path, target)


def commit(desk):
    desk.engine.complete = die


SEAMS = {
    "before it is published": lambda: at(publish, "publish", after=False),
    "between fsync and link": lambda: at(publish, "hard_link", after=False),
    "between link and unlink": lambda: at(publish, "hard_link"),
    "between unlink and the folder's fsync": lambda: at(publish, "sync_folder", after=False),
    "before the old file is replaced": lambda: at(publish, "_replace", after=False),
    "after the old file is replaced": lambda: at(publish, "_replace"),
    "where there are no links": without_links,
    "when the name is reserved": reserved,
    "while it is unpacked": lambda: at(unzip._Meter, "add", times=2),
    "when all is unpacked": lambda: at(unzip, "publish_all", after=False),
    "after the first file of the archive": lambda: at(unzip, "_publish_one"),
    "before the last file of the archive": lambda: at(unzip, "_publish_one", after=False, times=3),
    "when an old file was set aside": lambda: at(unzip, "_keep_old"),
    "after the last file of the archive": lambda: at(unzip, "publish_all"),
    "before the end is written": commit,
}


class Worker:
    """One life of the server."""

    def __init__(self, folder, log, plan):
        self.plan = plan
        self.log = log
        self.desk = Desk(folder, None, None, None, limits=LIMITS, policy=Policy(concurrency=2, per_hour=0))

    def say(self, *words):
        os.write(self.log, (" ".join(map(str, words)) + "\n").encode())

    async def live(self, *, last, seam=None):
        """Download until all is done (if *last*, what was begun)."""
        follower.TICK_S = 0.01
        if seam is not None and seam != "before the end is written":
            SEAMS[seam]()
        await self.desk.start()
        if seam == "before the end is written":
            commit(self.desk)
        self._listen()
        while True:
            tasks, _ = await self.desk.engine.list(Query(1000))
            open_ones = [task for task in tasks if task.status not in DONE]
            links = self.plan["links"]
            if not last and len(open_ones) < 2 and len(tasks) < len(links):
                await self.desk.submit(links[len(tasks)], **self.plan["wanted"])
                continue
            if not open_ones:
                break
            await asyncio.sleep(0.01)
        await self.desk.stop()

    def _listen(self):
        engine = self.desk.engine
        real = engine.progress

        async def progress(lease, result):
            held = await real(lease, result)
            spans = ((result.get("journal") or {}).get("spans") or [[0, 0]])[0]
            path = urlsplit((result.get("found") or {}).get("link") or "").path
            self.say("kept", path, spans[1], time.monotonic())
            return held

        engine.progress = progress


def forked(folder, log, plan, **options):
    """Start a child; give its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        asyncio.run(Worker(folder, log, plan).live(**options))
        os._exit(0)
    except BaseException as error:
        os.write(log, f"error {error!r}\n".encode())
        os._exit(1)


def main():
    folder, plan = Path(sys.argv[1]), json.loads(sys.argv[3])
    log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    dice = random.Random(plan.get("seed"))
    if plan.get("seam"):
        pid = forked(folder, log, plan, last=False, seam=plan["seam"])
        _, status = os.waitpid(pid, 0)
        os.write(log, b"killed\n" if os.WIFSIGNALED(status) else b"survived\n")
    for _ in range(plan.get("kills", 0)):
        pid = forked(folder, log, plan, last=False)
        time.sleep(dice.uniform(0.06, 0.25))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.write(log, b"killed\n")
    os.waitpid(forked(folder, log, plan, last=bool(plan.get("kills"))), 0)


if __name__ == "__main__":
    main()
