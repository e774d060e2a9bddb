"""Fetches one file into its part: goes on where it was, tries again, verifies. Runs in a worker thread.

::

    address ─► open ─► judge ─► read and write ─┬─► all there ─► hashed ─► Received
       ▲                                        │
       └──── wait (1, 4, 16 s; Retry-After) ◄───┘   what failed may pass

Bytes are believed only after the answer was judged (``known.py``), are hashed behind the frontier
(``follower.py``) and fetched on several connections where one is slow (``spread.py``). Nothing here knows of
ComfyUI or of an event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from threading import RLock
from typing import NoReturn

from ..access import Stream, StreamError, Streams, redacted
from .follower import TICK_S, Follower, Keeper
from .journal import Explain, Job, Journal, Limits
from .known import Again, Anew, Known, too_large, wrong_size
from .pacing import Pacer
from .part import Part
from .plan import Address, Pace, Received, Stop
from .pouring import Pour
from .publish import translate_os_error
from .ranges import Segment, Work, is_strong
from .refusals import Refusals
from .replies import of_stream_error
from .spread import Extras
from .stopping import Stopper
from .trouble import DownloadError, Stopped

__all__ = ["Explain", "Job", "Journal", "Limits", "transfer"]


def transfer(
    job: Job,
    streams: Streams,
    stop: Stop,
    tell: Callable[[Pace], None],
    keep: Callable[[Journal], None],
) -> Received:
    """Fetch and verify a file; the part then has exactly its bytes, not all of them on the disk for certain.

    Whatever ends it, the part is left to the caller, and all threads and connections are gone. *tell* and
    *keep* are called from threads of this transfer, *keep* after what it is given is on the disk.
    Raises DownloadError, Stopped.
    """
    if job.size is not None and job.size > job.max_bytes:
        raise too_large(job.size, job.max_bytes)
    try:
        run = _Transfer(job, streams, stop, tell, keep)
    except OSError as error:
        raise _of_os_error(error) from error
    try:
        return run.run()
    except OSError as error:
        raise _of_os_error(error) from error


class _Transfer:
    def __init__(
        self,
        job: Job,
        streams: Streams,
        stop: Stop,
        tell: Callable[[Pace], None],
        keep: Callable[[Journal], None],
    ) -> None:
        self._job = job
        self._streams = streams
        self._stop = stop
        self._keep = keep
        self._halt = Stopper()
        """Ends the connections: the caller wants it, or a thread of this transfer failed."""
        self._journal = RLock()
        self._failure: BaseException | None = None
        self._anew = False
        self._answers = 0
        """How many answers the file's bytes are from."""
        self._refusals = Refusals(job)
        self._part, journal = _open_part(job)
        self._known = Known(job, journal)
        self._pacer = Pacer(tell, job.clock)
        self._pacer.size = self._known.size
        self._view = memoryview(bytearray(job.limits.piece_bytes))
        self._work = Work((), least=job.limits.segment_bytes)
        self._lane: Address | None = None
        self._pour = Pour(job, self._part, self._check)
        self._extras = Extras(job, self._pour, self._open_lane, self._fail)

    def run(self) -> Received:
        """Do it."""
        limits = self._job.limits
        self._halt.on_stop(self._extras.drop)
        undo = self._stop.on_stop(self._halt.stop)
        follower = self._follow()
        keeper = Keeper(
            self._part,
            every_bytes=limits.sync_bytes,
            every_s=limits.sync_s,
            kept=self._write_down,
            fail=self._fail,
            clock=self._job.clock,
        )
        try:
            while True:
                try:
                    self._fetch()
                    return self._verify(follower)
                except Anew as anew:
                    self._check()
                    if self._anew:
                        raise anew.error from None
                    self._anew = True
                    self._extras.end()
                    follower.stop()
                    self._begin_anew(anew.error)
                    follower = self._follow()
        except BaseException as error:
            self._extras.end()
            if not isinstance(error, Stopped) or self._job.keep_on_stop():
                keeper.stop()
                self._settle()
            raise
        finally:
            undo()
            self._extras.end()
            follower.stop()
            keeper.stop()
            self._part.close()

    # the threads behind

    def _follow(self) -> Follower:
        make = self._job.inspector
        return Follower(
            self._part,
            None if make is None else make(),
            fail=self._fail,
            tick=lambda: self._pacer.tick(self._landed),
        )

    def _landed(self) -> int:
        return self._part.landed

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self._halt.stop()

    def _check(self) -> None:
        """Raise Stopped, or what another thread failed with."""
        self._stop.check()
        if self._failure is not None:
            raise self._failure

    def _write_down(self) -> None:
        with self._journal:
            known = self._known
            self._keep(
                Journal(self._part.durable, known.size, known.etag, known.last_modified, self._job.identity)
            )

    def _settle(self) -> None:
        with suppress(Exception):  # what goes wrong now is not why it ended
            self._part.sync()
            self._write_down()

    def _begin_anew(self, error: DownloadError) -> None:
        with self._journal:  # no other thread writes down what was there before
            self._part.empty()
            ranges = self._known.ranges
            self._known = Known(self._job, None)
            self._known.ranges = ranges
            self._write_down()
        self._answers, self._lane, self._refusals = 0, None, Refusals(self._job)
        self._pacer.retries += 1
        self._pacer.note = error.message
        self._pacer.tick(self._landed, now=True)

    # attempts

    def _fetch(self) -> None:
        failures, mark = 0, self._part.landed
        while not self._complete():
            self._check()
            try:
                self._attempt()
            except Again as again:
                self._check()
                self._lane = None
                if self._part.landed - mark >= self._job.limits.progress_bytes:
                    failures, mark = 0, self._part.landed
                if not again.at_once:
                    failures += 1
                self._wait(again, failures)

    def _complete(self) -> bool:
        size = self._known.size
        return size is not None and self._part.frontier >= size and self._answered_once()

    def _answered_once(self) -> bool:
        # A file of no bytes is complete before it was asked for: the source is asked all the same.
        return self._answers > 0 or self._part.frontier > 0

    def _wait(self, again: Again, failures: int) -> None:
        error, limits, pacer = again.error, self._job.limits, self._pacer
        pause = 0.0
        if not again.at_once:
            if failures > len(limits.waits_s):
                raise error
            pause = limits.waits_s[failures - 1] * (1 + limits.jitter * (2 * self._job.dice() - 1))
            if error.retry_after_s is not None:
                if error.retry_after_s > limits.retry_after_most_s:
                    raise error
                pause = error.retry_after_s
        pacer.retries += 1
        pacer.phase, pacer.note, pacer.connections = "retrying", error.message, self._extras.count
        pacer.tick(self._landed, now=True)
        if pause and self._stop.wait(pause):
            raise Stopped
        pacer.phase = "downloading"

    def _attempt(self) -> None:
        """Fetch one segment on this thread. Raises Again, Anew, DownloadError, Stopped, OSError."""
        if not self._extras.count:
            self._work = Work(
                self._part.holes(self._known.size) or [(0, None)], least=self._job.limits.segment_bytes
            )
        segment = self._work.take()
        if segment is None:
            self._extras.wait(TICK_S)
            return
        try:
            self._fetch_segment(self._lane or self._ask_address(), segment)
        except StreamError as error:
            self._check()
            self._again(of_stream_error(error))
        except DownloadError as error:
            self._check()
            self._again(error)
        finally:
            self._work.release(segment)

    def _again(self, error: DownloadError) -> NoReturn:
        """Try again if that may help."""
        unknown = error.code == "DOWNLOAD_BLOCKED_ADDRESS" and self._part.landed > 0
        if error.retryable or unknown:  # a name that led somewhere a moment ago is likely to again
            raise Again(error) from None
        raise error

    def _ask_address(self) -> Address:
        try:
            return self._job.address()
        except DownloadError as error:
            self._check()
            self._again(error)

    def _open_lane(self, address: Address, headers: dict[str, str], halt: Stopper) -> Stream:
        """Ask a host that the source named, or where its redirects have led."""
        usual = self._streams.rules
        private = address.private
        entry = replace(
            usual,
            allow_http=usual.allow_http or private,
            allow_private=usual.allow_private or private,
            hosts=(),
        )
        return self._streams.open(
            "GET",
            address.url,
            headers={**address.headers, **headers},
            entry=entry,
            hops=address.hop_hosts,
            check_hop=address.check_hop,
            limits=self._job.limits.stream,
            on_stop=halt.on_stop,
        )

    def _fetch_segment(self, address: Address, segment: Segment) -> None:
        known, pacer = self._known, self._pacer
        headers = known.range_headers(segment)
        with self._open_lane(address, headers, self._halt) as stream:
            self._refusals.check(
                stream,
                asked=bool(headers),
                elsewhere=bool(stream.hops) or address is self._lane,
                landed=self._part.landed,
                crowded=self._extras.begun,
            )
            known.judge(stream, segment, asked=bool(headers))
            self._answers += 1
            pacer.size, pacer.connections = known.size, 1 + self._extras.count
            if stream.status == 416:
                return
            if known.size is not None:
                self._work.bound(known.size)
                self._part.reserve(known.size)
            self._check_verifiable(stream)
            if stream.status == 200 and self._part.landed:
                self._extras.drop()
                self._pour.whole(stream, known, self._view)
            else:
                self._lane = Address(
                    stream.url,
                    {} if stream.hops else address.headers,
                    address.hop_hosts,
                    address.check_hop,
                    address.private,
                )
                self._pour.segment(stream, known, self._work, segment, self._view, self._watching())

    def _watching(self) -> Callable[[int], None] | None:
        """Measure a connection, and open more where it is slow."""
        known, limits, clock = self._known, self._job.limits, self._job.clock
        sure = known.pinned or is_strong(known.etag)
        if self._extras.off or known.size is None or known.size < limits.spread_size or not sure:
            return None
        begun, came = clock(), 0

        def watch(count: int) -> None:
            nonlocal begun, came
            came += count
            now = clock()
            if now - begun < limits.spread_after_s:
                return
            slow = came < limits.spread_below * (now - begun)
            begun, came = now, 0
            if slow and not self._extras.off and self._lane is not None:
                self._extras.begin(self._lane, known, self._work)
                self._pacer.connections = 1 + self._extras.count

        return watch

    def _check_verifiable(self, stream: Stream) -> None:
        """Refuse a body of which nothing will tell whether it is whole, before it is fetched."""
        job = self._job
        if not (self._known.framed or self._known.size is not None or job.sha256 or job.inspector):
            raise _unverifiable(redacted(stream.url))

    # the end

    def _verify(self, follower: Follower) -> Received:
        """Raises DownloadError, Anew, Stopped, OSError."""
        job, size = self._job, self._known.size or 0
        while not follower.wait(size, TICK_S):
            self._check()
            self._pacer.phase = "verifying"
        self._check()
        actual = follower.sha256()
        if job.sha256 is not None and actual != job.sha256.lower():
            self._mismatch(job.sha256, actual)
        if job.size is not None and size != job.size:
            raise wrong_size(job.size, size)
        inspector = follower.inspector
        told = None if inspector is None else inspector.total
        if job.sha256 is None and job.size is None and not self._known.framed and told is None:
            raise _unverifiable("The source")
        if inspector is not None:
            inspector.finish(size)
        self._part.cut(size)
        self._pacer.tick(self._landed, now=True)
        return Received(size, actual, job.declared_by if job.sha256 is not None else None)

    def _mismatch(self, expected: str, actual: str) -> NoReturn:
        job = self._job
        error = DownloadError(
            "DOWNLOAD_HASH_MISMATCH",
            f"The file has not the SHA-256 that {job.declared_by or 'was'} declared.",
            hint="It is damaged, or another file than was meant.",
            details={"expected": expected.lower(), "actual": actual, "declared_by": job.declared_by},
        )
        if job.declared_by == "user" and self._answers == 1 and not job.journal:
            raise error  # the file as its source has it, in one piece: fetching it again gives the same
        raise Anew(error)


def _open_part(job: Job) -> tuple[Part, Journal | None]:
    """Go on with the part that the journal is about, or make one."""
    journal = job.journal
    if journal is not None and journal.identity == job.identity and journal.spans:
        fits = job.size is None or journal.size in {None, job.size}
        if fits:
            with suppress(FileNotFoundError):
                part = Part.reopen(job.part, journal.spans)
                if part.landed:
                    return part, journal
                part.close()
    return Part.create(job.part), None


def _unverifiable(shown: str) -> DownloadError:
    return DownloadError(
        "DOWNLOAD_INCOMPLETE_UNVERIFIABLE",
        f"{shown} does not say how long the file is, and nothing else tells whether it is whole.",
        hint="Give its sha256.",
    )


def _of_os_error(error: OSError) -> DownloadError:
    return translate_os_error(error, "The file could not be written")
