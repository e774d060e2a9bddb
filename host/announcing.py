"""Tells who reads ComfyUI's log where the phone app is."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from ..routes.addresses import announcement

log = logging.getLogger("backplane")

LOOK_S = 0.2
PATIENCE_S = 60.0
"""ComfyUI names its port when it listens, soon after its start."""

_running: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly


def begin(server: Any) -> None:
    """Have the line written once *server* listens; on the event loop."""
    task = asyncio.get_running_loop().create_task(announce(server))
    _running.add(task)
    task.add_done_callback(_running.discard)


async def announce(server: Any) -> None:
    """Write the line once *server* listens; nothing if it does not."""
    for _ in range(int(PATIENCE_S / LOOK_S)):
        port = getattr(server, "port", None)
        if port is not None:
            # It may listen on more than one address, one after the other.
            await asyncio.sleep(LOOK_S)
            log.info("Backplane: %s", await asyncio.to_thread(announcement, int(port), _scheme()))
            return
        await asyncio.sleep(LOOK_S)


def _scheme() -> str:
    args = getattr(sys.modules.get("comfy.cli_args"), "args", None)
    secure = getattr(args, "tls_keyfile", None) and getattr(args, "tls_certfile", None)
    return "https" if secure else "http"
