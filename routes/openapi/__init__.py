"""``/ext/openapi.json``: the API as a document that programs read, the templates of this server included.

It is put together at the first request, in a thread: nothing of it is loaded while ComfyUI starts.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from ...errors import JSON
from ...wire import dumps
from .._http import compressed, etag_of, known_query, matches_etag

Named = list[tuple[str, JSON]]
"""Templates: ``name@version`` and the JSON Schema of its inputs."""

PAGE = Path(__file__).with_name("page.html")


@dataclass(frozen=True, slots=True)
class _Made:
    """The document as it is sent, and the templates that it was made of."""

    templates: Named
    body: bytes
    packed: bytes
    etag: str


async def no_templates() -> Named:
    """Give the templates of a server that has none."""
    return []


class OpenApiRoutes:
    """The handlers of the document and of the page that shows it."""

    def __init__(
        self,
        routes: Callable[[], Sequence[tuple[str, str]]],
        *,
        version: str,
        templates: Callable[[], Awaitable[Named]] = no_templates,
    ) -> None:
        self._routes = routes
        self._version = version
        self._templates = templates
        self._made: _Made | None = None
        self._turn = asyncio.Lock()

    async def document(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/openapi.json."""
        known_query(request)
        templates = await self._templates()
        async with self._turn:
            made = self._made
            if made is None or made.templates != templates:
                made = self._made = await asyncio.to_thread(self._make, templates)
        return await compressed(request, made.body, etag=made.etag, packed=made.packed)

    def _make(self, templates: Named) -> _Made:
        from .document import document

        body = dumps(document(self._routes(), templates, version=self._version)).encode()
        return _Made(templates, body, gzip.compress(body, 6, mtime=0), etag_of(body))

    async def page(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/docs."""
        known_query(request)
        body, policy = await asyncio.to_thread(_page)
        headers = {
            "ETag": etag_of(body),
            "Cache-Control": "no-cache",
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
        }
        if matches_etag(request, headers["ETag"]):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)


def _page() -> tuple[bytes, str]:
    """Give the page and its policy: its own script and style alone, and no host but this one."""
    body = PAGE.read_bytes()
    [script], [style] = (
        re.findall(rb"<%b>(.*?)</%b>" % (tag, tag), body, re.DOTALL) for tag in (b"script", b"style")
    )
    return body, (
        f"default-src 'none'; script-src {_hashed(script)}; style-src {_hashed(style)}; connect-src 'self';"
        " img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )


def _hashed(text: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"
