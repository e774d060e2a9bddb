"""/ext/events and /ext/tasks/{id}/events: server-sent events.

The format is that of the HTML standard, §9.2 "Server-sent events": ``id``, ``event`` and ``data`` lines, a
blank line between events, comments as heartbeats.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import web

from ..errors import JSON, ApiError
from ..tasks import FINISHED, Tasks
from ..tasks.events import Event, Hub
from ._http import dumps, known_query

STATE_TRIES = 20
"""How often a task is shown anew because something happened to it meanwhile; events are rarer than that."""

HEARTBEAT_S = 15.0
"""Proxies close connections that are silent for 30 to 60 seconds."""

WRITE_LIMIT_S = 30.0
"""A reader whose socket takes nothing for so long is cut off."""

MOST_AT_ONCE = 500
"""Events in one write: what is held in memory for a reader that is slow."""


class EventRoutes:
    """Handlers of the event streams."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    async def everything(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/events."""
        known_query(request)
        hub = self._tasks.hub
        number = hub.place(request.headers.get("Last-Event-ID"), None)
        response = await _opened(request)
        first = b""
        if number is None:
            number = hub.newest
            state = dumps({"queue": await self._tasks.queue()}).encode()
            first = _encoded(hub, Event(number, "state", None, state), prefix="task.")
        await self._follow(request, response, None, number, first)
        return response

    async def one(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/tasks/{id}/events."""
        known_query(request)
        hub = self._tasks.hub
        task_id = request.match_info["id"]
        await self._tasks.find(task_id)  # answers 404 before a stream begins
        number = hub.place(request.headers.get("Last-Event-ID"), task_id)
        response = await _opened(request)
        first = b""
        if number is None:
            number, document = await self._state(task_id)
            first = _encoded(hub, Event(number, "state", task_id, dumps(document).encode()))
        await self._follow(request, response, task_id, number, first)
        return response

    async def _state(self, task_id: str) -> tuple[int, JSON]:
        """Give a task and the number of the last event that is in it already.

        Showing a task may take a look into the store; what happens meanwhile would be told twice.
        """
        hub = self._tasks.hub
        number, document = 0, {}
        for _ in range(STATE_TRIES):
            number = hub.newest
            document = await self._tasks.show(await self._tasks.find(task_id))
            if not hub.after(number, task_id):
                break
        return number, document

    async def _follow(
        self,
        request: web.Request,
        response: web.StreamResponse,
        task_id: str | None,
        number: int,
        first: bytes,
    ) -> None:
        """Write *first* and what comes after event *number*, until it ends or the reader is gone."""
        with suppress(ConnectionError):
            if first:
                await _write(request, response, first)
            await self._go_on(request, response, task_id, number)

    async def _go_on(
        self, request: web.Request, response: web.StreamResponse, task_id: str | None, number: int
    ) -> None:
        hub = self._tasks.hub
        while True:
            # Looked at before the events: what it ended with is among them.
            over = task_id is not None and await self._is_over(task_id)
            events = hub.after(number, task_id)
            if events is None:
                return  # too slow: it comes back with Last-Event-ID and gets the state
            events = events[:MOST_AT_ONCE]
            if events:
                number = events[-1].number
                prefix = "" if task_id else "task."
                encoded = b"".join(_encoded(hub, event, prefix=prefix) for event in events)
                await _write(request, response, encoded)
            elif over:
                return
            elif not await hub.wait(task_id, HEARTBEAT_S):
                await _write(request, response, b": still here\n\n")

    async def _is_over(self, task_id: str) -> bool:
        try:
            return (await self._tasks.find(task_id)).status in FINISHED
        except ApiError:
            return True


async def _opened(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",  # nginx would hold events back
        }
    )
    await response.prepare(request)
    return response


async def _write(request: web.Request, response: web.StreamResponse, data: bytes) -> None:
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the reader is gone")
    # Not close, which would wait for the reader; and a timer, as wait_for makes a task of each write.
    cutting = asyncio.get_running_loop().call_later(WRITE_LIMIT_S, transport.abort)
    try:
        await response.write(data)
    finally:
        cutting.cancel()


def _encoded(hub: Hub, event: Event, prefix: str = "") -> bytes:
    name = prefix + event.name if event.task_id is not None else event.name
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (
        hub.event_id(event.number).encode(),
        name.encode(),
        event.data,
    )
