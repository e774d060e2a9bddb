"""Where a fetched body goes: a file and a hash. Not for the event loop."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from pathlib import Path
from typing import BinaryIO


class Sink:
    """Writes and hashes. *into* is a path where nothing is yet (FileExistsError), or a file that is open.

    A write may still be under way in its thread when its request is cancelled; the lock lets
    :meth:`discard` come after it, and no write after that.
    """

    def __init__(self, into: Path | BinaryIO) -> None:
        self._path = into if isinstance(into, Path) else None
        self._file = into.open("xb") if isinstance(into, Path) else into
        self._hash = hashlib.sha256()
        self._lock = threading.Lock()
        self._closed = False
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Append a piece."""
        with self._lock:
            if not self._closed:
                self._file.write(piece)
                self._hash.update(piece)
                self.size += len(piece)

    def close(self) -> None:
        """End the file well; one that was given open stays so."""
        with self._lock:
            self._closed = True
            if self._path is not None:
                self._file.close()

    def discard(self) -> None:
        """Remove the file; one that was given open stays, with whatever is in it."""
        with contextlib.suppress(OSError):  # a full disk may refuse the last flush
            self.close()
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def sha256(self) -> str:
        """Give the hash of all that was written, in hexadecimal."""
        return self._hash.hexdigest()
