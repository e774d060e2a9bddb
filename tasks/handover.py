"""Between the store and a run: a claimed task becomes a live one, a live one becomes a record."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import JSON
from .engine import Claimed, StoredTask
from .progress import RunProgress
from .task import Status, Task, TaskError


def recorded(task: Task) -> StoredTask:
    """Give the record of a prompt that another client queued, at its end."""
    return StoredTask(
        id=task.id,
        seq=0,
        kind="prompt",
        origin=task.origin,
        status=task.status,
        client=task.client,
        priority=0,
        attempt=1,
        max_attempts=1,
        created_at=task.created_at,
        started_at=task.started_at,
        finished_at=task.finished_at,
        not_before=0.0,
        node=None,
        cancel_requested=False,
        batch_id=None,
        retry_of=None,
        request={},
        metadata=task.metadata,
        result=task.result(),
        error=None if task.error is None else task.error.to_json(),
        graph=task.graph,
    )


def live_task(claimed: Claimed) -> Task:
    """Give the task to follow while this attempt runs."""
    stored, lease = claimed.task, claimed.lease
    graph = stored.graph or {}
    return Task(
        id=stored.id,
        number=stored.seq,
        origin=stored.origin,
        created_at=stored.created_at,
        progress=RunProgress.of(graph, tuple(stored.request.get("targets") or ())),
        # ComfyUI's history knows the earlier attempt by its own id
        prompt_id=stored.id if lease.attempt == 1 else str(uuid.uuid4()),
        graph=graph,
        warnings=tuple(stored.request.get("warnings") or ()),
        metadata=stored.metadata,
        request=stored.request,
        client=stored.client,
        priority=stored.priority,
        attempt=lease.attempt,
        max_attempts=stored.max_attempts,
        batch_id=stored.batch_id,
        retry_of=stored.retry_of,
        lease=lease,
    )


def ended_task(stored: StoredTask, status: Status, at: float, error: TaskError | None) -> Task:
    """Give a task that ended without running here, as webhooks tell of it."""
    return Task(
        id=stored.id,
        number=stored.seq,
        origin=stored.origin,
        created_at=stored.created_at,
        progress=RunProgress.of({}, ()),
        prompt_id=stored.id,
        status=status,
        started_at=stored.started_at,
        finished_at=at,
        error=error,
        metadata=stored.metadata,
        request=stored.request,
        client=stored.client,
        priority=stored.priority,
        attempt=stored.attempt,
        max_attempts=stored.max_attempts,
        batch_id=stored.batch_id,
        retry_of=stored.retry_of,
    )


def copied(graph: Mapping[str, JSON]) -> JSON:
    """Copy as deep as ComfyUI changes a prompt: it coerces inputs and replaces nodes.

    It also takes a ``_meta`` for granted where it replaces a node.
    """
    return {
        node_id: {
            "_meta": {"title": node["class_type"]},
            **node,
            "inputs": dict(node.get("inputs") or {}),
        }
        for node_id, node in graph.items()
    }


class Finished:
    """A task's end, made beside it: nobody may see it before it is on the disk."""

    def __init__(self, task: Task, status: Any, at: float, error: TaskError | None) -> None:
        self._shown = task
        self._fields = {"status": status, "finished_at": at, "error": error}
        self.task = replace(task, **self._fields)

    def show(self) -> None:
        """Let the task be seen as ended."""
        for name, value in self._fields.items():
            setattr(self._shown, name, value)
