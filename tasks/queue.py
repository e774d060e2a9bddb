"""The order in which queued tasks run: priority, then fair share between clients, then first come.

Within one priority the clients take turns, so that one who queues a thousand tasks delays another's one by
a single task. Pure and in memory; the store is what may be trusted, this only says whom to try next.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from .engine import QueuedRow

FARTHEST_S = 300.0
"""No pause before another attempt is longer: a task that is due later was told so by another clock."""


@dataclass(slots=True)
class _Level:
    """The tasks of one priority: each client's, ordered by seq, and whose turn it is."""

    tasks: dict[str, list[tuple[int, str]]] = field(default_factory=dict[str, list[tuple[int, str]]])
    """client → [(seq, id)]; the clients are in the order of their turns."""


class FairQueue:
    """Tasks waiting to run. Times are Unix seconds."""

    def __init__(self) -> None:
        self._rows: dict[str, QueuedRow] = {}
        self._levels: dict[int, _Level] = {}
        self._later: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._rows

    def get(self, task_id: str) -> QueuedRow | None:
        """Give a queued task's row."""
        return self._rows.get(task_id)

    def add(self, row: QueuedRow, *, now: float) -> None:
        """Queue a task, or change one that is queued (its priority, or when it may run)."""
        known = self._rows.get(row.id)
        if known == row:
            return
        if known is not None:
            self.remove(row.id)
        self._rows[row.id] = row
        if row.not_before > now:
            heapq.heappush(self._later, (row.not_before, row.id))
        else:
            self._enter(row)

    def remove(self, task_id: str) -> bool:
        """Take a task out; its client keeps its turn."""
        row = self._rows.pop(task_id, None)
        if row is None:
            return False
        self._leave(row)
        return True

    def taken(self, task_id: str) -> None:
        """Take a task out because it runs now: its client has had its turn."""
        row = self._rows.get(task_id)
        if row is None:
            return
        self.remove(task_id)
        level = self._levels.get(row.priority)
        if level is not None and row.client in level.tasks:
            level.tasks[row.client] = level.tasks.pop(row.client)

    def prioritise(self, task_id: str, priority: int, *, now: float) -> None:
        """Move a task to another priority."""
        row = self._rows.get(task_id)
        if row is not None:
            self.add(replace(row, priority=priority), now=now)

    def due(self, now: float) -> None:
        """Let in the tasks whose time has come; all, if the clock was set back since it was set."""
        if any(at - now > FARTHEST_S for at, _ in self._later[:1]):
            now = max(at for at, _ in self._later)
        while self._later and self._later[0][0] <= now:
            at, task_id = heapq.heappop(self._later)
            row = self._rows.get(task_id)
            if row is not None and row.not_before == at:
                self._enter(row)

    def next_due(self) -> float | None:
        """When the next task is let in, or None."""
        while self._later:
            at, task_id = self._later[0]
            row = self._rows.get(task_id)
            if row is not None and row.not_before == at:
                return at
            heapq.heappop(self._later)
        return None

    def first(self, count: int) -> list[str]:
        """Give the next *count* tasks in the order in which they shall run."""
        return list(islice(self._ordered(), count))

    def position(self, task_id: str) -> int | None:
        """Give a task's place, 1 for the next; None if it is not queued or not due yet."""
        row = self._rows.get(task_id)
        level = None if row is None else self._levels.get(row.priority)
        if row is None or level is None:
            return None
        mine = level.tasks.get(row.client, [])
        place = bisect_left(mine, (row.seq, row.id))
        if place >= len(mine) or mine[place][1] != task_id:
            return None
        ahead = place
        before = True
        for client, tasks in level.tasks.items():
            if client == row.client:
                before = False
            else:
                ahead += min(len(tasks), place + before)
        ahead += sum(
            len(tasks)
            for priority, other in self._levels.items()
            if priority > row.priority
            for tasks in other.tasks.values()
        )
        return ahead + 1

    def _ordered(self) -> Iterator[str]:
        for priority in sorted(self._levels, reverse=True):
            columns = list(self._levels[priority].tasks.values())
            for place in range(max(map(len, columns), default=0)):
                for tasks in columns:
                    if place < len(tasks):
                        yield tasks[place][1]

    def _enter(self, row: QueuedRow) -> None:
        level = self._levels.setdefault(row.priority, _Level())
        insort(level.tasks.setdefault(row.client, []), (row.seq, row.id))

    def _leave(self, row: QueuedRow) -> None:
        level = self._levels.get(row.priority)
        tasks = level.tasks.get(row.client) if level is not None else None
        if level is None or tasks is None:
            return
        place = bisect_left(tasks, (row.seq, row.id))
        if place < len(tasks) and tasks[place][1] == row.id:
            del tasks[place]
        if not tasks:
            del level.tasks[row.client]
        if not level.tasks:
            del self._levels[row.priority]
