"""The file that a download grows in: ``.{task_id}.part`` beside its target, so that publishing is a rename.

ComfyUI lists no file of that suffix. The part's length says nothing of how far it is, for the disk is set
aside in advance: what landed, and what of that is on the disk for certain, are kept as spans.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Condition

from .spans import Span, Spans

_FLAGS = (
    os.O_RDWR
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOINHERIT", 0)
    | getattr(os, "O_BINARY", 0)
)
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Part:
    """An open part. Several threads may write and read it at once; all methods block, and raise OSError."""

    def __init__(self, path: Path, handle: int, durable: Iterable[Span] = ()) -> None:
        self.path = path
        self._handle = handle
        self._landed = Spans(durable)
        self._durable = self._landed.all()
        self._changed = Condition()
        self._unsynced = 0
        self._emptied = 0
        self._lossy: OSError | None = None

    @classmethod
    def create(cls, path: Path) -> Part:
        """Make a new one; what an earlier process left under that name is removed first."""
        path.unlink(missing_ok=True)
        return cls(path, os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o666))  # less the umask

    @classmethod
    def reopen(cls, path: Path, durable: Iterable[Span]) -> Part:
        """Open one that is there, of which *durable* is known to be whole."""
        handle = os.open(path, _FLAGS)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a file")  # noqa: TRY301 - the handle is closed below
            spans = Spans(durable)
            spans.cut(status.st_size)
        except BaseException:
            os.close(handle)
            raise
        return cls(path, handle, spans.all())

    # what is there

    @property
    def frontier(self) -> int:
        """How many bytes landed without a gap from the first on."""
        with self._changed:
            return self._landed.frontier

    @property
    def landed(self) -> int:
        """How many bytes landed."""
        with self._changed:
            return self._landed.total

    @property
    def unsynced(self) -> int:
        """How many bytes were written since the last :meth:`sync` began."""
        with self._changed:
            return self._unsynced

    @property
    def durable(self) -> tuple[Span, ...]:
        """What is on the disk for certain."""
        with self._changed:
            return self._durable

    def holes(self, size: int | None) -> list[tuple[int, int | None]]:
        """Give what is missing of a file of *size* bytes."""
        with self._changed:
            return self._landed.holes(size)

    def split(self, start: int, end: int) -> list[tuple[int, int, bool]]:
        """Cut ``(start, end)`` into pieces that landed (True) or did not."""
        with self._changed:
            return self._landed.split(start, end)

    def wait_beyond(self, offset: int, seconds: float, over: Callable[[], bool]) -> int:
        """Wait until the frontier is beyond *offset*, or *over*, or the time is; give the frontier."""
        with self._changed:
            if self._landed.frontier <= offset and not over():
                self._changed.wait(seconds)
            return self._landed.frontier

    def wake(self) -> None:
        """Wake whoever waits, to look whether it is over."""
        with self._changed:
            self._changed.notify_all()

    # bytes

    def write(self, offset: int, view: memoryview) -> None:
        """Write all of *view*."""
        size, at = len(view), 0
        while at < size:
            at += self._write(view[at:], offset + at)
        with self._changed:
            before = self._landed.frontier
            self._landed.add(offset, offset + size)
            self._unsynced += size
            if self._landed.frontier > before:
                self._changed.notify_all()

    def read(self, offset: int, view: memoryview) -> int:
        """Read bytes that landed into *view*; give how many, at least one unless *view* is empty."""
        count = self._read(view, offset)
        if not count and view:
            raise OSError(errno.EIO, "the file is shorter than what was written to it")
        return count

    if sys.platform == "win32":

        def _write(self, view: memoryview, offset: int) -> int:
            with self._changed:
                os.lseek(self._handle, offset, os.SEEK_SET)
                return os.write(self._handle, view)

        def _read(self, view: memoryview, offset: int) -> int:
            with self._changed:
                os.lseek(self._handle, offset, os.SEEK_SET)
                piece = os.read(self._handle, len(view))
            view[: len(piece)] = piece
            return len(piece)

    else:

        def _write(self, view: memoryview, offset: int) -> int:
            return os.pwrite(self._handle, view, offset)

        def _read(self, view: memoryview, offset: int) -> int:
            return os.preadv(self._handle, [view], offset)

    # the disk

    def reserve(self, size: int) -> None:
        """Set the disk aside for *size* bytes, where the file system can do that by itself.

        Raises OSError ENOSPC if there is no room. Not ``os.posix_fallocate``: the C library would write to
        every block where the file system cannot (NFS, ZFS), which takes longer than the download.
        """
        if not sys.platform.startswith("linux") or not size:
            return
        import ctypes  # noqa: PLC0415 - once for a download

        allocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
        if allocate is None:  # musl has one for all sizes
            allocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
        if allocate is None or ctypes.sizeof(ctypes.c_long) < 8:
            return
        zero = ctypes.c_longlong(0)
        if allocate(ctypes.c_int(self._handle), ctypes.c_int(0), zero, ctypes.c_longlong(size)) != 0:
            code = ctypes.get_errno()
            if code in _NO_ROOM:
                raise OSError(code, os.strerror(code))

    def sync(self) -> tuple[Span, ...]:
        """Have what landed reach the disk; give what is there for certain now.

        Once it failed it always does: a second try would succeed, though the system dropped what it could not
        write.
        """
        with self._changed:
            if self._lossy is not None:
                raise self._lossy
            landed = self._landed.all()
            written, self._unsynced = self._unsynced, 0
            emptied = self._emptied
        try:
            getattr(os, "fdatasync", os.fsync)(self._handle)
        except OSError as error:
            with self._changed:
                self._unsynced += written
                self._lossy = error
            raise
        with self._changed:
            if self._emptied == emptied:
                self._durable = landed
            return self._durable

    def rollback(self) -> None:
        """Forget what is not on the disk for certain."""
        with self._changed:
            self._landed = Spans(self._durable)

    def empty(self) -> None:
        """Forget and give up all bytes."""
        with self._changed:
            self._landed, self._durable, self._unsynced = Spans(), (), 0
            self._emptied += 1
        os.ftruncate(self._handle, 0)

    def cut(self, size: int) -> None:
        """Make the file exactly *size* bytes long."""
        with self._changed:
            self._landed.cut(size)
        os.ftruncate(self._handle, size)

    def close(self) -> None:
        """Close it; the file stays."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def discard(self) -> None:
        """Close and remove it."""
        self.close()
        self.path.unlink(missing_ok=True)
