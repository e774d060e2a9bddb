"""What is known of the file that is fetched, and whether an answer is still about the same one."""

from __future__ import annotations

from ..access import Stream, redacted
from .journal import Job, Journal
from .ranges import Segment, is_strong, parse_content_range, parse_unsatisfied, range_header
from .trouble import DownloadError


class Again(Exception):
    """An attempt failed in a way that may pass.

    *at_once* without a wait, and without being counted.
    """

    def __init__(self, error: DownloadError, *, at_once: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.at_once = at_once


class Anew(Exception):
    """What was fetched is of no use: the file is fetched from its first byte, once; then it is an error."""

    def __init__(self, error: DownloadError) -> None:
        super().__init__(error.message)
        self.error = error


class Known:
    """Size and validators, as the journal, the plan and the first answer tell."""

    def __init__(self, job: Job, journal: Journal | None) -> None:
        self._job = job
        self.size = journal.size if journal is not None and journal.size is not None else job.size
        self.etag = None if journal is None else journal.etag
        self.last_modified = None if journal is None else journal.last_modified
        self.ranges = True
        """Whether the source's ranges are any good."""
        self.framed = True
        """Whether the last answer's framing told where the body ends."""

    @property
    def pinned(self) -> bool:
        """Whether the bytes are named for good, so that an answer's own validators do not matter."""
        return self._job.identity is not None or self._job.sha256 is not None

    @property
    def resumable(self) -> bool:
        """Whether a range of it can be asked for such that bytes of another file would be noticed."""
        return self.ranges and (self.pinned or is_strong(self.etag) or self.last_modified is not None)

    def range_headers(self, segment: Segment) -> dict[str, str]:
        """Give the headers that ask for *segment*; none for the whole file."""
        whole = segment.at == 0 and segment.end in {None, self.size}
        if whole or not self.resumable:
            return {}
        end = None if segment.end == self.size else segment.end
        headers = {"Range": range_header(segment.at, end)}
        if not self.pinned:
            validator = self.etag if is_strong(self.etag) else self.last_modified
            headers["If-Range"] = validator or ""
        return headers

    def fits(self, stream: Stream, segment: Segment) -> bool:
        """Say whether a 206 is the answer to the request for *segment*, or for its beginning."""
        found = parse_content_range(stream.header("Content-Range"))
        return (
            found is not None
            and found.start == segment.at
            and (segment.end is None or found.end <= segment.end)
            and stream.length in {None, found.end - found.start}
            and found.total in {None, self.size or found.total}
        )

    def judge(self, stream: Stream, segment: Segment, *, asked: bool) -> None:
        """Take a 200, 206 or 416 for what it says of the file. *asked*: for a range.

        Raises DownloadError, Again, Anew.
        """
        shown = redacted(stream.url)
        if stream.status == 200:
            self.learn(stream, stream.length)
            return
        if not asked:
            raise DownloadError("DOWNLOAD_BAD_RESPONSE", f"{shown} answered with a range unasked.")
        if stream.status == 416:
            total = parse_unsatisfied(stream.header("Content-Range"))
            if total is None:
                raise self._no_ranges(shown)
            self.learn(stream, total)
            if total != segment.at:
                raise Anew(changed(shown))
            return
        found = parse_content_range(stream.header("Content-Range"))
        if found is not None:
            self.learn(stream, found.total)
        if not self.fits(stream, segment):
            raise self._no_ranges(shown)

    def learn(self, stream: Stream, total: int | None) -> None:
        """Compare an answer with what is known, and remember it. Raises DownloadError, Anew."""
        job, shown = self._job, redacted(stream.url)
        etag, last_modified = stream.header("ETag"), stream.header("Last-Modified")
        if total is not None:
            if total > job.max_bytes:
                raise too_large(total, job.max_bytes)
            if job.size is not None and total != job.size:
                raise wrong_size(job.size, total)
        same = total is None or self.size in {None, total}
        if not self.pinned:
            same = same and (etag is None or self.etag in {None, etag})
            if etag is None or self.etag is None:
                same = same and (last_modified is None or self.last_modified in {None, last_modified})
        if not same:
            raise Anew(changed(shown))
        self.size = total if total is not None else self.size
        self.etag, self.last_modified = etag or self.etag, last_modified or self.last_modified
        lengths = (total, stream.length, stream.header("Transfer-Encoding"))
        self.framed = any(each is not None for each in lengths)

    def _no_ranges(self, shown: str) -> Again:
        """Ask for no more ranges: the whole file comes instead, and is compared with what is here."""
        self.ranges = False
        error = DownloadError("DOWNLOAD_BAD_RESPONSE", f"{shown} sent another range than was asked for.")
        return Again(error, at_once=True)


def changed(shown: str) -> DownloadError:
    """Make the error for a file that is another one now."""
    return DownloadError("DOWNLOAD_SOURCE_CHANGED", f"The file at {shown} changed while it was fetched.")


def too_large(size: int, most: int) -> DownloadError:
    """Make the error for a file over the limit."""
    return DownloadError(
        "DOWNLOAD_SIZE_EXCEEDED",
        f"The file has {size} bytes or more; {most} are allowed.",
        hint="Raise download_max_bytes.",
        details={"size": size, "max_bytes": most},
    )


def wrong_size(expected: int, actual: int) -> DownloadError:
    """Make the error for a file of another size than declared."""
    return DownloadError(
        "DOWNLOAD_SIZE_MISMATCH",
        f"The file has {actual} bytes in place of {expected}.",
        details={"expected": expected, "actual": actual},
    )
