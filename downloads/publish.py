"""Putting a finished file in its place: whole or not at all, and never over a file unasked.

The invariant: the final path is absent, has the old bytes, or the new ones, at every moment, whatever fails.
No message holds a path of this machine.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .plan import Stop
from .trouble import DownloadError

REPLACE_TRIES = 5
"""How often a file that another program holds open is tried to be replaced (Windows)."""
REPLACE_PAUSE_S = 0.2
"""Seconds before the second try; each further pause is twice as long."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_WINDOWS_FULL = frozenset({39, 112})
_IN_USE = frozenset({32, 33})
"""Windows: a sharing violation, a lock violation."""
_NO_LINKS = frozenset(
    {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL, errno.EACCES}
)
"""What file systems without hard links answer; exFAT and some network ones have none."""
_NO_RENAME = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPERM})


_FULL = (
    "DOWNLOAD_DISK_FULL",
    "the disk, or the account's share of it, is full",
    "Delete what is not needed, and retry.",
)
_HELD = (
    "DOWNLOAD_TARGET_IN_USE",
    "another program holds the old file open",
    "Retry when no workflow uses the model.",
)
_DENIED = (
    "DOWNLOAD_PERMISSION_DENIED",
    "this is not permitted to ComfyUI",
    "The account that it runs under must be able to write into the model folder.",
)
_TAKEN = "Set overwrite to replace it, or give another filename."
_KINDS: Mapping[int, tuple[str, str, str | None]] = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), _DENIED),
    errno.EROFS: ("DOWNLOAD_PERMISSION_DENIED", "the disk can only be read", None),
    errno.EEXIST: ("DOWNLOAD_FILE_EXISTS", "another file of that name is there", _TAKEN),
    errno.EISDIR: ("DOWNLOAD_FILE_EXISTS", "a folder has that name", None),
    errno.ENOTDIR: ("DOWNLOAD_FILE_EXISTS", "a file has a folder's name", None),
    errno.ENAMETOOLONG: ("DOWNLOAD_INVALID_FILENAME", "the disk takes no name of that length", None),
    errno.EFBIG: ("DOWNLOAD_IO_ERROR", "the disk's format takes no file of that size", None),
}
"""errno → code, reason, hint."""


def publish(
    part: Path, target: Path, *, overwrite: bool, pause: Callable[[float], object] = time.sleep
) -> None:
    """Give the finished file *part*, which lies in the target's own folder, its final name.

    *overwrite* replaces the file, or link, that has the name; what a link leads to is never written to.
    On failure *part* stays, and the target is as it was. Raises DownloadError. Blocks.
    """
    try:
        _sync(part)
        if overwrite:
            _replace(part, target, pause)
        else:
            _claim(part, target)
    except OSError as error:
        raise translate_os_error(error, "The file could not be put in its place") from error
    sync_folder(target.parent)


def finish_publish(part: Path, target: Path, size: int, sha256: str, *, stop: Stop | None = None) -> bool:
    """After a crash: say whether *target* is the verified file; then nothing is left to do, *part* is gone.

    False: it was not published; *part*, if it is there, can be. Raises DownloadError, Stopped. Blocks: reads
    the whole file, unless *part* is another name of it.
    """
    try:
        if not is_file(target, size, sha256, part=part, stop=stop):
            return False
        part.unlink(missing_ok=True)
    except OSError as error:
        raise translate_os_error(error, "The file could not be looked at") from error
    sync_folder(target.parent)
    return True


def is_file(
    path: Path, size: int, sha256: str, *, part: Path | None = None, stop: Stop | None = None
) -> bool:
    """Say whether *path* is a file with these bytes; not a link to one. Raises OSError, Stopped. Blocks.

    It is not read if it is the same file as *part*, whose bytes are known.
    """
    found = _lstat(path)
    if found is None or not stat.S_ISREG(found.st_mode) or found.st_size != size:
        return False
    staged = _lstat(part) if part is not None else None
    if staged is not None and os.path.samestat(found, staged):
        return True
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1024**2):
            if stop is not None:
                stop.check()
            digest.update(piece)
    return digest.hexdigest() == sha256


def translate_os_error(error: OSError, doing: str) -> DownloadError:
    """Give the download's error for one of the system's. *doing* begins the message: "… could not be …"."""
    winerror: int | None = getattr(error, "winerror", None)
    if error.errno in _NO_ROOM or winerror in _WINDOWS_FULL:
        kind = _FULL
    elif winerror in _IN_USE:
        kind = _HELD
    else:
        kind = _KINDS.get(error.errno or 0)
    if kind is None:
        return DownloadError("DOWNLOAD_IO_ERROR", f"{doing}: {error.strerror or type(error).__name__}.")
    code, reason, hint = kind
    return DownloadError(code, f"{doing}: {reason}.", hint=hint)


def sync_folder(folder: Path) -> None:
    """Have the folder's names reach the disk, where the system can do that. The names stand either way."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def hard_link(old: Path, new: Path) -> None:
    """Give a file, or a link itself, a second name. Raises OSError."""
    if os.link in os.supports_follow_symlinks:
        os.link(old, new, follow_symlinks=False)
    else:
        os.link(old, new)


def _sync(part: Path) -> None:
    with part.open("rb+") as file:  # Windows wants it open for writing
        os.fsync(file.fileno())


def _claim(part: Path, target: Path) -> None:
    """Move *part* to a name that nothing has. Raises OSError."""
    if sys.platform == "win32":
        part.rename(target)  # there, it fails if the name is taken
        return
    try:
        hard_link(part, target)
    except FileExistsError:
        there, mine = _lstat(target), _lstat(part)
        if there is None or mine is None or not os.path.samestat(there, mine):
            raise
        # linked before a crash; or by NFS, whose answer was lost
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if not _rename_noreplace(part, target):
            _reserve_and_replace(part, target)
        return
    with contextlib.suppress(OSError):  # the file has its name: that it has another too is no failure
        part.unlink()


def _rename_noreplace(part: Path, target: Path) -> bool:
    """Rename if nothing has the name; False: this system or file system cannot do that. Raises OSError."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes  # noqa: PLC0415 - needed on few file systems only

    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    at_cwd, no_replace = -100, 1  # AT_FDCWD, RENAME_NOREPLACE of linux/fs.h
    if renameat2(at_cwd, os.fsencode(part), at_cwd, os.fsencode(target), no_replace) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_RENAME:
        return False
    raise OSError(code, os.strerror(code))


def _reserve_and_replace(part: Path, target: Path) -> None:
    """Take the name with an empty file, then replace that. Raises OSError."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    try:
        part.replace(target)
    except OSError:
        target.unlink()
        raise


def _replace(part: Path, target: Path, pause: Callable[[float], object]) -> None:
    wait = REPLACE_PAUSE_S
    for left in reversed(range(REPLACE_TRIES)):
        try:
            part.replace(target)
        except PermissionError as error:
            # a file that is mapped into memory gives 5 (access denied), one that is open gives 32
            winerror: int | None = getattr(error, "winerror", None)
            if winerror not in {5, *_IN_USE}:
                raise
            if not left:
                error.winerror = 32  # type: ignore[attr-defined]
                raise
            pause(wait)
            wait *= 2
        else:
            return


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
