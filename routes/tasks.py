"""/ext/tasks: run, watch, cancel, run again."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, cast, get_args
from urllib.parse import quote

from aiohttp import BodyPartReader, web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..errors import JSON, ApiError, InvalidRequest, NotFound
from ..orders import Order, Orders
from ..settings import Settings
from ..tasks import (
    FINISHED,
    STATUSES,
    AlreadyRememberedError,
    Query,
    Submission,
    Tasks,
)
from ..tasks.engine import Rating, StoredTask
from ..tasks.inputs import read_files
from ..tasks.intake import Intake
from ..tasks.listing import Shown
from ..tasks.loras import read_loras
from ..tasks.params import read_params
from ..tasks.thumbnails import WIDTHS
from ._http import (
    body_too_large,
    flag,
    known_query,
    matches_etag,
    parse_json,
    parse_model,
    query_int,
    query_seconds,
    read_body,
    read_model,
    reply,
)
from ._repeats import Repeats, replayed

MOST_IDS = 200
"""How many tasks one request may ask for by id: about 16 KB of query."""

MOST_METADATA = 16 * 1024
"""How long a task's metadata may be: labels, not documents."""

MOST_BATCH = 1000

FORMATS = ("webp", "jpeg", "png")

MOST_WAIT_S = 60.0
"""Longest a reply is held back; proxies commonly give up after a minute."""

ACTIVE_TYPES = frozenset({"text/html", "application/xhtml+xml", "image/svg+xml", "text/xml"})
"""Media types that a browser would run scripts from: sent as downloads."""

Label = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class NewTask(BaseModel):
    """The body of POST /ext/tasks."""

    # built at the first request, not while ComfyUI starts
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    workflow: Any = None
    session_id: Label | None = None
    session_version: int | None = Field(default=None, ge=1)
    template: Label | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    outputs: list[str] | None = Field(default=None, max_length=1000)
    client_id: Label | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    priority: int = Field(default=0, ge=-1000, le=1000)
    max_attempts: int | None = Field(default=None, ge=1, le=20)
    params: dict[str, Any] | None = None
    loras: list[dict[str, Any]] | None = None
    files: dict[str, Any] | None = None
    delivery: Literal["url", "base64"] = "url"
    webhook: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None = None

    def with_values(self, values: dict[str, Any]) -> NewTask:
        """Give the task with one combination of a grid's values."""
        metadata = {**self.metadata, "grid": values}
        if self.template is not None:
            return self.model_copy(update={"inputs": {**self.inputs, **values}, "metadata": metadata})
        return self.model_copy(update={"params": {**(self.params or {}), **values}, "metadata": metadata})


class NewBatch(BaseModel):
    """The body of POST /ext/tasks/batch: tasks as POST /ext/tasks takes them, or one and a grid.

    The grid has values of a template's inputs, else of params.
    """

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    tasks: list[NewTask] = Field(default_factory=list[NewTask], max_length=MOST_BATCH)
    task: NewTask | None = None
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)

    def unrolled(self) -> list[NewTask]:
        """Give every task: those listed, or one for each combination of the grid's values.

        Raises ApiError INVALID_REQUEST unless it is one of the two, and at most MOST_BATCH.
        """
        if self.task is None:
            if not self.tasks or self.grid:
                raise _wrong("tasks", "A batch needs tasks, or a task and a grid.")
            return self.tasks
        if self.tasks or not self.grid:
            raise _wrong("grid", "A batch needs tasks, or a task and a grid.")
        if math.prod(map(len, self.grid.values())) > MOST_BATCH:
            raise _wrong("grid", f"The grid has more than {MOST_BATCH} combinations.")
        combinations = itertools.product(*self.grid.values())
        return [self.task.with_values(dict(zip(self.grid, values, strict=True))) for values in combinations]


class TaskIds(BaseModel):
    """The body of POST /ext/tasks/cancel."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    ids: list[Label] = Field(min_length=1, max_length=MOST_BATCH)


class Change(BaseModel):
    """The body of PATCH /ext/tasks/{id}."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    priority: int = Field(ge=-1000, le=1000)


class TaskRoutes:
    """Handlers of the tasks."""

    def __init__(self, tasks: Tasks, orders: Orders, settings: Settings) -> None:
        self._tasks = tasks
        self._orders = orders
        self._settings = settings
        self._repeats = Repeats(tasks)

    # In

    async def create(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/tasks."""
        known_query(request, "wait")
        wait = query_seconds(request, "wait", most=MOST_WAIT_S)
        async with self._tasks.inputs.intake() as intake:
            raw = await self._body(request, intake)
            repeated = await self._repeats.repeated(request, raw)
            if repeated is not None:
                return repeated
            body = parse_model(await parse_json(raw), NewTask)
            try:
                [task] = await self._orders.submit(
                    [_ordered(body)], self._repeats.remembering(request, raw, self._one), intake
                )
            except AlreadyRememberedError as known:
                return replayed(known.first, raw)
        headers = {"Location": f"/ext/tasks/{task.id}"}
        if wait is None:
            return reply(self._tasks.first_view(task), status=202, headers=headers)
        late = await self._tasks.wait_end(task.id, wait)
        status = 200 if late.status in FINISHED else 202
        return reply(await self._tasks.show(late), status=status, headers=headers)

    async def create_batch(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/tasks/batch."""
        known_query(request)
        raw = await read_body(request, limit=self._settings.max_body_bytes)
        repeated = await self._repeats.repeated(request, raw)
        if repeated is not None:
            return repeated
        body = parse_model(await parse_json(raw), NewBatch)
        batch_id = hashlib.sha256(raw + str(time.time_ns()).encode()).hexdigest()[:32]
        ordered = [_ordered(task, batch_id) for task in body.unrolled()]

        def answer(made: Sequence[StoredTask]) -> JSON:
            return _batch(batch_id, made)

        try:
            async with self._tasks.inputs.intake() as intake:
                remember = self._repeats.remembering(request, raw, answer)
                tasks = await self._orders.submit(ordered, remember, intake)
        except AlreadyRememberedError as known:
            return replayed(known.first, raw)
        except ApiError as error:
            raise _of_batch(error) from error
        document = _batch(batch_id, cast("Sequence[StoredTask]", tasks))
        return reply(document, status=202, headers={"Location": f"/ext/tasks?batch={batch_id}"})

    async def retry(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/tasks/{id}/retry."""
        known_query(request, "same")
        same = bool(flag(request, "same"))
        repeated = await self._repeats.repeated(request, b"")
        if repeated is not None:
            return repeated
        try:
            remember = self._repeats.remembering(request, b"", self._one)
            task = await self._orders.repeat(request.match_info["id"], remember, same=same)
        except AlreadyRememberedError as known:
            return replayed(known.first, b"")
        return reply(self._tasks.first_view(task), status=202, headers={"Location": f"/ext/tasks/{task.id}"})

    async def _body(self, request: web.Request, intake: Intake) -> bytes:
        """Read the JSON of a request: its body, or the part ``task`` of a form that brings files too."""
        limit = self._settings.max_body_bytes
        if request.content_type != "multipart/form-data":
            return await read_body(request, limit=limit)
        raw: bytes | None = None
        try:
            form = await request.multipart()
            while (part := await form.next()) is not None:
                if not isinstance(part, BodyPartReader) or part.name is None:
                    raise _wrong("files", "Each part of the form needs a name.")
                if part.name == "task":
                    raw = await _limited(part, limit)
                else:
                    await intake.receive(part.name, _pieces(part))
        except ValueError as error:
            raise InvalidRequest("INVALID_REQUEST", f"The form cannot be read: {error}.") from None
        if raw is None:
            raise InvalidRequest("INVALID_REQUEST", "The form has no part named task, which holds the JSON.")
        return raw

    def _one(self, made: Sequence[StoredTask]) -> JSON:
        [task] = made
        return self._tasks.first_view(task)

    # Out

    async def index(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/tasks."""
        filters = [name for name in request.query if name.startswith("metadata.")]
        known_query(
            request,
            "status",
            "kind",
            "ids",
            "batch",
            "since",
            "template",
            "favourite",
            "rating",
            "limit",
            "cursor",
            *filters,
        )
        ids = _listed(request, "ids")
        if len(ids) > MOST_IDS:
            raise _wrong("ids", f"ids takes at most {MOST_IDS} ids.")
        if ids:
            found, following = await self._tasks.find_many(ids), None
        else:
            found, following = await self._tasks.list(_query(request, filters))
        # The nodes are what makes a task long: a list is for an overview, ids for polling.
        items = [await self._tasks.show(task, nodes=bool(ids)) for task in found]
        document: JSON = {"items": items, "next_cursor": None if following is None else str(following)}
        batch = request.query.get("batch")
        if batch is not None:
            document["counts"] = dict(await (await self._tasks.engine()).counts(batch))
        return reply(document)

    async def one(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/tasks/{id}."""
        known_query(request, "wait", "etag")
        task_id = request.match_info["id"]
        wait = query_seconds(request, "wait", most=MOST_WAIT_S)
        if wait is None:
            task = await self._tasks.find(task_id)
        else:
            task = await self._tasks.wait(task_id, request.query.get("etag"), wait)
        headers = {"ETag": self._tasks.etag(task), "Cache-Control": "no-cache"}
        if matches_etag(request, headers["ETag"]):
            return web.Response(status=304, headers=headers)
        return reply(await self._tasks.show(task), headers=headers)

    async def batch(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/tasks/batch/{id}."""
        known_query(request, "wait")
        wait = query_seconds(request, "wait", most=MOST_WAIT_S)
        return reply(await self._tasks.batch(request.match_info["id"], wait or 0.0))

    async def preview(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/tasks/{id}/preview."""
        known_query(request)
        task = await self._tasks.find(request.match_info["id"])
        media_type, body = await self._tasks.results.preview(task)
        return web.Response(body=body, content_type=media_type, headers={"Cache-Control": "no-store"})

    async def logs(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/tasks/{id}/logs."""
        known_query(request, "after")
        after = query_int(request, "after", 0, least=0, most=10**11 - 1)
        task = await self._tasks.find(request.match_info["id"])
        return reply(await self._tasks.results.logs(task, after))

    async def output(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/tasks/{id}/outputs/{n}."""
        known_query(request, "width", "format")
        place = request.match_info["n"]
        if not (place.isascii() and place.isdigit()) or len(place) > 9:
            raise NotFound("OUTPUT_NOT_FOUND", "Outputs are counted from 0.")
        task = await self._tasks.find(request.match_info["id"])
        if request.query:
            return await self._thumbnail(request, task, int(place))
        output, path = await self._tasks.results.output(task, int(place))
        headers = {
            "Cache-Control": "private, max-age=3600",
            # An output must not run scripts in this origin, whatever a node wrote into it.
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
        }
        if path is None:
            return web.Response(
                body=output.content(), content_type=output.media_type, charset="utf-8", headers=headers
            )
        disposition = "attachment" if output.media_type in ACTIVE_TYPES else "inline"
        headers["Content-Type"] = output.media_type
        # RFC 8187
        name = quote(output.filename or "", safe="")
        headers["Content-Disposition"] = f"{disposition}; filename*=UTF-8''{name}"
        return web.FileResponse(path, headers=headers)

    async def _thumbnail(self, request: web.Request, task: Shown, place: int) -> web.StreamResponse:
        width = query_int(request, "width", 512, least=WIDTHS[0], most=WIDTHS[1])
        kind = request.query.get("format", "webp")
        if kind not in FORMATS:
            raise _wrong("format", f"format must be one of {', '.join(FORMATS)}.")
        thumb = await self._tasks.results.thumbnail(task, place, width=width, kind=kind)
        headers = {"ETag": f'"{thumb.tag}"', "Cache-Control": "private, max-age=3600"}
        if matches_etag(request, headers["ETag"]):
            return web.Response(status=304, headers=headers)
        return web.Response(body=thumb.data, content_type=thumb.media_type, headers=headers)

    # Changes

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/tasks/{id}/cancel."""
        known_query(request)
        task = await self._tasks.cancel(request.match_info["id"])
        return reply(await self._tasks.show(task), status=200 if task.status in FINISHED else 202)

    async def cancel_many(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/tasks/cancel."""
        known_query(request)
        body = await read_model(request, TaskIds, limit=self._settings.max_body_bytes)
        results: dict[str, JSON] = {}
        for task_id in dict.fromkeys(body.ids):
            try:
                task = await self._tasks.cancel(task_id)
                results[task_id] = {"status": (await self._tasks.show(task, nodes=False))["status"]}
            except ApiError as error:
                results[task_id] = error.body()
        return reply({"results": results})

    async def change(self, request: web.Request) -> web.StreamResponse:
        """PATCH /ext/tasks/{id}."""
        known_query(request)
        body = await read_model(request, Change, limit=self._settings.max_body_bytes)
        task = await self._tasks.prioritise(request.match_info["id"], body.priority)
        return reply(await self._tasks.show(task))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """DELETE /ext/tasks/{id}."""
        known_query(request)
        await self._tasks.delete(request.match_info["id"])
        return web.Response(status=204)

    # The queue

    async def queue(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/queue."""
        known_query(request)
        return reply(await self._tasks.queue())

    async def pause(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/queue/pause."""
        known_query(request)
        return reply(await self._tasks.pause(paused=True))

    async def resume(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/queue/resume."""
        known_query(request)
        return reply(await self._tasks.pause(paused=False))


async def _limited(part: BodyPartReader, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for piece in _pieces(part):
        size += len(piece)
        if size > limit:
            raise body_too_large(limit)
        parts.append(piece)
    return b"".join(parts)


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    while piece := await part.read_chunk(256 * 1024):
        yield piece


def _ordered(body: NewTask, batch_id: str | None = None) -> tuple[Order, Submission]:
    if len(json.dumps(body.metadata)) > MOST_METADATA:
        raise _wrong("metadata", f"metadata must not be longer than {MOST_METADATA} characters as JSON.")
    order = Order(body.workflow, body.session_id, body.session_version, body.template, body.inputs)
    return order, Submission(
        workflow=None,
        outputs=None if body.outputs is None else tuple(body.outputs),
        client_id=body.client_id,
        metadata=body.metadata,
        priority=body.priority,
        max_attempts=body.max_attempts,
        webhook=body.webhook,
        params=read_params(body.params),
        loras=read_loras(body.loras),
        files=read_files(body.files),
        delivery=body.delivery,
        batch_id=batch_id,
    )


def _batch(batch_id: str, made: Sequence[StoredTask]) -> JSON:
    return {"batch_id": batch_id, "ids": [task.id for task in made], "url": f"/ext/tasks?batch={batch_id}"}


def _of_batch(error: ApiError) -> ApiError:
    return type(error)(
        error.code, error.message, hint="Nothing of the batch was queued.", details=error.details
    )


def _query(request: web.Request, filters: Sequence[str]) -> Query:
    statuses = _listed(request, "status")
    unknown = [status for status in statuses if status not in STATUSES]
    if unknown:
        raise _wrong("status", f"There is no status {unknown[0]!r}; known: {', '.join(STATUSES)}.")
    return Query(
        limit=query_int(request, "limit", 50, least=1, most=500),
        before=query_int(request, "cursor", 0, least=1, most=10**11 - 1) or None,
        statuses=tuple(statuses),  # pyright: ignore[reportArgumentType] - checked above
        kinds=tuple(_listed(request, "kind")),
        batch_id=request.query.get("batch"),
        since=since_of(request),
        template=request.query.get("template"),
        metadata={name.removeprefix("metadata."): request.query[name] for name in filters},
        favourite=flag(request, "favourite"),
        rating=rating_of(request),
    )


def rating_of(request: web.Request) -> Rating | None:
    """Read ``rating`` from the query. Raises ApiError INVALID_REQUEST."""
    text = request.query.get("rating")
    for rating in get_args(Rating):
        if text == rating:
            return rating
    if text is not None:
        raise _wrong("rating", f"rating must be one of {', '.join(get_args(Rating))}.")
    return None


def since_of(request: web.Request) -> float | None:
    """Read ``since`` from the query, as Unix seconds. Raises ApiError INVALID_REQUEST."""
    text = request.query.get("since")
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise _wrong("since", "since must be a time such as 2026-01-31T12:00:00Z.") from None


def _wrong(field: str, message: str) -> InvalidRequest:
    return InvalidRequest("INVALID_REQUEST", message, details={"fields": {field: message}})


def _listed(request: web.Request, name: str) -> list[str]:
    """Read a comma-separated query parameter."""
    return [part.strip() for part in request.query.get(name, "").split(",") if part.strip()]
