"""``/ext/templates``: named workflows with declared inputs, and fragments."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from ..errors import JSON, InvalidRequest
from ..services import Late
from ..settings import Settings
from ._http import (
    COMPRESS_IN_THREAD_BYTES,
    COMPRESSED_BYTES,
    compressed,
    known_query,
    parse_json,
    query_int,
    read_body,
    read_model,
)

if TYPE_CHECKING:
    from ..templates import Template, Templates

MOST_ITEMS = 500
KINDS = ("template", "fragment")


class Proposed(BaseModel):
    """The body of POST /ext/templates/propose."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    workflow: Any = None


class Previewed(BaseModel):
    """The body of POST /ext/templates/{name}/preview."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    inputs: dict[str, Any] = Field(default_factory=dict)


class TemplateRoutes:
    """Handlers of the templates."""

    def __init__(self, templates: Late[Templates], settings: Settings) -> None:
        self._templates = templates
        self._settings = settings

    async def _ready(self) -> Templates:
        return await asyncio.to_thread(self._templates.get)

    async def schemas(self) -> list[tuple[str, JSON]]:
        """Give what the API's own document has of templates: ``name@version`` and a schema each."""
        return await (await self._ready()).schemas()

    async def index(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/templates."""
        known_query(request, "q", "kind", "tag", "limit", "cursor")
        kind = request.query.get("kind")
        if kind is not None and kind not in KINDS:
            message = "kind must be template or fragment."
            raise InvalidRequest("INVALID_REQUEST", message, details={"fields": {"kind": message}})
        page = await (await self._ready()).list(
            q=request.query.get("q", ""),
            kind=kind,
            tag=request.query.get("tag"),
            limit=query_int(request, "limit", 100, least=1, most=MOST_ITEMS),
            cursor=request.query.get("cursor"),
        )
        return await _sent(request, page)

    async def one(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/templates/{name}."""
        known_query(request)
        template = await (await self._ready()).get(request.match_info["name"])
        return await _whole(request, template)

    async def versions(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/templates/{name}/versions."""
        known_query(request)
        rows = await (await self._ready()).versions(request.match_info["name"])
        return await _sent(request, {"items": rows, "next_cursor": None})

    async def schema(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/templates/{name}/schema."""
        known_query(request)
        return await _sent(request, await (await self._ready()).schema(request.match_info["name"]))

    async def put(self, request: web.Request) -> web.StreamResponse:
        """PUT /ext/templates/{name}."""
        known_query(request)
        none_match = request.headers.get("If-None-Match")
        if none_match is not None and none_match.strip() != "*":
            message = "If-None-Match must be * here."
            raise InvalidRequest("INVALID_REQUEST", message, details={"fields": {"If-None-Match": message}})
        document = await parse_json(await read_body(request, limit=self._settings.max_body_bytes))
        if not isinstance(document, dict):
            raise InvalidRequest("INVALID_REQUEST", "The body must be a JSON object.")
        kept: JSON = document  # pyright: ignore[reportUnknownVariableType]
        template, new = await (await self._ready()).put(
            request.match_info["name"],
            kept,
            if_match=request.headers.get("If-Match"),
            only_new=none_match is not None,
        )
        body, etag = await asyncio.to_thread(_encoded, template)
        headers = {"ETag": etag, "Location": f"/ext/templates/{template.ref}"}
        return _answer(body, status=201 if new else 200, headers=headers)

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """DELETE /ext/templates/{name}."""
        known_query(request)
        await (await self._ready()).delete(
            request.match_info["name"], if_match=request.headers.get("If-Match")
        )
        return web.Response(status=204)

    async def propose(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/templates/propose."""
        known_query(request)
        body = await read_model(request, Proposed, limit=self._settings.max_body_bytes)
        found = await (await self._ready()).propose(body.workflow)
        return _answer(await asyncio.to_thread(_json, found))

    async def preview(self, request: web.Request) -> web.StreamResponse:
        """POST /ext/templates/{name}/preview."""
        known_query(request)
        body = await read_model(request, Previewed, limit=self._settings.max_body_bytes)
        filled = await (await self._ready()).fill(request.match_info["name"], body.inputs)
        document: JSON = {
            "name": filled.template.name,
            "version": filled.template.version,
            "digest": filled.template.digest,
            "workflow": filled.graph,
            "inputs": filled.inputs,
            "outputs": None if filled.outputs is None else list(filled.outputs),
            "files": sorted(filled.files),
            "drawn": [each.to_json() for each in filled.drawn],
        }
        return _answer(await asyncio.to_thread(_json, document))


def _answer(body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    answer = web.Response(
        body=body,
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", "Vary": "Accept-Encoding"} | (headers or {}),
        zlib_executor_size=COMPRESS_IN_THREAD_BYTES,
    )
    if len(body) >= COMPRESSED_BYTES and "ETag" not in answer.headers:
        answer.enable_compression()  # an ETag is of these bytes
    return answer


async def _sent(request: web.Request, document: JSON) -> web.StreamResponse:
    return await compressed(request, await asyncio.to_thread(_json, document))


async def _whole(request: web.Request, template: Template) -> web.StreamResponse:
    body, etag = await asyncio.to_thread(_encoded, template)
    return await compressed(request, body, etag=etag)


def _json(document: JSON) -> bytes:
    from ..templates import json_bytes  # noqa: PLC0415 - loaded by then

    return json_bytes(document)


def _encoded(template: Template) -> tuple[bytes, str]:
    from ..templates import etag_of, view  # noqa: PLC0415

    return _json(view(template)), etag_of(template)
