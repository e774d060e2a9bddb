"""/ext, /ext/health, /ext/system: what this server is and how it is."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
from collections.abc import Mapping

import psutil
from aiohttp import web

from ..errors import JSON
from ..services import VERSION, Services
from ._http import known_query, reply
from .names import names_of

LEAST_DISK_BYTES = 256 * 1024 * 1024
"""Below this much free space a run can hardly save its result."""


class SystemRoutes:
    """Handlers that speak of the server itself."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._names: Mapping[str, str] | None = None

    async def index(self, request: web.Request) -> web.StreamResponse:
        """GET /ext."""
        known_query(request)
        host, settings = self._services.host, self._services.settings
        if self._names is None:
            # A broken page is no reason not to say what this server is.
            try:
                self._names = await asyncio.to_thread(names_of, host.page_dir())
            except OSError:
                self._names = {}
        return reply(
            {
                "name": "backplane",
                "version": VERSION,
                "host": host.name,
                "host_version": host.version,
                "features": ["catalog", "models", "downloads", "workflows", "sessions", "templates", "tasks"],
                "locked": settings.locked,
                "names": dict(self._names),
                "limits": {
                    "max_body_bytes": settings.max_body_bytes,
                    "max_queued": settings.max_queued,
                    "download_max_bytes": settings.download_max_bytes,
                    "downloads_per_hour": settings.downloads_per_hour,
                },
                "links": {
                    "catalog": "/ext/catalog",
                    "models": "/ext/models",
                    "sessions": "/ext/workflow/sessions",
                    "templates": "/ext/templates",
                    "tasks": "/ext/tasks",
                    "queue": "/ext/queue",
                    "health": "/ext/health",
                    "system": "/ext/system",
                    "openapi": "/ext/openapi.json",
                    "docs": "/ext/docs",
                    "app": "/ext/app/",
                },
            }
        )

    async def live(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/live and /ping: the event loop turns, which is all that a probe should ask."""
        known_query(request)
        return web.Response(text="ok\n", headers={"Cache-Control": "no-store"})

    async def health(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/health."""
        known_query(request)
        checks = [
            {"name": check.name, "ok": check.ok, "detail": check.detail}
            for check in self._services.host.checks()
        ]
        tasks = self._services.tasks
        faults = tasks.faults()
        detail = "; ".join(faults) or tasks.notice() or "writable"
        checks.append({"name": "task_store", "ok": not faults, "detail": detail})
        store = (await asyncio.to_thread(self._services.sessions.get)).check()
        checks.append({"name": store.name, "ok": store.ok, "detail": store.detail})
        checks.append(await asyncio.to_thread(_disk_check, str(self._services.host.state_dir())))
        ok = all(check["ok"] for check in checks)
        return reply({"status": "ok" if ok else "failing", "checks": checks}, status=200 if ok else 503)

    async def system(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/system."""
        known_query(request)
        services = self._services
        shown: JSON = await asyncio.to_thread(services.host.system)
        machine = await asyncio.to_thread(_machine, str(services.host.state_dir()))
        queue = services.host.queue()
        return reply(
            {
                "host": services.host.name,
                "host_version": services.host.version,
                "backplane": VERSION,
                **machine,
                **shown,
                "queue": {"running": len(queue.running), "pending": len(queue.pending)},
            }
        )


def _disk_check(folder: str) -> JSON:
    """Is there room to work, and can Backplane write its own files. Touches the disk."""
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    ok = writable and free >= LEAST_DISK_BYTES
    detail = f"{free // (1024 * 1024)} MiB free" if writable else "the state folder is not writable"
    return {"name": "disk", "ok": ok, "detail": detail}


def _machine(folder: str) -> JSON:
    memory = psutil.virtual_memory()
    disk = shutil.disk_usage(folder)
    process = psutil.Process()
    return {
        "python": platform.python_version(),
        "os": platform.system(),
        "cpus": os.cpu_count(),
        "ram_total": memory.total,
        "ram_free": memory.available,
        "process_rss": process.memory_info().rss,
        "disk_total": disk.total,
        "disk_free": disk.free,
    }
