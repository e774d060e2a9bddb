"""One download in its worker thread: ask the source, find the place, fetch, verify, publish.

::

    resolve ─► place ─► (there already?) ─► reserve the disk ─► transfer ─► publish | unpack

Whatever ends it, the final path is absent, or has the old bytes, or the new ones, verified. The part stays
where going on makes sense (a pause, a failure that may pass); who gives up discards it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Protocol

from ..access import Streams
from ..host.protocol import ModelFolder
from ..modelfiles.formats import FORMATS
from . import publish, unzip
from .content import inspector_for
from .plan import Found, Pace, Received, Source, Stop, Target, Wanted
from .record import Record
from .sources.links import public
from .space import Room, Space
from .targets import place, takes
from .transfer import Job, Journal, Limits, transfer
from .trouble import DownloadError, Stopped

PIECE_BYTES = 4 * 1024 * 1024


class Folders(Protocol):
    """The model folders of the host."""

    def model_folders(self) -> Mapping[str, ModelFolder]:
        """Every model folder by its name."""
        ...

    def model_folder_aliases(self) -> Mapping[str, str]:
        """Old names of folders."""
        ...


class Busy:
    """Which files are about to be written: one writer for each. For any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: dict[str, str] = {}

    @contextmanager
    def hold(self, target: Target, task_id: str) -> Generator[None]:
        """Hold a target. Raises DownloadError DOWNLOAD_CONFLICT if another download does."""
        key = os.path.normcase(target.path)
        with self._lock:
            other = self._held.setdefault(key, task_id)
        if other != task_id:
            raise conflict(target.name, other)
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(key, None)

    def holder(self, target: Target) -> str | None:
        """Give the task that is about to write *target*."""
        return self._held.get(os.path.normcase(target.path))


def conflict(name: str, task_id: str) -> DownloadError:
    """Make the error for a file that another task is about to write."""
    return DownloadError(
        "DOWNLOAD_CONFLICT",
        f"Another download is about to write {name}.",
        hint="Wait for it, cancel it, or choose another filename.",
        details={"task_id": task_id},
    )


@dataclass(frozen=True, slots=True)
class Tools:
    """What every download works with."""

    folders: Folders
    sources: Callable[[str], Source]
    """Link → its source. Raises DownloadError."""
    streams: Streams
    space: Space
    busy: Busy
    limits: Limits
    max_bytes: int
    allow_pickle: bool


@dataclass(frozen=True, slots=True)
class Order:
    """One download to work on. *record* is how far earlier attempts came."""

    task_id: str
    wanted: Wanted
    """With the link as it was given, if this process still knows it."""
    record: Record


class Work:
    """The download of *order*. *tell* says how fast it goes; *keep* has a record written down.

    With True, *keep* returns only when it is on the disk. *known_hash* gives the SHA-256 of a file that is
    there already, if the library knows it for certain; *keeps* says of a download that was told to end
    whether it will go on some day.
    """

    def __init__(
        self,
        order: Order,
        tools: Tools,
        stop: Stop,
        tell: Callable[[Pace], None],
        keep: Callable[[Record, bool], None],
        known_hash: Callable[[Target], str | None],
        keeps: Callable[[], bool] = lambda: True,
    ) -> None:
        self._order = order
        self._tools = tools
        self._stop = stop
        self._tell = tell
        self._keep = keep
        self._known_hash = known_hash
        self._keeps = keeps
        self.record = order.record

    def run(self) -> Record:
        """Do it; give the record of the end. Raises DownloadError, Stopped, and OSError of the disk."""
        tools, wanted = self._tools, self._order.wanted
        self._tell(Pace("resolving"))
        source = tools.sources(wanted.url)
        own = f".{self._order.task_id}.part"
        repeats = self.record.part not in {None, own}
        old = self.record.part_path if repeats else None
        found = self._find(source, repeats=repeats)
        if wanted.sha256 and found.sha256 and wanted.sha256 != found.sha256:
            raise other_hash(wanted.sha256, found.sha256)
        target = self._place(found) if repeats or self.record.target is None else self.record.target
        self._note(found=found, target=target)
        with tools.busy.hold(target, self._order.task_id):
            part = target.path.parent / own
            if self._published(part, target):
                return self._done()
            if not wanted.unzip and self._there(target, wanted.sha256 or found.sha256):
                self._note(skipped=True)
                discard(self.record)
                return self._done()
            made = self._make_folders(target)
            try:
                self._adopt(old, part)
                self._fetch(source, found, target, part)
            except BaseException:
                _remove_folders(made)
                raise
        return self._done()

    def _find(self, source: Source, *, repeats: bool) -> Found:
        """Ask the source, unless an earlier attempt did. *repeats*: a failed download, which may be long ago.

        A link with a secret in it is asked each time: it may be a fresh one.
        """
        known, wanted = self.record.found, self._order.wanted
        if known is not None and not repeats and wanted.url == public(wanted.url):
            return known
        found = source.resolve(wanted, self._stop)
        if repeats:
            self._note(received=None, files=())
        if known is not None and _content(known) != _content(found):
            self._note(received=None, journal=None)
        return found

    def _place(self, found: Found) -> Target:
        folders = self._tools.folders
        return place(
            folders.model_folders(),
            folders.model_folder_aliases(),
            self._order.wanted,
            found,
            allow_pickle=self._tools.allow_pickle,
        )

    def _note(self, *, wait: bool = False, **changes: object) -> None:
        self.record = replace(self.record, **changes)  # pyright: ignore[reportArgumentType]
        self._keep(self.record, wait)

    def _done(self) -> Record:
        return replace(self.record, part=None, journal=None)

    # Is it there already?

    def _published(self, part: Path, target: Target) -> bool:
        """Whether an earlier process died between putting the file in its place and saying so."""
        received = self.record.received
        if received is None:
            return False
        if not self._order.wanted.unzip:
            _unreserve(part, target.path)
            return publish.finish_publish(part, target.path, received.size, received.sha256, stop=self._stop)
        if self.record.files:
            part.unlink(missing_ok=True)
        return bool(self.record.files)

    def _there(self, target: Target, sha256: str | None) -> bool:
        """Whether the file is there with these bytes. Raises DOWNLOAD_FILE_EXISTS if it has others."""
        path = target.path
        if not os.path.lexists(path):
            return False
        if sha256 is not None and path.is_file():
            self._tell(Pace("verifying"))
            actual = self._known_hash(target) or file_sha256(path, self._stop)
            if actual == sha256:
                size = path.stat().st_size
                self.record = replace(self.record, received=Received(size, actual, None))
                return True
        if not self._order.wanted.overwrite:
            raise exists(target.name)
        return False

    # The bytes

    def _make_folders(self, target: Target) -> list[Path]:
        made = _make_folders(target)
        inside = [folder for folder in made if target.root in folder.parents]
        if inside:
            self._note(made=tuple(folder.relative_to(target.root).as_posix() for folder in inside))
        return made

    def _adopt(self, old: Path | None, part: Path) -> None:
        """Go on with *old*, the part of the failed task that this one repeats."""
        if old is not None:
            try:
                old.rename(part)
            except OSError:
                if old.exists() or not part.exists():  # else that was done before a crash
                    self._note(journal=None)
                with suppress(OSError):
                    old.unlink()
        self._note(part=part.name)

    def _fetch(self, source: Source, found: Found, target: Target, part: Path) -> None:
        tools, wanted = self._tools, self._order.wanted
        suffix = ".zip" if wanted.unzip else target.path.suffix.lower()
        known = FORMATS.get(suffix)
        if found.size is not None and found.size > tools.max_bytes:
            raise too_large(found.size, tools.max_bytes)
        journal = self.record.journal
        with tools.space.reserve(part, found.size or 0, _allocated(part)) as room:

            def tell(pace: Pace) -> None:
                room.wrote(_allocated(part))
                self._tell(pace)

            received = transfer(
                Job(
                    address=lambda: source.address(found, self._stop),
                    part=part,
                    size=found.size,
                    sha256=wanted.sha256 or found.sha256,
                    declared_by=("user" if wanted.sha256 else found.source),
                    identity=found.identity,
                    max_bytes=tools.max_bytes,
                    inspector=partial(
                        inspector_for, suffix, unzip=wanted.unzip, allow_pickle=tools.allow_pickle
                    ),
                    explain=partial(source.explain, found),
                    text=known is not None and known.kind == "companion",
                    again_on_404=found.source == "civitai",
                    keep_on_stop=self._keeps,
                    limits=tools.limits,
                    journal=None if journal is None else Journal.from_json(journal),
                ),
                tools.streams,
                self._stop,
                tell,
                lambda landed: self._note(journal=landed.to_json()),
            )
            self._stop.check()
            self._note_whole(part, received, found.identity)
            if wanted.unzip:
                self._unpack(part, target, room)
            else:
                self._tell(Pace("publishing", received.size, received.size))
                publish.publish(part, target.path, overwrite=wanted.overwrite)

    def _note_whole(self, part: Path, received: Received, identity: str | None) -> None:
        """Note that the file is here, first of all on the disk: no byte of it is fetched again.

        A process that dies after publishing must know the file for its own.
        """
        with part.open("rb+") as file:  # Windows wants it open for writing
            os.fsync(file.fileno())
        known = Journal.from_json(self.record.journal) or Journal(identity=identity)
        whole = replace(known, spans=((0, received.size),) if received.size else (), size=received.size)
        self._note(wait=True, received=received, journal=whole.to_json())

    def _unpack(self, part: Path, target: Target, room: Room) -> None:
        tools, order = self._tools, self._order
        folders = tools.folders.model_folders()
        record_size = self.record.received.size if self.record.received else 0
        staged = unzip.extract(
            part,
            target.path.parent,
            order.task_id,
            allow_pickle=tools.allow_pickle,
            max_bytes=tools.max_bytes,
            stop=self._stop,
            report=self._tell,
            reserve=lambda size: room.grow(record_size + size),
            takes=partial(takes, folders, folders[target.folder]),
        )
        unzip.publish_all(staged, overwrite=order.wanted.overwrite)
        names = tuple(one.target.relative_to(target.root).as_posix() for one in staged)
        with suppress(Stopped):  # too late
            self._note(wait=True, files=names)
        with suppress(OSError):
            part.unlink()


def discard(record: Record) -> None:
    """Remove what a download that is given up left on the disk. Touches the disk."""
    path = record.part_path
    if path is None:
        return
    with suppress(OSError):
        path.unlink(missing_ok=True)
    unzip.sweep(path.parent, path.name[1:].removesuffix(".part"))
    if record.target is not None:
        _remove_folders([record.target.root / name for name in record.made])


def _content(found: Found) -> tuple[object, ...]:
    """Give what names the bytes of a file."""
    return (found.sha256, found.size, found.identity)


def file_sha256(path: Path, stop: Stop) -> str:
    """Give a file's SHA-256. Raises OSError, Stopped."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            stop.check()
            digest.update(piece)
    return digest.hexdigest()


def exists(name: str) -> DownloadError:
    """Make the error for a file that is there with other bytes."""
    return DownloadError(
        "DOWNLOAD_FILE_EXISTS",
        f"There is another file named {name} already.",
        hint="Choose another filename, or set overwrite.",
        details={"name": name},
    )


def other_hash(asked: str, declared: str) -> DownloadError:
    """Make the error for a file that the request and its source tell apart."""
    return DownloadError(
        "DOWNLOAD_HASH_MISMATCH",
        "The source declares another SHA-256 than the request.",
        details={"expected": asked, "declared": declared},
    )


def too_large(size: int, most: int) -> DownloadError:
    """Make the error for a file over the limit."""
    return DownloadError(
        "DOWNLOAD_SIZE_EXCEEDED",
        f"The file has {size} bytes; {most} are allowed.",
        hint="Raise download_max_bytes.",
        details={"size": size, "max_bytes": most},
    )


def _allocated(part: Path) -> int:
    """Give what the disk has set aside for a part: at once all of it, where it can do that in advance."""
    try:
        status = part.stat()
    except OSError:
        return 0
    return getattr(status, "st_blocks", status.st_size // 512) * 512


def _unreserve(part: Path, path: Path) -> None:
    """Remove the empty file that kept the name for *part* when the process died (no links on that disk)."""
    with suppress(OSError):
        if part.exists() and path.lstat().st_size == 0 and path.is_file() and not path.is_symlink():
            path.unlink()


def _make_folders(target: Target) -> list[Path]:
    """Make the folders that the target needs; give those that were not there, the innermost first."""
    missing: list[Path] = []
    folder = target.path.parent
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    try:
        target.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise publish.translate_os_error(error, "The folder could not be made") from None
    return missing


def _remove_folders(made: list[Path]) -> None:
    """Take back folders that are still empty."""
    for folder in made:
        try:
            folder.rmdir()
        except OSError:
            return
