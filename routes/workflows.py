"""/ext/workflow/convert, validate, patch: what is done with a workflow without running or keeping it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from ..catalog import Catalog
from ..errors import JSON, ApiError, InvalidRequest
from ..settings import Settings
from ..tasks import Tasks
from ..tasks.conversions import converted, ids_json
from ..validation import as_graph
from ._http import flag, known_query, parse_json, read_body, read_model, reply

if TYPE_CHECKING:
    from ..conversion import Extracted

JSON_TYPES = frozenset({"application/json", "text/json", "text/plain", "application/x-www-form-urlencoded"})
"""What clients call a body of JSON; curl's -d says it is a form."""


class Judged(BaseModel):
    """The body of POST /ext/workflow/validate."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    workflow: Any = None
    outputs: list[str] | None = None


class Patch(BaseModel):
    """The body of POST /ext/workflow/patch."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    workflow: Any = None
    ops: list[Any]
    validate_: bool = Field(default=True, alias="validate")


class WorkflowRoutes:
    """Handlers of what is done with a workflow without running it."""

    def __init__(self, catalog: Catalog, tasks: Tasks, settings: Settings) -> None:
        self._catalog = catalog
        self._tasks = tasks
        self._settings = settings

    async def validate(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/workflow/validate."""
        known_query(request)
        body = await read_model(request, Judged, limit=self._settings.max_body_bytes)
        outputs = None if body.outputs is None else tuple(body.outputs)
        return reply(await self._tasks.judge(body.workflow, outputs))

    async def patch(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/workflow/patch."""
        known_query(request)
        body = await read_model(request, Patch, limit=self._settings.max_body_bytes)
        graph: dict[str, JSON] = as_graph(body.workflow)
        specs = await self._catalog.specs(fresh=True)

        def work() -> JSON:
            from ..patch_engine import apply  # noqa: PLC0415 - not at the start

            return apply(graph, body.ops, specs, validate=body.validate_).to_json()

        return reply(await asyncio.to_thread(work))

    async def convert(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/workflow/convert."""
        known_query(request, "to", "partial")
        to = request.query.get("to", "api")
        if to not in {"api", "ui"}:
            message = "to must be api or ui."
            raise InvalidRequest("INVALID_REQUEST", message, details={"fields": {"to": message}})
        partial = bool(flag(request, "partial"))
        carried = await self._carried(request)
        answer = await (self._to_ui(carried) if to == "ui" else self._to_api(carried, partial=partial))
        return reply({"carrier": carried.carrier, "format": to, **answer})

    async def _carried(self, request: web.Request) -> Extracted:
        """Read the body: JSON with a workflow, or a file that carries one."""
        from ..conversion import Extracted, extract, format_of  # noqa: PLC0415 - not at the start

        if request.content_type not in JSON_TYPES:
            raw = await read_body(request, limit=self._settings.max_input_bytes)
            return await asyncio.to_thread(extract, raw)
        raw = await read_body(request, limit=self._settings.max_body_bytes)
        document: Any = await parse_json(raw)
        if isinstance(document, dict) and "workflow" in document:
            body = cast("JSON", document)
            unknown = sorted(set(body) - {"workflow"})
            if unknown:
                raise InvalidRequest(
                    "INVALID_REQUEST",
                    f"Unknown fields: {', '.join(unknown)}.",
                    details={"fields": dict.fromkeys(unknown, "unknown")},
                )
            document = body["workflow"]
        if format_of(document) == "ui":
            return Extracted("json", ui=cast("JSON", document))
        return Extracted("json", api=as_graph(document))

    async def _to_api(self, carried: Extracted, *, partial: bool) -> JSON:
        if carried.api is not None and carried.ui is None:
            return {"workflow": as_graph(carried.api), "node_ids": {}, "notes": [], "unknown": []}
        try:
            found = await converted(carried.ui, self._catalog, partial=partial)
        except ApiError:
            if carried.api is None:
                raise
            # A picture of a workflow with nodes that are not here still has what ran.
            return {"workflow": as_graph(carried.api), "node_ids": {}, "notes": [], "unknown": []}
        return {
            "workflow": found.graph,
            "node_ids": ids_json(found),
            "notes": [note.to_json() for note in found.notes],
            "unknown": [{"node_id": one.node_id, "class_type": one.class_type} for one in found.unknown],
        }

    async def _to_ui(self, carried: Extracted) -> JSON:
        from ..conversion import to_ui  # noqa: PLC0415

        if carried.ui is not None:
            return {"workflow": carried.ui, "notes": []}
        specs = await self._catalog.specs(fresh=True)
        drawn = await asyncio.to_thread(to_ui, as_graph(carried.api), specs)
        return {"workflow": drawn.document, "notes": [note.to_json() for note in drawn.notes]}
