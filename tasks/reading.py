"""Where tasks stand: the half of :class:`~.service.Tasks` that changes nothing."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from ..errors import JSON, NotFound
from .engine import Engine, Query, StoredTask
from .events import Hub
from .listing import Shown, created, status_of, wanted, wider
from .live import LiveTasks
from .ports import OtherTasks
from .progress import RunProgress
from .results import Results
from .runner import PROMPT, Runner
from .submission import first_view
from .task import FINISHED, Task
from .views import batch_shown, etag, shown

MOST_OF_BATCH = 1000
"""A request makes no more tasks than that."""


class Reading(ABC):
    """Finds tasks: those that run here, those that just ended, those in the store."""

    node: str
    """What this process is called in the store."""

    def __init__(self, live: LiveTasks, hub: Hub, results: Results) -> None:
        self.hub = hub
        self.results = results
        self._live = live
        self._others: dict[str, OtherTasks] = {}
        """By kind, once the store is open."""
        self._recent: OrderedDict[str, Task] = OrderedDict()
        self._runner: Runner | None = None

    def remarked(self, task_id: str) -> None:
        """Learn that something was noted of an output: now the store knows the task better."""
        self._recent.pop(task_id, None)
        self.hub.changed(task_id)

    @abstractmethod
    async def engine(self) -> Engine:
        """Give the store, once it is open. Raises ApiError STORE_UNAVAILABLE."""

    def _here(self, task_id: str) -> Shown | None:
        """Give a task that this process knows better than the store."""
        task = self._live.get(task_id) or self._recent.get(task_id)
        if task is not None:
            return task
        for other in self._others.values():
            found = other.live(task_id)
            if found is not None:
                return found
        return None

    def _seen(self, task: StoredTask) -> Shown:
        """Give a task of the store as it stands now.

        One that was claimed here a moment ago is not with ComfyUI yet, so it still waits: else it would be
        seen to turn back from running.
        """
        here = self._here(task.id)
        claimed = task.status == "running" and task.kind == PROMPT and task.node == self.node
        if here is None and claimed and not task.cancel_requested:
            return replace(task, status="queued")
        return here or task

    def _other(self, task: Shown) -> OtherTasks | None:
        """Give who runs a task that is no prompt."""
        return self._others.get(task.kind) if isinstance(task, StoredTask) else None

    async def find(self, task_id: str) -> Shown:
        """Give a task. Raises ApiError TASK_NOT_FOUND."""
        task = self._here(task_id)
        if task is not None:
            return task
        stored = await (await self.engine()).get(task_id)
        # It may have begun while the store was read.
        task = self._here(task_id) if stored is None else self._seen(stored)
        if task is None:
            raise NotFound("TASK_NOT_FOUND", f"There is no task {task_id}.")
        return task

    async def show(self, task: Shown, *, nodes: bool = True) -> JSON:
        """Give a task as replies carry it."""
        other = self._other(task)
        if other is not None and isinstance(task, StoredTask):
            eta_s = None if task.status in FINISHED else other.eta_s(task.id)
            return {**shown(task, place=self.place(task), eta_s=eta_s, nodes=nodes), **other.shown(task)}
        progress = None
        if nodes and isinstance(task, StoredTask) and not task.result and task.status not in FINISHED:
            whole: StoredTask | None = task
            if task.graph is None:
                whole = await (await self.engine()).get(task.id, graph=True)
            if whole is not None and whole.graph is not None:
                targets = tuple(whole.request.get("targets") or ())
                progress = RunProgress.of(whole.graph, targets)
        eta_s = None if self._runner is None or task.status in FINISHED else self._runner.eta_s(task.id)
        document = shown(task, place=self.place(task), eta_s=eta_s, nodes=nodes, progress=progress)
        if nodes and task.status in FINISHED and task.request.get("delivery") == "base64":
            await self.results.put_in(task, document)
        return document

    def first_view(self, task: StoredTask) -> JSON:
        """Give a task as replies carry it at the moment in which it is queued."""
        other = self._other(task)
        return first_view(task) if other is None else {**first_view(task), **other.shown(task)}

    async def batch(self, batch_id: str, wait_s: float = 0.0) -> JSON:
        """Say how a batch stands, as soon as it has ended or *wait_s* seconds are up.

        Raises ApiError TASK_NOT_FOUND if no task of it is known.
        """
        deadline = time.monotonic() + wait_s
        while True:
            tasks, _ = await self.list(Query(limit=MOST_OF_BATCH, batch_id=batch_id))
            if not tasks:
                raise NotFound("TASK_NOT_FOUND", f"There is no batch {batch_id}.")
            left = deadline - time.monotonic()
            if left <= 0 or all(task.status in FINISHED for task in tasks):
                return batch_shown(batch_id, [await self.show(task, nodes=False) for task in tasks])
            await self.hub.wait(None, min(left, 1.0))

    @property
    def busy(self) -> bool:
        """Whether a run is on. From any thread."""
        return any(task.status in {"running", "canceling"} for task in self._live.all())

    def place(self, task: Shown) -> int | None:
        """Give a queued task's place in line, 1 for the next."""
        if task.status != "queued":
            return None
        if isinstance(task, Task) and task.lease is None:
            return self._live.place(task)
        other = self._other(task)
        if other is not None:
            return other.place(task.id)
        return None if self._runner is None else self._runner.place(task.id)

    def etag(self, task: Shown) -> str:
        """Give an ETag that changes whenever the task does."""
        return etag(task, self.place(task))

    async def wait(self, task_id: str, known: str | None, timeout_s: float) -> Shown:
        """Wait until a task's ETag is another than *known*, or the time is up; give the task."""
        deadline = time.monotonic() + timeout_s
        while True:
            task = await self.find(task_id)
            left = deadline - time.monotonic()
            if left <= 0 or (known is not None and self.etag(task) != known):
                return task
            await self.hub.wait(task_id, left)

    async def wait_end(self, task_id: str, timeout_s: float) -> Shown:
        """Wait until a task has ended, or the time is up; give the task."""
        deadline = time.monotonic() + timeout_s
        while True:
            task = await self.find(task_id)
            left = deadline - time.monotonic()
            if left <= 0 or task.status in FINISHED:
                return task
            await self.hub.wait(task_id, left)

    async def list(self, query: Query) -> tuple[list[Shown], int | None]:
        """Give a page of tasks, the newest first, and where the next begins (None: no more)."""
        engine = await self.engine()
        statuses = query.statuses
        # What runs here is newer here than in the store: statuses are told apart after the look.
        asked = replace(query, statuses=wider(statuses))
        found, following = await engine.list(asked)
        tasks: list[Shown] = [self._seen(task) for task in found]
        if query.before is None:
            known = {task.id for task in tasks}
            foreign = [
                task
                for task in self._live.all()
                if task.lease is None and task.id not in known and wanted(task, query)
            ]
            tasks = sorted([*foreign, *tasks], key=created, reverse=True)
        if statuses:
            tasks = [task for task in tasks if status_of(task) in statuses]
        return tasks, following

    async def find_many(self, ids: Sequence[str]) -> list[Shown]:
        """Give those of *ids* that exist, the newest first."""
        stored = {task.id: self._seen(task) for task in await (await self.engine()).get_many(ids)}
        found = [
            task for task_id in dict.fromkeys(ids) if (task := self._here(task_id) or stored.get(task_id))
        ]
        return sorted(found, key=created, reverse=True)
