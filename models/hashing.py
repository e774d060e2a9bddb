"""The SHA-256 of a file, worked out without being in anybody's way."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from .values import Stamp

PIECE = 4 * 1024**2
"""Bytes that are read at once: some 3 ms of work between two looks whether to go on."""
NICE = 15


class Halted(Exception):
    """The work was given up: the server stops."""


def open_real(real: str) -> int:
    """Open a file by its path without links; a link or a pipe that has come there is refused with OSError."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return os.open(real, flags)


def sha256_of(real: str, go_on: Callable[[], bool]) -> tuple[str, Stamp] | None:
    """Give the hash of a file, and its stamp, which it had from beginning to end.

    None if the file changed meanwhile, or is no regular one. *go_on* is asked before each piece, may wait,
    and ends the work with False: Halted is raised then. Raises OSError.
    """
    with open(open_real(real), "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            return None
        digest = hashlib.sha256()
        piece = memoryview(bytearray(PIECE))
        while True:
            if not go_on():
                raise Halted
            count = file.readinto(piece)
            if not count:
                break
            digest.update(piece[:count])
        after = os.fstat(file.fileno())
    stamp = Stamp.of(before)
    # by its name too: another file may have been put in its place
    if Stamp.of(after) != stamp or Stamp.of(os.lstat(real)) != stamp:
        return None
    return digest.hexdigest(), stamp


def be_nice() -> None:
    """Give this thread a low priority, where threads have one of their own."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
