"""Idempotency-Key: the same key with the same body gets the same answer, and nothing is done twice."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence

from aiohttp import web

from ..errors import JSON, Conflict, InvalidRequest
from ..tasks import Remembered, Tasks
from ..tasks.engine import StoredTask
from ..tasks.ports import Remember
from ._http import dumps

Answer = Callable[[Sequence[StoredTask]], JSON]
"""The body of the reply to a request that made these tasks."""


class Repeats:
    """Remembers answers in the store of *tasks*."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    async def repeated(self, request: web.Request, raw: bytes) -> web.Response | None:
        """Give the first answer, if the request's key was used before. Raises IDEMPOTENCY_CONFLICT."""
        key = _key(request)
        if key is None:
            return None
        first = await (await self._tasks.engine()).recall(_scope(request), key)
        return None if first is None else replayed(first, raw)

    def remembering(
        self, request: web.Request, raw: bytes, answer: Answer, status: int = 202
    ) -> Remember | None:
        """Give what has the answer kept together with the tasks; None for a request without a key."""
        key = _key(request)
        if key is None:
            return None

        def remember(made: Sequence[StoredTask]) -> Remembered:
            text = dumps(answer(made))
            return Remembered(_scope(request), key, _sha256(raw), status, text, time.time())

        return remember


def scope_and_key(request: web.Request) -> tuple[str, str] | None:
    """Give under what the answer to *request* is kept; None for a request without a key."""
    key = _key(request)
    return None if key is None else (_scope(request), key)


def remembered(under: tuple[str, str], raw: bytes, status: int, answer: str) -> Remembered:
    """Give an answer as it is kept."""
    return Remembered(*under, _sha256(raw), status, answer, time.time())


def replayed(first: Remembered, raw: bytes) -> web.Response:
    """Answer as the first time. Raises ApiError IDEMPOTENCY_CONFLICT if the body is another."""
    if first.body_sha256 != _sha256(raw):
        raise Conflict(
            "IDEMPOTENCY_CONFLICT",
            "This Idempotency-Key was used before with another body.",
            hint="Use a new key for a new request.",
        )
    return web.Response(
        text=first.answer,
        status=first.status,
        content_type="application/json",
        headers={"Idempotent-Replayed": "true", "Cache-Control": "no-store"},
    )


def _key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        message = "Idempotency-Key must be 1 to 255 printable ASCII characters."
        raise InvalidRequest("INVALID_REQUEST", message, details={"fields": {"Idempotency-Key": message}})
    return key


def _scope(request: web.Request) -> str:
    return f"{request.method} {request.path.removeprefix('/api')}"


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
