"""The one route table, to be read from top to bottom."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

from ..services import VERSION, Services
from ._http import Handler, enveloped, no_such_route
from .addresses import addresses
from .app import AppRoutes
from .catalog import CatalogRoutes
from .downloads import DownloadRoutes
from .events import EventRoutes
from .models import ModelRoutes
from .needs import NeedsRoutes
from .openapi import OpenApiRoutes
from .outputs import OutputRoutes
from .sessions import SessionRoutes
from .system import SystemRoutes
from .tasks import TaskRoutes
from .templates import TemplateRoutes
from .workflows import WorkflowRoutes


@dataclass(frozen=True, slots=True)
class Route:
    """One row: HTTP method, path pattern, handler."""

    method: str
    path: str
    handler: Handler


def table(services: Services) -> list[Route]:
    """Give every route of the API. docs/api.md is pinned to it by a test."""
    system = SystemRoutes(services)
    templates = TemplateRoutes(services.templates, services.settings)
    openapi = OpenApiRoutes(lambda: paths(services), version=VERSION, templates=templates.schemas)
    app = AppRoutes()
    catalog = CatalogRoutes(services.catalog, services.settings)
    models = ModelRoutes(services.library, services.settings)
    downloads = DownloadRoutes(services.downloader, services.needs, services.tasks, services.settings)
    needs = NeedsRoutes(services.needs, services.settings)
    workflows = WorkflowRoutes(
        services.catalog, services.tasks, services.settings, services.sessions, services.templates
    )
    sessions = SessionRoutes(services.sessions, services.settings)
    tasks = TaskRoutes(services.tasks, services.orders, services.settings)
    outputs = OutputRoutes(services.keeping, services.export, services.settings)
    events = EventRoutes(services.tasks)
    return [
        Route("GET", "/ext", system.index),
        Route("GET", "/ext/health", system.health),
        Route("GET", "/ext/live", system.live),
        Route("GET", "/ping", system.live),
        Route("GET", "/ext/system", system.system),
        Route("GET", "/ext/openapi.json", openapi.document),
        Route("GET", "/ext/docs", openapi.page),
        Route("GET", "/ext/addresses", addresses),
        Route("GET", "/ext/app", app.bare),
        Route("GET", "/ext/app/", app.index),
        Route("GET", "/ext/app/{path:.+}", app.file),
        Route("GET", "/ext/catalog", catalog.index),
        Route("GET", "/ext/catalog/{class_type:.+}/next", catalog.next_nodes),
        Route("GET", "/ext/catalog/{class_type:.+}/previous", catalog.previous_nodes),
        Route("GET", "/ext/catalog/{class_type:.+}", catalog.one),
        Route("GET", "/ext/models", models.index),
        Route("POST", "/ext/models/resolve", downloads.resolve),
        Route("POST", "/ext/models/download", downloads.create),
        Route("GET", "/ext/models/{folder}", models.folder),
        Route("GET", "/ext/models/{folder}/{path:.+}/preview", models.preview),
        Route("GET", "/ext/models/{folder}/{path:.+}", models.file),
        Route("PATCH", "/ext/models/{folder}/{path:.+}", models.move),
        Route("DELETE", "/ext/models/{folder}/{path:.+}", models.delete),
        Route("POST", "/ext/workflow/requirements", needs.requirements),
        Route("POST", "/ext/workflow/convert", workflows.convert),
        Route("POST", "/ext/workflow/validate", workflows.validate),
        Route("POST", "/ext/workflow/patch", workflows.patch),
        Route("POST", "/ext/workflow/sessions", sessions.create),
        Route("GET", "/ext/workflow/sessions", sessions.index),
        Route("GET", "/ext/workflow/sessions/{id}", sessions.one),
        Route("PUT", "/ext/workflow/sessions/{id}", sessions.replace),
        Route("PATCH", "/ext/workflow/sessions/{id}", sessions.describe),
        Route("DELETE", "/ext/workflow/sessions/{id}", sessions.delete),
        Route("POST", "/ext/workflow/sessions/{id}/undo", sessions.undo),
        Route("POST", "/ext/workflow/sessions/{id}/redo", sessions.redo),
        Route("POST", "/ext/workflow/sessions/{id}/rollback", sessions.rollback),
        Route("GET", "/ext/workflow/sessions/{id}/versions", sessions.versions),
        Route("GET", "/ext/workflow/sessions/{id}/versions/{version}", sessions.version),
        Route("GET", "/ext/workflow/sessions/{id}/diff", sessions.diff),
        Route("GET", "/ext/templates", templates.index),
        Route("POST", "/ext/templates/propose", templates.propose),
        Route("GET", "/ext/templates/{name}", templates.one),
        Route("PUT", "/ext/templates/{name}", templates.put),
        Route("DELETE", "/ext/templates/{name}", templates.delete),
        Route("GET", "/ext/templates/{name}/versions", templates.versions),
        Route("GET", "/ext/templates/{name}/schema", templates.schema),
        Route("POST", "/ext/templates/{name}/preview", templates.preview),
        Route("POST", "/ext/tasks", tasks.create),
        Route("GET", "/ext/tasks", tasks.index),
        Route("GET", "/ext/tasks/export", outputs.export),
        Route("GET", "/ext/tasks/batch/{id}", tasks.batch),
        Route("GET", "/ext/tasks/{id}", tasks.one),
        Route("POST", "/ext/tasks/batch", tasks.create_batch),
        Route("POST", "/ext/tasks/cancel", tasks.cancel_many),
        Route("PATCH", "/ext/tasks/{id}", tasks.change),
        Route("DELETE", "/ext/tasks/{id}", tasks.delete),
        Route("POST", "/ext/tasks/{id}/cancel", tasks.cancel),
        Route("POST", "/ext/tasks/{id}/retry", tasks.retry),
        Route("POST", "/ext/tasks/{id}/pause", downloads.pause),
        Route("POST", "/ext/tasks/{id}/resume", downloads.resume),
        Route("GET", "/ext/tasks/{id}/events", events.one),
        Route("GET", "/ext/tasks/{id}/preview", tasks.preview),
        Route("GET", "/ext/tasks/{id}/logs", tasks.logs),
        Route("GET", "/ext/tasks/{id}/outputs/{n}", tasks.output),
        Route("PATCH", "/ext/tasks/{id}/outputs/{n}", outputs.change),
        Route("DELETE", "/ext/tasks/{id}/outputs/{n}", outputs.delete),
        Route("POST", "/ext/tasks/{id}/outputs/{n}/restore", outputs.restore),
        Route("GET", "/ext/events", events.everything),
        Route("GET", "/ext/queue", tasks.queue),
        Route("POST", "/ext/queue/pause", tasks.pause),
        Route("POST", "/ext/queue/resume", tasks.resume),
    ]


def register(routes: web.RouteTableDef, services: Services) -> None:
    """Mount every route, and an answer in our envelope for every other path under /ext.

    ComfyUI (and the sandbox) repeats each under ``/api``.
    """
    rows = table(services)
    for row in rows:
        # .get also answers HEAD
        mount = routes.get(row.path) if row.method == "GET" else routes.route(row.method, row.path)
        mount(enveloped(row.handler))
    patterns = [(row.method, _pattern(row.path)) for row in rows]

    async def nothing_here(request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/api")
        methods = frozenset(method for method, pattern in patterns if pattern.fullmatch(path))
        raise no_such_route(methods)

    for path in ("/ext", "/ext/{tail:.*}"):
        routes.route("*", path)(enveloped(nothing_here))


def _pattern(path: str) -> re.Pattern[str]:
    """Turn a path pattern of aiohttp, ``{name}`` or ``{name:regex}``, into a regular expression."""
    parts = re.split(r"\{\w+(?::([^{}]+))?\}", path)
    literals, regexes = parts[::2], parts[1::2]
    built = re.escape(literals[0])
    for regex, literal in zip(regexes, literals[1:], strict=True):
        built += f"(?:{regex or '[^/]+'})" + re.escape(literal)
    return re.compile(built)


def paths(services: Services) -> list[tuple[str, str]]:
    """Give (method, path) of every route, regular expressions left out of the path."""
    return [(row.method, re.sub(r"\{(\w+):[^{}]+\}", r"{\1}", row.path)) for row in table(services)]
