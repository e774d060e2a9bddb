"""A task of this process as it runs: statuses, errors, times, and how replies show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..errors import JSON
from ..wire import rfc3339
from .outputs import Output
from .progress import RunProgress

if TYPE_CHECKING:
    from .engine import Lease

Status = Literal["queued", "running", "canceling", "succeeded", "failed", "cancelled"]

STATUSES: tuple[Status, ...] = ("queued", "running", "canceling", "succeeded", "failed", "cancelled")
"""In the order in which a task can go through them; ``canceling`` until the node really stopped."""

FINISHED: frozenset[Status] = frozenset({"succeeded", "failed", "cancelled"})
"""A task that is in one of these never changes again."""


@dataclass(frozen=True, slots=True)
class TaskError:
    """Why a task failed. *code* is one of :data:`~..errors.CODES`."""

    code: str
    message: str
    node_id: str | None = None
    class_type: str | None = None
    exception_type: str | None = None
    retryable: bool = False

    def to_json(self) -> JSON:
        """Give the error as tasks carry it."""
        return {
            "code": self.code,
            "message": self.message,
            "node_id": self.node_id,
            "class_type": self.class_type,
            "exception_type": self.exception_type,
            "retryable": self.retryable,
        }


@dataclass(slots=True)
class Task:
    """One run and all that is known of it. Changed on the event loop only; times are Unix seconds."""

    id: str
    """Also the ComfyUI prompt_id of the first attempt."""
    number: int
    """Counts up in the order in which tasks came."""
    origin: Literal["api", "comfyui"]
    """Who queued it: a request to ``/ext/tasks``, or any other client of ComfyUI."""
    created_at: float
    progress: RunProgress
    prompt_id: str = ""
    """ComfyUI's name for the current attempt."""
    graph: Mapping[str, JSON] | None = None
    """The workflow, while it is needed."""
    status: Status = "queued"
    started_at: float | None = None
    finished_at: float | None = None
    outputs: list[Output] = field(default_factory=list[Output])
    error: TaskError | None = None
    warnings: tuple[JSON, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    request: Mapping[str, Any] = field(default_factory=dict[str, Any])
    client: str = ""
    priority: int = 0
    attempt: int = 1
    max_attempts: int = 1
    batch_id: str | None = None
    retry_of: str | None = None
    lease: Lease | None = None
    """The right to run it; None for a prompt of another client."""
    cancel_asked: bool = False
    over: bool = False
    """Whether its end is being written down."""
    version: int = 0
    """Counts the changes, for the ETag."""

    @property
    def finished(self) -> bool:
        """Whether it has come to an end."""
        return self.status in FINISHED

    @property
    def etag(self) -> str:
        """Changes whenever the task does. Weak: the same for the compressed reply and the plain one."""
        return f'W/"{self.id}-{self.attempt}.{self.version}"'

    def result(self) -> JSON:
        """Give what is kept of the run, and what replies show of it beside the task's own fields."""
        progress = self.progress
        fraction = 1.0 if self.status == "succeeded" else round(min(progress.fraction, 0.9999), 4)
        return {
            "prompt_id": self.prompt_id,
            "progress": fraction,
            "nodes_total": progress.total,
            "nodes_done": progress.settled,
            "current": list(progress.running),
            "nodes": {
                node_id: {
                    "class_type": node.class_type,
                    "title": node.title,
                    "status": node.state,
                    "value": node.value,
                    "max": node.max,
                    "started_at": rfc3339(node.started_at),
                    "duration_s": None if node.duration_s is None else round(node.duration_s, 4),
                    "vram_peak": node.vram_peak,
                    "ram_peak": node.ram_peak,
                    "parent": node.parent,
                }
                for node_id, node in progress.nodes.items()
            },
            "outputs": [output.to_json() for output in self.outputs],
            "warnings": list(self.warnings),
        }
