"""What goes on behind a transfer: bytes are hashed and looked at in order, and put on the disk for good."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from .part import Part
from .plan import Inspector

PIECE_BYTES = 1024 * 1024
TICK_S = 0.25
NICE = 10


class Follower:
    """Hashes a part in a thread, close behind its frontier, and shows an inspector the bytes, in order.

    It begins with the first byte, also where a download goes on: what was fetched before is read again, and
    that while the rest comes in. *fail* is told what went wrong; *tick* is called a few times a second.
    """

    def __init__(
        self,
        part: Part,
        inspector: Inspector | None,
        *,
        fail: Callable[[BaseException], None],
        tick: Callable[[], None],
    ) -> None:
        self.inspector = inspector
        self._part = part
        self._fail = fail
        self._tick = tick
        self._digest = hashlib.sha256()
        self._over = False
        self._hashed = 0
        self._moved = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="backplane-hash", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._over = True
        self._part.wake()
        self._thread.join()

    def wait(self, size: int, seconds: float) -> bool:
        """Wait until *size* bytes are hashed, or the time is over; say whether they are."""
        with self._moved:
            if self._hashed < size:
                self._moved.wait(seconds)
            return self._hashed >= size

    def sha256(self) -> str:
        """Give the digest of what was hashed, in hexadecimal."""
        return self._digest.hexdigest()

    def _run(self) -> None:
        if sys.platform.startswith("linux"):
            with suppress(OSError):  # of this thread alone: whatever else the server does comes first
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        view = memoryview(bytearray(PIECE_BYTES))
        try:
            while not self._over:
                frontier = self._part.wait_beyond(self._hashed, TICK_S, lambda: self._over)
                self._tick()
                while self._hashed < frontier and not self._over:
                    self._follow(view[: frontier - self._hashed])
                    self._tick()
        except BaseException as error:
            self._fail(error)

    def _follow(self, view: memoryview) -> None:
        piece = view[: self._part.read(self._hashed, view)]
        self._digest.update(piece)
        if self.inspector is not None and not self.inspector.settled:
            self.inspector.feed(piece)
        with self._moved:
            self._hashed += len(piece)
            self._moved.notify_all()


class Keeper:
    """Has what landed reach the disk every so often, in a thread, and *kept* called after each time."""

    def __init__(
        self,
        part: Part,
        *,
        every_bytes: int,
        every_s: float,
        kept: Callable[[], None],
        fail: Callable[[BaseException], None],
        clock: Callable[[], float],
    ) -> None:
        self._part = part
        self._every_bytes = every_bytes
        self._every_s = every_s
        self._kept = kept
        self._fail = fail
        self._clock = clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="backplane-sync", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it, once a sync that is under way is done."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        last = self._clock()
        try:
            while not self._over.wait(TICK_S):
                fresh = self._part.unsynced
                if fresh >= self._every_bytes or (fresh and self._clock() - last >= self._every_s):
                    self._part.sync()
                    self._kept()
                    last = self._clock()
        except BaseException as error:
            self._fail(error)
