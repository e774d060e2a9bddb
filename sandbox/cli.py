"""The command line of the sandbox."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import logging
import math
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from ..routes.addresses import announcement
from ..settings import Settings, SettingsError, load
from .app import Options, create
from .files import Files


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sandbox until Ctrl-C; answers the exit status."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return 0


def _run(arguments: argparse.Namespace) -> int:
    try:
        settings = _settings(arguments.data_dir)
        options = Options(arguments.data_dir, tuple(arguments.node_pack), arguments.step_seconds, settings)
        app = create(options)
    except SettingsError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"The data folder {arguments.data_dir} cannot be used: {error.strerror or error}")
    try:
        asyncio.run(_serve(app, arguments.listen, arguments.port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            other = arguments.port + 1 if arguments.port < 65535 else 8188
            return _fail(
                f"Port {arguments.port} is in use: another ComfyUI or sandbox may be running. "
                f"Stop it, or choose another port: --port {other}"
            )
        return _fail(f"Cannot listen on {arguments.listen}:{arguments.port}: {error.strerror or error}")
    return 0


def _settings(data_dir: Path) -> Settings:
    files = Files(data_dir)
    files.make_folders()
    return load(files.state_dir())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="backplane sandbox",
        description="ComfyUI's API without ComfyUI: image nodes run for real, sampling is simulated.",
    )
    parser.add_argument("--port", type=_port, default=8188, help="port to listen on (default: 8188)")
    parser.add_argument("--listen", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path("sandbox-data"),
        help="folder for inputs, outputs and models (default: ./sandbox-data)",
    )
    parser.add_argument(
        "--step-seconds",
        type=_seconds,
        default=0.05,
        help="how long one simulated sampling step takes (default: 0.05)",
    )
    parser.add_argument(
        "--node-pack",
        type=Path,
        action="append",
        default=[],
        help="folder of a V1 node pack to load; may be given several times",
    )
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


def _seconds(text: str) -> float:
    seconds = float(text)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError
    return seconds


async def _serve(app: web.Application, listen: str, port: int) -> None:
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=2.0)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM"):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
            loop.add_signal_handler(getattr(signal, name), stop.set)
    try:
        await runner.setup()
        site = web.TCPSite(runner, listen, port)
        await site.start()
        bound = runner.addresses[0]
        url = _url(str(bound[0]), int(bound[1]))
        _say(f"Backplane sandbox on {url} (sampling is simulated). What it offers: {url}/ext")
        _say(await asyncio.to_thread(announcement, int(bound[1]), "http"))
        await stop.wait()
    finally:
        await runner.cleanup()


def _url(address: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, address)  # noqa: S104 (shown, not bound)
    with contextlib.suppress(OSError):
        socket.inet_pton(socket.AF_INET6, shown)
        shown = f"[{shown}]"
    return f"http://{shown}:{port}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _fail(message: str) -> int:
    sys.stderr.write(message + "\n")
    return 1
