"""``/ext/workflow/requirements``: what a workflow needs of this server."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from ..needs import Needs
from ..settings import Settings
from ._http import known_query, read_model, reply


class AskedFor(BaseModel):
    """The body of POST /ext/workflow/requirements."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    workflow: Any = None
    search: bool = False


class NeedsRoutes:
    """The handler of ``/ext/workflow/requirements``."""

    def __init__(self, needs: Needs, settings: Settings) -> None:
        self._needs = needs
        self._settings = settings

    async def requirements(self, request: web.Request) -> web.StreamResponse:
        """``POST /ext/workflow/requirements`` ``{workflow, search?}`` → nodes, packs and models."""
        known_query(request)
        asked = await read_model(request, AskedFor, limit=self._settings.max_body_bytes)
        found = await self._needs.requirements(asked.workflow, search=asked.search)
        # thousands of nodes take some milliseconds to encode
        return await asyncio.to_thread(lambda: reply(found.to_json()))
