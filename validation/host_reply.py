"""Reads what ComfyUI's own validation answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from ..errors import JSON, close_matches
from ..nodespec import every_port
from .finding import Finding, Specs
from .fix_values import NONE, better
from .fixes import Fixes
from .look import Look
from .nodes import Fault, options_told
from .shapes import Field
from .values import rule_of, shortened

_HOST_CODES: Mapping[str, str] = {
    "required_input_missing": "MISSING_INPUT",
    "bad_linked_input": "BAD_LINK",
    "return_type_mismatch": "TYPE_MISMATCH",
    "invalid_input_type": "VALUE_WRONG_TYPE",
    "value_smaller_than_min": "VALUE_OUT_OF_RANGE",
    "value_bigger_than_max": "VALUE_OUT_OF_RANGE",
    "value_not_in_list": "UNKNOWN_OPTION",
    "custom_validation_failed": "VALUE_REFUSED",
    "dependency_cycle": "WORKFLOW_CYCLE",
}
"""ComfyUI's own error types (execution.py, ``validate_inputs``)."""

_MISSING = frozenset({"UNKNOWN_OPTION", "MODEL_FILE_MISSING", "INPUT_FILE_MISSING"})
_OF_VALUES = _MISSING | {"VALUE_WRONG_TYPE", "VALUE_OUT_OF_RANGE", "VALUE_REFUSED", "MISSING_INPUT"}
_MENDED = (_OF_VALUES | {"BAD_LINK", "TYPE_MISMATCH"}) - {"VALUE_REFUSED"}
"""What can be mended where the workflow is known."""


def from_host(
    error: JSON,
    node_errors: Mapping[str, JSON],
    specs: Specs,
    graph: Mapping[str, JSON] | None = None,
) -> list[Finding]:
    """Read what ``POST /prompt`` answers to a prompt that it refuses; at least one finding if *error*.

    With *graph*, the workflow it was asked about, what is wrong with links has a fix, too.
    """
    reader = _Reader(specs, graph or {})
    findings = [
        reader.finding(node_id, about.get("class_type"), fault)
        for node_id, about in node_errors.items()
        for fault in about.get("errors") or ()
    ]
    return findings if findings or not error else [reader.whole(error)]


class _Reader:
    def __init__(self, specs: Specs, graph: Mapping[str, JSON]) -> None:
        self._specs = specs
        self._look = Look(graph, specs, graph)
        self._fixes = Fixes(self._look)
        self._circles: list[Fault] | None = None

    def whole(self, error: JSON) -> Finding:
        """Read an error that is of no node's inputs."""
        kind = error.get("type")
        message = str(error.get("message") or "ComfyUI refuses this workflow.")
        extra = cast("JSON", error.get("extra_info") or {})
        node_id, class_type = extra.get("node_id"), extra.get("class_type")
        if kind == "missing_node_type" and isinstance(class_type, str) and isinstance(node_id, str):
            matches = close_matches(class_type, self._specs)
            told = {"close_matches": matches}
            return Finding(
                "UNKNOWN_NODE_CLASS",
                f"Node {node_id}: this server has no node class {shortened(class_type)}.",
                node_id,
                None,
                class_type,
                f"Did you mean {matches[0]}?" if matches else "Install the node pack that brings it.",
                told,
                fix=self._fix(Fault("UNKNOWN_NODE_CLASS", node_id, None, message, details=told)),
            )
        if kind == "prompt_no_outputs":
            hint = "Add a node that saves or previews something."
            fix = self._fixes.of(Fault("NO_OUTPUT_NODE", None, None, message))
            return Finding("NO_OUTPUT_NODE", message, hint=hint, fix=fix)
        return Finding("WORKFLOW_INVALID", message)

    def finding(self, node_id: str, class_type: str | None, fault: JSON) -> Finding:
        """Read one fault of a node."""
        extra = cast("JSON", fault.get("extra_info") or {})
        code = _HOST_CODES.get(str(fault.get("type")), "VALIDATION_FAILED")
        name = extra.get("input_name")
        field = self._field(node_id, class_type, name)
        what = str(fault.get("message") or "is refused")
        # The details of an exception hold paths and tracebacks; of the others, the value and its limits.
        if code != "VALIDATION_FAILED" and fault.get("details"):
            what = f"{what}: {fault['details']}"
        hint = None
        details: JSON = {}
        if code == "UNKNOWN_OPTION" and name is not None:
            received = extra.get("received_value")
            what = f"{name} cannot be {shortened(received)}"
            if field is not None:
                code = field.rule.missing
            if field is not None and field.rule.options:
                details = options_told(self._look, field.rule, received)
                close = details["close_matches"]
                hint = f"Did you mean {close[0]!r}?" if close else None
                if field.rule.folder is not None:
                    details["folder"] = field.rule.folder
            else:
                what += ": this server has nothing to choose from"
        fix = self._fix_of(code, node_id, name, field, extra.get("received_value", NONE))
        where = f"Node {node_id} ({class_type})"
        return Finding(code, f"{where}: {what}.", node_id, name, class_type, hint, details, fix=fix)

    def _field(self, node_id: str, class_type: str | None, name: Any) -> Field | None:
        """Give what is known of an input: of the node, or where that is not known, of its class."""
        found = self._look.field(node_id, str(name)) if node_id in self._look.graph else None
        spec = self._specs.get(class_type or "")
        if found is not None or spec is None:
            return found
        for port in every_port(spec.ports):
            if port.name == name:
                takes = port.link_type or port.type
                return Field(port, port.required, takes, rule_of(port, own=False))
        return None

    def _fix_of(self, code: str, node_id: str, name: Any, field: Field | None, held: Any) -> JSON | None:
        if not isinstance(name, str):
            return self._broken(node_id) if code == "WORKFLOW_CYCLE" else None
        known = node_id in self._look.graph
        if known and code in _MENDED:
            return self._fix(Fault(code, node_id, name, ""))
        if field is None or field.param is None or code not in _OF_VALUES:
            return None
        if known:
            held = self._look.inputs(node_id).get(name, NONE)
        # the class refused it, so what the class judges itself is no excuse
        value = better(self._look, replace(field, rule=rule_of(field.port, own=False)), held)
        if value is NONE or value == held:
            return None
        return {"op": "set_param", "node_id": node_id, "param": name, "value": value}

    def _broken(self, node_id: str) -> JSON | None:
        if self._circles is None:
            self._circles = self._fixes.circles()
        for circle in self._circles:
            if node_id in circle.details["cycle"]:
                return self._fixes.of(circle)
        return None

    def _fix(self, fault: Fault) -> JSON | None:
        return self._fixes.of(fault) if fault.node_id in self._look.graph else None
