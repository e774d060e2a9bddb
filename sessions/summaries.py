"""What changed, in a few words for a list. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import JSON
from ..graph import is_link

if TYPE_CHECKING:
    from ..patch_engine import Change

MOST_PHRASES = 3
LONGEST_VALUE = 40


def in_words(changes: Sequence[Change]) -> str:
    """Say what a patch changed: its first few changes, and how many more there are."""
    phrases = [_phrase(change) for change in changes[:MOST_PHRASES]]
    more = len(changes) - len(phrases)
    return "; ".join(phrases) + (f"; {more} more" if more else "") if phrases else "order only"


def made_from(source: JSON) -> str:
    """Say where a session is from."""
    match source:
        case {"kind": "task", "task_id": task_id}:
            return f"from task {task_id}"
        case {"kind": "session", "session_id": session_id, "version": version}:
            return f"from version {version} of {session_id}"
        case {"kind": "template", "template": template}:
            return f"from template {template}"
        case _:
            return "from a workflow"


def back_to(version: int, *, failed: int | None = None) -> str:
    """Say where a rollback went; *failed*: the version whose run failed, if that was why."""
    return f"back to version {version}" + ("" if failed is None else f": the run of version {failed} failed")


def _phrase(change: Change) -> str:
    node = f"{change.class_type} {change.node_id}"
    document = change.to_json()
    match change.kind:
        case "node_added":
            return f"{node} added"
        case "node_removed":
            return f"{node} removed"
        case "node_restored":
            return f"{node} put back"
        case "class_changed":
            return f"{change.node_id} is now {_short(document['new'])}"
        case "input_set" | "meta_set":
            gone = "new" not in document
            return f"{node}: {change.name} " + ("removed" if gone else _set_to(document["new"]))
        case _:
            return f"{node}: {change.name} removed"


def _set_to(value: Any) -> str:
    return f"from {value[0]}" if is_link(value) else f"= {_short(value)}"


def _short(value: Any) -> str:
    if isinstance(value, str):
        text = value
    elif isinstance(value, int | float | None):
        text = json.dumps(value)
    else:
        return "…"
    text = " ".join(text[: 4 * LONGEST_VALUE].split())
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
