"""``/ext/catalog``: the node classes of this server.

Whatever is asked, the catalogue first looks whether something has changed, in a thread; then ready bytes go
out. Replies may be kept by the client but must be asked for again (``no-cache``), which costs a 304.
"""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

from aiohttp import web

from ..catalog import Catalog
from ..errors import JSON, InvalidRequest
from ..settings import Settings
from ._http import etag_of, known_query, matches_etag, query_int, reply

_GZIP_FROM = 1400
"""Bytes: what fits one packet gains nothing from compression."""
_MOST_ITEMS = 1000


class CatalogRoutes:
    """The handlers of ``/ext/catalog`` and what lies below it."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        self.catalog = catalog
        self.settings = settings

    async def index(self, request: web.Request) -> web.StreamResponse:
        """``GET /ext/catalog?q=&category=&fields=&deprecated=`` → ``{"revision", "nodes": [NodeSpec]}``."""
        known_query(request, "q", "category", "fields", "deprecated")
        deprecated = _flag(request, "deprecated")
        snapshot = await self.catalog.ready()
        if not request.query:
            return _conditional(request, snapshot.etag, snapshot.identity, snapshot.gzip)
        fields = request.query.get("fields")
        body = await asyncio.to_thread(
            self.catalog.listing,
            request.query.get("q"),
            category=request.query.get("category"),
            deprecated=deprecated,
            fields=None if fields is None else [name for name in map(str.strip, fields.split(",")) if name],
        )
        return await _compressed(request, body)

    async def one(self, request: web.Request) -> web.StreamResponse:
        """``GET /ext/catalog/{class_type}`` → NodeSpec."""
        known_query(request)
        snapshot = await self.catalog.ready()
        spec = self.catalog.node(request.match_info["class_type"])
        return await _compressed(request, snapshot.encoded[spec.name])

    async def next_nodes(self, request: web.Request) -> web.StreamResponse:
        """``GET /ext/catalog/{class_type}/next?output=0&limit=&cursor=`` → nodes that take that output."""
        known_query(request, "output", "limit", "cursor")
        limit, start = _page(request)
        await self.catalog.ready()
        class_type = request.match_info["class_type"]
        items = await asyncio.to_thread(self.catalog.next, class_type, request.query.get("output", "0"))
        return _paged(items, limit, start)

    async def previous_nodes(self, request: web.Request) -> web.StreamResponse:
        """``GET /ext/catalog/{class_type}/previous?input=&limit=&cursor=`` → nodes with an output for it."""
        known_query(request, "input", "limit", "cursor")
        limit, start = _page(request)
        await self.catalog.ready()
        class_type = request.match_info["class_type"]
        items = await asyncio.to_thread(self.catalog.previous, class_type, request.query.get("input"))
        return _paged(items, limit, start)


def _flag(request: web.Request, name: str) -> bool | None:
    text = request.query.get(name)
    if text is None:
        return None
    if text not in {"0", "1"}:
        raise InvalidRequest(
            "INVALID_REQUEST", f"{name} must be 0 or 1.", details={"fields": {name: "not 0 or 1"}}
        )
    return text == "1"


def _page(request: web.Request) -> tuple[int, int]:
    limit = query_int(request, "limit", 50, least=1, most=_MOST_ITEMS)
    return limit, query_int(request, "cursor", 0, least=0, most=10**9)


def _paged(items: list[JSON], limit: int, start: int) -> web.Response:
    end = start + limit
    cursor = str(end) if end < len(items) else None
    return reply({"items": items[start:end], "next_cursor": cursor}, headers={"Cache-Control": "no-cache"})


async def _compressed(request: web.Request, body: bytes) -> web.Response:
    """Answer with *body*, compressed here where that helps."""
    etag = etag_of(body)
    packed: bytes | None = None
    if len(body) >= _GZIP_FROM and _takes_gzip(request) and not matches_etag(request, _gzip_etag(etag)):
        packed = await asyncio.to_thread(gzip.compress, body, 6, mtime=0)
    return _conditional(request, etag, body, packed)


def _conditional(request: web.Request, etag: str, body: bytes, packed: bytes | None) -> web.Response:
    """Answer with *body*, or *packed* where the client takes gzip, or 304 where it has either."""
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    for known in (etag, _gzip_etag(etag)):
        if matches_etag(request, known):
            return web.Response(status=304, headers=headers | {"ETag": known})
    sent: Any = body
    if packed is not None and _takes_gzip(request):
        sent, etag = packed, _gzip_etag(etag)
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=sent, content_type="application/json", headers=headers | {"ETag": etag})


def _gzip_etag(etag: str) -> str:
    """Give the ETag of the compressed form: other bytes, so another strong ETag (RFC 9110 §8.8.3.3)."""
    return etag[:-1] + '-gzip"'


def _takes_gzip(request: web.Request) -> bool:
    """Say whether the client accepts gzip, ``q=0`` and ``*`` included (RFC 9110 §12.5.3)."""
    accepted: dict[str, bool] = {}
    for item in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, _, parameters = item.partition(";")
        weight = parameters.replace(" ", "").removeprefix("q=")
        accepted[coding.strip()] = weight == "" or weight.strip("0.") != ""
    return accepted.get("gzip", accepted.get("*", False))
