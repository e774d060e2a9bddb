"""An outbox in memory, as a store keeps it on the disk."""

from dataclasses import dataclass, replace

from backplane.tasks.webhooks import LEASE_S, Delivery


@dataclass
class Row:
    """A delivery and how it stands."""

    delivery: Delivery
    at: float
    state: str = "pending"
    reason: str = ""
    leased_until: float = 0.0


class MemoryOutbox:
    """All that :class:`Outbox` asks. *fail* is how many of the next calls raise."""

    def __init__(self):
        self.rows = {}
        self.log = []
        self.fail = 0

    def put(self, delivery_id, url="https://a.test/", *, at=0.0, task_id=None, attempt=0, payload=b"{}"):
        delivery = Delivery(
            id=delivery_id,
            task_id=task_id or delivery_id,
            url=url,
            event="task.succeeded",
            payload=payload,
            attempt=attempt,
            created_at=at,
        )
        self.rows[delivery_id] = Row(delivery, at)

    def states(self):
        return {name: row.state for name, row in self.rows.items()}

    def _call(self):
        if self.fail:
            self.fail -= 1
            raise OSError("the disk is full")

    def _first(self, row):
        key = (row.delivery.task_id, row.delivery.url)
        return row is next(
            other
            for other in self.rows.values()
            if other.state == "pending" and (other.delivery.task_id, other.delivery.url) == key
        )

    def _pending(self):
        return sorted(
            (row for row in self.rows.values() if row.state == "pending" and self._first(row)),
            key=lambda row: row.at,
        )

    async def due(self, now, limit):
        self._call()
        found = [row for row in self._pending() if row.at <= now and row.leased_until <= now][:limit]
        for row in found:
            row.leased_until = now + LEASE_S
        return [row.delivery for row in found]

    async def next_due(self):
        self._call()
        return min((max(row.at, row.leased_until) for row in self._pending()), default=None)

    def _settle(self, call, delivery_id, attempt, **changes):
        self._call()
        self.log.append((call, delivery_id, attempt))
        row = self.rows.get(delivery_id)
        if row is not None and row.state == "pending":
            row.delivery = replace(row.delivery, attempt=attempt)
            row.leased_until = 0.0
            for name, value in changes.items():
                setattr(row, name, value)

    async def delivered(self, delivery_id, attempt, status, now):
        self._settle("delivered", delivery_id, attempt, state="delivered", reason=str(status))

    async def retry(self, delivery_id, attempt, at, reason):
        self._settle("retry", delivery_id, attempt, at=at, reason=reason)

    async def dead(self, delivery_id, attempt, reason, now):
        self._settle("dead", delivery_id, attempt, state="dead", reason=reason)
