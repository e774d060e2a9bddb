"""``/ext/catalog``: the node classes of this server.

Whatever is asked, the catalogue first looks whether something has changed, in a thread; then ready bytes go
out. Replies may be kept by the client but must be asked for again (``no-cache``), which costs a 304.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from ..catalog import Catalog
from ..errors import JSON
from ..settings import Settings
from ._http import compressed, conditional, flag, known_query, query_int, reply

_MOST_ITEMS = 1000


class CatalogRoutes:
    """The handlers of ``/ext/catalog`` and what lies below it."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        self.catalog = catalog
        self.settings = settings

    async def index(self, request: web.Request) -> web.StreamResponse:
        """``GET /ext/catalog?q=&category=&fields=&deprecated=`` → ``{"revision", "nodes": [NodeSpec]}``."""
        known_query(request, "q", "category", "fields", "deprecated")
        deprecated = flag(request, "deprecated")
        snapshot = await self.catalog.ready()
        if not request.query:
            return conditional(request, snapshot.etag, snapshot.identity, snapshot.gzip)
        fields = request.query.get("fields")
        body = await asyncio.to_thread(
            self.catalog.listing,
            request.query.get("q"),
            category=request.query.get("category"),
            deprecated=deprecated,
            fields=None if fields is None else [name for name in map(str.strip, fields.split(",")) if name],
        )
        return await compressed(request, body)

    async def one(self, request: web.Request) -> web.StreamResponse:
        """``GET /ext/catalog/{class_type}`` → NodeSpec."""
        known_query(request)
        snapshot = await self.catalog.ready()
        spec = self.catalog.node(request.match_info["class_type"])
        return await compressed(request, snapshot.encoded[spec.name])

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


def _page(request: web.Request) -> tuple[int, int]:
    limit = query_int(request, "limit", 50, least=1, most=_MOST_ITEMS)
    return limit, query_int(request, "cursor", 0, least=0, most=10**9)


def _paged(items: list[JSON], limit: int, start: int) -> web.Response:
    end = start + limit
    cursor = str(end) if end < len(items) else None
    return reply({"items": items[start:end], "next_cursor": cursor}, headers={"Cache-Control": "no-cache"})
