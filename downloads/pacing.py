"""How fast a transfer goes, told a few times a second."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Literal

from .plan import Pace

EVERY_S = 0.25
SMOOTH_S = 5.0
"""The speed is that of about so many last seconds."""

Phase = Literal["downloading", "retrying", "verifying"]


class Pacer:
    """Tells *tell* the pace, from whichever thread comes by when it is due; never two at once."""

    def __init__(self, tell: Callable[[Pace], None], clock: Callable[[], float]) -> None:
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._begun = self._at = clock()
        self._due = 0.0
        self._last: int | None = None
        self._speed: float | None = None
        self.phase: Phase = "downloading"
        self.note: str | None = None
        self.size: int | None = None
        self.connections = 0
        self.retries = 0

    def tick(self, landed: Callable[[], int], *, now: bool = False) -> None:
        """Tell how it stands if that is due, or *now*. *landed* gives the bytes on this machine."""
        at = self._clock()
        if (at < self._due and not now) or not self._lock.acquire(blocking=now):
            return
        try:
            self._due = at + EVERY_S
            received = landed()
            self._measure(at, received)
            self._tell(
                Pace(
                    self.phase,
                    received,
                    self.size,
                    self._speed if self.phase == "downloading" else None,
                    self.connections,
                    self.retries,
                    self.note,
                )
            )
        finally:
            self._lock.release()

    def _measure(self, at: float, received: int) -> None:
        passed = at - self._at
        if self._last is None or received < self._last:  # the first time, or begun anew
            self._last, self._at, self._begun, self._speed = received, at, at, None
        elif passed >= EVERY_S / 2:
            speed = (received - self._last) / passed
            # at first the mean of all there is, then the older seconds count less and less
            weight = 1 - math.exp(-passed / min(SMOOTH_S, max(at - self._begun, passed)))
            self._speed = speed if self._speed is None else self._speed + weight * (speed - self._speed)
            self._last, self._at = received, at
