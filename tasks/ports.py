"""What tasks need of the host, of the catalogue, and of those who run other tasks than prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import JSON
from ..host.protocol import Machine, PromptRunner
from ..nodespec import NodeSpec
from .engine import Engine, Lease, NewDelivery, Remembered, StoredTask
from .events import Hub


class NodeClasses(Protocol):
    """What tasks need of the catalogue."""

    async def specs(self, *, fresh: bool) -> Mapping[str, NodeSpec]:
        """Give all node classes; as the disk and the packs are now if *fresh*, else as last read."""
        ...

    def learn(self, graph: Mapping[str, JSON]) -> None:
        """Remember what this succeeded workflow connects."""
        ...


class TaskHost(PromptRunner, Machine, Protocol):
    """What tasks need of the host."""


class OtherTasks(Protocol):
    """Who runs the tasks of another kind (downloads). They are in the same store, list and events.

    What it runs it shows as a :class:`StoredTask` that is newer than the store's, with a rev that is
    negative and falls with each change: no copy in the store has such a one.
    """

    @property
    def kind(self) -> str:
        """As :attr:`StoredTask.kind`."""
        ...

    async def begin(self, ready: Ready) -> None:
        """Start: the store is open. Before any task is given to :meth:`changed`."""
        ...

    async def end(self) -> None:
        """Stop what runs and give it back; the store closes next."""
        ...

    def changed(self, task: StoredTask) -> None:
        """Learn how a task of this kind is in the store now. Quick; on the event loop."""
        ...

    def live(self, task_id: str) -> StoredTask | None:
        """Give a task as it is at this moment, if it runs here."""
        ...

    def leases(self) -> Sequence[Lease]:
        """Give the leases that are held here; they are renewed for it."""
        ...

    def lost(self, task_id: str) -> None:
        """Learn that a lease is another's now: stop and write nothing."""
        ...

    def stop(self, task_id: str) -> None:
        """Stop a task whose cancellation was asked for; its end is written by who runs it."""
        ...

    def place(self, task_id: str) -> int | None:
        """Give a queued task's place, 1 for the next."""
        ...

    def eta_s(self, task_id: str) -> float | None:
        """Give the seconds until a task's end, None where that is not known."""
        ...

    def shown(self, task: StoredTask) -> JSON:
        """Give what replies say of a task beside what they say of every task. Pure."""
        ...

    def forgotten(self, task: StoredTask) -> None:
        """Learn that a finished task was deleted. Quick."""
        ...

    async def again(self, task: StoredTask, remember: Remember | None) -> StoredTask:
        """Submit a finished task once more, as a new one."""
        ...


Remember = Callable[[Sequence[StoredTask]], Remembered]
"""Makes what is kept for an Idempotency-Key of the tasks about to be queued."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What :class:`OtherTasks` are given when the store is open."""

    engine: Engine
    node: str
    """This process's name in the store."""
    hub: Hub
    notices: Callable[[JSON, str | None], tuple[NewDelivery, ...]]
    """(an ended task as replies show it, the webhook of its own) → the webhooks to go with its end."""
    told: Callable[[], None]
    """Say that there are new webhooks in the outbox."""
