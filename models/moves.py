"""Deletes and moves model files. A file is never half there, and never replaces another.

Blocks: for threads.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ..errors import ApiError, Conflict, NotFound
from .hashing import PIECE, Halted, open_real
from .values import Stamp

KEPT_FREE = 64 * 1024**2
"""Bytes that a copy leaves free."""
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
"""What file systems without hard links answer."""
_WINDOWS_IN_USE = {5, 32, 33}
"""ERROR_ACCESS_DENIED (a file that is mapped), ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION."""


@dataclass(frozen=True, slots=True)
class Moved:
    """How a move ended. *sha256* is known where the file was copied; *stamp* is its new one."""

    stamp: Stamp
    sha256: str | None


def remove(path: str, name: str) -> None:
    """Delete a file; of a link only the link.

    Raises ApiError MODEL_NOT_FOUND, MODEL_IN_USE, MODEL_REFUSED.
    """
    with told(name):
        os.unlink(path)  # noqa: PTH108


def move(path: str, target: str, name: str, go_on: Callable[[], bool]) -> Moved:
    """Move a file to *target*, whose directory is made; on another file system by a copy that is verified.

    Raises ApiError MODEL_EXISTS, MODEL_NOT_FOUND, MODEL_IN_USE, MODEL_REFUSED, DOWNLOAD_DISK_FULL; Halted if
    *go_on* gives False. Then all is as it was.
    """
    with told(name):
        made = _make_directory(os.path.dirname(target))  # noqa: PTH120
        try:
            sha256 = _move(path, target, go_on)
        except BaseException:
            for directory in reversed(made):
                with suppress(OSError):
                    os.rmdir(directory)  # noqa: PTH106 - only if nobody has put anything there
            raise
        _sync_directory(os.path.dirname(target))  # noqa: PTH120
        return Moved(Stamp.of(os.stat(target)), sha256)  # noqa: PTH116


@contextmanager
def told(name: str) -> Generator[None]:
    """Turn what the disk says into an error for clients; *name* is how they call the file."""
    try:
        yield
    except FileExistsError:
        raise Conflict(
            "MODEL_EXISTS", f"There is a model {name!r} already.", hint="Choose another name."
        ) from None
    except FileNotFoundError:
        raise NotFound("MODEL_NOT_FOUND", f"The model {name!r} is gone.") from None
    except OSError as error:
        if getattr(error, "winerror", None) in _WINDOWS_IN_USE or error.errno in {errno.EBUSY, errno.ETXTBSY}:
            raise in_use(name) from None
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise disk_full(name) from None
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise ApiError(
                "MODEL_REFUSED",
                f"This server may not change {name!r}: {error.strerror}.",
                hint="The folder's permissions are its operator's to set.",
            ) from None
        if error.errno in {errno.ENOTDIR, errno.ENAMETOOLONG}:
            raise Conflict(
                "MODEL_EXISTS", f"{name!r} cannot be made: {error.strerror}.", hint="Choose another name."
            ) from None
        raise


def in_use(name: str) -> Conflict:
    """The error for a file that is held by somebody else."""
    return Conflict("MODEL_IN_USE", f"The model {name!r} is in use.", hint="Try again when it is not.")


def disk_full(name: str) -> ApiError:
    """The error for a copy that there is no room for."""
    return ApiError("DOWNLOAD_DISK_FULL", f"The disk has no room for {name!r}.")


def publish(path: str, target: str) -> None:
    """Give the file *path* the name *target* on the same file system. FileExistsError if that is taken."""
    if sys.platform == "win32":
        os.rename(path, target)  # noqa: PTH104 - never replaces a file there
        return
    try:
        os.link(path, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.rename(path, target)  # noqa: PTH104
        return
    try:
        os.unlink(path)  # noqa: PTH108
    except OSError:
        with suppress(OSError):
            os.unlink(target)  # noqa: PTH108
        raise


def _move(path: str, target: str, go_on: Callable[[], bool]) -> str | None:
    if os.path.islink(path):  # noqa: PTH114
        _move_link(path, target)
        return None
    if _other_case(path, target):
        os.rename(path, target)  # noqa: PTH104
        return None
    try:
        publish(path, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return _copy(path, target, go_on)
    return None


def _other_case(path: str, target: str) -> bool:
    """Say whether both are one file of one name, on a file system that does not tell case apart."""
    return (
        path.casefold() == target.casefold()
        and os.path.lexists(target)
        and os.path.samefile(path, target)  # noqa: PTH121
        and os.path.basename(target) not in os.listdir(os.path.dirname(target))  # noqa: PTH119, PTH120, PTH208
    )


def _move_link(path: str, target: str) -> None:
    """Make the link anew: what it says may be relative to where it is."""
    leads = os.path.join(os.path.dirname(path), os.readlink(path))  # noqa: PTH115, PTH118, PTH120
    os.symlink(os.path.abspath(leads), target)  # noqa: PTH100, PTH211
    try:
        os.unlink(path)  # noqa: PTH108
    except OSError:
        with suppress(OSError):
            os.unlink(target)  # noqa: PTH108
        raise


def _copy(path: str, target: str, go_on: Callable[[], bool]) -> str:
    """Copy to another file system, verify, publish, and only then remove the original. Gives the SHA-256."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    directory = os.path.dirname(target)  # noqa: PTH120
    size = os.stat(path).st_size  # noqa: PTH116
    if shutil.disk_usage(directory).free < size + KEPT_FREE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    part = os.path.join(directory, f".backplane-move-{secrets.token_hex(8)}.part")  # noqa: PTH118
    try:
        sha256, before = _copied(path, part, go_on)
        _verify(path, part, sha256, before, go_on)
        os.utime(part, ns=(before.mtime_ns, before.mtime_ns))
        publish(part, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)  # noqa: PTH108
        raise
    _sync_directory(directory)
    try:
        os.unlink(path)  # noqa: PTH108
    except OSError:
        with suppress(OSError):
            os.unlink(target)  # noqa: PTH108
        raise
    return sha256


def _copied(path: str, part: str, go_on: Callable[[], bool]) -> tuple[str, Stamp]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    digest = hashlib.sha256()
    piece = memoryview(bytearray(PIECE))
    with open(open_real(path), "rb", buffering=0) as source:  # noqa: PTH123
        before = os.fstat(source.fileno())
        with open(os.open(part, flags, before.st_mode & 0o777), "wb", buffering=0) as copy:  # noqa: PTH123
            while count := source.readinto(piece):
                if not go_on():
                    raise Halted
                digest.update(piece[:count])
                written = 0
                while written < count:
                    written += copy.write(piece[written:count])
            os.fsync(copy.fileno())
    return digest.hexdigest(), Stamp.of(before)


def _verify(path: str, part: str, sha256: str, before: Stamp, go_on: Callable[[], bool]) -> None:
    """Raise OSError unless the copy is on the disk as it was read, and the original still is so."""
    if _digest(part, go_on) != sha256:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    if Stamp.of(os.lstat(path)) != before:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))  # somebody is writing it


def _digest(path: str, go_on: Callable[[], bool]) -> str:
    digest = hashlib.sha256()
    piece = memoryview(bytearray(PIECE))
    with open(open_real(path), "rb", buffering=0) as file:  # noqa: PTH123
        while count := file.readinto(piece):
            if not go_on():
                raise Halted
            digest.update(piece[:count])
    return digest.hexdigest()


def _make_directory(directory: str) -> list[str]:
    """Make a directory and what is missing above it; give those that were made, the highest first."""
    missing: list[str] = []
    while not os.path.isdir(directory) and directory != os.path.dirname(directory):  # noqa: PTH112, PTH120
        missing.append(directory)
        directory = os.path.dirname(directory)  # noqa: PTH120
    made: list[str] = []
    for each in reversed(missing):
        with suppress(FileExistsError):
            os.mkdir(each)  # noqa: PTH102
            made.append(each)
    return made


def _sync_directory(directory: str) -> None:
    """Have the new name outlast a loss of power, where directories can be synced."""
    if sys.platform == "win32":
        return
    with suppress(OSError):
        opened = os.open(directory, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
