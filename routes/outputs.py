"""What people do with outputs, below ``/ext/tasks``: favourites, ratings, the trash, export."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from ..errors import InvalidRequest, NotFound
from ..settings import Settings
from ..tasks import FINISHED, Query
from ..tasks.export import Export
from ..tasks.keeping import Keeping
from ._http import flag, known_query, read_model, reply
from .tasks import rating_of, since_of

FORMATS = ("jsonl",)


class OutputChange(BaseModel):
    """The body of PATCH: what is absent stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    favourite: bool = False
    rating: Literal["chosen", "rejected"] | None = None


class OutputRoutes:
    """The handlers that change outputs, and of the export."""

    def __init__(self, keeping: Keeping, export: Export, settings: Settings) -> None:
        self._keeping = keeping
        self._export = export
        self._settings = settings

    async def change(self, request: web.Request) -> web.StreamResponse:
        """``PATCH /ext/tasks/{id}/outputs/{n}``, ``{"favourite"?, "rating"?}`` → the output."""
        known_query(request)
        body = await read_model(request, OutputChange, limit=self._settings.max_body_bytes)
        changes = body.model_dump(include=body.model_fields_set)
        if not changes:
            raise InvalidRequest(
                "INVALID_REQUEST",
                "Say what to note of the output: favourite, rating or both.",
                details={"fields": {"favourite": "missing", "rating": "missing"}},
            )
        return reply(await self._keeping.mark(request.match_info["id"], _place(request), changes))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """``DELETE /ext/tasks/{id}/outputs/{n}`` → 204; the file is in the trash."""
        known_query(request)
        await self._keeping.delete(request.match_info["id"], _place(request))
        return web.Response(status=204)

    async def restore(self, request: web.Request) -> web.StreamResponse:
        """``POST /ext/tasks/{id}/outputs/{n}/restore`` → the output."""
        known_query(request)
        return reply(await self._keeping.restore(request.match_info["id"], _place(request)))

    async def export(self, request: web.Request) -> web.StreamResponse:
        """``GET /ext/tasks/export?format=jsonl`` → a line of JSON for each finished prompt, or pair."""
        filters = [name for name in request.query if name.startswith("metadata.")]
        known_query(request, "format", "pairs", "since", "template", "favourite", "rating", *filters)
        if request.query.get("format", FORMATS[0]) not in FORMATS:
            raise InvalidRequest(
                "INVALID_REQUEST", "format must be jsonl.", details={"fields": {"format": "not jsonl"}}
            )
        pairs, rating = flag(request, "pairs"), rating_of(request)
        if pairs and rating is not None:
            raise InvalidRequest(
                "INVALID_REQUEST",
                "Pairs are of both ratings.",
                details={"fields": {"rating": "not with pairs"}},
            )
        query = Query(
            limit=1,
            statuses=tuple(FINISHED),
            kinds=("prompt",),
            since=since_of(request),
            template=request.query.get("template"),
            metadata={name.removeprefix("metadata."): request.query[name] for name in filters},
            favourite=flag(request, "favourite"),
            rating=rating,
        )
        name = "pairs.jsonl" if pairs else "tasks.jsonl"
        async with aclosing(self._export.pairs(query) if pairs else self._export.lines(query)) as pieces:
            return await _streamed(request, pieces, name)


async def _streamed(
    request: web.Request, pieces: AsyncGenerator[bytes, None], name: str
) -> web.StreamResponse:
    # Before the status: a store that cannot be read is answered as any error.
    first = await anext(pieces, b"")
    answer = web.StreamResponse(
        headers={
            "Content-Type": "application/jsonl; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
    )
    await answer.prepare(request)
    if request.method != "HEAD":
        await answer.write(first)
        async for piece in pieces:
            await answer.write(piece)
    await answer.write_eof()
    return answer


def _place(request: web.Request) -> int:
    """Read the number of an output. Raises ApiError OUTPUT_NOT_FOUND."""
    place = request.match_info["n"]
    if not (place.isascii() and place.isdigit()) or len(place) > 9:
        raise NotFound("OUTPUT_NOT_FOUND", "Outputs are counted from 0.")
    return int(place)
