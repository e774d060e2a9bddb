"""What becomes of a request to run a workflow before it is queued: it is checked, and made a task."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..errors import JSON, ApiError, Forbidden, InvalidRequest, InvalidWorkflow
from ..host.protocol import PromptRejected, PromptRunner
from ..nodespec import NodeSpec
from ..validation import Files, Finding, Report, as_graph, from_host, output_nodes, refuse
from ..validation import judge as judged
from .conversions import converted, ids_json, is_ui
from .drawing import drawn_json, random_seed
from .engine import NewTask, StoredTask
from .handover import copied
from .inputs import Source, apply, plan
from .intake import Intake
from .loras import Lora
from .params import apply_params
from .ports import NodeClasses
from .progress import RunProgress
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
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Well-known values to set in the workflow; see ``params.py``."""
    loras: tuple[Lora, ...] = ()
    """LoRAs to put into the workflow; see ``loras.py``."""
    files: Mapping[str, Source] = field(default_factory=dict[str, Source])
    """Inputs from elsewhere; see ``inputs.py``."""
    delivery: Literal["url", "base64"] = "url"
    """How small outputs are handed over at the end."""
    batch_id: str | None = None
    retry_of: str | None = None
    carried: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """How the workflow came to be: see :data:`.drawing.CARRIED`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings that bound what is taken in."""

    max_queued: int = 10_000
    max_attempts: int = 3
    inline_bytes: int = 8 * 1024 * 1024
    """Largest output that is handed over as base64."""
    thumbnail_bytes: int = 256 * 1024 * 1024
    """Most that the thumbnails on disk take."""


class Desk:
    """Checks submissions against the node classes and with ComfyUI's own validation."""

    def __init__(
        self,
        host: PromptRunner,
        classes: NodeClasses,
        *,
        max_attempts: int,
        check_url: Callable[[str], object],
        allow: Callable[[Mapping[str, JSON]], object],
        files: Files | None = None,
    ) -> None:
        self._host = host
        self._classes = classes
        self._max_attempts = max_attempts
        self._check_url = check_url
        self._allow = allow
        self._files = files

    async def prepare(self, submission: Submission, intake: Intake | None = None) -> NewTask:
        """Check a workflow and give the task that it makes, not queued yet.

        *intake* has the uploads of the request, and takes the files that it names.
        """
        graph, carried, notes = await self._read(submission.workflow)
        if submission.webhook is not None:
            self._check_url(submission.webhook)
        graph, carried = await self._changed(graph, submission, {**carried, **submission.carried})
        if submission.files:
            graph = await self._with_files(graph, submission.files, intake)
        self._allow(graph)
        specs, report = await self._accepted(graph, submission.outputs)
        targets = report.outputs
        named = _to_name(report, submission.outputs, graph, specs)
        running, errors = await self._validated(graph, named, specs)
        targets = tuple(target for target in targets if target in set(running)) if errors else targets
        warnings = _told(report.findings, from_host({}, errors, specs, graph))
        request: JSON = {
            "webhook": submission.webhook,
            "targets": list(targets),
            "partial": named is not None,
            "client_id": submission.client_id,
            "warnings": [*notes, *warnings],
            "delivery": submission.delivery,
            **carried,
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

    async def judge(self, workflow: Any, outputs: tuple[str, ...] | None) -> JSON:
        """Say whether :meth:`prepare` would take a workflow, with all findings; queues nothing.

        Raises ApiError WORKFLOW_MISSING, INVALID_REQUEST, and what converting raises.
        """
        try:
            graph, carried, notes = await self._read(workflow)
        except InvalidWorkflow as refusal:
            if "findings" not in refusal.details:
                raise
            return _judged((), refusal.details["findings"], [], {})
        specs = await self._classes.specs(fresh=True)
        report = await self._report(graph, outputs, specs)
        findings, targets = list(report.findings), report.outputs
        try:
            self._allow(graph)
            if report.valid:
                named = _to_name(report, outputs, graph, specs)
                running, errors = await self._host.validate(copied(graph), named)
                targets = tuple(target for target in targets if target in set(running))
                found = from_host({}, errors, specs, graph)
                findings += _as_warnings(_new(found, findings))
        except PromptRejected as rejection:
            targets = ()
            findings += _new(from_host(rejection.error, rejection.node_errors, specs, graph), findings)
        except Forbidden as refusal:
            targets = ()
            findings.append(
                Finding(refusal.code, refusal.message, hint=refusal.hint, details=refusal.details)
            )
        errors_ = [finding.to_json() for finding in findings if finding.severity == "error"]
        warnings = [*notes, *(finding.to_json() for finding in findings if finding.severity == "warning")]
        return _judged(targets if report.valid else (), errors_, warnings, carried)

    async def _read(self, workflow: Any) -> tuple[dict[str, JSON], JSON, list[JSON]]:
        """Give a workflow in API format; of one in UI format also what goes along with it, and notes."""
        if not is_ui(workflow):
            graph, notes = await self._present(as_graph(workflow))
            return graph, {}, notes
        found = await converted(workflow, self._classes)
        carried: JSON = {
            "node_ids": ids_json(found),
            # As the page does it: the images then carry the workflow, which can be opened again.
            "extra_data": {"extra_pnginfo": {"workflow": workflow}},
        }
        return as_graph(found.graph), carried, [note.to_json() for note in found.notes]

    async def _present(self, graph: dict[str, JSON]) -> tuple[dict[str, JSON], list[JSON]]:
        """Give a workflow whose classes are here, as far as packs say what took the place of old ones."""
        specs = await self._classes.specs(fresh=False)
        gone = {node_id for node_id, node in graph.items() if node["class_type"] not in specs}
        if not gone:
            return graph, []
        replaced = self._host.replaced(copied(graph))
        notes = [
            Finding(
                "NODE_CLASS_REPLACED",
                f"Node {node_id}: {graph[node_id]['class_type']} is gone; {now} took its place.",
                node_id=node_id,
                class_type=now,
                severity="warning",
                details={"old": graph[node_id]["class_type"], "new": now},
            ).to_json()
            for node_id in graph
            if node_id in gone and (now := replaced[node_id]["class_type"]) != graph[node_id]["class_type"]
        ]
        return (replaced if notes else graph), notes

    async def _changed(
        self, graph: dict[str, JSON], submission: Submission, carried: JSON
    ) -> tuple[dict[str, JSON], JSON]:
        """Give the workflow with ``params`` and ``loras``, and *carried* that says what was changed."""
        if not submission.params and not submission.loras:
            return graph, carried
        for fresh in (False, True):
            specs = await self._classes.specs(fresh=fresh)
            try:
                applied = apply_params(
                    graph,
                    specs,
                    submission.params,
                    submission.loras,
                    random_seed=random_seed,
                )
            except ApiError:
                if fresh:  # what is missing may have been installed since the classes were last read
                    raise
            else:
                changes = [change.to_json() for change in applied.changes]
                drawn = [*carried.get("drawn", ()), *drawn_json(applied.drawn)]
                more: JSON = {"drawn": drawn} if drawn else {}
                return applied.graph, {**carried, "changes": changes, **more}
        raise AssertionError  # one of the two answered

    async def _with_files(
        self, graph: dict[str, JSON], files: Mapping[str, Source], intake: Intake | None
    ) -> dict[str, JSON]:
        placements = plan(graph, await self._classes.specs(fresh=False), files)
        if intake is None:
            raise InvalidRequest("INVALID_REQUEST", "This request cannot bring files.")
        return apply(graph, placements, await intake.store(placements))

    async def _accepted(
        self, graph: Mapping[str, JSON], outputs: tuple[str, ...] | None
    ) -> tuple[Mapping[str, NodeSpec], Report]:
        """Check a workflow; give the node classes it was checked against and what would run of it."""
        specs = await self._classes.specs(fresh=False)
        report = await self._report(graph, outputs, specs)
        if not report.valid or any(finding.severity == "error" for finding in report.findings):
            # What is missing may have been installed since the classes were last read.
            specs = await self._classes.specs(fresh=True)
            report = await self._report(graph, outputs, specs)
        if outputs is not None:
            _check_outputs(outputs, output_nodes(graph, specs))
        if not report.valid:
            raise refuse([finding for finding in report.findings if finding.severity == "error"])
        return specs, report

    async def _report(
        self, graph: Mapping[str, JSON], outputs: Collection[str] | None, specs: Mapping[str, NodeSpec]
    ) -> Report:
        def work() -> Report:
            return judged(graph, specs, targets=outputs, files=self._files)

        return await asyncio.to_thread(work)

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
            raise refuse(from_host(rejection.error, rejection.node_errors, fresh or specs, graph)) from None


def _judged(targets: Sequence[str], findings: list[JSON], warnings: list[JSON], carried: JSON) -> JSON:
    return {
        "valid": not findings,
        "outputs": [] if findings else list(targets),
        "findings": findings,
        "warnings": warnings,
        "node_ids": carried.get("node_ids", {}),
    }


def _check_outputs(outputs: tuple[str, ...], found: Sequence[str]) -> None:
    """Raise ApiError INVALID_REQUEST if *outputs* is not a choice of the output nodes *found*."""
    wrong = [node_id for node_id in outputs if node_id not in found]
    if wrong or not outputs:
        raise InvalidRequest(
            "INVALID_REQUEST",
            f"outputs names nodes that are no output nodes of the workflow: {', '.join(wrong)}."
            if wrong
            else "outputs is empty.",
            hint=f"Output nodes here: {', '.join(found)}." if found else None,
            details={"fields": {"outputs": "not output nodes"}, "output_nodes": list(found)},
        )


def _to_name(
    report: Report,
    asked: tuple[str, ...] | None,
    graph: Mapping[str, JSON],
    specs: Mapping[str, NodeSpec],
) -> tuple[str, ...] | None:
    """Give the outputs that ComfyUI is told to run, None for all.

    An output that would fail is not run, even if ComfyUI would try.
    """
    if asked is None and len(report.outputs) == len(output_nodes(graph, specs)):
        return None
    return report.outputs


def _told(ours: Sequence[Finding], theirs: Sequence[Finding]) -> list[JSON]:
    """Give the warnings that a task carries: why outputs are left out."""
    told = [finding for finding in ours if finding.code not in _ADVICE]
    return [finding.to_json() for finding in _as_warnings([*told, *_new(theirs, told)])]


_ADVICE = frozenset({"NODE_NOT_USED", "OUTPUT_NOT_REACHED"})
"""Warnings for who edits a workflow; they keep nothing from running."""


def _new(found: Sequence[Finding], known: Sequence[Finding]) -> list[Finding]:
    """Give what is not said already of the same input of the same node."""
    places = {(finding.node_id, finding.input) for finding in known}
    return [finding for finding in found if (finding.node_id, finding.input) not in places]


def _as_warnings(found: Sequence[Finding]) -> list[Finding]:
    return [replace(finding, severity="warning") for finding in found]


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
