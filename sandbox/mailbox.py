"""One-way delivery from any thread to the event loop, in order."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger("backplane")

Item = TypeVar("Item")

BATCH = 200
"""Items delivered before other work of the loop gets a turn."""


class Mailbox(Generic[Item]):
    """Delivers what is posted to *deliver*, on the loop, in the order of posting.

    What is posted before :meth:`open` waits; what is posted after :meth:`close` is dropped.
    """

    def __init__(self, deliver: Callable[[Item], None]) -> None:
        self._deliver = deliver
        self._items: deque[Item] = deque()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._closed = False

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin delivering, on *loop*."""
        with self._lock:
            self._loop = loop
            self._schedule()

    def close(self) -> None:
        """Deliver nothing any more."""
        with self._lock:
            self._closed = True
            self._items.clear()

    def post(self, item: Item) -> None:
        """Hand over *item*; never blocks."""
        with self._lock:
            if not self._closed:
                self._items.append(item)
                self._schedule()

    def _schedule(self) -> None:
        if self._loop is None or self._scheduled or not self._items:
            return
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # the loop is closed: nobody is left to tell
            self._closed = True
            self._items.clear()
        else:
            self._scheduled = True

    def _drain(self) -> None:
        for _ in range(BATCH):
            with self._lock:
                if not self._items:
                    self._scheduled = False
                    return
                item = self._items.popleft()
            try:
                self._deliver(item)
            except Exception:
                log.exception("An event of the sandbox could not be delivered")
        with self._lock:
            self._scheduled = False
            self._schedule()
