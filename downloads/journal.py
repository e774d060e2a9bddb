"""What is asked of a transfer, and what it writes down so that another process can go on with it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..access import StreamLimits
from ..errors import JSON
from .plan import Address, Inspector
from .spans import Span
from .trouble import DownloadError

MIB = 1024 * 1024

Explain = Callable[[int, Mapping[str, str], bytes], DownloadError | None]
"""(status, headers by lower-case name, first bytes of the body) → what a refusal means, if it is known."""


@dataclass(frozen=True, slots=True)
class Journal:
    """What of a part is on the disk for certain, and of which bytes it is the part. Holds no secret."""

    spans: tuple[Span, ...] = ()
    size: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    identity: str | None = None

    def to_json(self) -> JSON:
        """Give it as JSON."""
        return {
            "spans": [list(span) for span in self.spans],
            "size": self.size,
            "etag": self.etag,
            "last_modified": self.last_modified,
            "identity": self.identity,
        }

    @classmethod
    def from_json(cls, value: Any) -> Journal | None:
        """Read one; None if it is none, and the transfer has to begin anew."""
        try:
            spans = tuple((_whole(start), _whole(end)) for start, end in value["spans"])
            size = None if value["size"] is None else _whole(value["size"])
            texts = [value[name] for name in ("etag", "last_modified", "identity")]
        except (TypeError, ValueError, KeyError):
            return None
        if not all(text is None or isinstance(text, str) for text in texts):
            return None
        if not all(start < end and (size is None or end <= size) for start, end in spans):
            return None
        return cls(spans, size, *texts)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(value)
    return value


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a transfer is, and how eager. Bytes, seconds, bytes a second."""

    stream: StreamLimits = field(default_factory=StreamLimits)
    connections: int = 4
    """At most, for one large file from a source that is slow on each."""
    waits_s: tuple[float, ...] = (1.0, 4.0, 16.0)
    """Before each retry without progress; after the last the download fails."""
    jitter: float = 0.5
    """Waits are longer or shorter by up to this share."""
    progress_bytes: int = 8 * MIB
    """After so many new bytes the retries are counted anew."""
    retry_after_most_s: float = 30.0
    """Whoever asks for more patience ends the transfer, with ``retry_after_s``."""
    sync_bytes: int = 256 * MIB
    sync_s: float = 5.0
    """What landed is put on the disk for good, and written down, after so many bytes or seconds."""
    spread_size: int = 256 * MIB
    """Smaller files get one connection."""
    spread_after_s: float = 10.0
    """How long one connection is measured, again and again."""
    spread_below: float = 80e6
    """Whoever is slower than this gets further connections."""
    segment_bytes: int = 16 * MIB
    """No connection is opened for less."""
    piece_bytes: int = MIB
    """How much is read and written at once."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file to fetch."""

    address: Callable[[], Address]
    """Called for each attempt: tokens and signatures are fresh. Raises DownloadError, Stopped."""
    part: Path
    max_bytes: int
    size: int | None = None
    """Exact, as declared."""
    sha256: str | None = None
    declared_by: str | None = None
    """Who declared *sha256*: ``user`` or a source's name."""
    identity: str | None = None
    inspector: Callable[[], Inspector | None] | None = None
    """Makes one; called anew when the file is begun anew."""
    journal: Journal | None = None
    explain: Explain | None = None
    text: bool = False
    """Whether the file may be a web page's or a message's type (JSON, XML); models are not."""
    again_on_404: bool = False
    """Whether the source answers 404 in passing; it is then asked once more."""
    keep_on_stop: Callable[[], bool] = lambda: False
    """Asked when it is stopped: whether to put what landed on the disk first (a pause), which takes time."""
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = time.monotonic
    dice: Callable[[], float] = random.random
    """Gives numbers from 0 to 1, for the waits."""
