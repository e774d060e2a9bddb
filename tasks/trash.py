"""Where the files of deleted outputs wait: a folder that no route serves, emptied after a while.

A file keeps its ending and gets a name that begins with the time (Unix seconds) at which it came, so that the
folder alone says what may go. Everything here touches the disk: not for the event loop.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePath

log = logging.getLogger("backplane")

_NAME = re.compile(r"(\d{10,12})-[0-9a-f]{32}(\.[A-Za-z0-9]{1,10})?")
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,10}")
_MOST_NUMBERS = 10_000
"""How many names are tried for a file that comes back, before something else must be wrong."""


class Trash:
    """The trash in *folder*, which is made when it is needed. *days* 0: it is never emptied."""

    def __init__(self, folder: Path, *, days: float, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._days = days
        self._clock = clock

    def name(self, filename: str) -> str:
        """Give the name that a file would have here now. Touches no disk."""
        suffix = PurePath(filename).suffix
        ending = suffix if _ENDING.fullmatch(suffix) else ""
        return f"{int(self._clock()):010d}-{secrets.token_hex(16)}{ending}"

    def put(self, path: Path, name: str) -> None:
        """Move a file here, under a name from :meth:`name`. Raises OSError, and then it is where it was."""
        self._folder.mkdir(parents=True, exist_ok=True)
        move(path, self._folder / name)

    def take(self, name: str, path: Path) -> Path:
        """Move a file back to *path*, or beside it if that is taken; give where it is now.

        Raises FileNotFoundError if it is no longer in the trash, OSError if it cannot be moved.
        """
        source = self._folder / name
        if not _NAME.fullmatch(name) or not source.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        path.parent.mkdir(parents=True, exist_ok=True)
        for number in range(_MOST_NUMBERS):
            target = path if number == 0 else path.with_name(f"{path.stem} ({number}){path.suffix}")
            with suppress(FileExistsError):
                move(source, target)
                return target
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))

    def put_back(self, path: Path, name: str) -> None:
        """Undo :meth:`take`. Raises OSError."""
        move(path, self._folder / name)

    def empty(self) -> int:
        """Remove what has been here for longer than it is to be; give how many files. Raises nothing."""
        if not self._days:
            return 0
        oldest = self._clock() - self._days * 86_400
        gone = 0
        try:
            names = [entry.name for entry in os.scandir(self._folder)]
        except OSError:
            return 0
        for name in names:
            found = _NAME.fullmatch(name)
            if found is None or int(found[1]) >= oldest:
                continue
            try:
                (self._folder / name).unlink()
                gone += 1
            except OSError as error:
                log.warning("A deleted output cannot be removed from the trash: %s", error.strerror)
        return gone


def move(source: Path, target: Path) -> None:
    """Move a file, also to another file system, and never over another one.

    Raises FileExistsError if *target* exists, OSError if it cannot be done; *source* is there then.
    """
    with target.open("xb"):  # the name is ours from here on
        pass
    try:
        try:
            source.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy(source, target)
    except BaseException:
        with suppress(OSError):
            target.unlink()
        raise


def _copy(source: Path, target: Path) -> None:
    """Put a copy in the place of *target*, whole and on the disk, and only then remove *source*."""
    part = target.with_name(f".{secrets.token_hex(16)}.part")
    try:
        with source.open("rb") as old, part.open("xb") as new:
            before = os.fstat(old.fileno())
            shutil.copyfileobj(old, new, 1 << 20)
            new.flush()
            os.fsync(new.fileno())
            after = os.fstat(old.fileno())
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise OSError(errno.EBUSY, "the file is being written", str(source))  # noqa: TRY301
        shutil.copystat(source, part)
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    source.unlink()
