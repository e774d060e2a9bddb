"""What validation says: findings, and the report that sums them up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ..errors import JSON, InvalidWorkflow
from ..nodespec import NodeSpec

Specs = Mapping[str, NodeSpec]

Severity = Literal["error", "warning"]

STOPS_ALL = frozenset({"UNKNOWN_NODE_CLASS", "NO_OUTPUT_NODE"})
"""Codes of what keeps everything from running; other errors keep the outputs behind them from it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong. *code* is one of :data:`~.errors.CODES`; *hint* says what would mend it."""

    code: str
    message: str
    node_id: str | None = None
    input: str | None = None
    class_type: str | None = None
    hint: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    severity: Severity = "error"
    """A warning does not keep anything from running that is to run."""
    fix: JSON | None = None
    """An operation of docs/patching.md that mends it; None where none can."""

    def to_json(self) -> JSON:
        """Give the finding as replies carry it."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "node_id": self.node_id,
            "input": self.input,
            "class_type": self.class_type,
            "hint": self.hint,
            "details": dict(self.details),
            "fix": self.fix,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What is wrong with a workflow, and which of its output nodes would run, in the graph's order."""

    findings: tuple[Finding, ...]
    outputs: tuple[str, ...]

    @property
    def valid(self) -> bool:
        """Say whether something would run: ComfyUI takes a workflow if any output can."""
        return bool(self.outputs) and not any(
            finding.code in STOPS_ALL and finding.severity == "error" for finding in self.findings
        )


class Files(Protocol):
    """What the server has beside node classes."""

    def input_file(self, name: str) -> bool:
        """Say whether there is such a file: ``a.png``, ``sub/a.png``, ``a.png [output]``."""
        ...


def refuse(findings: Sequence[Finding]) -> InvalidWorkflow:
    """Make the error for *findings* (at least one).

    Its code is theirs if they all have the same one, else WORKFLOW_INVALID. Where there are errors, warnings
    have no say in that.
    """
    errors = [finding for finding in findings if finding.severity == "error"] or list(findings)
    codes = {finding.code for finding in errors}
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return InvalidWorkflow(
        first.code if len(codes) == 1 else "WORKFLOW_INVALID",
        first.message + more,
        hint=first.hint,
        details={"findings": [finding.to_json() for finding in findings]},
    )
