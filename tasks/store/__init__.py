"""Tasks on the disk: one SQLite file, which several processes on one machine may share."""

from .engine import SqliteEngine, StoreState, open_engine
from .trouble import StoreError

__all__ = ["SqliteEngine", "StoreError", "StoreState", "open_engine"]
