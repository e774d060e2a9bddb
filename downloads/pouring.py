"""From an answer's body into the part."""

from __future__ import annotations

from collections.abc import Callable

from ..access import Stream, redacted
from .journal import Job
from .known import Again, Anew, Known, changed, too_large, wrong_size
from .part import Part
from .ranges import Segment, Work
from .trouble import DownloadError


class Pour:
    """Reads bodies and writes them. *check* raises if all shall end. For several threads."""

    def __init__(self, job: Job, part: Part, check: Callable[[], None]) -> None:
        self._job = job
        self._part = part
        self._check = check

    def segment(
        self,
        stream: Stream,
        known: Known,
        work: Work,
        segment: Segment,
        view: memoryview,
        watch: Callable[[int], None] | None = None,
    ) -> None:
        """Write a body that begins where *segment* does, as far as that goes; *watch* is told each count.

        Raises DownloadError, Again, StreamError, OSError, and what *check* raises.
        """
        while room := work.left(segment, len(view)):
            count = stream.readinto(view[:room])
            if not count:
                self._ended(stream, known, work, segment)
                return
            self._bound(known, segment.at + count)
            self._part.write(segment.at, view[:count])
            work.advance(segment, count)
            self._check()
            if watch is not None:
                watch(count)
        if stream.length is None and segment.end == known.size and stream.readinto(view[:1]):
            raise wrong_size(segment.at, segment.at + 1)

    def whole(self, stream: Stream, known: Known, view: memoryview) -> None:
        """Write a body that begins at the first byte, where some of it is here: that has to be the same.

        Raises Anew if it is not, and as :meth:`segment` does.
        """
        at = 0
        while count := stream.readinto(view):
            self._bound(known, at + count)
            for start, end, here in self._part.split(at, at + count):
                piece = view[start - at : end - at]
                if not here:
                    self._part.write(start, piece)
                elif not self._same(start, piece):
                    raise Anew(changed(redacted(stream.url)))
            at += count
            self._check()
        if known.size is None:
            known.size = at
        if at < known.size:
            raise _short(stream, known, at)

    def _bound(self, known: Known, end: int) -> None:
        if end > self._job.max_bytes:
            raise too_large(end, self._job.max_bytes)
        if known.size is not None and end > known.size:
            raise wrong_size(known.size, end)

    def _same(self, start: int, piece: memoryview) -> bool:
        here, at = memoryview(bytearray(len(piece))), 0
        while at < len(piece):
            at += self._part.read(start + at, here[at:])
        return bytes(here) == bytes(piece)  # bytes compare as fast as memory does, views do not

    def _ended(self, stream: Stream, known: Known, work: Work, segment: Segment) -> None:
        if segment.end is None:
            known.size = segment.at
            work.bound(segment.at)
        elif stream.status == 200 and work.left(segment, 1):
            raise _short(stream, known, segment.at)


def _short(stream: Stream, known: Known, at: int) -> DownloadError | Again:
    if known.framed and known.size is not None:  # its own framing says that this is all
        return wrong_size(known.size, at)
    shown = redacted(stream.url)
    return Again(DownloadError("DOWNLOAD_INCOMPLETE", f"{shown} ended after {at} of {known.size} bytes."))
