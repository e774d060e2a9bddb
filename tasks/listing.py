"""Listing and ending tasks that may be in this process or in the store. Pure."""

from __future__ import annotations

from ..errors import JSON, Conflict
from ..host.protocol import RunEnded
from .engine import Query, StoredTask
from .progress import RunProgress
from .task import Status, Task

Shown = Task | StoredTask


def never_ran(whole: StoredTask, at: float) -> JSON:
    """Give the result of a task that was cancelled before it began."""
    targets = tuple(whole.request.get("targets") or ())
    progress = RunProgress.of(whole.graph or {}, targets)
    progress.ended(RunEnded(whole.id, at, "removed"))
    return Task(whole.id, whole.seq, whole.origin, whole.created_at, progress).result()


def already(task: Shown) -> Conflict:
    """Make the error for a task that has ended otherwise than asked."""
    return Conflict("TASK_FINISHED", f"The task has already {task.status}.", details={"status": task.status})


def created(task: Shown) -> float:
    """When it came: what lists are sorted by."""
    return task.created_at


def status_of(task: Shown) -> Status:
    """Give a task's status as it is shown."""
    if isinstance(task, StoredTask) and task.status == "running" and task.cancel_requested:
        return "canceling"
    return task.status


def wider(statuses: tuple[Status, ...]) -> tuple[Status, ...]:
    """What the store calls running may here be queued in ComfyUI, or canceling."""
    if not {"queued", "canceling"} & set(statuses):
        return statuses
    return tuple(dict.fromkeys([*statuses, "running"]))


def wanted(task: Task, query: Query) -> bool:
    """Say whether a prompt of another client, which the store has not, belongs to a list."""
    return (
        query.batch_id is None
        and not query.metadata
        and query.template is None
        and not query.favourite
        and query.rating is None
        and (not query.kinds or "prompt" in query.kinds)
        and (query.since is None or task.created_at >= query.since)
    )
