"""What /ext/tasks does under load: a sandbox in a process of its own, measured over HTTP on the loopback.

    python bench/tasks.py [accepts polls readers chain memory honesty] [--stored 100000] [--runs 2000] …

Without names all of it is measured. The client runs on this machine too, and takes its share of the cores;
BENCH_FOLDER says on which disk the task store lies. COMFY_API_PROXY is the path of comfy-api-proxy's
executable (PyPI), which ``honesty`` then measures beside Backplane, in front of the same sandbox.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from _tasks_read import readers
from _tasks_run import chain_, honesty, memory
from _tasks_stored import accepts, polls

SECTIONS: dict[str, Callable[[argparse.Namespace], Coroutine[Any, Any, None]]] = {
    "accepts": accepts,
    "polls": polls,
    "readers": readers,
    "chain": chain_,
    "memory": memory,
    "honesty": honesty,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"{', '.join(SECTIONS)}; all if none")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each row of accepts and polls")
    parser.add_argument("--stored", type=int, default=100_000, help="finished tasks in polls")
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--ticks", type=int, default=60, help="events of the run that is read")
    parser.add_argument("--nodes", type=int, default=1000, help="of the chain")
    parser.add_argument("--chain-runs", type=int, default=3)
    parser.add_argument("--runs", type=int, default=2000, help="in memory")
    parser.add_argument("--jobs", type=int, default=1000, help="of Backplane in honesty")
    parser.add_argument("--proxy-jobs", type=int, default=100)
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    for name in options.sections or SECTIONS:
        asyncio.run(SECTIONS[name](options))


if __name__ == "__main__":
    main()
