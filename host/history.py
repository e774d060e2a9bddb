"""Reads ComfyUI's queue items, executor messages and history entries. Imports no ComfyUI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from ..errors import JSON
from .protocol import QueuedPrompt, RunError
from .watch import HistoryEntry

TERMINAL: Mapping[str, Literal["succeeded", "failed", "interrupted"]] = {
    "execution_success": "succeeded",
    "execution_error": "failed",
    "execution_interrupted": "interrupted",
}
"""Executor messages after which nothing more happens to a prompt."""


def queued_prompt(item: Sequence[Any]) -> QueuedPrompt:
    """Read ``(number, prompt_id, graph, extra_data, targets[, sensitive])``, a queue item."""
    extra = cast("JSON", item[3] or {})
    return QueuedPrompt(str(item[1]), item[2], tuple(item[4]), extra.get("client_id"))


def error_of(event: str, data: Mapping[str, Any]) -> RunError | None:
    """Read an ``execution_error`` message; None for any other.

    Not its current_inputs and not its traceback: they hold prompts, paths and sometimes secrets.
    """
    if event != "execution_error":
        return None
    return RunError(
        message=str(data.get("exception_message", "")).strip(),
        node_id=data.get("node_id"),
        class_type=data.get("node_type"),
        exception_type=data.get("exception_type"),
    )


def history_entry(document: Mapping[str, Any]) -> HistoryEntry:
    """Read one entry of the history: ``{prompt, outputs, meta?, status: {status_str, messages}}``."""
    meta = cast("JSON", document.get("meta") or {})
    status = cast("JSON", document.get("status") or {})
    ended: Literal["succeeded", "failed", "interrupted"] = (
        "succeeded" if status.get("status_str") == "success" else "failed"
    )
    error = None
    cached: tuple[str, ...] = ()
    for event, data in cast("Sequence[tuple[str, JSON]]", status.get("messages") or ()):
        if event == "execution_cached":
            cached = tuple(data.get("nodes", ()))
        elif event in TERMINAL:  # the messages are right where status_str is not
            ended, error = TERMINAL[event], error_of(event, data)
    return HistoryEntry(
        queued_prompt(document["prompt"]),
        ended,
        error,
        document.get("outputs") or {},
        {node_id: str(about.get("display_node") or node_id) for node_id, about in meta.items()},
        cached,
    )
