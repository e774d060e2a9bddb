"""Which webhooks the end of a task calls for. Pure; ``webhooks.py`` delivers them."""

from __future__ import annotations

import time
from dataclasses import replace

from ..errors import JSON
from .engine import NewDelivery, StoredTask
from .handover import ended_task
from .ports import OtherTasks
from .task import FINISHED, Status, Task, TaskError
from .views import shown
from .webhooks import payload


class Notices:
    """Gives the webhooks of an ended task: to *url*, where all are told, and to the task's own."""

    def __init__(self, url: str = "") -> None:
        self._url = url

    def __call__(self, task: Task) -> tuple[NewDelivery, ...]:
        """Give the deliveries of *task*, one for each address; none before its end."""
        if task.status not in FINISHED:
            return ()
        return self.of(shown(task, place=None, eta_s=None), task.request.get("webhook"), at=task.finished_at)

    def of_stored(
        self, task: StoredTask, status: Status, at: float, error: TaskError | None, other: OtherTasks | None
    ) -> tuple[NewDelivery, ...]:
        """Give the deliveries of a task that ends without running here; *other* runs its kind."""
        if other is None:
            return self(ended_task(task, status, at, error))
        ended = replace(task, status=status, finished_at=at, error=None if error is None else error.to_json())
        document = {**shown(ended, place=None, eta_s=None), **other.shown(ended)}
        return self.of(document, task.request.get("webhook"), at=at)

    def of(self, document: JSON, own: object, *, at: float | None = None) -> tuple[NewDelivery, ...]:
        """Give the deliveries of an ended task as replies show it; *own* is the address it asked for."""
        urls = [url for url in (self._url, own) if isinstance(url, str) and url]
        if not urls:
            return ()
        event = f"task.{document['status']}"
        body = payload(document, event, time.time() if at is None else at)
        return tuple(NewDelivery(url, event, body) for url in dict.fromkeys(urls))
