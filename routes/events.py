"""/ext/events and /ext/tasks/{id}/events: server-sent events.

The format is that of the HTML standard, §9.2 "Server-sent events": ``id``, ``event`` and ``data`` lines, a
blank line between events, comments as heartbeats.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from ..tasks import FINISHED, Tasks
from ..tasks.events import Event, Hub
from ._http import dumps, known_query

HEARTBEAT_S = 15.0
"""Proxies close connections that are silent for 30 to 60 seconds."""

WRITE_LIMIT_S = 30.0
"""A reader whose socket takes nothing for so long is cut off."""


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
        if number is None:
            number = hub.newest
            state = dumps({"queue": await self._tasks.queue()}).encode()
            await _write(response, _encoded(hub, Event(number, "state", None, state), prefix="task."))
        await self._follow(response, None, number)
        return response

    async def one(self, request: web.Request) -> web.StreamResponse:
        """GET /ext/tasks/{id}/events."""
        known_query(request)
        hub = self._tasks.hub
        task_id = request.match_info["id"]
        task = await self._tasks.find(task_id)  # answers 404 before a stream begins
        number = hub.place(request.headers.get("Last-Event-ID"), task_id)
        response = await _opened(request)
        if number is None:
            number = hub.newest
            task = await self._tasks.find(task_id)
            state = dumps(await self._tasks.show(task)).encode()
            await _write(response, _encoded(hub, Event(number, "state", task_id, state)))
            if task.status in FINISHED:
                return response
        await self._follow(response, task_id, number)
        return response

    async def _follow(self, response: web.StreamResponse, task_id: str | None, number: int) -> None:
        hub = self._tasks.hub
        while True:
            events = hub.after(number, task_id)
            if events is None:
                return  # too slow: it comes back with Last-Event-ID and gets the state
            if events:
                number = events[-1].number
                prefix = "" if task_id else "task."
                await _write(response, b"".join(_encoded(hub, event, prefix=prefix) for event in events))
                if task_id is not None and _is_end(events[-1]):
                    return
            elif not await hub.wait(task_id, HEARTBEAT_S):
                await _write(response, b": still here\n\n")


def _is_end(event: Event) -> bool:
    """A task's last event is the status that it ended with; it names when."""
    return event.name == "status" and b'"finished_at"' in event.data


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


async def _write(response: web.StreamResponse, data: bytes) -> None:
    try:
        await asyncio.wait_for(response.write(data), WRITE_LIMIT_S)
    except (asyncio.TimeoutError, TimeoutError):
        raise ConnectionResetError("the reader takes nothing") from None


def _encoded(hub: Hub, event: Event, prefix: str = "") -> bytes:
    name = prefix + event.name if event.task_id is not None else event.name
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (
        hub.event_id(event.number).encode(),
        name.encode(),
        event.data,
    )
