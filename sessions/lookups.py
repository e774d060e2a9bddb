"""What sessions ask of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..errors import JSON, ApiError, NotFound
from ..tasks import Task, Tasks


class TaskLookups(Protocol):
    """What sessions need to know of tasks."""

    async def status(self, task_id: str) -> str | None:
        """Say how a task stands; None if it is not known (any more)."""
        ...

    async def workflow(self, task_id: str) -> Mapping[str, JSON]:
        """Give the workflow that a task runs or ran. Raises ApiError TASK_NOT_FOUND."""
        ...


class Lookups:
    """Looks up tasks of this server."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    async def status(self, task_id: str) -> str | None:
        """Say how a task stands; None if it is not known (any more)."""
        try:
            return (await self._tasks.find(task_id)).status
        except ApiError as error:
            if error.code != "TASK_NOT_FOUND":
                raise
            return None

    async def workflow(self, task_id: str) -> Mapping[str, JSON]:
        """Give the workflow that a task runs or ran. Raises ApiError TASK_NOT_FOUND."""
        task = await self._tasks.find(task_id)
        graph = task.graph
        if graph is None:
            stored = await (await self._tasks.engine()).get(task_id, graph=True)
            graph = None if stored is None else stored.graph
        if not graph:
            kind = "prompt" if isinstance(task, Task) else task.kind
            raise NotFound(
                "TASK_NOT_FOUND",
                f"Task {task_id} ({kind}) has no workflow, or it is not kept any more.",
            )
        return graph
