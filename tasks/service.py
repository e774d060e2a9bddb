"""Takes workflows in, follows their runs, answers where they stand.

All state is changed on the event loop, so whoever reads a task there reads one consistent moment. A task
ends only once: when the host says that the run is over and its outputs have been measured.

::

    submit ─► check ─► host.submit ┐                      ┌─► get, list (a snapshot)
                                   ├─► RunEvents ─► Task ─┤
    any other client of ComfyUI ───┘                      └─► learned pairs
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..errors import JSON, ApiError, Conflict, InvalidRequest, NotFound
from ..host.protocol import (
    Machine,
    NewPrompt,
    NodeFinished,
    NodeOutput,
    NodeProgressed,
    NodesCached,
    NodeStarted,
    Preview,
    PromptRejected,
    PromptRunner,
    QueueChanged,
    QueuedPrompt,
    QueueSnapshot,
    RunEnded,
    RunEvent,
    RunStarted,
)
from ..nodespec import NodeSpec
from ..validation import as_graph, check, from_host, output_nodes, refuse
from .outputs import Output, measure, read_ui
from .previews import encode
from .progress import RunProgress
from .task import Task, TaskError

log = logging.getLogger("backplane")

CLIENT_ID = "backplane"
"""Client id of runs that name none: ComfyUI tells outputs only for prompts that have one."""

MEASURE_LIMIT_S = 60.0
"""How long the end of a task waits for its files to be measured (a hanging network disk)."""


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


@dataclass(frozen=True, slots=True)
class Submission:
    """A request to run a workflow. *outputs*: only these output nodes, None for all."""

    workflow: Any
    outputs: tuple[str, ...] | None = None
    client_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Tasks:
    """Every task of this process, newest last. *kept*: how many finished ones."""

    def __init__(self, host: TaskHost, classes: NodeClasses, *, kept: int) -> None:
        self._host = host
        self._classes = classes
        self._kept = kept
        self._tasks: dict[str, Task] = {}
        self._finished: dict[str, None] = {}
        self._number = 0
        self._positions: dict[str, int] = {}
        self._shown: dict[str, set[str]] = {}
        self._measuring: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin to follow the host's runs."""
        self._host.subscribe(self._on_event)

    # Requests

    async def submit(self, submission: Submission) -> Task:
        """Check a workflow and queue it.

        Raises ApiError: WORKFLOW_MISSING, INVALID_REQUEST, or one of the findings' codes.
        """
        graph = as_graph(submission.workflow)
        specs, targets = await self._accepted(graph, submission.outputs)
        task = self._new(
            str(uuid.uuid4()),
            "api",
            graph,
            targets,
            client_id=submission.client_id,
            metadata=submission.metadata,
        )
        # Known before it is queued: its first report must find it, however fast it runs.
        self._tasks[task.id] = task
        prompt = NewPrompt(
            task.id,
            _copied(graph),
            submission.client_id or CLIENT_ID,
            None if submission.outputs is None else targets,
        )
        try:
            errors = await self._host.submit(prompt)
        except PromptRejected as rejection:
            del self._tasks[task.id]
            specs = await self._classes.specs(fresh=True)
            raise refuse(from_host(rejection.error, rejection.node_errors, specs)) from None
        except BaseException:
            del self._tasks[task.id]
            raise
        if errors:
            task.warnings = tuple(finding.to_json() for finding in from_host({}, errors, specs))
            self._drop_unreachable(task, errors)
        self._touch(task)
        return task

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

    def get(self, task_id: str) -> Task:
        """Give a task. Raises ApiError TASK_NOT_FOUND."""
        task = self._tasks.get(task_id)
        if task is None:
            raise NotFound("TASK_NOT_FOUND", f"There is no task {task_id}.")
        return task

    def shown(self, task: Task, *, nodes: bool = True) -> JSON:
        """Give a task as replies carry it."""
        return task.to_json(self._positions.get(task.id), nodes=nodes)

    def list(
        self, *, status: Iterable[str] = (), ids: Iterable[str] = (), before: int | None, limit: int
    ) -> tuple[list[Task], int | None]:
        """Give up to *limit* tasks, the newest first, and where the next page begins (or None).

        *status* and *ids* keep only those (empty: all); *before* is what the last page gave.
        """
        statuses, wanted = set(status), set(ids)
        found: list[Task] = []
        candidates: Iterable[Task] = (
            sorted((self._tasks[i] for i in wanted if i in self._tasks), key=_number, reverse=True)
            if wanted
            else reversed(self._tasks.values())
        )
        for task in candidates:
            if before is not None and task.number >= before:
                continue
            if statuses and task.status not in statuses:
                continue
            if len(found) == limit:
                return found, found[-1].number
            found.append(task)
        return found, None

    def cancel(self, task_id: str) -> Task:
        """Cancel a task: gone at once if queued, ``canceling`` until it really stopped if running.

        Raises ApiError TASK_NOT_FOUND, or TASK_FINISHED if it ended otherwise before.
        """
        task = self.get(task_id)
        if task.status == "cancelled":
            return task
        if task.finished:
            raise Conflict(
                "TASK_FINISHED",
                f"The task has already {task.status}.",
                details={"status": task.status},
            )
        outcome = self._host.cancel(task.id)
        if outcome == "removed":
            self._end(task, RunEnded(task.id, time.time(), "removed"))
        elif outcome == "interrupting" and task.status != "canceling":
            task.status = "canceling"
            self._touch(task)
        return task  # absent: it is just ending, and its own end is on the way

    def preview(self, task_id: str) -> Preview:
        """Give the latest frame of a running task. Raises ApiError PREVIEW_NOT_FOUND."""
        found = self.get(task_id).progress.preview
        if found is None:
            raise NotFound(
                "PREVIEW_NOT_FOUND",
                "The task has no preview now.",
                hint="Frames come while a sampler runs and previews are enabled in ComfyUI.",
            )
        return found

    async def preview_image(self, task_id: str) -> tuple[str, bytes]:
        """Give the latest frame as (media type, bytes), encoded off the event loop."""
        return await asyncio.to_thread(encode, self.preview(task_id))

    async def output(self, task_id: str, place: int) -> tuple[Output, Path | None]:
        """Give an output and its file (None for a value). Raises ApiError OUTPUT_NOT_FOUND."""
        outputs = self.get(task_id).outputs
        if not 0 <= place < len(outputs):
            raise NotFound(
                "OUTPUT_NOT_FOUND",
                f"The task has {len(outputs)} outputs, counted from 0.",
            )
        output = outputs[place]
        if output.filename is None:
            return output, None
        path = await asyncio.to_thread(
            self._host.output_file, output.filename, output.subfolder or "", output.type or "output"
        )
        if path is None:
            raise NotFound("OUTPUT_NOT_FOUND", f"The file {output.filename} is gone.")
        return output, path

    # Events

    def _on_event(self, event: RunEvent) -> None:
        if isinstance(event, QueueChanged):
            self._on_queue(event.snapshot)
            return
        task = self._tasks.get(event.prompt_id)
        if task is None and isinstance(event, RunStarted):
            task = self._adopt(event.prompt or QueuedPrompt(event.prompt_id, {}, (), None))
        if task is not None and not task.finished:
            self._apply(task, event)

    def _apply(self, task: Task, event: RunEvent) -> None:
        progress = task.progress
        match event:
            case RunStarted():
                self._begin(task, event)
            case NodesCached():
                progress.cached(event)
            case NodeStarted():
                progress.started(event)
            case NodeProgressed():
                progress.progressed(event)
            case NodeFinished():
                progress.finished(event)
            case NodeOutput():
                self._show(task, {event.node_id: event.ui}, {event.node_id: event.display_id})
            case RunEnded():
                self._finish(task, event)
            case QueueChanged():
                return
        self._touch(task)

    def _begin(self, task: Task, event: RunStarted) -> None:
        if task.status == "queued":
            task.status = "running"
        task.started_at = event.at
        self._positions.pop(task.id, None)

    def _on_queue(self, snapshot: QueueSnapshot) -> None:
        positions = {prompt.prompt_id: place for place, prompt in enumerate(snapshot.pending, start=1)}
        for prompt in snapshot.pending:
            if prompt.prompt_id not in self._tasks:
                self._adopt(prompt)
        moved = [
            prompt_id
            for prompt_id in {*positions, *self._positions}
            if positions.get(prompt_id) != self._positions.get(prompt_id)
        ]
        self._positions = positions
        for prompt_id in moved:
            task = self._tasks.get(prompt_id)
            if task is not None and not task.finished:
                self._touch(task)

    def _adopt(self, prompt: QueuedPrompt) -> Task:
        """Make a task of a prompt that another client queued."""
        task = self._new(
            prompt.prompt_id, "comfyui", prompt.graph, prompt.targets, client_id=prompt.client_id
        )
        self._tasks[task.id] = task
        self._finished.pop(task.id, None)
        return task

    def _new(
        self,
        task_id: str,
        origin: Any,
        graph: Mapping[str, JSON],
        targets: Sequence[str],
        *,
        client_id: str | None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Task:
        self._number += 1
        return Task(
            id=task_id,
            number=self._number,
            origin=origin,
            created_at=time.time(),
            progress=RunProgress.of(graph, targets),
            graph=graph,
            client_id=client_id,
            metadata=metadata or {},
        )

    @staticmethod
    def _touch(task: Task) -> None:
        task.version += 1

    @staticmethod
    def _drop_unreachable(task: Task, errors: Mapping[str, JSON]) -> None:
        """Forget what only refused outputs would have needed: ComfyUI does not run it."""
        refused = {output for about in errors.values() for output in about.get("dependent_outputs") or ()}
        targets = [target for target in task.progress.targets if target not in refused]
        if task.graph is not None and task.started_at is None:
            task.progress = RunProgress.of(task.graph, targets)

    # Outputs and the end

    def _show(
        self,
        task: Task,
        outputs: Mapping[str, Mapping[str, Any]],
        display_ids: Mapping[str, str],
    ) -> asyncio.Task[None] | None:
        """Measure outputs not yet shown and add them, after those before them; give what does so."""
        seen = self._shown.setdefault(task.id, set())
        fresh: list[Output] = []
        for node_id, ui in outputs.items():
            if node_id not in seen:
                seen.add(node_id)
                fresh.extend(read_ui(display_ids.get(node_id, node_id), ui))
        earlier = self._measuring.get(task.id)
        if not fresh:
            return earlier
        adding = asyncio.get_running_loop().create_task(self._measure(task, fresh, earlier))
        self._measuring[task.id] = adding
        return adding

    async def _measure(self, task: Task, fresh: list[Output], earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await earlier
        find: Callable[[str, str, str], Path | None] = self._host.output_file
        try:
            fresh = await asyncio.to_thread(lambda: [measure(output, find) for output in fresh])
        except Exception:
            log.exception("Task %s: its output files could not be measured", task.id)
        task.outputs.extend(fresh)
        self._touch(task)

    def _finish(self, task: Task, event: RunEnded) -> None:
        measuring = self._show(task, event.outputs, event.display_ids)
        if measuring is None:
            self._end(task, event)
            return

        async def after() -> None:
            done, _ = await asyncio.wait({measuring}, timeout=MEASURE_LIMIT_S)
            if not done:
                log.warning("Task %s: its output files could not be read in time", task.id)
            if not task.finished:
                self._end(task, event)

        ending = asyncio.get_running_loop().create_task(after())
        self._measuring[task.id] = ending

    def _end(self, task: Task, event: RunEnded) -> None:
        task.progress.ended(event)
        task.finished_at = event.at
        task.status, task.error = _verdict(event)
        if task.status == "succeeded" and task.graph is not None:
            self._classes.learn(task.graph)
        task.graph = None
        self._positions.pop(task.id, None)
        self._shown.pop(task.id, None)
        self._measuring.pop(task.id, None)
        self._touch(task)
        self._finished[task.id] = None
        while len(self._finished) > self._kept:
            oldest = next(iter(self._finished))
            del self._finished[oldest]
            self._tasks.pop(oldest, None)


def _number(task: Task) -> int:
    return task.number


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


def _copied(graph: Mapping[str, JSON]) -> JSON:
    """Copy as deep as ComfyUI changes a prompt: it coerces inputs and replaces nodes.

    It also takes a ``_meta`` for granted where it replaces a node.
    """
    return {
        node_id: {
            "_meta": {"title": node["class_type"]},
            **node,
            "inputs": dict(node.get("inputs") or {}),
        }
        for node_id, node in graph.items()
    }


def _verdict(event: RunEnded) -> tuple[Any, TaskError | None]:
    if event.status == "succeeded":
        return "succeeded", None
    if event.status in {"interrupted", "removed"}:
        return "cancelled", None
    fault = event.error
    if fault is None:
        return "failed", TaskError("TASK_LOST", "The run ended without a result.", retryable=True)
    if event.status == "lost":
        return "failed", TaskError("TASK_LOST", fault.message, retryable=True)
    memory = _is_out_of_memory(fault.exception_type, fault.message)
    return "failed", TaskError(
        "OUT_OF_MEMORY" if memory else "NODE_FAILED",
        fault.message or "The node gave no message.",
        fault.node_id,
        fault.class_type,
        fault.exception_type,
        retryable=memory,
    )


def _is_out_of_memory(exception_type: str | None, message: str) -> bool:
    name = (exception_type or "").rpartition(".")[2]
    return name in {"OutOfMemoryError", "OOM_EXCEPTION"} or "out of memory" in message.lower()
