"""How fast the catalogue is, how small, and whether building it holds the event loop.

Usage::

    python bench/catalog.py
    COMFYUI_PATH=… COMFYUI_PYTHON=… python bench/catalog.py

Without a ComfyUI, the nodes of ComfyUI 0.33 (tests/data) are served in this process, beside an
``/object_info`` that only encodes them: ComfyUI's own also builds every definition. With one, Backplane is
linked into it, and the two routes are asked in turn.
"""

from __future__ import annotations

import asyncio
import gzip
import http.client
import importlib
import json
import os
import statistics
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

from _comfyui import comfyui
from _table import ROOT, load_package, median_s, milliseconds, show
from aiohttp import web

load_package()
catalog_room: Any = importlib.import_module("backplane.catalog")
routes_room: Any = importlib.import_module("backplane.routes.catalog")
http_room: Any = importlib.import_module("backplane.routes._http")
settings_room: Any = importlib.import_module("backplane.settings")

TIMES = 40
IDLE_S = 2.0
BUILDS = 5


class Client:
    """One kept connection; blocks."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.connection.connect()

    def get(self, path: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        """Give status, headers and body as sent."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("GET", path, headers={"Accept-Encoding": "identity", **named})
        answer = self.connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


class Fixture:
    """The nodes of ComfyUI 0.33, fixed: the NodeSource of host/protocol.py."""

    def __init__(self) -> None:
        path = ROOT / "tests" / "data" / "object_info-0.33.0.json.gz"
        self.infos: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))

    def class_types(self) -> Sequence[str]:
        """As the protocol says."""
        return list(self.infos)

    def class_token(self, class_type: str) -> Hashable:
        """As the protocol says."""
        return class_type

    def node_info(self, class_type: str) -> dict[str, Any]:
        """As the protocol says."""
        return self.infos[class_type]

    def file_lists(self, class_type: str) -> frozenset[str] | None:  # noqa: ARG002
        """As the protocol says."""
        return frozenset()

    def param_folders(self, class_type: str) -> Mapping[str, str]:  # noqa: ARG002
        """As the protocol says."""
        return {}

    def file_list_stamps(self) -> Mapping[str, Hashable]:
        """As the protocol says."""
        return {}

    def model_files(self, folder: str) -> Sequence[str]:  # noqa: ARG002
        """As the protocol says."""
        return []


def new_catalog(source: Fixture) -> Any:
    """Make a catalogue that has read nothing yet."""
    return catalog_room.Catalog(source, catalog_room.PairCounts())


def compare(title: str, port: int) -> None:
    """Ask both routes in turn, and print how they compare."""
    client = Client(port)
    _, _, theirs = client.get("/object_info")
    _, headers, ours = client.get("/ext/catalog")
    etag = headers["ETag"]
    _, _, packed = client.get("/ext/catalog", Accept_Encoding="gzip")
    status, _, nothing = client.get("/ext/catalog", If_None_Match=etag)
    if (status, nothing) != (304, b""):
        raise SystemExit("the ETag does not hold")
    timed: list[tuple[str, int, float]] = []
    for name, size, work in (
        ("/object_info", len(theirs), lambda: client.get("/object_info")),
        ("/ext/catalog", len(ours), lambda: client.get("/ext/catalog")),
        ("/ext/catalog, gzip", len(packed), lambda: client.get("/ext/catalog", Accept_Encoding="gzip")),
        ("/ext/catalog, 304", 0, lambda: client.get("/ext/catalog", If_None_Match=etag)),
        ("/ext/catalog/KSampler", 0, lambda: client.get("/ext/catalog/KSampler")),
        ("…/VAEDecode/next", 0, lambda: client.get("/ext/catalog/VAEDecode/next")),
        ("/ext/catalog?q=upscale", 0, lambda: client.get("/ext/catalog?q=upscale&fields=name")),
    ):
        timed.append((name, size, median_s(work, times=10 if name == "/object_info" else TIMES)))
    slow = timed[0][2]
    nodes = len(json.loads(ours)["nodes"])
    known = len(json.loads(theirs))
    show(
        f"{title}: {nodes} nodes of {known}",
        ("GET", "bytes", "median", "times faster"),
        [
            (name, f"{size:,}" if size else "", milliseconds(taken), f"{slow / taken:.0f}")
            for name, size, taken in timed
        ],
    )


def waits(port: int, work: Callable[[], object] | None) -> tuple[list[float], float]:
    """Ask for something tiny, over and over, while *work* goes on or for IDLE_S; give how long each took."""
    probe, taken, done = Client(port), list[float](), threading.Event()

    def hammer() -> None:
        while not done.is_set():
            begun = perf_counter()
            probe.get("/prompt")
            taken.append(perf_counter() - begun)

    with ThreadPoolExecutor(1) as pool:
        probe.get("/prompt")
        hammering = pool.submit(hammer)
        begun = perf_counter()
        if work is None:
            done.wait(IDLE_S)
        else:
            work()
        spent = perf_counter() - begun
        done.set()
        hammering.result()
    return taken, spent


def stalls(port: int) -> None:
    """Print how long others wait while the catalogue is built for the first time."""
    client, rows = Client(port), list[tuple[str, ...]]()
    for name, work in (
        ("nothing", None),
        ("first /ext/catalog (builds it)", lambda: client.get("/ext/catalog", Accept_Encoding="gzip")),
        ("nothing", None),
        ("/object_info", lambda: client.get("/object_info")),
    ):
        taken, spent = waits(port, work)
        rows.append(_waits(name, spent, taken))
    show("GET /prompt on a second connection meanwhile", _WAIT_HEAD, rows)


_WAIT_HEAD = ("while", "takes", "probes", "median", "99 %", "longest")


def _waits(name: str, spent: float, taken: Sequence[float]) -> tuple[str, ...]:
    ordered = sorted(taken)
    high = ordered[int(len(ordered) * 0.99)]
    return (
        name,
        milliseconds(spent),
        str(len(taken)),
        milliseconds(statistics.median(ordered)),
        milliseconds(high),
        milliseconds(ordered[-1]),
    )


async def lag(work: Callable[[], object] | None) -> tuple[list[float], float]:
    """Sleep a millisecond again and again; give how much later than asked the loop came back."""
    late: list[float] = []
    loop = asyncio.get_running_loop()
    begun = perf_counter()
    future = loop.run_in_executor(None, work) if work is not None else None
    while not future.done() if future is not None else perf_counter() - begun < IDLE_S:
        before = perf_counter()
        await asyncio.sleep(0.001)
        late.append(perf_counter() - before - 0.001)
    return late, perf_counter() - begun


async def loop_lag(source: Fixture) -> None:
    """Print how late the event loop of this process gets while a thread builds the catalogue."""
    all_at_once = lambda: json.dumps([source.infos[name] for name in source.class_types()])  # noqa: E731
    rows = [_waits("nothing", IDLE_S, (await lag(None))[0])]
    builds = [await lag(new_catalog(source).refresh) for _ in range(BUILDS)]
    for late, spent in builds:
        rows.append(_waits("building the catalogue", spent, late))
    late, spent = await lag(all_at_once)
    rows.append(_waits("one json.dumps of it all", spent, late))
    show("Event loop late by, in this process", _WAIT_HEAD, rows)


async def in_process() -> None:
    """Serve the fixture here and measure."""
    source = Fixture()
    routes = routes_room.CatalogRoutes(new_catalog(source), settings_room.Settings())
    enveloped = http_room.enveloped

    async def object_info(_request: web.Request) -> web.Response:
        return web.json_response(source.infos)

    app = web.Application()
    app.router.add_get("/object_info", object_info)
    app.router.add_get("/ext/catalog", enveloped(routes.index))
    app.router.add_get("/ext/catalog/{class_type:.+}/next", enveloped(routes.next_nodes))
    app.router.add_get("/ext/catalog/{class_type:.+}", enveloped(routes.one))
    await loop_lag(source)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port: int = runner.addresses[0][1]
    await asyncio.to_thread(compare, "In this process", port)
    await runner.cleanup()


def main() -> None:
    """Measure here, or against the ComfyUI that the environment names."""
    named = os.environ.get("COMFYUI_PATH")
    if not named:
        asyncio.run(in_process())
        return
    with comfyui(Path(named)) as port:
        stalls(port)
        compare(f"ComfyUI in {Path(named).name}", port)


if __name__ == "__main__":
    main()
