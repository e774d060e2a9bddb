"""The values of a download, from what a client asks to what is on the disk. No behaviour.

::

    Wanted ─► Source.resolve ─► Found ─► targets.place ─► Target ─► Source.address ─► transfer ─► Received
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from .trouble import DownloadError

Scan = Literal["clean", "pending", "dangerous", "unknown"]
"""What the source's own scanners say of a file."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asks for."""

    url: str
    type: str | None = None
    """A model folder or one of the usual names (``checkpoint``, ``lora``); None: as the source says."""
    filename: str | None = None
    target_dir: str | None = None
    """Relative to the model folder, ``/`` between its parts."""
    sha256: str | None = None
    """64 lower-case hexadecimal digits."""
    unzip: bool = False
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A download to queue."""

    wanted: Wanted
    metadata: Mapping[str, Any]
    priority: int = 0
    webhook: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a source says of a link, before a byte of the file was fetched. Nothing in it is secret."""

    source: str
    """``huggingface``, ``civitai``, ``github``, ``objects`` or ``web``."""
    link: str
    """The link without tokens and signatures, its revision pinned where the source has revisions."""
    host: str
    """Of the link, for the limit on downloads from one host."""
    filename: str | None = None
    """As the source names the file; not checked yet."""
    size: int | None = None
    """Bytes, exact; None where the source does not say, or only about."""
    sha256: str | None = None
    identity: str | None = None
    """Names the content where the source does so for good (a commit and a path): two transfers with the same
    identity get the same bytes. None: only the answers' ETag tells."""
    folder: str | None = None
    """The model folder that suits, as the source sees it."""
    page: str | None = None
    """Where a person can read about it."""
    licence: str | None = None
    gated: bool = False
    base_model: str | None = None
    trigger_words: tuple[str, ...] = ()
    revision: str | None = None
    scan: Scan = "unknown"
    media_type: str | None = None
    notes: tuple[str, ...] = ()
    """What a person should know, e.g. that the licence forbids selling images."""
    facts: Mapping[str, str | int] = field(default_factory=dict[str, str | int])
    """What :meth:`Source.address` needs beside the link (a version id, a file id)."""


HopCheck = Callable[[str, str], bool]
"""(URL that redirects, URL that it leads to) → whether to go on. Both are whole, with their signatures."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the bytes are fetched just now. Never stored, shown or logged: it may hold tokens."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Go to the first URL's origin only."""
    hop_hosts: tuple[str, ...] = ()
    """Patterns of hosts that redirects may lead to, beside the first URL's own."""
    check_hop: HopCheck | None = None
    private: bool = False
    """Whether the owner of this server named this host (an object store on the LAN): plain http and a
    private address will do."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a file goes."""

    folder: str
    """Model folder, e.g. ``loras``."""
    root: Path
    """The root of that folder that it goes into, absolute."""
    name: str
    """Relative to the root, ``/`` between parts, e.g. ``sdxl/detail.safetensors``."""

    @property
    def path(self) -> Path:
        """The file itself."""
        return self.root / self.name


@dataclass(frozen=True, slots=True)
class Received:
    """A file that was fetched whole and verified."""

    size: int
    sha256: str
    verified_by: str | None
    """Who declared the sha256 that it has: ``user``, ``huggingface``, ``civitai``, …; None: nobody did."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a transfer stands, told a few times a second."""

    phase: Literal["resolving", "downloading", "retrying", "verifying", "extracting", "publishing"]
    received: int = 0
    """Bytes on this machine."""
    size: int | None = None
    speed: float | None = None
    """Bytes a second, over the last seconds."""
    connections: int = 0
    retries: int = 0
    note: str | None = None
    """Why it is being retried."""


class Stop(Protocol):
    """What a thread looks at to learn that it shall end. ``downloads/stopping.py`` has it."""

    @property
    def asked(self) -> bool:
        """Whether to end now."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait; True at once when it is asked to end."""
        ...

    def on_stop(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have *call* made from the stopping thread, at once if that is past; gives what undoes it."""
        ...

    def check(self) -> None:
        """Raise Stopped if it is asked to end."""
        ...


class Inspector(Protocol):
    """Looks at a file while it comes in: is it what its name says? ``downloads/content.py`` has them."""

    @property
    def settled(self) -> bool:
        """Whether it needs no more bytes until :meth:`finish`."""
        ...

    @property
    def total(self) -> int | None:
        """The whole file's size in bytes, where its own header tells."""
        ...

    def feed(self, piece: bytes | memoryview) -> None:
        """Take the next bytes, in order from the first. Raises DownloadError."""
        ...

    def finish(self, size: int) -> None:
        """Judge the whole. Raises DownloadError."""
        ...


class Source(Protocol):
    """A place that files come from. Called in worker threads; may block."""

    @property
    def name(self) -> str:
        """As :attr:`Found.source`."""
        ...

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where its links lead, for messages."""
        ...

    def claims(self, url: str) -> bool:
        """Say whether a link is this source's. Touches no network."""
        ...

    def resolve(self, wanted: Wanted, stop: Stop) -> Found:
        """Ask the source about a link. Raises DownloadError, Stopped."""
        ...

    def address(self, found: Found, stop: Stop) -> Address:
        """Give where to fetch *found* now, with the token as it is now. Raises DownloadError, Stopped."""
        ...

    def explain(
        self, found: Found, status: int, headers: Mapping[str, str], body_head: bytes = b""
    ) -> DownloadError:
        """Say why the bytes of *found* were refused with *status*; *headers* have lower-case names.

        *body_head* are the first few KiB of the answer's body, if there are any at hand.
        """
        ...
