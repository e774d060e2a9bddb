"""Unpacking an archive of models: all of it or nothing.

Every file is written as a ``.part`` beside its place, inspected like a download of its own, and only when all
are whole do they get their names. On any failure what was written is taken back, and old files are restored.
"""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from ..modelfiles.names import shown, suffix_of
from . import archive as archives
from .archive import Entry
from .content import inspector_for
from .plan import Pace, Stop
from .publish import hard_link, is_file, publish, sync_folder, translate_os_error
from .targets import inside
from .trouble import DownloadError

PIECE = 1024**2
"""Bytes that are unpacked between two looks at whether to stop."""
REPORT_S = 0.25
"""Least time between two reports, in seconds."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that was unpacked whole, and has not its name yet."""

    part: Path
    target: Path
    size: int
    sha256: str
    backup: Path
    """Where the old file of that name is kept while the new ones are put in their places."""
    made: tuple[Path, ...]
    """Folders that were made for it, the outermost first."""


def extract(
    archive: Path,
    folder: Path,
    task_id: str,
    *,
    allow_pickle: bool,
    max_bytes: int,
    stop: Stop,
    report: Callable[[Pace], None] | None = None,
    reserve: Callable[[int], object] | None = None,
    takes: Callable[[str], bool] | None = None,
) -> list[Staged]:
    """Unpack *archive* into *folder*, as ``.<task_id>.<number>.part`` beside each file's place.

    *reserve* is called with the bytes it unpacks to, before the first is written; *takes* says of a suffix
    whether its files belong into this folder. Raises DownloadError, Stopped, and what *reserve* raises;
    nothing is left behind then. Blocks.
    """
    sweep(folder, task_id)
    staged: list[Staged] = []
    try:
        with archives.opened(archive) as opened:
            found = archives.entries(opened, max_bytes=max_bytes, allow_pickle=allow_pickle, takes=takes)
            total = sum(entry.info.file_size for entry in found)
            if reserve is not None:
                reserve(total)
            meter = _Meter(total, stop, report)
            for number, entry in enumerate(found):
                place = _Place(folder, entry, f".{task_id}", number)
                staged.append(_stage(opened, place, meter, allow_pickle=allow_pickle))
    except OSError as error:
        discard(staged)
        raise translate_os_error(error, "The archive could not be unpacked") from error
    except BaseException:
        discard(staged)
        raise
    return staged


def publish_all(
    staged: Sequence[Staged], *, overwrite: bool, pause: Callable[[float], object] = time.sleep
) -> None:
    """Give all files their names, or none.

    A file that is there already with the same bytes is left as it is: so this can be done again after a
    crash in its midst. On failure everything is as it was, and the staged files are gone. Raises
    DownloadError. Blocks.
    """
    undo: list[Callable[[], None]] = []
    try:
        if not overwrite:
            _check_free(staged)
        for one in staged:
            _publish_one(one, undo, pause, overwrite=overwrite)
    except BaseException as error:
        for step in reversed(undo):
            with suppress(OSError):
                step()
        discard(staged)
        if isinstance(error, OSError):
            raise translate_os_error(error, "The files could not be put in their places") from error
        raise
    for one in staged:
        with suppress(OSError):
            one.backup.unlink(missing_ok=True)
            one.part.unlink(missing_ok=True)


def discard(staged: Sequence[Staged]) -> None:
    """Remove unpacked files that were not put in their places, and the folders made for them. Blocks."""
    for one in staged:
        with suppress(OSError):
            one.part.unlink(missing_ok=True)
    for one in reversed(staged):
        _remove_folders(one.made)


def sweep(folder: Path, task_id: str) -> None:
    """Remove what a task that was killed left in *folder* and below, but for its ``.<task_id>.part``.

    An old file that had to make way is put back, if no new one has its name. Blocks.
    """
    start = f".{task_id}."
    for path, _, files in os.walk(folder):
        for name in files:
            if not name.startswith(start):
                continue
            left = Path(path, name)
            with suppress(OSError):
                if name.endswith(".old"):
                    target = left.with_name(name.removeprefix(start).removesuffix(".old"))
                    if not os.path.lexists(target):
                        left.rename(target)
                        continue
                    left.unlink()
                elif name.endswith(".part") and name != start + "part":
                    left.unlink()


class _Place:
    """Where one file of the archive goes; makes its folders."""

    def __init__(self, folder: Path, entry: Entry, prefix: str, number: int) -> None:
        self.entry = entry
        self.target = folder.joinpath(*entry.parts)
        self.part = self.target.with_name(f"{prefix}.{number}.part")
        self.backup = self.target.with_name(f"{prefix}.{self.target.name}.old")
        self._folder = folder
        self.made: list[Path] = []

    def make_folders(self) -> None:
        """Make what is missing. Raises DownloadError, OSError."""
        if not inside(self.target.parent, [self._folder]):
            raise archives.unsafe(self.entry.name, "a link on its way leads out of the folder")
        missing: list[Path] = []
        parent = self.target.parent
        while not os.path.lexists(parent):
            missing.append(parent)
            parent = parent.parent
        for each in reversed(missing):
            each.mkdir(exist_ok=True)
            self.made.append(each)
        if self.target.is_dir():
            raise archives.unsafe(self.entry.name, "there is a folder of that name")


class _Meter:
    """Counts what is unpacked; stops when asked to."""

    def __init__(self, total: int, stop: Stop, report: Callable[[Pace], None] | None) -> None:
        self._total = total
        self._stop = stop
        self._report = report
        self._count = 0
        self._next = 0.0

    def add(self, count: int) -> None:
        """Raises DownloadError, Stopped."""
        self._stop.check()
        self._count += count
        if self._count > self._total:
            raise archives.too_large("The archive unpacks to more than it says.", most=self._total)
        now = time.monotonic()
        if self._report is not None and now >= self._next:
            self._next = now + REPORT_S
            self._report(Pace("extracting", self._count, self._total))


def _stage(archive: zipfile.ZipFile, place: _Place, meter: _Meter, *, allow_pickle: bool) -> Staged:
    try:
        place.make_folders()
        flags = (
            os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        )
        with os.fdopen(os.open(place.part, flags, 0o666), "wb") as out:
            digest = _unpack(archive, place.entry, out, meter, allow_pickle=allow_pickle)
    except BaseException:
        with suppress(OSError):
            place.part.unlink(missing_ok=True)
        _remove_folders(place.made)
        raise
    size = place.entry.info.file_size
    return Staged(place.part, place.target, size, digest, place.backup, tuple(place.made))


def _unpack(
    archive: zipfile.ZipFile, entry: Entry, out: BinaryIO, meter: _Meter, *, allow_pickle: bool
) -> str:
    """Write one file and inspect it; give its SHA-256."""
    inspector = inspector_for(suffix_of(entry.parts[-1]), allow_pickle=allow_pickle)
    digest = hashlib.sha256()
    size = 0
    try:
        meter.add(0)
        with _reading(archive, entry) as source:
            while piece := _read(source, entry):
                size += len(piece)
                meter.add(len(piece))
                if not inspector.settled:
                    inspector.feed(piece)
                digest.update(piece)
                out.write(piece)
        inspector.finish(size)
    except DownloadError as error:
        if error.code.startswith("DOWNLOAD_ARCHIVE") or error.code == "DOWNLOAD_INVALID_ARCHIVE":
            raise
        raise DownloadError(
            error.code,
            f"Of the archive, {shown(entry.name)}: {error.message}",
            hint=error.hint,
            details={**error.details, "name": shown(entry.name)},
        ) from error
    if size != entry.info.file_size:
        raise archives.damaged(f"{shown(entry.name)} is shorter than it says")
    return digest.hexdigest()


def _reading(archive: zipfile.ZipFile, entry: Entry) -> IO[bytes]:
    try:
        return archive.open(entry.info)
    except archives.DAMAGE as error:
        raise archives.damaged(f"{shown(entry.name)} cannot be read") from error


def _read(source: IO[bytes], entry: Entry) -> bytes:
    try:
        return source.read(PIECE)
    except archives.DAMAGE as error:
        reason = "has a wrong checksum" if "CRC" in str(error) else "cannot be unpacked"
        raise archives.damaged(f"{shown(entry.name)} {reason}") from error


def _check_free(staged: Sequence[Staged]) -> None:
    taken = [
        one.target.name
        for one in staged
        if os.path.lexists(one.target) and not is_file(one.target, one.size, one.sha256, part=one.part)
    ]
    if taken:
        raise DownloadError(
            "DOWNLOAD_FILE_EXISTS",
            f"There is another {taken[0]} already"
            + (f", and {len(taken) - 1} more files of the archive." if len(taken) > 1 else "."),
            hint="Set overwrite to replace them, or give another target_dir.",
            details={"names": taken},
        )


def _publish_one(
    one: Staged, undo: list[Callable[[], None]], pause: Callable[[float], object], *, overwrite: bool
) -> None:
    if is_file(one.target, one.size, one.sha256, part=one.part):
        one.part.unlink(missing_ok=True)
        return
    if overwrite and os.path.lexists(one.target):
        undo.append(lambda: _restore(one))
        _keep_old(one)
        publish(one.part, one.target, overwrite=True, pause=pause)
    else:
        publish(one.part, one.target, overwrite=False, pause=pause)
        undo.append(one.target.unlink)


def _keep_old(one: Staged) -> None:
    """Give the old file a second name; where the file system has none, another one. Raises OSError."""
    try:
        hard_link(one.target, one.backup)
    except FileExistsError:
        raise
    except OSError:
        one.target.rename(one.backup)


def _restore(one: Staged) -> None:
    if os.path.lexists(one.backup):
        one.backup.replace(one.target)
        one.backup.unlink(missing_ok=True)  # two names of one file: replacing does nothing
        sync_folder(one.target.parent)


def _remove_folders(made: Sequence[Path]) -> None:
    for folder in reversed(made):
        with suppress(OSError):  # not empty: somebody else uses it by now
            folder.rmdir()
