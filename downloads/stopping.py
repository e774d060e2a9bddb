"""How a download's threads are told to end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from .trouble import Stopped


class Stopper:
    """Implements :class:`~.plan.Stop`. Any thread may stop it, once and for good."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._calls: dict[object, Callable[[], None]] = {}

    @property
    def asked(self) -> bool:
        """Whether to end now."""
        return self._event.is_set()

    def stop(self) -> None:
        """Ask for the end; whoever waits on a socket is woken."""
        with self._lock:
            self._event.set()
            calls = list(self._calls.values())
            self._calls.clear()
        for call in calls:
            with suppress(Exception):
                call()

    def wait(self, seconds: float) -> bool:
        """Wait; True at once when it is asked to end."""
        return self._event.wait(seconds)

    def on_stop(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have *call* made from the stopping thread, at once if that is past; gives what undoes it."""
        key = object()
        with self._lock:
            past = self._event.is_set()
            if not past:
                self._calls[key] = call
        if past:
            with suppress(Exception):
                call()

        def undo() -> None:
            with self._lock:
                self._calls.pop(key, None)

        return undo

    def check(self) -> None:
        """Raise Stopped if it is asked to end."""
        if self._event.is_set():
            raise Stopped
