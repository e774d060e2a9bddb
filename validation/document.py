"""The shape of a workflow in API format, and which of its nodes give something out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ..errors import JSON, InvalidRequest, InvalidWorkflow
from ..graph import looks_like_ui_format
from .finding import Finding, Specs, refuse


def as_graph(document: Any) -> dict[str, JSON]:
    """Check that *document* is an API-format workflow in shape.

    Raises ApiError WORKFLOW_MISSING, INVALID_REQUEST, WORKFLOW_FORMAT_UI or BAD_NODE. A BAD_NODE has no fix:
    operations need a workflow in shape.
    """
    if document is None or document == {}:
        raise InvalidRequest(
            "WORKFLOW_MISSING",
            "The request has no workflow.",
            hint='Send {"workflow": {node_id: {"class_type": …, "inputs": {…}}}}.',
        )
    if not isinstance(document, dict):
        raise InvalidRequest(
            "INVALID_REQUEST",
            "workflow must be an object.",
            details={"fields": {"workflow": "not an object"}},
        )
    graph = cast("dict[str, Any]", document)
    if looks_like_ui_format(graph):
        raise InvalidWorkflow(
            "WORKFLOW_FORMAT_UI",
            "This workflow is in the format that the ComfyUI page saves, not in API format.",
            hint="POST /ext/workflow/convert makes API format of it.",
        )
    findings = [
        Finding(
            "BAD_NODE",
            f"Node {node_id!r} must be an object with a class_type (a string) and inputs (an object).",
            node_id=node_id,
        )
        for node_id, node in graph.items()
        if not _is_node(node)
    ]
    if findings:
        raise refuse(findings)
    return graph


def _is_node(node: Any) -> bool:
    if not isinstance(node, dict):
        return False
    fields = cast("JSON", node)
    return isinstance(fields.get("class_type"), str) and isinstance(fields.get("inputs", {}), dict)


def output_nodes(graph: Mapping[str, JSON], specs: Specs) -> tuple[str, ...]:
    """Give the ids of the nodes that hand something to the user, in the graph's order."""
    return tuple(
        node_id
        for node_id, node in graph.items()
        if (spec := specs.get(node["class_type"])) is not None and spec.flags.output_node
    )
