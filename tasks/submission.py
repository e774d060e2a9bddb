"""What becomes of a request to run a workflow before it is queued: it is checked, and made a task."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import JSON, ApiError, InvalidRequest
from ..host.protocol import PromptRejected, PromptRunner
from ..nodespec import NodeSpec
from ..validation import as_graph, check, from_host, output_nodes, refuse
from .engine import NewTask, StoredTask
from .handover import copied
from .progress import RunProgress
from .runner import NodeClasses
from .views import shown


@dataclass(frozen=True, slots=True)
class Submission:
    """A request to run a workflow. *outputs*: only these output nodes, None for all."""

    workflow: Any
    outputs: tuple[str, ...] | None = None
    client_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    priority: int = 0
    max_attempts: int | None = None
    client: str = ""
    """Whom its share of the queue is counted for."""
    webhook: str | None = None
    """Where the end of this task is told."""
    batch_id: str | None = None
    retry_of: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings that bound what is taken in."""

    max_queued: int = 10_000
    max_attempts: int = 3


class Desk:
    """Checks submissions against the node classes and with ComfyUI's own validation."""

    def __init__(
        self,
        host: PromptRunner,
        classes: NodeClasses,
        *,
        max_attempts: int,
        check_url: Callable[[str], object],
    ) -> None:
        self._host = host
        self._classes = classes
        self._max_attempts = max_attempts
        self._check_url = check_url

    async def prepare(self, submission: Submission) -> NewTask:
        """Check a workflow and give the task that it makes, not queued yet."""
        graph = as_graph(submission.workflow)
        if submission.webhook is not None:
            self._check_url(submission.webhook)
        specs, targets = await self._accepted(graph, submission.outputs)
        running, errors = await self._validated(graph, submission.outputs and targets, specs)
        targets = tuple(target for target in targets if target in set(running)) if errors else targets
        warnings = [finding.to_json() for finding in from_host({}, errors, specs)]
        request: JSON = {
            "webhook": submission.webhook,
            "targets": list(targets),
            "partial": submission.outputs is not None,
            "client_id": submission.client_id,
            "warnings": warnings,
        }
        return NewTask(
            id=str(uuid.uuid4()),
            created_at=time.time(),
            graph=graph,
            request=request,
            metadata=submission.metadata,
            client=submission.client or submission.client_id or "",
            priority=submission.priority,
            max_attempts=submission.max_attempts or self._max_attempts,
            batch_id=submission.batch_id,
            retry_of=submission.retry_of,
        )

    async def _accepted(
        self, graph: Mapping[str, JSON], outputs: tuple[str, ...] | None
    ) -> tuple[Mapping[str, NodeSpec], tuple[str, ...]]:
        """Check a workflow; give the node classes it was checked against and the nodes to execute."""
        specs = await self._classes.specs(fresh=False)
        try:
            return specs, _checked(graph, outputs, specs)
        except ApiError:
            # What is missing may have been installed since the classes were last read.
            specs = await self._classes.specs(fresh=True)
            return specs, _checked(graph, outputs, specs)

    async def _validated(
        self,
        graph: Mapping[str, JSON],
        targets: Sequence[str] | None,
        specs: Mapping[str, NodeSpec],
    ) -> tuple[Sequence[str], Mapping[str, JSON]]:
        try:
            return await self._host.validate(copied(graph), targets)
        except PromptRejected as rejection:
            fresh = await self._classes.specs(fresh=True)
            raise refuse(from_host(rejection.error, rejection.node_errors, fresh or specs)) from None


def _checked(
    graph: Mapping[str, JSON], outputs: tuple[str, ...] | None, specs: Mapping[str, NodeSpec]
) -> tuple[str, ...]:
    """Give the output nodes to execute. Raises ApiError if there are findings, or *outputs* is wrong."""
    found = output_nodes(graph, specs)
    targets = found if outputs is None else tuple(node_id for node_id in found if node_id in outputs)
    findings = check(graph, specs, targets)
    if findings:
        raise refuse(findings)
    wrong = [node_id for node_id in outputs or () if node_id not in found]
    if wrong or outputs == ():
        raise InvalidRequest(
            "INVALID_REQUEST",
            f"outputs names nodes that are no output nodes of the workflow: {', '.join(wrong)}."
            if wrong
            else "outputs is empty.",
            hint=f"Output nodes here: {', '.join(found)}." if found else None,
            details={"fields": {"outputs": "not output nodes"}, "output_nodes": list(found)},
        )
    return targets


def as_stored(new: NewTask, seq: int) -> StoredTask:
    """Give a task as it is stored just after it was submitted."""
    return StoredTask(
        id=new.id,
        seq=seq,
        kind=new.kind,
        origin="api",
        status="queued",
        client=new.client,
        priority=new.priority,
        attempt=0,
        max_attempts=new.max_attempts,
        created_at=new.created_at,
        started_at=None,
        finished_at=None,
        not_before=0.0,
        node=None,
        cancel_requested=False,
        batch_id=new.batch_id,
        retry_of=new.retry_of,
        request=new.request,
        metadata=new.metadata,
        result={},
        error=None,
        graph=new.graph,
    )


def first_view(task: StoredTask) -> JSON:
    """Give a task as replies carry it at the moment in which it is queued."""
    progress = RunProgress.of(task.graph or {}, tuple(task.request.get("targets") or ()))
    return shown(task, place=None, eta_s=None, progress=progress)
