"""How fast the model library lists ten thousand files, and whether that holds the event loop.

Usage::

    python bench/models.py
    COMFYUI_PATH=… COMFYUI_PYTHON=… python bench/models.py

Without a ComfyUI, the library is served in this process. With one, Backplane is linked into it, the files are
among its LoRAs (as a node pack adds a folder), and its own lists are asked in turn: ``/models/{folder}``
(names) and ``/experiment/models/{folder}`` (names, sizes, times).
"""

from __future__ import annotations

import asyncio
import http.client
import importlib
import json
import os
import select
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from _comfyui import comfyui
from _sandbox import folder as temporary_folder
from _table import load_package, median_s, milliseconds, show
from aiohttp import web

load_package()
library_room: Any = importlib.import_module("backplane.models")
routes_room: Any = importlib.import_module("backplane.routes.models")
http_room: Any = importlib.import_module("backplane.routes._http")
settings_room: Any = importlib.import_module("backplane.settings")
protocol: Any = importlib.import_module("backplane.host.protocol")

FOLDERS, FILES = 200, 50
TIMES = 30
ADDED = 5
IDLE_S = 2.0
HOUR_S = 3600.0
SETTLE_S = 2.5
"""Folders that changed less than two seconds ago are read anew each time: wait until none is."""
PACK = (
    "import folder_paths\nfolder_paths.add_model_folder_path('loras', {path!r})\nNODE_CLASS_MAPPINGS = {{}}\n"
)


def write_files(root: Path) -> None:
    """Write small but valid safetensors files with the metadata that trainers write, an hour old."""
    at = time.time() - HOUR_S
    for number in range(FOLDERS):
        folder = root / f"style {number:03}"
        folder.mkdir(parents=True)
        for file in range(FILES):
            path = folder / f"a LoRA of some length, version {file}.safetensors"
            path.write_bytes(_safetensors(number, file))
            os.utime(path, (at, at))
        os.utime(folder, (at, at))
    os.utime(root, (at, at))


def _safetensors(folder: int, file: int) -> bytes:
    tags = {f"10_style{folder}": {f"tag {number}": 100 - number for number in range(60)}}
    header: dict[str, Any] = {
        "__metadata__": {
            "ss_base_model_version": "sdxl_base_v1-0",
            "ss_output_name": f"style {folder}-{file}",
            "ss_resolution": "(1024, 1024)",
            "ss_tag_frequency": json.dumps(tags),
        }
    }
    for number in range(40):
        begin = number * 16
        name = f"lora_unet_input_blocks_{number}_attn2_to_k.lora_down.weight"
        header[name] = {"dtype": "F16", "shape": [2, 4], "data_offsets": [begin, begin + 16]}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(640)


class Client:
    """One kept connection; blocks."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._connection.connect()

    def get(self, path: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        """Give status, headers and body as sent."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request("GET", path, headers={"Accept-Encoding": "identity", **named})
        answer = self._connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def compare(title: str, port: int, root: Path, small: str, routes: Sequence[str]) -> None:
    """Measure each route: the first answer, the next ones, and those after a file was added."""
    client = Client(port)
    rows: list[tuple[str, ...]] = []
    for number, path in enumerate(routes):
        first, taken = waits(port, small, lambda path=path: client.get(path))
        while client.get(path)[2] != (body := client.get(path)[2]):
            pass  # headers are read for two seconds in one request, and on in the next
        warm = median_s(lambda path=path: client.get(path), times=TIMES)
        _, warm_waits = waits(port, small, lambda path=path: [client.get(path) for _ in range(10)])
        added = [
            _after_adding(client, path, root / f"new {number}-{each}.safetensors") for each in range(ADDED)
        ]
        time.sleep(SETTLE_S)
        rows.append(
            (
                path,
                f"{len(body):,}",
                milliseconds(first),
                milliseconds(max(taken)),
                milliseconds(warm),
                milliseconds(max(warm_waits)),
                milliseconds(statistics.median(added)),
            )
        )
    head = ("GET", "bytes", "first", "others wait", "then", "others wait", "a file was added")
    show(f"{title}: {FOLDERS * FILES:,} files in {FOLDERS} folders", head, rows)
    _, headers, _ = client.get("/ext/models")
    nothing = median_s(lambda: client.get("/ext/models", If_None_Match=headers["ETag"]), times=TIMES)
    print(f"\n/ext/models that the client has (304): {milliseconds(nothing)}")


def _after_adding(client: Client, path: str, new: Path) -> float:
    new.write_bytes(_safetensors(999, 1))
    begun = perf_counter()
    _, _, body = client.get(path)
    taken = perf_counter() - begun
    # a page of a folder need not show it
    if new.name.encode() not in body and "limit" not in path:
        raise SystemExit(f"{path} does not show a new file")
    return taken


def waits(port: int, path: str, work: Callable[[], object]) -> tuple[float, list[float]]:
    """Have another process ask for something tiny, over and over, while *work* goes on; give all times."""
    command = [sys.executable, __file__, "--probe", str(port), path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as prober:
        if prober.stdin is None or prober.stdout is None:
            raise SystemExit("no pipes")
        prober.stdout.readline()  # it has begun
        begun = perf_counter()
        work()
        spent = perf_counter() - begun
        prober.stdin.close()
        return spent, json.loads(prober.stdout.read())


def probe(port: int, path: str) -> None:
    """Ask until the standard input ends; print how long each answer took."""
    client, taken = Client(port), list[float]()
    client.get(path)
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        begun = perf_counter()
        client.get(path)
        taken.append(perf_counter() - begun)
    print(json.dumps(taken))


class Folders:
    """One model folder: the ModelFiles of host/protocol.py."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def model_folders(self) -> Mapping[str, Any]:
        """As the protocol says."""
        return {"loras": protocol.ModelFolder("loras", (self._root,), frozenset({".safetensors"}))}

    def model_folder_aliases(self) -> Mapping[str, str]:
        """As the protocol says."""
        return {}

    def models_changed(self, folder: str) -> None:
        """As the protocol says."""


def _silent(_name: str, _data: Mapping[str, Any]) -> None:
    """Tell nobody of changes."""


async def loop_lag(base: Path, root: Path) -> None:
    """Print how late the event loop of this process gets while the library works."""
    library = library_room.Library(Folders(root), _silent, base / "state", hash_models=False)
    rows: list[tuple[str, ...]] = []

    async def read_all() -> None:
        for _ in range(10):
            await library.index(detail=True)

    for name, work in (
        ("nothing", lambda: asyncio.sleep(IDLE_S)),
        ("first names", library.index),
        ("names", library.index),
        ("all headers, for the first time", read_all),
        ("model objects", lambda: library.index(detail=True)),
        ("a search", lambda: library.index("style 17 sdxl")),
    ):
        late, spent = await _lag(work())
        rows.append(
            (name, milliseconds(spent), milliseconds(statistics.median(late)), milliseconds(max(late)))
        )
    await library.stop()
    show("Event loop late by, in this process", ("while", "takes", "median", "longest"), rows)


async def _lag(work: Any) -> tuple[list[float], float]:
    late: list[float] = []
    begun = perf_counter()
    task = asyncio.ensure_future(work)
    while not task.done():
        before = perf_counter()
        await asyncio.sleep(0.001)
        late.append(perf_counter() - before - 0.001)
    await task
    return late, perf_counter() - begun


async def in_process(base: Path, root: Path) -> None:
    """Serve the library here and measure."""
    await loop_lag(base, root)
    library = library_room.Library(Folders(root), _silent, base / "state2", hash_models=False)
    routes = routes_room.ModelRoutes(library, settings_room.Settings())
    enveloped = http_room.enveloped
    app = web.Application()

    async def live(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    app.router.add_get("/ext/live", live)
    app.router.add_get("/ext/models", enveloped(routes.index))
    app.router.add_get("/ext/models/{folder}", enveloped(routes.folder))
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port: int = runner.addresses[0][1]
    await asyncio.to_thread(compare, "In this process", port, root, "/ext/live", OURS)
    await runner.cleanup()
    await library.stop()


OURS = ("/ext/models", "/ext/models?detail=1", "/ext/models/loras?detail=1&limit=100")
THEIRS = ("/models/loras", "/experiment/models/loras")


def main() -> None:
    """Measure here, or against the ComfyUI that the environment names."""
    if sys.argv[1:2] == ["--probe"]:
        probe(int(sys.argv[2]), sys.argv[3])
        return
    named = os.environ.get("COMFYUI_PATH")
    with temporary_folder() as base:
        root = base / "loras"
        write_files(root)
        if not named:
            asyncio.run(in_process(base, root))
            return
        pack = base / "pack"
        pack.mkdir()
        (pack / "__init__.py").write_text(PACK.format(path=str(root)), encoding="utf-8")
        os.environ["BACKPLANE_HASH_MODELS"] = "off"
        with comfyui(Path(named), packs={"bench_models": pack}) as port:
            compare(f"ComfyUI in {Path(named).name}", port, root, "/prompt", (*THEIRS, *OURS))


if __name__ == "__main__":
    main()
