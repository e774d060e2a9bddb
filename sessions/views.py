"""Sessions and versions as replies show them. Pure."""

from __future__ import annotations

from ..errors import JSON
from ..wire import rfc3339
from .values import Bounds, Run, Session, Version


def etag(session: Session) -> str:
    """Give the strong ETag: version, changes by clients, what else changed."""
    return f'"{session.version}.{session.rev}.{session.seen}"'


def shown(session: Session, bounds: Bounds) -> JSON:
    """Give a session as lists show it."""
    until = None if bounds.age_s is None else session.used_at + bounds.age_s
    return {
        "id": session.id,
        "label": session.label,
        "parent": session.parent,
        "source": session.source,
        "version": session.version,
        "latest": session.latest,
        "rev": session.rev,
        "etag": etag(session),
        "created_at": rfc3339(session.created_at),
        "updated_at": rfc3339(session.updated_at),
        "expires_at": rfc3339(until),
        "can_undo": session.base is not None,
        "can_redo": session.following is not None,
        "on_failure": session.on_failure,
        "valid": session.valid,
        "last_valid": session.last_valid,
        "last_ran": session.last_ran,
        "last_run": _run(session.last_run),
        "metadata": dict(session.metadata),
        "url": f"/ext/workflow/sessions/{session.id}",
    }


def version_shown(session: Session, version: Version) -> JSON:
    """Give a version as lists show it."""
    run = _run(version.run)
    return {
        "version": version.number,
        "base": version.base,
        "kind": version.kind,
        "same_as": version.same_as,
        "summary": version.summary,
        "changes_count": version.changes,
        "made_at": rfc3339(version.made_at),
        "head": version.number == session.version,
        "valid": version.valid,
        "ran": version.ran,
        "task": None if run is None else {"id": run["task_id"], "status": run["status"]},
        "because": version.because,
    }


def _run(run: Run | None) -> JSON | None:
    if run is None:
        return None
    return {"version": run.version, "task_id": run.task_id, "status": run.status}
