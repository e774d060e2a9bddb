"""Workflows that the server holds."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import JSON
from ..sessions import About, NewSession, Replacement, Steps, Target
from .described import CURSOR, Body, Operation, whole
from .shapes import (
    BYTES,
    FLAG,
    OBJECT,
    TEXT,
    TIME,
    WHOLE,
    by_name,
    listed,
    one_of,
    or_null,
    paged,
    ref,
    shape,
)

_ALL = "/ext/workflow/sessions"
_ONE = "/ext/workflow/sessions/{id}"
_PAGE = {
    "limit": whole(50, 1, 200, "Most items of a page."),
    "cursor": CURSOR,
}


def _edit(name: str, summary: str, body: Body) -> Operation:
    return Operation(name, summary, ref("EditedSession"), body=body, repeatable=True, guarded=True)


OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("POST", _ALL): Operation(
        "createSession",
        "Holds a workflow, that of a task, of another session or of a template",
        ref("EditedSession"),
        statuses=(201,),
        body=Body((NewSession,)),
        repeatable=True,
        located=True,
    ),
    ("GET", _ALL): Operation(
        "listSessions", "Sessions, the last changed first", ref("SessionPage"), query=_PAGE
    ),
    ("GET", _ONE): Operation(
        "getSession",
        "A session with its workflow",
        ref("HeldWorkflow"),
        query={"version": whole(0, 0, 10**10, "The workflow of this version; 0: the present one.")},
        conditional=True,
    ),
    ("PUT", _ONE): _edit("replaceSession", "Another workflow, as a new version", Body((Replacement,))),
    ("PATCH", _ONE): _edit(
        "describeSession", "Its label, metadata, and what a failed run does", Body((About,))
    ),
    ("DELETE", _ONE): Operation("deleteSession", "Forgets a session", statuses=(204,), guarded=True),
    ("POST", f"{_ONE}/undo"): _edit("undoSession", "Back by some versions", Body((Steps,), required=False)),
    ("POST", f"{_ONE}/redo"): _edit("redoSession", "Forth again", Body((Steps,), required=False)),
    ("POST", f"{_ONE}/rollback"): _edit(
        "rollBackSession", "The workflow of an earlier version, as a new one", Body((Target,), required=False)
    ),
    ("GET", f"{_ONE}/versions"): Operation(
        "listSessionVersions", "Its versions, the newest first", ref("VersionPage"), query=_PAGE
    ),
    ("GET", f"{_ONE}/versions/{{version}}"): Operation(
        "getSessionVersion", "One version with its workflow", ref("VersionDetail")
    ),
    ("GET", f"{_ONE}/diff"): Operation(
        "compareSessionVersions",
        "What changed between two versions",
        shape(**{"from": WHOLE, "to": WHOLE}, changes=listed(OBJECT)),
        query={
            "from": whole(0, 0, 10**10, "The older version; 0: the one before."),
            "to": whole(0, 0, 10**10, "The later version; 0: the present one."),
        },
    ),
}


def _session() -> dict[str, JSON]:
    run = shape(version=WHOLE, task_id=TEXT, status=or_null(TEXT))
    return {
        "id": TEXT,
        "label": or_null(TEXT),
        "parent": or_null(OBJECT),
        "source": OBJECT,
        "version": {**WHOLE, "description": "The one it is at."},
        "latest": WHOLE,
        "rev": WHOLE,
        "etag": TEXT,
        "created_at": TIME,
        "updated_at": TIME,
        "expires_at": or_null(TIME),
        "can_undo": FLAG,
        "can_redo": FLAG,
        "on_failure": one_of("keep", "rollback"),
        "valid": or_null(FLAG),
        "last_valid": or_null(WHOLE),
        "last_ran": or_null(WHOLE),
        "last_run": or_null(run),
        "metadata": OBJECT,
        "url": TEXT,
    }


def _version() -> dict[str, JSON]:
    return {
        "version": WHOLE,
        "base": or_null(WHOLE),
        "kind": one_of("created", "patch", "replace", "rollback"),
        "same_as": or_null(WHOLE),
        "summary": TEXT,
        "changes_count": BYTES,
        "made_at": TIME,
        "head": FLAG,
        "valid": or_null(FLAG),
        "ran": FLAG,
        "task": or_null(shape(id=TEXT, status=or_null(TEXT))),
        "because": or_null(OBJECT),
    }


def schemas() -> dict[str, JSON]:
    """Give the schemas of replies."""
    held: dict[str, JSON] = {"workflow_version": WHOLE, "workflow": ref("Workflow")}
    return {
        "Session": shape("A workflow that the server holds, with its versions.", **_session()),
        "HeldWorkflow": shape(**_session(), **held),
        "EditedSession": shape(
            "A session after an edit, and what the edit did.",
            ("node_ids", "notes", "dry_run"),
            **_session(),
            **held,
            changes=listed(OBJECT),
            created=listed(OBJECT),
            findings=listed(ref("Finding")),
            inverse=listed(OBJECT),
            node_ids=by_name(listed(TEXT)),
            notes=listed(OBJECT),
            dry_run=FLAG,
        ),
        "SessionPage": paged(ref("Session")),
        "Version": shape("One state of a session's workflow.", **_version()),
        "VersionDetail": {
            **shape(**_version(), workflow=ref("Workflow")),
            "additionalProperties": True,
        },
        "VersionPage": paged(ref("Version")),
    }
