"""What keeps tasks, as a protocol: the queue, the results, the webhook outbox, remembered answers.

``store/`` implements it on one SQLite file, which several ComfyUI processes on one host may share; a fleet
on a database server is another adapter. All times are Unix seconds. Every coroutine returns only when
what it did is on the disk, and takes no time of the event loop.

A task is claimed by a *node* (one ComfyUI process), which then holds a :class:`Lease`. Whatever it does to
the task afterwards carries the lease, and does nothing (and answers False) if the task has since been given
to another, so that a process that was thought dead cannot write over the one that took its place::

    submit ─► queued ─claim─► running ─complete─► succeeded            cancel: queued → cancelled at once,
                ▲                │ ├──fail──────► failed | queued      running → asked for, told by beat
                └── not_before ──┘ └──release───► queued
                       reap: running, but the lease ran out → queued (attempt kept) or failed
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ..errors import JSON
from .task import Status


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to queue. *client* is whom its share of the queue is counted for."""

    id: str
    created_at: float
    graph: Mapping[str, JSON]
    request: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the scheduler needs beside the graph: targets, client_id, webhook, delivery, …"""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    kind: str = "prompt"
    client: str = ""
    priority: int = 0
    max_attempts: int = 1
    batch_id: str | None = None
    retry_of: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run attempt *attempt* of a task, held by *node*."""

    task_id: str
    attempt: int
    node: str


@dataclass(frozen=True, slots=True)
class QueuedRow:
    """What ordering the queue needs of a queued task. *seq* counts up in the order of submission."""

    id: str
    seq: int
    client: str
    priority: int
    not_before: float
    attempt: int
    """Attempts made so far."""
    last: bool = False
    """Whether the next attempt is the last one."""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A webhook to deliver: *event* is e.g. ``task.succeeded``, *payload* the whole JSON body."""

    url: str
    event: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, and the whole task with it (but where it is tried again)."""

    status: Literal["succeeded", "failed", "cancelled"]
    at: float
    result: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What replies show of the run: nodes, outputs, warnings, totals."""
    error: Mapping[str, Any] | None = None
    deliveries: tuple[NewDelivery, ...] = ()


Rating = Literal["chosen", "rejected"]


@dataclass(frozen=True, slots=True)
class Mark:
    """What people noted of one output of a finished task."""

    favourite: bool = False
    rating: Rating | None = None
    deleted_at: float | None = None
    trashed: str | None = None
    """What the file of a deleted output is called in the trash; None if there was no file any more."""
    filename: str | None = None
    """What the file is called since it came back from the trash, if another had taken its name."""


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task as it is kept. *graph* is None where it was not asked for."""

    id: str
    seq: int
    kind: str
    origin: Literal["api", "comfyui"]
    status: Status
    client: str
    priority: int
    attempt: int
    max_attempts: int
    created_at: float
    started_at: float | None
    finished_at: float | None
    not_before: float
    node: str | None
    cancel_requested: bool
    batch_id: str | None
    retry_of: str | None
    request: Mapping[str, Any]
    metadata: Mapping[str, Any]
    result: Mapping[str, Any]
    """Of a finished task its :attr:`Ending.result`; of a running one the last ``progress``; of a queued one
    nothing, but of what is not a prompt the last progress."""
    error: Mapping[str, Any] | None
    graph: Mapping[str, JSON] | None = None
    rev: int = 0
    """Counts up with every change of any task; the newest of two copies has the greater one."""
    marks: Mapping[int, Mark] = field(default_factory=dict[int, Mark])
    """By the number of the output; those of which nothing is noted are left out."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A task that this node now has to run, with its graph."""

    lease: Lease
    task: StoredTask


@dataclass(frozen=True, slots=True)
class Remembered:
    """An answer kept for an Idempotency-Key. *scope* separates clients and routes."""

    scope: str
    key: str
    body_sha256: str
    status: int
    answer: str
    """The reply's body."""
    created_at: float


class AlreadyRememberedError(Exception):
    """The key was used before: nothing was submitted. *first* is what was answered then."""

    def __init__(self, first: Remembered) -> None:
        super().__init__(first.key)
        self.first = first


@dataclass(frozen=True, slots=True)
class Beat:
    """What a node learns about the tasks it holds."""

    lost: frozenset[str]
    """Ids of tasks that are no longer this node's: stop them and write nothing."""
    cancel: frozenset[str]
    """Ids of tasks whose cancellation was asked for."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which tasks to list: the newest first, at most *limit*, those before *before* (a seq)."""

    limit: int
    before: int | None = None
    statuses: tuple[Status, ...] = ()
    kinds: tuple[str, ...] = ()
    batch_id: str | None = None
    since: float | None = None
    """Only tasks created at or after this time."""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    """Top-level keys of the metadata that must have these values (numbers and booleans as text)."""
    template: str | None = None
    """The template that they were made from: ``poster``, or ``poster@2``."""
    favourite: bool | None = None
    """Only tasks with an output that is a favourite, or with none that is."""
    rating: Rating | None = None
    """Only tasks with an output that was rated so, the favourite itself if both are asked for."""


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept of finished tasks: the oldest beyond any of these go. None: no limit."""

    age_s: float | None
    count: int | None
    bytes: int | None
    """Size of the whole store."""


@dataclass(frozen=True, slots=True)
class Reaped:
    """What became of a task whose node died: queued again, or failed."""

    task_id: str
    status: Literal["queued", "failed", "cancelled"]


CancelOutcome = Literal["cancelled", "requested", "finished", "absent"]


class Engine(Protocol):
    """The store of tasks."""

    async def submit(self, tasks: Sequence[NewTask], remember: Remembered | None = None) -> list[int]:
        """Queue all of *tasks* or none; give their seqs.

        Raises AlreadyRememberedError if the key of *remember* is known.
        """
        ...

    async def recall(self, scope: str, key: str) -> Remembered | None:
        """Give what was answered to this Idempotency-Key within the last day."""
        ...

    async def changes(self, since: int) -> tuple[list[StoredTask], int]:
        """Give the unfinished tasks changed after rev *since*, and those that ended, and the newest rev.

        With 0: every queued and running task. This is how processes that share the store see each other.
        Without graphs.
        """
        ...

    async def claim(self, node: str, ids: Sequence[str], *, now: float, lease_s: float) -> Claimed | None:
        """Claim the first of *ids* that is queued and due; its attempt counts up. None if there is none."""
        ...

    async def beat(self, node: str, leases: Sequence[Lease], *, now: float, lease_s: float) -> Beat:
        """Say that *node* lives and holds *leases*, for another *lease_s* seconds."""
        ...

    async def begin(self, lease: Lease, at: float) -> bool:
        """Note that a claimed task runs: it waited in ComfyUI's own queue until now."""
        ...

    async def progress(self, lease: Lease, result: Mapping[str, Any]) -> bool:
        """Write down how far a run is, for other processes and for a restart."""
        ...

    async def complete(self, lease: Lease, ending: Ending) -> bool:
        """End a task for good, its webhooks in the outbox with it."""
        ...

    async def fail(self, lease: Lease, ending: Ending, *, retry_at: float | None) -> bool:
        """End an attempt: queue the task again for *retry_at*, or, with None or no attempts left, end it.

        Of what is not a prompt the ending's result is kept, if it has one, else the last progress.
        """
        ...

    async def release(
        self, lease: Lease, *, not_before: float = 0.0, result: Mapping[str, Any] | None = None
    ) -> bool:
        """Give a task back: queued again, the attempt not counted. *result* is kept, but of no prompt."""
        ...

    async def defer(self, task_id: str, not_before: float) -> bool:
        """Say when a queued task may begin; False if it is not queued."""
        ...

    async def cancel(self, task_id: str, ending: Ending) -> CancelOutcome:
        """End a queued task as *ending*; of a running one note that its cancellation was asked for."""
        ...

    async def prioritise(self, task_id: str, priority: int) -> bool:
        """Change the priority of a queued task."""
        ...

    async def record(self, task: StoredTask) -> None:
        """Keep a finished task that never was in this queue (a prompt of another client)."""
        ...

    async def get(self, task_id: str, *, graph: bool = False) -> StoredTask | None:
        """Give one task."""
        ...

    async def get_many(self, ids: Sequence[str]) -> list[StoredTask]:
        """Give those of *ids* that exist, the newest first, without graphs."""
        ...

    async def list(self, query: Query) -> tuple[list[StoredTask], int | None]:
        """Give a page, without graphs, and the seq to go on before (None: no more)."""
        ...

    async def counts(self, batch_id: str | None = None) -> Mapping[str, int]:
        """Count tasks by status, of one batch or of all unfinished ones."""
        ...

    async def mark(self, task_id: str, place: int, changes: Mapping[str, Any]) -> Mark | None:
        """Change what is noted of an output of a finished task: some fields of :class:`Mark`.

        Gives all that is noted of it then; None if no finished task has this id.
        """
        ...

    async def delete(self, task_id: str) -> bool:
        """Forget a finished task."""
        ...

    async def reap(
        self, node: str, *, now: float, rerun: bool, ending: Ending | Callable[[StoredTask], Ending]
    ) -> list[Reaped]:
        """Take back the tasks of nodes that are dead, or whose lease ran out.

        A task whose cancellation was asked for is cancelled; one that is not known to have begun is queued
        again, its attempt counted, even if it was the last. Otherwise it is queued again if *rerun* and
        attempts are left, else ended as *ending*. *node* is who asks; its own tasks are left alone.
        What is not a prompt (a download) always goes on where it was, and the attempt is not counted.

        *ending* may be a function, so that each task's webhooks can have its own payload: quick, and called
        in another thread with the task as it is then (``cancel_requested`` says what its end is to be). An
        ending without a result keeps the last progress.
        """
        ...

    async def prune(self, retention: Retention, *, now: float) -> int:
        """Forget finished tasks beyond *retention* (and answers older than a day); give how many."""
        ...

    async def load(self, name: str) -> Any:
        """Give a small value kept by :meth:`save` (None if there is none)."""
        ...

    async def save(self, name: str, value: Any) -> None:
        """Keep a small JSON value: whether the queue is paused, what was learned."""
        ...

    async def close(self) -> None:
        """Finish what was begun and let go of the file."""
        ...
