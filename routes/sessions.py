"""/ext/workflow/sessions: workflows that the server holds."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..errors import JSON, ApiError, InvalidRequest, NotFound
from ..services import Late
from ..settings import Settings
from ..tasks import AlreadyRememberedError
from ._http import (
    Model,
    compressed,
    conditional,
    encoded,
    known_query,
    large_reply,
    parse_json,
    parse_model,
    query_int,
    read_body,
    read_model,
)
from ._repeats import remembered, replayed, scope_and_key

if TYPE_CHECKING:
    from ..sessions import Description, Edited, Expected, Origin, Session, Sessions
    from ..sessions.service import Remember

    Edit = Callable[[Sessions, Remember | None], Awaitable[Edited]]

MOST_METADATA = 16 * 1024
"""How long a session's metadata may be: labels, not documents."""
MOST_STEPS = 10_000

_ETAG = re.compile(r'"([0-9]{1,15})\.([0-9]{1,15})(?:\.[0-9]{1,15})?(?:-gzip)?"')

Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
OnFailure = Literal["keep", "rollback"]


class About(BaseModel):
    """The body of PATCH /ext/workflow/sessions/{id}."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    label: Label | None = None
    on_failure: OnFailure = "keep"
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])

    def description(self) -> Description:
        """Give what is said of a session. Raises ApiError INVALID_REQUEST for metadata that are too long."""
        from ..sessions import Description  # noqa: PLC0415 - not at the start

        if len(json.dumps(self.metadata)) > MOST_METADATA:
            raise _wrong("metadata", f"at most {MOST_METADATA} characters of JSON")
        given = self.model_fields_set & {"label", "on_failure", "metadata"}
        return Description(self.label, self.on_failure, self.metadata, frozenset(given))


class NewSession(About):
    """The body of POST /ext/workflow/sessions: one of workflow, task_id, session_id and template."""

    workflow: Any = None
    task_id: Label | None = None
    session_id: Label | None = None
    version: int | None = Field(default=None, ge=1)
    template: Label | None = None
    inputs: dict[str, Any] = Field(default_factory=dict[str, Any])


class Replacement(BaseModel):
    """The body of PUT /ext/workflow/sessions/{id}."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    workflow: Any = None
    if_version: int | None = Field(default=None, ge=1)
    dry_run: bool = False


class Steps(BaseModel):
    """The body of POST …/undo and …/redo."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    steps: int = Field(default=1, ge=1, le=MOST_STEPS)
    if_version: int | None = Field(default=None, ge=1)


class Target(BaseModel):
    """The body of POST …/rollback: one of version and to."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    version: int | None = Field(default=None, ge=1)
    to: Literal["valid", "ran"] | None = None
    if_version: int | None = Field(default=None, ge=1)


class SessionEdits:
    """Makes an edit once for each Idempotency-Key, and answers with the session."""

    def __init__(self, sessions: Late[Sessions]) -> None:
        self._sessions = sessions

    async def once(
        self,
        request: web.Request,
        raw: bytes,
        edit: Edit,
        *,
        status: int = 200,
        dry_run: bool = False,
    ) -> web.StreamResponse:
        """Make *edit* unless the request's key was used before. Raises IDEMPOTENCY_CONFLICT."""
        sessions = self._sessions.get()
        under = None if dry_run else scope_and_key(request)
        if under is None:
            edited = await edit(sessions, None)
        else:
            first = await sessions.recall(*under)
            if first is not None:
                return replayed(first, raw)
            try:
                edited = await edit(
                    sessions,
                    lambda made: remembered(under, raw, status, encoded(_answer(sessions, made)).decode()),
                )
            except AlreadyRememberedError as known:
                return replayed(known.first, raw)
        from ..sessions.views import etag  # noqa: PLC0415 - loaded with the service

        headers = {"ETag": etag(edited.session)}
        if status == 201:
            headers["Location"] = f"/ext/workflow/sessions/{edited.session.id}"
        more: JSON = {"dry_run": True} if dry_run else {}
        return await large_reply(
            lambda: {**_answer(sessions, edited), **more}, status=status, headers=headers
        )


class SessionRoutes:
    """Handlers of sessions."""

    def __init__(self, sessions: Late[Sessions], settings: Settings) -> None:
        self._sessions = sessions
        self._settings = settings
        self._edits = SessionEdits(sessions)

    # In

    async def create(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/workflow/sessions."""
        known_query(request)
        raw = await read_body(request, limit=self._settings.max_body_bytes)
        body = parse_model(await parse_json(raw), NewSession)
        about = body.description()

        async def edit(sessions: Sessions, remember: Remember | None) -> Edited:
            return await sessions.create(await _origin(sessions, body), about, remember)

        return await self._edits.once(request, raw, edit, status=201)

    # Out

    async def index(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/workflow/sessions."""
        known_query(request, "limit", "cursor")
        sessions, (limit, before) = self._sessions.get(), _paging(request)
        found, following = await sessions.page(limit, before)
        return await large_reply(
            lambda: {
                "items": [_shown(sessions, session) for session in found],
                "next_cursor": None if following is None else str(following),
            }
        )

    async def one(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/workflow/sessions/{id}."""
        from ..sessions.views import etag  # noqa: PLC0415
        from ..sessions.work import unpack  # noqa: PLC0415

        known_query(request, "version")
        number = query_int(request, "version", 0, least=0, most=10**10)
        sessions = self._sessions.get()
        session, version, packed = await sessions.get(request.match_info["id"], number or None)
        tag = etag(session)
        unchanged = conditional(request, tag, b"", None)
        if unchanged.status == 304:
            return unchanged
        body = await asyncio.to_thread(
            lambda: encoded(
                {
                    **_shown(sessions, session),
                    "workflow_version": version.number,
                    "workflow": unpack(packed),
                }
            )
        )
        return await compressed(request, body, etag=tag)

    async def versions(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/workflow/sessions/{id}/versions."""
        from ..sessions.views import version_shown  # noqa: PLC0415

        known_query(request, "limit", "cursor")
        limit, before = _paging(request)
        session, found, following = await self._sessions.get().versions(
            request.match_info["id"], limit, before
        )
        return await large_reply(
            lambda: {
                "items": [version_shown(session, version) for version in found],
                "next_cursor": None if following is None else str(following),
            }
        )

    async def version(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/workflow/sessions/{id}/versions/{version}."""
        from ..sessions.views import version_shown  # noqa: PLC0415
        from ..sessions.work import unpack  # noqa: PLC0415

        known_query(request)
        session_id, text = request.match_info["id"], request.match_info["version"]
        if not re.fullmatch("[0-9]{1,10}", text):
            raise NotFound("VERSION_NOT_FOUND", "Versions are whole numbers from 1.")
        session, version, packed, more = await self._sessions.get().version(session_id, int(text))
        return await large_reply(
            lambda: {**version_shown(session, version), **more, "workflow": unpack(packed)}
        )

    async def diff(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/workflow/sessions/{id}/diff."""
        known_query(request, "from", "to")
        old = query_int(request, "from", 0, least=0, most=10**10)
        new = query_int(request, "to", 0, least=0, most=10**10)
        older, later, changes = await self._sessions.get().diff(
            request.match_info["id"], old or None, new or None
        )
        return await large_reply(lambda: {"from": older, "to": later, "changes": changes})

    # Changes

    async def replace(self, request: web.Request) -> web.StreamResponse:
        """PUT /ext/workflow/sessions/{id}."""
        known_query(request)
        session_id = request.match_info["id"]
        raw = await read_body(request, limit=self._settings.max_body_bytes)
        body = parse_model(await parse_json(raw), Replacement)
        if body.if_version is None and "If-Match" not in request.headers:
            raise ApiError(
                "PRECONDITION_REQUIRED",
                "A whole workflow replaces another: say which.",
                hint="Send the ETag of the session as If-Match, or if_version.",
            )
        expected = expected_by(request, body.if_version)

        async def edit(sessions: Sessions, remember: Remember | None) -> Edited:
            return await sessions.replace(
                session_id, body.workflow, expected=expected, dry_run=body.dry_run, remember=remember
            )

        return await self._edits.once(request, raw, edit, dry_run=body.dry_run)

    async def describe(self, request: web.Request) -> web.StreamResponse:
        """PATCH /ext/workflow/sessions/{id}."""
        known_query(request)
        body = await read_model(request, About, limit=self._settings.max_body_bytes)
        about, expected = body.description(), expected_by(request, None)
        if not about.given:
            raise _wrong("label", "give a label, on_failure or metadata")

        async def edit(sessions: Sessions, _: Remember | None) -> Edited:
            return await sessions.describe(request.match_info["id"], about, expected=expected)

        return await self._edits.once(request, b"", edit)

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """DELETE /ext/workflow/sessions/{id}."""
        known_query(request)
        expected = expected_by(request, None)
        await self._sessions.get().remove(request.match_info["id"], expected=expected)
        return web.Response(status=204)

    async def undo(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/workflow/sessions/{id}/undo."""
        return await self._step(request, back=True)

    async def redo(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/workflow/sessions/{id}/redo."""
        return await self._step(request, back=False)

    async def _step(self, request: web.Request, *, back: bool) -> web.StreamResponse:
        raw, body = await self._or_empty(request, Steps)
        expected = expected_by(request, body.if_version)

        async def edit(sessions: Sessions, remember: Remember | None) -> Edited:
            return await sessions.step(
                request.match_info["id"], body.steps, back=back, expected=expected, remember=remember
            )

        return await self._edits.once(request, raw, edit)

    async def rollback(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/workflow/sessions/{id}/rollback."""
        raw, body = await self._or_empty(request, Target)
        to = body.to if body.version is None else body.version
        if to is None or (body.to is not None and body.version is not None):
            raise _wrong("version", "give either version, or to as valid or ran")
        expected = expected_by(request, body.if_version)

        async def edit(sessions: Sessions, remember: Remember | None) -> Edited:
            return await sessions.rollback(request.match_info["id"], to, expected=expected, remember=remember)

        return await self._edits.once(request, raw, edit)

    async def _or_empty(self, request: web.Request, model: type[Model]) -> tuple[bytes, Model]:
        """Read a body in which nothing is needed: none is one too."""
        known_query(request)
        raw = await read_body(request, limit=self._settings.max_body_bytes)
        return raw, parse_model(await parse_json(raw) if raw.strip() else {}, model)


def expected_by(request: web.Request, if_version: int | None) -> tuple[Expected, ...]:
    """Read what a client takes for the present state: If-Match, or ``if_version`` of the body.

    What runs did since does not count, only what clients changed. A tag that is none of ours, or weak,
    never holds (RFC 9110 §13.1.1). Empty: whatever it is. Raises ApiError INVALID_REQUEST.
    """
    from ..sessions import Expected  # noqa: PLC0415 - not at the start

    header = request.headers.get("If-Match")
    if header is None:
        return () if if_version is None else (Expected(version=if_version),)
    if if_version is not None:
        raise _wrong("if_version", "give either this or If-Match")
    if header.strip() == "*":
        return ()
    found: list[Expected] = []
    for each in header.split(","):
        known = _ETAG.fullmatch(each.strip())
        found.append(Expected(rev=-1) if known is None else Expected(int(known[1]), int(known[2])))
    return tuple(found)


async def _origin(sessions: Sessions, body: NewSession) -> Origin:
    """Give what a new session is made of. Raises ApiError INVALID_REQUEST unless it is one thing."""
    named: Mapping[str, Any] = {
        "workflow": body.workflow,
        "task_id": body.task_id,
        "session_id": body.session_id,
        "template": body.template,
    }
    several = [name for name, value in named.items() if value is not None]
    if len(several) > 1:
        raise _wrong(several[1], f"give either this or {several[0]}")
    if body.version is not None and body.session_id is None:
        raise _wrong("version", "only a session has versions")
    if body.inputs and body.template is None:
        raise _wrong("inputs", "only a template has inputs")
    if body.task_id is not None:
        return await sessions.from_task(body.task_id)
    if body.session_id is not None:
        return await sessions.from_session(body.session_id, body.version)
    if body.template is not None:
        return await sessions.from_template(body.template, body.inputs)
    return await sessions.from_workflow(body.workflow)


def _shown(sessions: Sessions, session: Session) -> JSON:
    from ..sessions.views import shown  # noqa: PLC0415

    return shown(session, sessions.bounds)


def _answer(sessions: Sessions, edited: Edited) -> JSON:
    """Give a session after an edit, and what the edit did."""
    session = _shown(sessions, edited.session)
    return {
        **session,
        "valid": session["valid"] if edited.valid is None else edited.valid,
        "workflow_version": edited.session.version,
        "workflow": edited.graph,
        "changes": edited.changes,
        "created": edited.created,
        "findings": edited.findings,
        "inverse": edited.inverse,
        **edited.extras,
    }


def _paging(request: web.Request) -> tuple[int, int | None]:
    limit = query_int(request, "limit", 50, least=1, most=200)
    cursor = query_int(request, "cursor", 0, least=0, most=10**11 - 1)
    return limit, cursor or None


def _wrong(field: str, fault: str) -> InvalidRequest:
    return InvalidRequest("INVALID_REQUEST", f"{field}: {fault}.", details={"fields": {field: fault}})
