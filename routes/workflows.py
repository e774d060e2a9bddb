"""/ext/workflow/convert, validate, patch: what is done with a workflow without running or keeping it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from ..catalog import Catalog
from ..errors import JSON, ApiError, InvalidRequest
from ..services import Late
from ..settings import Settings
from ..tasks import Tasks
from ..tasks.conversions import converted, ids_json
from ..validation import as_graph
from ._http import (
    flag,
    known_query,
    large_reply,
    parse_json,
    parse_model,
    read_body,
    read_model,
    reply,
)
from .sessions import Label, SessionEdits, expected_by

if TYPE_CHECKING:
    from ..conversion import Extracted
    from ..sessions import Edited, Sessions
    from ..sessions.service import Remember
    from ..templates import Templates

JSON_TYPES = frozenset({"application/json", "text/json", "text/plain", "application/x-www-form-urlencoded"})
"""What clients call a body of JSON; curl's -d says it is a form."""


class Judged(BaseModel):
    """The body of POST /ext/workflow/validate."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    workflow: Any = None
    outputs: list[str] | None = None


class Patch(BaseModel):
    """The body of POST /ext/workflow/patch: of a workflow, or of what a session holds."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    workflow: Any = None
    session_id: Label | None = None
    ops: list[Any] | None = None
    action: Any = None
    payload: Any = None
    validate_: bool = Field(default=True, alias="validate")
    dry_run: bool = False
    if_version: int | None = Field(default=None, ge=1)

    def operations(self) -> list[Any]:
        """Give what is to be done, the short form as a list of one. Raises ApiError INVALID_REQUEST."""
        from ..patch_engine import from_short  # noqa: PLC0415 - not at the start

        short = self.model_fields_set & {"action", "payload"}
        if self.ops is None and short:
            return from_short({name: getattr(self, name) for name in short})
        if self.ops is None or short:
            fault = "give either ops or action with payload" if short else "missing"
            raise InvalidRequest("INVALID_REQUEST", f"ops: {fault}.", details={"fields": {"ops": fault}})
        return self.ops


class WorkflowRoutes:
    """Handlers of what is done with a workflow without running it."""

    def __init__(
        self,
        catalog: Catalog,
        tasks: Tasks,
        settings: Settings,
        sessions: Late[Sessions],
        templates: Late[Templates],
    ) -> None:
        self._catalog = catalog
        self._tasks = tasks
        self._settings = settings
        self._edits = SessionEdits(sessions)
        self._templates = templates

    async def validate(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/workflow/validate."""
        known_query(request)
        body = await read_model(request, Judged, limit=self._settings.max_body_bytes)
        outputs = None if body.outputs is None else tuple(body.outputs)
        return reply(await self._tasks.judge(body.workflow, outputs))

    async def patch(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/workflow/patch."""
        known_query(request)
        raw = await read_body(request, limit=self._settings.max_body_bytes)
        body = parse_model(await parse_json(raw), Patch)
        templates = await asyncio.to_thread(self._templates.get)
        ops = await templates.resolve_fragments(body.operations())
        if body.session_id is not None:
            return await self._patch_session(request, raw, body.session_id, body, ops)
        if body.if_version is not None:
            message = "only a session has versions"
            raise InvalidRequest(
                "INVALID_REQUEST", f"if_version: {message}.", details={"fields": {"if_version": message}}
            )
        graph: dict[str, JSON] = as_graph(body.workflow)
        specs = await self._catalog.specs(fresh=True)

        def work() -> JSON:
            from ..patch_engine import apply  # noqa: PLC0415 - not at the start

            made = apply(graph, ops, specs, validate=body.validate_).to_json()
            return {**made, "dry_run": True} if body.dry_run else made

        return await large_reply(work)

    async def _patch_session(
        self, request: web.Request, raw: bytes, session_id: str, body: Patch, ops: list[Any]
    ) -> web.StreamResponse:
        if body.workflow is not None:
            fault = "give either workflow or session_id"
            fields = dict.fromkeys(("workflow", "session_id"), fault)
            raise InvalidRequest("INVALID_REQUEST", f"{fault}.", details={"fields": fields})
        expected = expected_by(request, body.if_version)

        async def edit(sessions: Sessions, remember: Remember | None) -> Edited:
            return await sessions.patch(
                session_id,
                ops,
                expected=expected,
                validate=body.validate_,
                dry_run=body.dry_run,
                remember=remember,
            )

        return await self._edits.once(request, raw, edit, dry_run=body.dry_run)

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
