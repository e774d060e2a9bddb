"""Calls a handler of ComfyUI's server without HTTP. Imports no ComfyUI."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

from aiohttp import web

from ..errors import JSON


class InProcessRequest:
    """What ``POST /prompt`` uses of a request: the body, and headers on newer versions."""

    def __init__(self, body: JSON) -> None:
        self._body = body
        self.headers: dict[str, str] = {}

    async def json(self) -> JSON:
        """Give the body."""
        return self._body


def prompt_handler(routes: Iterable[web.AbstractRouteDef]) -> Callable[[Any], Awaitable[Any]]:
    """Find ComfyUI's own handler of ``POST /prompt``. Raises LookupError."""
    for route in routes:
        if isinstance(route, web.RouteDef) and route.method == "POST" and route.path == "/prompt":
            return route.handler
    raise LookupError("this ComfyUI has no POST /prompt")


def body_of(answer: web.Response) -> JSON:
    """Decode what the handler answered."""
    return json.loads(cast("bytes", answer.body))
