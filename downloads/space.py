"""Room on the disk, promised to all downloads together."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from .publish import translate_os_error
from .trouble import DownloadError


def free_bytes(path: Path) -> int:
    """Give how many bytes this process may still write on the disk of *path*. Raises OSError. Blocks."""
    return shutil.disk_usage(path).free


class Space:
    """Keeps account of what the active downloads still have to write, disk by disk. Any thread may call.

    *keep_free* bytes of every disk are left alone. *free* is asked for the room there is.
    """

    def __init__(self, keep_free: int, *, free: Callable[[Path], int] = free_bytes) -> None:
        self._keep_free = keep_free
        self._free = free
        self._lock = threading.Lock()
        self._rooms: set[Room] = set()

    def reserve(self, path: Path, need: int, already: int = 0) -> Room:
        """Promise room for a file of *need* bytes, of which *already* are on the disk.

        *path* need not exist; what exists of it tells the disk. Raises DownloadError (DOWNLOAD_DISK_FULL).
        Blocks.
        """
        try:
            there = _existing(path)
            room = Room(self, there, os.stat(there).st_dev)  # noqa: PTH116
        except OSError as error:
            raise translate_os_error(error, "The model folder could not be looked at") from error
        with self._lock:
            self._rooms.add(room)
        try:
            room.grow(need, already)
        except BaseException:
            room.release()
            raise
        return room

    def reserved(self, path: Path) -> int:
        """Give how many bytes are promised on the disk of *path*, and not written yet. Blocks."""
        device = os.stat(_existing(path)).st_dev  # noqa: PTH116
        with self._lock:
            return sum(room.outstanding for room in self._rooms if room.device == device)

    def check(self, room: Room, need: int, already: int) -> None:
        """Set what *room* is promised, if there is room for it. Raises DownloadError. For :class:`Room`."""
        with self._lock:
            others = sum(
                other.outstanding
                for other in self._rooms
                if other is not room and other.device == room.device
            )
            try:
                free = self._free(room.path)
            except OSError as error:
                raise translate_os_error(error, "The disk could not be asked for its room") from error
            missing = max(0, need - already) + others + self._keep_free - free
            if missing > 0 and need > already:
                raise DownloadError(
                    "DOWNLOAD_DISK_FULL",
                    f"The disk has {size_text(free)} free; the file takes {size_text(need - already)} more"
                    + (f", other downloads {size_text(others)}" if others else "")
                    + f", and {size_text(self._keep_free)} are kept free.",
                    hint=f"Delete {size_text(missing)} of what is not needed, and retry.",
                    details={
                        "free": free,
                        "needed": need - already,
                        "reserved": others,
                        "kept_free": self._keep_free,
                        "missing": missing,
                    },
                )
            room.set(need, already)

    def forget(self, room: Room) -> None:
        """Take a promise back. For :class:`Room`."""
        with self._lock:
            self._rooms.discard(room)


class Room:
    """What one download was promised. Use it as a context, or release it."""

    def __init__(self, space: Space, path: Path, device: int) -> None:
        self._space = space
        self.path = path
        self.device = device
        self._need = 0
        self._already = 0

    @property
    def outstanding(self) -> int:
        """Bytes still to be written."""
        return max(0, self._need - self._already)

    def wrote(self, already: int) -> None:
        """Tell how many of the file's bytes are on the disk by now.

        All of them, once the disk was asked for them in advance.
        """
        self._already = already

    def grow(self, need: int, already: int | None = None) -> None:
        """Ask for *need* bytes in all. Raises DownloadError (DOWNLOAD_DISK_FULL) and changes nothing then."""
        self._space.check(self, need, self._already if already is None else already)

    def set(self, need: int, already: int) -> None:
        """Note both. For :class:`Space`."""
        self._need, self._already = need, already

    def release(self) -> None:
        """Give the promise back. May be called twice."""
        self._space.forget(self)

    def __enter__(self) -> Room:  # noqa: PYI034 - Self came with Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def size_text(size: int) -> str:
    """Give a size in bytes as people read it, e.g. ``6.9 GB``."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"


def _existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
