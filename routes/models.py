"""``/ext/models``: the model library.

Whatever is asked, the library first looks at the disk, in a thread. Replies may be kept by the client but
must be asked for again (``no-cache``), which costs a 304.
"""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from ..errors import InvalidRequest
from ..services import Late
from ..settings import Settings
from ._http import compressed, flag, known_query, matches_etag, query_int, read_model

if TYPE_CHECKING:
    from ..models import Library, Ready

MOST_ITEMS = 1000


class Move(BaseModel):
    """The body of PATCH."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    folder: str | None = None
    name: str | None = None


class ModelRoutes:
    """The handlers of ``/ext/models`` and what lies below it, downloads apart."""

    def __init__(self, library: Late[Library], settings: Settings) -> None:
        self._library = library
        self._settings = settings

    async def index(self, request: web.Request) -> web.StreamResponse:
        """``GET /ext/models?detail=&q=`` → ``{folder: [names or model objects]}``."""
        known_query(request, "detail", "q")
        ready = await self._library.get().index(request.query.get("q"), detail=bool(flag(request, "detail")))
        return await _sent(request, ready)

    async def folder(self, request: web.Request) -> web.StreamResponse:
        """``GET /ext/models/{folder}?detail=&q=&limit=&cursor=`` → ``{"folder", "items", "next_cursor"}``."""
        known_query(request, "detail", "q", "limit", "cursor")
        ready = await self._library.get().folder(
            request.match_info["folder"],
            q=request.query.get("q"),
            detail=bool(flag(request, "detail")),
            limit=query_int(request, "limit", 100, least=1, most=MOST_ITEMS),
            cursor=request.query.get("cursor"),
        )
        return await _sent(request, ready)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """``GET /ext/models/{folder}/{path}?hash=`` → a model object with its metadata."""
        known_query(request, "hash")
        ready = await self._library.get().file(*_place(request), hashed=bool(flag(request, "hash")))
        return await _sent(request, ready)

    async def preview(self, request: web.Request) -> web.StreamResponse:
        """``GET /ext/models/{folder}/{path}/preview`` → the picture beside the model."""
        known_query(request)
        found = await self._library.get().preview(*_place(request))
        headers = {
            "ETag": found.etag,
            "Last-Modified": formatdate(found.modified, usegmt=True),
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
        }
        if matches_etag(request, found.etag):
            return web.Response(status=304, headers=headers)
        return web.Response(body=found.body, content_type=found.media_type, headers=headers)

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """``DELETE /ext/models/{folder}/{path}`` → 204."""
        known_query(request)
        await self._library.get().delete(*_place(request))
        return web.Response(status=204)

    async def move(self, request: web.Request) -> web.StreamResponse:
        """``PATCH /ext/models/{folder}/{path}``, ``{"folder"?, "name"?}`` → the model object at its place."""
        known_query(request)
        body = await read_model(request, Move, limit=self._settings.max_body_bytes)
        if body.folder is None and body.name is None:
            raise InvalidRequest(
                "INVALID_REQUEST",
                "Say where the model shall go: folder, name or both.",
                details={"fields": {"folder": "missing", "name": "missing"}},
            )
        ready = await self._library.get().move(*_place(request), to_folder=body.folder, to_name=body.name)
        # Not by _sent: it would answer an If-None-Match with 304, as if nothing had been done.
        headers = {"ETag": ready.etag, "Cache-Control": "no-cache"}
        return web.Response(body=ready.body, content_type="application/json", headers=headers)


def _place(request: web.Request) -> tuple[str, str]:
    return request.match_info["folder"], request.match_info["path"]


async def _sent(request: web.Request, ready: Ready) -> web.Response:
    return await compressed(request, ready.body, etag=ready.etag, packed=ready.packed, pack=ready.pack)
