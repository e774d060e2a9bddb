"""What can go wrong with sessions, as errors a client can be told."""

from __future__ import annotations

from ..errors import JSON, ApiError, Conflict, NotFound
from .values import Session


def no_session(session_id: str) -> NotFound:
    """Give the error for a session that is not there, or not any more."""
    return NotFound(
        "SESSION_NOT_FOUND",
        f"There is no session {session_id}.",
        hint="It may have expired: GET /ext/workflow/sessions lists those there are.",
    )


def no_version(session: Session, number: int, oldest: int | None) -> NotFound:
    """Give the error for a version that is not there, or not any more."""
    gone = oldest is not None and 0 < number < oldest
    return NotFound(
        "VERSION_NOT_FOUND",
        f"Session {session.id} has no version {number}" + (" any more." if gone else "."),
        hint=f"It has versions from {oldest} to {session.latest}.",
        details={"oldest": oldest, "latest": session.latest},
    )


def changed(session: Session, etag: str, yours: JSON | None, diff: JSON) -> ApiError:
    """Give the error for a client that knows another state. *diff*: ``changes`` since its version."""
    return ApiError(
        "SESSION_CHANGED",
        f"The session was changed meanwhile: it is at version {session.version}, change {session.rev}.",
        hint="Look at details.changes, then send the request again with details.etag as If-Match.",
        details={
            "version": session.version,
            "rev": session.rev,
            "etag": etag,
            "yours": yours,
            **diff,
        },
    )


def nothing_to(code: str, word: str, available: int) -> Conflict:
    """Give the error for an undo or redo of more than there is."""
    message = f"Only {available} steps can be {word}." if available else f"There is nothing to be {word}."
    return Conflict(code, message, details={"available": available})


def too_many(setting: str, most: int) -> Conflict:
    """Give the error for a session more than *setting* allows."""
    return Conflict(
        "SESSION_LIMIT",
        "There is no room for another session or version.",
        hint=f"Delete sessions that are no longer needed, or raise {setting}.",
        details={"setting": setting, "most": most},
    )


def too_large(size: int, most: int) -> ApiError:
    """Give the error for a workflow that takes more than a session may; in bytes, compressed."""
    return ApiError(
        "SESSION_TOO_LARGE",
        f"The workflow takes {size} bytes compressed; a session may take {most}.",
        hint="Raise session_bytes, or keep large values out of the workflow.",
        details={"bytes": size, "most": most},
    )
