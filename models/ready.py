"""Bytes that go out as they are."""

from __future__ import annotations

import gzip
import hashlib
import threading


class Ready:
    """A JSON document as bytes, its strong ETag, and its compressed form once somebody wanted it."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.etag = '"' + hashlib.blake2b(body, digest_size=16).hexdigest() + '"'
        self._packed: bytes | None = None
        self._packing = threading.Lock()

    @property
    def packed(self) -> bytes | None:
        """The gzip form, if it has been made."""
        return self._packed

    def pack(self) -> bytes:
        """Give the gzip form. Takes a millisecond for 30 KB: for threads."""
        with self._packing:
            if self._packed is None:
                # mtime: the same document must be the same bytes, for it has the same ETag
                self._packed = gzip.compress(self.body, 6, mtime=0)
            return self._packed
