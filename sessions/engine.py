"""What keeping sessions asks of a store: each change is made whole or not at all, and is on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..errors import ApiError
from ..tasks.engine import Remembered
from .values import Edit, NewSession, Remember, Run, Session, Version


class Store(Protocol):
    """Keeps sessions. Several processes may share one; each method raises StoreError if the store fails.

    *now* are Unix seconds. A session that was not used within the bounds' age is not there any more.
    """

    @property
    def problem(self) -> ApiError | None:
        """Why the last write failed, None if it did not."""
        ...

    @property
    def notice(self) -> str | None:
        """What a person should know of it."""
        ...

    async def create(self, new: NewSession, now: float, remember: Remember | None) -> Session:
        """Keep a new session. Raises SESSION_LIMIT, SESSION_TOO_LARGE, AlreadyRememberedError."""
        ...

    async def change(
        self, session_id: str, rev: int, edit: Edit, now: float, remember: Remember | None
    ) -> Session | None:
        """Change a session, if its rev still is *rev*; None if it is not.

        Raises SESSION_NOT_FOUND, SESSION_LIMIT, SESSION_TOO_LARGE, AlreadyRememberedError.
        """
        ...

    async def remove(self, session_id: str, rev: int | None, now: float) -> bool:
        """Forget a session, if its rev still is *rev* (None: whatever it is). Raises SESSION_NOT_FOUND."""
        ...

    async def use(self, session_id: str, now: float) -> None:
        """Note that a session is used."""
        ...

    async def find(self, session_id: str, now: float) -> Session:
        """Give a session. Raises SESSION_NOT_FOUND."""
        ...

    async def read(
        self, session_id: str, versions: Sequence[int | None], now: float
    ) -> tuple[Session, list[tuple[Version, bytes]]]:
        """Give a session and some of its versions (None: the head) with their workflows, of one moment.

        Raises SESSION_NOT_FOUND, VERSION_NOT_FOUND.
        """
        ...

    async def ops(self, session_id: str, number: int) -> bytes | None:
        """Give the operations that a version was made with, if it was and they are kept."""
        ...

    async def walk(
        self, session_id: str, steps: int, now: float, *, back: bool
    ) -> tuple[Session, tuple[int, ...]]:
        """Give a session, and its head with up to *steps* versions that undo (*back*) or redo leads to.

        Raises SESSION_NOT_FOUND.
        """
        ...

    async def versions(
        self, session_id: str, limit: int, before: int | None, now: float
    ) -> tuple[Session, list[Version], int | None]:
        """Give versions, the newest first, and the number to go on before. Raises SESSION_NOT_FOUND."""
        ...

    async def page(self, limit: int, before: int | None, now: float) -> tuple[list[Session], int | None]:
        """Give sessions, the one changed last first, and the ``changed`` to go on before."""
        ...

    async def began(self, session_id: str, version: int, task_id: str, now: float) -> Session | None:
        """Note that a task runs a version; it validated then. None if there is no such version."""
        ...

    async def ended(self, task_id: str, status: str, now: float) -> tuple[Session, bool] | None:
        """Note how a task ended; None if it is known or no session's.

        If it failed, the head still is what it ran, and the session says so, the head becomes a rollback to
        the nearest version back that ran, else that validated. Tells whether it did.
        """
        ...

    async def open_runs(self, session_id: str) -> list[Run]:
        """Give the runs of which it is not known how they ended, the oldest first."""
        ...

    async def recall(self, scope: str, key: str, now: float) -> Remembered | None:
        """Give what was answered to this Idempotency-Key within the last day."""
        ...

    async def keep_answer(self, answer: Remembered) -> None:
        """Keep what was answered to an Idempotency-Key. Raises AlreadyRememberedError."""
        ...

    async def sweep(self, now: float) -> int:
        """Forget what is too old; give how many sessions."""
        ...

    async def close(self) -> None:
        """Finish what was begun and let go."""
        ...
