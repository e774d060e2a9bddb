"""Further connections for one file, where the source is slow on each."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..access import Stream, StreamError
from .journal import Job
from .known import Again, Anew, Known
from .plan import Address
from .pouring import Pour
from .ranges import Work
from .stopping import Stopper
from .trouble import DownloadError, Stopped

OpenLane = Callable[[Address, dict[str, str], Stopper], Stream]


class Extras:
    """Threads that take segments beside the transfer's own. One thread begins and ends them.

    A source that refuses one, or answers it with the whole file, is left with the transfer's own connection.
    """

    def __init__(
        self, job: Job, pour: Pour, open_lane: OpenLane, fail: Callable[[BaseException], None]
    ) -> None:
        self._job = job
        self._pour = pour
        self._open = open_lane
        self._fail = fail
        self._stopper = Stopper()
        self._changed = threading.Condition()
        self._threads: set[threading.Thread] = set()
        self._broken = 0
        self.begun = False
        self.off = job.limits.connections < 2

    @property
    def count(self) -> int:
        """How many there are."""
        with self._changed:
            return len(self._threads)

    def begin(self, lane: Address, known: Known, work: Work) -> None:
        """Have as many as the limits say, the transfer's own connection counted in."""
        self.begun = True
        for _ in range(self._job.limits.connections - 1 - self.count):
            thread = threading.Thread(
                target=self._run, args=(lane, known, work), name="backplane-range", daemon=True
            )
            with self._changed:
                self._threads.add(thread)
            thread.start()

    def wait(self, seconds: float) -> None:
        """Wait until one of them ends, or the time is over."""
        with self._changed:
            if self._threads:
                self._changed.wait(seconds)

    def drop(self) -> None:
        """Let there be no more; those that are there end by themselves, soon."""
        self.off = True
        self._stopper.stop()

    def end(self) -> None:
        """Let there be no more, and wait for those that are there."""
        self.drop()
        while self.count:
            self.wait(1.0)

    def _run(self, lane: Address, known: Known, work: Work) -> None:
        view = memoryview(bytearray(self._job.limits.piece_bytes))
        try:
            while not self.off and self._one(lane, known, work, view):
                pass
        except (Again, Anew, DownloadError, StreamError):
            with self._changed:
                self._broken += 1
                broken = self._broken
            if broken >= self._job.limits.connections:
                self.drop()
        except Stopped:
            pass
        except BaseException as error:
            self._fail(error)
        finally:
            with self._changed:
                self._threads.discard(threading.current_thread())
                self._changed.notify_all()

    def _one(self, lane: Address, known: Known, work: Work, view: memoryview) -> bool:
        segment = work.take()
        if segment is None:
            return False
        try:
            with self._open(lane, known.range_headers(segment), self._stopper) as stream:
                if stream.status != 206 or not known.fits(stream, segment):
                    self.drop()
                    return False
                self._pour.segment(stream, known, work, segment, view)
        finally:
            work.release(segment)
        return True
