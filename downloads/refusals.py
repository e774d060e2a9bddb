"""Answers that are no file: told in the source's words, or tried again."""

from __future__ import annotations

from ..access import Stream, StreamError, redacted
from .journal import Job
from .known import Again
from .replies import EXCERPT_BYTES, is_page, of_page, of_status
from .trouble import DownloadError

EXPIRED = frozenset({400, 401, 403, 410})
"""What storage servers answer when a signature's time is over."""


class Refusals:
    """Sorts them out, and remembers what was tried already."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._readdressed: int | None = None
        self._missed = False

    def check(self, stream: Stream, *, asked: bool, elsewhere: bool, landed: int, crowded: bool) -> None:
        """Let a 200 and a 206 with a file pass, and a 416 where a range was *asked* for.

        *elsewhere*: another server than the source's own answered. *landed*: bytes that are here already.
        *crowded*: several connections were opened. Raises Again, DownloadError.
        """
        status, media_type = stream.status, stream.header("Content-Type") or ""
        page = status in {200, 206} and not self._job.text and is_page(media_type)
        if not page and (status in {200, 206} or (status == 416 and asked)):
            return
        try:
            body = stream.read(EXCERPT_BYTES)
        except StreamError:
            body = b""
        shown = redacted(stream.url)
        error = of_page(media_type, body, shown) if page else of_status(status, stream.headers, body, shown)
        if status in EXPIRED and landed:
            since = None if self._readdressed is None else landed - self._readdressed
            if elsewhere and (since is None or since >= self._job.limits.progress_bytes):
                self._readdressed = landed
                raise Again(error, at_once=True)  # its time is over: the source gives a new signature
            if crowded:  # several connections were too many, and the server has not forgotten them yet
                raise Again(error)
        error = self._explained(stream, body, error)
        if status == 404 and self._job.again_on_404 and not self._missed:
            self._missed = True
            raise Again(error)
        raise error

    def _explained(self, stream: Stream, body: bytes, error: DownloadError) -> DownloadError:
        if self._job.explain is None:
            return error
        headers = {name.lower(): value for name, value in stream.headers}
        told = self._job.explain(stream.status, headers, body)
        if told is None:
            return error
        told.retry_after_s = told.retry_after_s if told.retry_after_s is not None else error.retry_after_s
        return told
