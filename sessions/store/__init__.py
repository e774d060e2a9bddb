"""Sessions on the disk: one SQLite file, which several processes on one machine may share."""

from __future__ import annotations

from .sqlite import SqliteStore, open_store

__all__ = ["SqliteStore", "open_store"]
