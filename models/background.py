"""Reads headers and works out hashes while nobody needs the machine: one thread, one file at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from .details import Details, Item
from .hashing import Halted, be_nice, sha256_of
from .index import Index, Look
from .values import Change, Stamp, settled

log = logging.getLogger("backplane")

PAUSE_S = 0.2
"""How often is looked whether a run is over."""
LOOK_S = 0.1
"""How often, while it works, whether one has begun: to know may cost a look at the whole queue."""
AT_ONCE = 20
"""Files whose headers are read before others get at them."""
SOON_S = 5.0
"""When files that were too new, or changed while they were hashed, are tried again."""


class Background:
    """Works through the library once it is started, and again when :meth:`wake` is called.

    *tell* gets what changed and may be called from any thread. *busy* says that a run is on; it is called
    in the thread.
    """

    def __init__(
        self,
        index: Index,
        details: Details,
        tell: Callable[[Look, list[Change]], None],
        *,
        busy: Callable[[], bool],
        clock: Callable[[], float],
        delay_s: float,
    ) -> None:
        self._index = index
        self._details = details
        self._tell = tell
        self._busy = busy
        self._clock = clock
        self._delay_s = delay_s
        self._halt = threading.Event()
        self._news = threading.Event()
        self._failed: dict[str, Stamp] = {}
        self._free_until = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, after the delay."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="backplane-models-hash", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Say that there may be something new."""
        self._news.set()

    def stop(self) -> None:
        """End the thread: it looks every 4 MiB whether it shall. Blocks until it has ended."""
        self._halt.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _serve(self) -> None:
        be_nice()
        if self._halt.wait(self._delay_s):
            return
        while not self._halt.is_set():
            self._news.clear()
            again = False
            try:
                again = self._round()
            except Halted:
                return
            except Exception:  # the library works without
                log.exception("The background work on models failed")
            self._news.wait(SOON_S if again else None)

    def _round(self) -> bool:
        """Do all that there is to do; say whether something has to be tried again soon."""
        look = self._index.look()
        self._tell(look, list(look.changes))
        waiting: list[tuple[int, str, Item]] = []
        for view in look.views.values():
            for begin in range(0, len(view.entries), AT_ONCE):
                self._pause()
                some = view.entries[begin : begin + AT_ONCE]
                # a long time: who stops is looked for between the batches
                found, changes = self._details.items(look, view, some, read_until=time.monotonic() + 60)
                self._tell(look, changes)
                waiting += [(item.known.stamp.size, item.real, item) for item in found if self._wanted(item)]
        again = False
        done: set[str] = set()
        for _, real, item in sorted(waiting, key=lambda each: each[:2]):
            if real not in done:
                done.add(real)
                again = not self._hash(item) or again
            if self._news.is_set():
                return False  # something new: it may be smaller
        return again

    def _wanted(self, item: Item) -> bool:
        known = item.known
        return item.inside and known.sha256 is None and self._failed.get(item.real) != known.stamp

    def _hash(self, item: Item) -> bool:
        """Hash one file; say whether it is done with."""
        self._pause()
        if self._details.sha256(item.real) is not None:  # asked for meanwhile, or done by another process
            return True
        if not settled(item.known.stamp.mtime_ns, self._clock()):
            return False
        try:
            found = sha256_of(item.real, self._go_on)
        except OSError as error:
            log.info("A model file cannot be read and is not hashed: %s", error.strerror)
            self._failed[item.real] = item.known.stamp
            return True
        if found is None or not settled(found[1].mtime_ns, self._clock()):
            return False
        self._details.learn(item.real, found[1], sha256=found[0])
        return True

    def _pause(self) -> None:
        """Wait while a run is on. Raises Halted."""
        if not self._go_on():
            raise Halted

    def _go_on(self) -> bool:
        if time.monotonic() >= self._free_until:
            while self._busy():
                if self._halt.wait(PAUSE_S):
                    return False
            self._free_until = time.monotonic() + LOOK_S
        return not self._halt.is_set()
