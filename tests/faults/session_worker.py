"""Processes that share a store of sessions and are killed; run by test_sessions_kill.py.

    python session_worker.py FILE LOG SESSION ROUNDS SEED

A process is a fork of this one. What it was told by the store it writes to LOG, a line at a time, and a line
is there even if it is killed after it. Two live at a time.
"""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(Path(__file__).parent)]

import store_worker  # noqa: E402, F401 - makes the repository importable as backplane
from backplane.sessions import Description  # noqa: E402
from holding import Rig  # noqa: E402


async def work(folder: Path, log: int, session_id: str) -> None:
    rig = Rig(folder)
    rig.clock.at = time.time()
    sessions = rig.sessions(bounds={"versions": 40})
    me = os.getpid()

    def say(*words: object) -> None:
        os.write(log, (" ".join(map(str, words)) + "\n").encode())

    async def edit(lane: int) -> None:
        for number in range(10**9):
            mark = f"{me}-{lane}-{number}"
            made = {"op": "add_node", "class_type": "Number", "title": mark}
            edited = await sessions.patch(session_id, [made])
            say("edited", edited.session.version, mark)

    async def about() -> None:
        while True:
            copy = await sessions.create(
                await sessions.from_session(session_id, None), Description(label="copy")
            )
            say("forked", copy.session.id)
            await sessions.remove(copy.session.id)
            say("removed", copy.session.id)

    await asyncio.gather(edit(0), edit(1), about())


def forked(folder: Path, log: int, session_id: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        asyncio.run(work(folder, log, session_id))
    except BaseException as error:
        os.write(log, f"error {error!r}\n".encode())
    os._exit(1)


def main() -> None:
    folder, log_path, session_id = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    dice = random.Random(int(sys.argv[5]))
    for _ in range(int(sys.argv[4])):
        pids = [forked(folder, log, session_id) for _ in range(2)]
        time.sleep(dice.uniform(0.05, 0.3))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.write(log, b"killed\n")


if __name__ == "__main__":
    main()
