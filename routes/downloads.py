"""/ext/models/resolve and /ext/models/download: what a link is, and having it here."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..errors import JSON, InvalidRequest
from ..needs import Needs
from ..services import Late
from ..settings import Settings
from ..tasks import AlreadyRememberedError, Tasks
from ..tasks.engine import StoredTask
from ._http import known_query, parse_json, parse_model, read_body, read_model, reply
from ._repeats import Repeats, replayed

if TYPE_CHECKING:
    from ..downloader import Downloader
    from ..downloads.plan import Wanted
    from ..needs import Download  # its values take a while to load

MOST_AT_ONCE = 200
"""Downloads that one workflow may start."""

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")

Short = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Path = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class Link(BaseModel):
    """The body of POST /ext/models/resolve."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    url: Annotated[str, StringConstraints(min_length=1, max_length=8192, strip_whitespace=True)]
    type: Short | None = None
    filename: Path | None = None
    target_dir: Path | None = None
    sha256: Short | None = None
    unzip: bool = False
    overwrite: bool = False

    def wanted(self) -> Wanted:
        """Give what is asked for. Raises ApiError INVALID_REQUEST for what is no SHA-256."""
        from ..downloads.plan import Wanted  # noqa: PLC0415 - loaded with the store

        sha256: str | None = None
        if self.sha256 is not None:
            found = _SHA256.fullmatch(self.sha256.strip())
            if found is None:
                message = "sha256 must be 64 hexadecimal digits."
                raise InvalidRequest("INVALID_REQUEST", message, details={"fields": {"sha256": message}})
            sha256 = found[1].lower()
        return Wanted(
            url=self.url,
            type=self.type,
            filename=self.filename,
            target_dir=self.target_dir,
            sha256=sha256,
            unzip=self.unzip,
            overwrite=self.overwrite,
        )


class NewDownload(Link):
    """The body of POST /ext/models/download with a link."""

    priority: int = Field(default=0, ge=-1000, le=1000)
    webhook: str | None = Field(default=None, max_length=2048)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any], max_length=64)


class Missing(BaseModel):
    """The body of POST /ext/models/download with a workflow: all that it needs and this server has not."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    workflow: dict[str, Any]
    priority: int = Field(default=0, ge=-1000, le=1000)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any], max_length=64)


class DownloadRoutes:
    """Handlers of downloads."""

    def __init__(self, downloader: Late[Downloader], needs: Needs, tasks: Tasks, settings: Settings) -> None:
        self._downloader = downloader
        self._needs = needs
        self._tasks = tasks
        self._settings = settings
        self._repeats = Repeats(tasks)

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/models/resolve."""
        known_query(request)
        body = await read_model(request, Link, limit=self._settings.max_body_bytes)
        await self._tasks.engine()  # with which downloads begin
        return reply(await self._downloader.get().plan(body.wanted()))

    async def create(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/models/download."""
        known_query(request)
        raw = await read_body(request, limit=self._settings.max_body_bytes)
        again = await self._repeats.repeated(request, raw)
        if again is not None:
            return again
        document = await parse_json(raw)
        await self._tasks.engine()
        try:
            if isinstance(document, dict) and "workflow" in document:
                return await self._missing(request, raw, parse_model(document, Missing))
            return await self._one(request, raw, parse_model(document, NewDownload))
        except AlreadyRememberedError as known:
            return replayed(known.first, raw)

    async def _one(self, request: web.Request, raw: bytes, body: NewDownload) -> web.StreamResponse:
        if body.webhook is not None:
            self._tasks.check_url(body.webhook)
        from ..downloads.plan import Asked  # noqa: PLC0415

        asked = Asked(body.wanted(), body.metadata, body.priority, body.webhook)
        remember = self._repeats.remembering(request, raw, self._queued)
        [(task, new)] = await self._downloader.get().submit(
            [asked], client=_client(request), remember=remember
        )
        headers = {"Location": f"/ext/tasks/{task.id}"}
        if new:
            return reply(self._queued([task]), status=202, headers=headers)
        document = self._answer(task, "This is being downloaded already.")
        return reply(document, headers=headers)

    def _queued(self, made: Sequence[StoredTask]) -> JSON:
        [task] = made
        return self._answer(task, "The download is queued.")

    def _answer(self, task: StoredTask, message: str) -> JSON:
        return {
            "status": task.status,
            "message": message,
            "task_id": task.id,
            "url": f"/ext/tasks/{task.id}",
            "task": self._tasks.first_view(task),
        }

    async def _missing(self, request: web.Request, raw: bytes, body: Missing) -> web.StreamResponse:
        needed = await self._needs.missing_downloads(body.workflow)
        if len(needed.items) > MOST_AT_ONCE:
            raise InvalidRequest(
                "INVALID_REQUEST",
                f"{len(needed.items)} models are missing; at most {MOST_AT_ONCE} are fetched at once.",
            )
        from ..downloads.plan import Asked  # noqa: PLC0415

        asked = [Asked(_wanted(one), body.metadata, body.priority) for one in needed.items]
        refusals = await self._downloader.get().refusals(asked)
        others: JSON = {
            "without_source": [need.to_json() for need in needed.without],
            "elsewhere": [need.to_json() for need in needed.elsewhere],
            "refused": [
                {"name": one.need.name, "url": one.url, **refusal.body()}
                for one, refusal in zip(needed.items, refusals, strict=True)
                if refusal is not None
            ],
        }
        asked = [one for one, refusal in zip(asked, refusals, strict=True) if refusal is None]
        if not asked:
            return reply(_nothing(others))
        batch_id = uuid.uuid4().hex

        def answer(made: Sequence[StoredTask]) -> JSON:
            return {
                "status": "queued",
                "message": f"{len(made)} downloads are queued.",
                "batch_id": batch_id,
                "url": f"/ext/tasks/batch/{batch_id}",
                "task_ids": [task.id for task in made],
                **others,
            }

        remember = self._repeats.remembering(request, raw, answer)
        made = await self._downloader.get().submit(
            asked, client=_client(request), batch_id=batch_id, remember=remember
        )
        headers = {"Location": f"/ext/tasks/batch/{batch_id}"}
        return reply(answer([task for task, _ in made]), status=202, headers=headers)

    async def pause(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/tasks/{id}/pause."""
        return await self._held(request, pause=True)

    async def resume(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/tasks/{id}/resume."""
        return await self._held(request, pause=False)

    async def _held(self, request: web.Request, *, pause: bool) -> web.StreamResponse:
        known_query(request)
        task_id = request.match_info["id"]
        task = await self._tasks.find(task_id)
        await self._downloader.get().hold(task, pause=pause)
        return reply(await self._tasks.show(await self._tasks.find(task_id)))


def _nothing(others: JSON) -> JSON:
    """Answer where no download can be begun."""
    if others["refused"]:
        message = "No missing model may be downloaded from where the workflow says."
    elif others["without_source"]:
        message = "For none of the missing models is it known where to get it."
    elif others["elsewhere"]:
        message = "All models are here, but not all where the workflow looks for them."
    else:
        message = "Nothing is missing."
    status = "failed" if others["without_source"] or others["refused"] else "succeeded"
    return {"status": status, "message": message, "batch_id": None, "url": None, "task_ids": [], **others}


def _wanted(found: Download) -> Wanted:
    """Make a request of what a workflow says, as untrusted as one from outside."""
    from ..downloads.plan import Wanted  # noqa: PLC0415

    return Wanted(
        url=found.url,
        type=found.folder,
        filename=found.filename,
        target_dir=found.target_dir,
        sha256=found.sha256,
    )


def _client(request: web.Request) -> str:
    """Name who asks, until there are keys: by address."""
    return request.remote or ""
