"""Tells what is wrong with a workflow before it is queued. Pure: (graph, node classes) → findings.

Checked is what ComfyUI would refuse, and what it lets through and then fails on. Each finding carries the
operation that mends it. docs/validation.md says what is found and how; the rules of ComfyUI that this follows
are those of 0.33 (execution.py ``validate_prompt``, comfy_execution/validation.py).
"""

from __future__ import annotations

from .document import as_graph, output_nodes
from .finding import Files, Finding, Report, Severity, Specs, refuse
from .host_reply import from_host
from .judging import check, judge

__all__ = [
    "Files",
    "Finding",
    "Report",
    "Severity",
    "Specs",
    "as_graph",
    "check",
    "from_host",
    "judge",
    "output_nodes",
    "refuse",
]
