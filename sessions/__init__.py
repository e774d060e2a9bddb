"""Workflows that the server holds: numbered versions, undo, redo, rollback.

``service`` is what the routes call; ``engine`` says what a store of sessions does, ``store/`` does it on
SQLite; ``work`` changes and judges workflows in threads; ``summaries`` and ``views`` show them.
"""

from __future__ import annotations

from .lookups import Lookups
from .service import Sessions
from .values import Bounds, Description, Edited, Expected, Origin, Session, Version

__all__ = [
    "Bounds",
    "Description",
    "Edited",
    "Expected",
    "Lookups",
    "Origin",
    "Session",
    "Sessions",
    "Version",
]
