"""The sandbox server: the host, ComfyUI's routes, and Backplane on top."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from .. import routes, services
from ..settings import Settings
from . import packs, placeholders
from .comfy_routes import PromptRoutes, ServerRoutes
from .file_routes import FileRoutes
from .files import Files
from .host import SandboxHost
from .nodes import builtin
from .nodes.base import Studio
from .registry import Registry
from .template_routes import TemplateRoutes
from .userdata_routes import UserdataRoutes

MAX_UPLOAD_BYTES = 100 * 1024 * 1024
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Options:
    """How a sandbox is set up."""

    data_dir: Path
    """Folder for inputs, outputs and models; made and filled with placeholders."""
    node_packs: tuple[Path, ...] = ()
    """Folders of node packs to load, each with an ``__init__.py``."""
    step_s: float = 0.05
    """Seconds that one simulated sampling step takes."""
    settings: Settings | None = None
    """Backplane's settings; None means the defaults."""


HOST: web.AppKey[SandboxHost] = web.AppKey("backplane_sandbox_host", SandboxHost)


def create(options: Options) -> web.Application:
    """Build the server; ``app[HOST]`` is its host. Raises OSError if the data folder cannot be used."""
    host = make_host(options)
    backplane = services.build(options.settings or Settings(), host)
    table = web.RouteTableDef()
    PromptRoutes(host).add_to(table)
    ServerRoutes(host).add_to(table)
    FileRoutes(host.files).add_to(table)
    UserdataRoutes(host.files.user_dir()).add_to(table)
    routes.register(table, backplane)

    app = web.Application(middlewares=[same_origin], client_max_size=MAX_UPLOAD_BYTES)
    app[HOST] = host
    for route in table:
        if isinstance(route, web.RouteDef):
            app.router.add_route(route.method, "/api" + route.path, route.handler, **route.kwargs)
    app.add_routes(table)
    own = web.RouteTableDef()
    TemplateRoutes().add_to(own)
    app.add_routes(own)

    async def start(_: web.Application) -> None:
        await host.start()
        backplane.start()

    async def say_goodbye(_: web.Application) -> None:
        await host.audience.close()

    async def stop(_: web.Application) -> None:
        await backplane.stop()
        await host.stop()

    app.on_startup.append(start)
    app.on_shutdown.append(say_goodbye)
    app.on_cleanup.append(stop)
    return app


def make_host(options: Options) -> SandboxHost:
    """Build the host alone, not started. Raises OSError."""
    files = Files(options.data_dir)
    files.make_folders()
    placeholders.create(files)
    classes = builtin(Studio(files, options.step_s))
    return SandboxHost(files, Registry(classes, packs.load(options.node_packs)))


@web.middleware
async def same_origin(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse what another site's page sends to this machine, as ComfyUI does."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise web.HTTPForbidden
    host, origin = request.headers.get("Host"), request.headers.get("Origin")
    if host and origin:
        here, there = urlsplit(f"//{host}"), urlsplit(origin)
        try:
            same = (here.hostname, here.port) == (there.hostname, there.port or here.port)
        except ValueError:
            same = False
        if here.hostname in LOOPBACK and not same:
            raise web.HTTPForbidden
    return await handler(request)
