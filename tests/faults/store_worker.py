"""Processes that share a task store and are killed; run by test_store_kill.py.

    python store_worker.py kill FILE LOG ROUNDS SEED     one process after the other, each killed at random
    python store_worker.py share FILE LOG PROCESSES      so many at once, until nothing is queued

A process is a fork of this one, which has everything imported already: fifty take seconds. What a process
was told by the store it writes to LOG, a line at a time, and a line is there even if it is killed after it.
"""

import asyncio
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def package() -> None:
    """Import the repository root as ``backplane``."""
    spec = importlib.util.spec_from_file_location(
        "backplane", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["backplane"] = module
    spec.loader.exec_module(module)


package()

from backplane.tasks.engine import Ending, NewDelivery, NewTask  # noqa: E402
from backplane.tasks.store import open_engine  # noqa: E402

LOST = Ending("failed", 0.0, {}, {"code": "TASK_INTERRUPTED"})


class Worker:
    """Submits, claims and completes, and says what it was told."""

    def __init__(self, path: Path, log: int) -> None:
        self.node = f"{os.getpid()}-{time.time_ns()}"
        self.log = log
        self.engine: Any = open_engine(path, node=self.node)

    def say(self, *words: object) -> None:
        os.write(self.log, (" ".join(map(str, words)) + "\n").encode())

    async def submit(self) -> None:
        while True:
            tasks = [
                NewTask(f"{self.node}-{time.time_ns()}-{place}", time.time(), {"1": {}}, max_attempts=3)
                for place in range(random.choice([1, 5]))
            ]
            await self.engine.submit(tasks)
            for task in tasks:
                self.say("accepted", task.id)

    async def run(self, *, idle: Callable[[], bool]) -> None:
        while True:
            tasks, _ = await self.engine.changes(0)
            ids = [task.id for task in tasks if task.status == "queued"]
            if not ids and idle():
                return
            random.shuffle(ids)
            while claimed := await self.engine.claim(self.node, ids[:3], now=time.time(), lease_s=60):
                lease = claimed.lease
                await self.engine.begin(lease, time.time())
                self.say("claimed", lease.task_id, lease.attempt)
                ids.remove(lease.task_id)
                await self.engine.progress(lease, {"half": self.node})
                note = (NewDelivery("http://x", "task.succeeded", {"id": lease.task_id}),)
                ending = Ending(
                    "succeeded", time.time(), {"by": self.node, "attempt": lease.attempt}, None, note
                )
                if await self.engine.complete(lease, ending):
                    self.say("completed", lease.task_id, self.node, lease.attempt)

    async def killed(self) -> None:
        taken = await self.engine.reap(self.node, now=time.time(), rerun=True, ending=LOST)
        self.say("reaped", len(taken))
        await asyncio.gather(self.submit(), *(self.run(idle=lambda: False) for _ in range(3)))

    async def shared(self) -> None:
        await asyncio.gather(*(self.run(idle=lambda: True) for _ in range(3)))
        await self.engine.close()


def forked(path: Path, log: int, what: str) -> int:
    """Start a process; give its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        random.seed()
        worker = Worker(path, log)
        asyncio.run(getattr(worker, what)())
        os._exit(0)
    except BaseException as error:
        os.write(log, f"error {error!r}\n".encode())
        os._exit(1)


def main() -> None:
    what, path, log_path, count = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    if what == "share":
        for pid in [forked(path, log, "shared") for _ in range(count)]:
            os.waitpid(pid, 0)
        return
    dice = random.Random(int(sys.argv[5]))
    for _ in range(count):
        pid = forked(path, log, "killed")
        time.sleep(dice.uniform(0.005, 0.15))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.write(log, b"killed\n")


if __name__ == "__main__":
    main()
