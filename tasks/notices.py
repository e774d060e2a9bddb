"""Which webhooks the end of a task calls for. Pure; ``webhooks.py`` delivers them."""

from __future__ import annotations

import time

from ..errors import JSON
from .engine import NewDelivery
from .task import FINISHED, Task
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

    def of(self, document: JSON, own: object, *, at: float | None = None) -> tuple[NewDelivery, ...]:
        """Give the deliveries of an ended task as replies show it; *own* is the address it asked for."""
        urls = [url for url in (self._url, own) if isinstance(url, str) and url]
        if not urls:
            return ()
        event = f"task.{document['status']}"
        body = payload(document, event, time.time() if at is None else at)
        return tuple(NewDelivery(url, event, body) for url in dict.fromkeys(urls))
