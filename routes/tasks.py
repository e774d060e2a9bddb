"""/ext/tasks: run, watch, cancel."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..errors import InvalidRequest, NotFound
from ..settings import Settings
from ..tasks import STATUSES, Submission, Tasks
from ._http import known_query, matches_etag, query_int, read_model, reply

MOST_IDS = 200
"""How many tasks one request may ask for by id: about 16 KB of query."""

ACTIVE_TYPES = frozenset({"text/html", "application/xhtml+xml", "image/svg+xml", "text/xml"})
"""Media types that a browser would run scripts from: sent as downloads."""


class NewTask(BaseModel):
    """The body of POST /ext/tasks."""

    model_config = ConfigDict(extra="forbid", strict=True)

    workflow: Any = None
    outputs: list[str] | None = Field(default=None, max_length=1000)
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class TaskRoutes:
    """Handlers of the tasks."""

    def __init__(self, tasks: Tasks, settings: Settings) -> None:
        self._tasks = tasks
        self._settings = settings

    async def create(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/tasks."""
        known_query(request)
        body = await read_model(request, NewTask, limit=self._settings.max_body_bytes)
        if len(json.dumps(body.metadata)) > MOST_METADATA:
            raise InvalidRequest(
                "INVALID_REQUEST",
                f"metadata must not be longer than {MOST_METADATA} characters as JSON.",
                details={"fields": {"metadata": "too long"}},
            )
        task = await self._tasks.submit(
            Submission(
                workflow=body.workflow,
                outputs=None if body.outputs is None else tuple(body.outputs),
                client_id=body.client_id,
                metadata=body.metadata,
            )
        )
        return reply(
            self._tasks.shown(task),
            status=202,
            headers={"Location": f"/ext/tasks/{task.id}", "ETag": task.etag},
        )

    async def index(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/tasks."""
        known_query(request, "status", "kind", "ids", "limit", "cursor")
        statuses = _listed(request, "status")
        unknown = [status for status in statuses if status not in STATUSES]
        if unknown:
            raise InvalidRequest(
                "INVALID_REQUEST",
                f"There is no status {unknown[0]!r}.",
                hint=f"Statuses: {', '.join(STATUSES)}.",
                details={"fields": {"status": "unknown"}},
            )
        ids = _listed(request, "ids")
        if len(ids) > MOST_IDS:
            raise InvalidRequest(
                "INVALID_REQUEST",
                f"ids takes at most {MOST_IDS} ids.",
                details={"fields": {"ids": "too many"}},
            )
        kinds = _listed(request, "kind")
        limit = query_int(request, "limit", MOST_IDS if ids else 50, least=1, most=500)
        before = query_int(request, "cursor", 0, least=1, most=10**11 - 1) or None
        if kinds and "prompt" not in kinds:
            found, following = [], None
        else:
            found, following = self._tasks.list(status=statuses, ids=ids, before=before, limit=limit)
        # The nodes are what makes a task long: a list is for an overview, ids for polling.
        items = [self._tasks.shown(task, nodes=bool(ids)) for task in found]
        return reply({"items": items, "next_cursor": None if following is None else str(following)})

    async def one(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/tasks/{id}."""
        known_query(request)
        task = self._tasks.get(request.match_info["id"])
        headers = {"ETag": task.etag, "Cache-Control": "no-cache"}
        if matches_etag(request, task.etag):
            return web.Response(status=304, headers=headers)
        return reply(self._tasks.shown(task), headers=headers)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/tasks/{id}/cancel."""
        known_query(request)
        task = self._tasks.cancel(request.match_info["id"])
        return reply(self._tasks.shown(task), status=200 if task.finished else 202)

    async def preview(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/tasks/{id}/preview."""
        known_query(request)
        media_type, body = await self._tasks.preview_image(request.match_info["id"])
        return web.Response(body=body, content_type=media_type, headers={"Cache-Control": "no-store"})

    async def output(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/tasks/{id}/outputs/{n}."""
        known_query(request)
        place = request.match_info["n"]
        if not (place.isascii() and place.isdigit()) or len(place) > 9:
            raise NotFound("OUTPUT_NOT_FOUND", "Outputs are counted from 0.")
        output, path = await self._tasks.output(request.match_info["id"], int(place))
        headers = {
            "Cache-Control": "private, max-age=3600",
            # An output must not run scripts in this origin, whatever a node wrote into it.
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
        }
        if path is None:
            return web.Response(
                body=output.content(),
                content_type=output.media_type,
                charset="utf-8",
                headers=headers,
            )
        disposition = "attachment" if output.media_type in ACTIVE_TYPES else "inline"
        headers["Content-Type"] = output.media_type
        headers["Content-Disposition"] = f"{disposition}; filename*=UTF-8''{_quoted(output.filename or '')}"
        return web.FileResponse(path, headers=headers)


MOST_METADATA = 16 * 1024
"""How long a task's metadata may be: labels, not documents."""


def _listed(request: web.Request, name: str) -> list[str]:
    """Read a comma-separated query parameter."""
    return [part.strip() for part in request.query.get(name, "").split(",") if part.strip()]


def _quoted(filename: str) -> str:
    """Encode a file name for Content-Disposition (RFC 8187)."""
    return quote(filename, safe="")
