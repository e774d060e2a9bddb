"""What can go wrong with the file, as errors a client can be told."""

from __future__ import annotations

import errno
import sqlite3
from typing import Literal

from ...errors import JSON, Unavailable

StoreCode = Literal["STORE_BUSY", "STORE_FULL", "STORE_DAMAGED", "STORE_NEWER", "STORE_UNAVAILABLE"]

HINTS: dict[StoreCode, str] = {
    "STORE_BUSY": "Another program holds the file; try again, and end that program if it does not let go.",
    "STORE_FULL": "Free space on the disk of the store; nothing was half written.",
    "STORE_DAMAGED": "Restart the server: the damaged file is moved aside and an empty store begun.",
    "STORE_NEWER": "Update Backplane, or move the file away to begin with an empty store.",
    "STORE_UNAVAILABLE": "See the server's log; the folder of the store must be writable.",
}


class StoreError(Unavailable):
    """The store could not do it, and nothing was half written."""

    def __init__(self, code: StoreCode, message: str, *, details: JSON | None = None) -> None:
        super().__init__(code, message, hint=HINTS[code], details=details)


WORDS: tuple[tuple[str, StoreCode, str], ...] = (
    ("disk is full", "STORE_FULL", "The disk of the store is full"),
    ("locked", "STORE_BUSY", "The store is locked by another program"),
    ("busy", "STORE_BUSY", "The store is locked by another program"),
    ("malformed", "STORE_DAMAGED", "The store is damaged"),
    ("not a database", "STORE_DAMAGED", "The store is not a database"),
)
"""What SQLite's messages mean. Python 3.10 has no error codes on the exceptions."""


def translated(error: BaseException) -> BaseException:
    """Give a :class:`StoreError` for what SQLite or the file system says; other errors as they are."""
    if isinstance(error, OSError):
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return StoreError("STORE_FULL", f"The disk of the store is full: {error}")
        return StoreError("STORE_UNAVAILABLE", f"The store cannot be used: {error}")
    if not isinstance(error, sqlite3.DatabaseError) or isinstance(error, sqlite3.IntegrityError):
        return error
    text = str(error)
    for words, code, meaning in WORDS:
        if words in text:
            return StoreError(code, f"{meaning}: {text}")
    return StoreError("STORE_UNAVAILABLE", f"The store cannot be used: {text}")
