"""The websocket: who listens, and what they are told.

As in ComfyUI, a run speaks only to the client that submitted it, and the state of the queue goes to all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from aiohttp import WSCloseCode, WSMsgType, web

from ..errors import JSON
from .mailbox import Mailbox
from .plain import dumps

log = logging.getLogger("backplane")

OUTBOX = 2000
"""Messages held for a client that does not read; one more and it is let go."""


@dataclass(slots=True, eq=False)
class _Client:
    sid: str
    ws: web.WebSocketResponse
    flags: JSON = field(default_factory=dict[str, Any])
    outbox: asyncio.Queue[str | bytes] = field(
        default_factory=lambda: asyncio.Queue[str | bytes](maxsize=OUTBOX)
    )
    lost: bool = False


@dataclass(frozen=True, slots=True)
class _Letter:
    sid: str | None
    content: str | bytes


class Audience:
    """All websocket clients. The methods that send may be called from any thread."""

    def __init__(self, *, status: Callable[[], JSON], features: JSON) -> None:
        self._status = status
        self._features = features
        self._clients: dict[str, _Client] = {}
        self._senders: set[asyncio.Task[None]] = set()
        self._letters: Mailbox[_Letter] = Mailbox(self._deliver)
        self._executing: tuple[str | None, str] | None = None

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin sending, on *loop*."""
        self._letters.open(loop)

    async def close(self) -> None:
        """Say goodbye to everyone."""
        self._letters.close()
        for client in list(self._clients.values()):
            with contextlib.suppress(Exception):
                await client.ws.close(code=WSCloseCode.GOING_AWAY, message=b"The server stops")

    def tell(self, sid: str | None, event: str, data: JSON) -> None:
        """Send an event to one client, or to all if *sid* is None; dropped if nobody is there."""
        if self._clients if sid is None else sid in self._clients:
            self._letters.post(_Letter(sid, dumps({"type": event, "data": data})))

    def send_bytes(self, sid: str, event: int, body: bytes) -> None:
        """Send a binary event to one client."""
        if sid in self._clients:
            self._letters.post(_Letter(sid, struct.pack(">I", event) + body))

    def listens(self, sid: str) -> bool:
        """Say whether this client is connected."""
        return sid in self._clients

    def wants_preview_metadata(self, sid: str) -> bool:
        """Say whether this client takes previews that say which node they are of."""
        client = self._clients.get(sid)
        return client is not None and client.flags.get("supports_preview_metadata") is True

    def at(self, sid: str | None, node_id: str | None) -> None:
        """Remember which node runs, for a client that comes back in the middle of its run."""
        self._executing = None if node_id is None else (sid, node_id)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Handle ``GET /ws?clientId=``."""
        ws = web.WebSocketResponse(heartbeat=30)
        await ws.prepare(request)
        client = _Client(request.query.get("clientId") or uuid.uuid4().hex, ws)
        before = self._clients.pop(client.sid, None)
        if before is not None:
            before.lost = True
            await before.ws.close(code=WSCloseCode.GOING_AWAY, message=b"Connected again elsewhere")
        self._clients[client.sid] = client
        sender = asyncio.create_task(_send(client))
        self._senders.add(sender)
        sender.add_done_callback(self._senders.discard)
        try:
            self.tell(client.sid, "status", {"status": self._status(), "sid": client.sid})
            executing = self._executing
            if executing is not None and executing[0] == client.sid:
                self.tell(client.sid, "executing", {"node": executing[1]})
            await self._listen(client)
        finally:
            # A client that came back has a new entry, which is not ours to remove.
            if self._clients.get(client.sid) is client:
                del self._clients[client.sid]
            sender.cancel()
        return ws

    async def _listen(self, client: _Client) -> None:
        first = True
        async for message in client.ws:
            if message.type != WSMsgType.TEXT:
                continue
            try:
                said = json.loads(message.data)
            except ValueError:
                log.debug("A websocket client sent something that is not JSON")
                continue
            if first and isinstance(said, dict):
                said = cast("JSON", said)
                if said.get("type") == "feature_flags":
                    flags = said.get("data")
                    client.flags = cast("JSON", flags) if isinstance(flags, dict) else {}
                    self.tell(client.sid, "feature_flags", self._features)
            first = False

    def _deliver(self, letter: _Letter) -> None:
        addressed = self._clients.get(letter.sid) if letter.sid is not None else None
        clients = list(self._clients.values()) if letter.sid is None else [addressed] if addressed else []
        for client in clients:
            try:
                client.outbox.put_nowait(letter.content)
            except asyncio.QueueFull:
                if not client.lost:
                    client.lost = True
                    log.warning("A websocket client does not read what it is sent; it is let go")
                    closing = asyncio.ensure_future(_drop(client))
                    self._senders.add(closing)
                    closing.add_done_callback(self._senders.discard)


async def _send(client: _Client) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):  # gone: its handler clears up
        while True:
            content = await client.outbox.get()
            if isinstance(content, str):
                await client.ws.send_str(content)
            else:
                await client.ws.send_bytes(content)


async def _drop(client: _Client) -> None:
    with contextlib.suppress(Exception):
        await client.ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too slow")
