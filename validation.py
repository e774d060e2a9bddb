"""Tells what is wrong with a workflow before it is queued. Pure: (graph, node classes) → findings.

Checked is what ComfyUI refuses with a traceback or lets through and then fails on: links that lead nowhere,
slots that are not there, cycles, missing inputs, keys that a dynamic combo does not have. The rest (types,
ranges, options) ComfyUI checks itself when the prompt is queued; :func:`from_host` reads what it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from .errors import JSON, InvalidRequest, InvalidWorkflow, close_matches
from .graph import inputs_of, is_link, looks_like_ui_format, on_cycle, reachable
from .nodespec import NodeSpec, Param, Ports, live_ports

Specs = Mapping[str, NodeSpec]


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

    def to_json(self) -> JSON:
        """Give the finding as replies carry it."""
        return {
            "code": self.code,
            "message": self.message,
            "node_id": self.node_id,
            "input": self.input,
            "class_type": self.class_type,
            "hint": self.hint,
            "details": dict(self.details),
        }


def refuse(findings: Sequence[Finding]) -> InvalidWorkflow:
    """Make the error for *findings* (at least one).

    Its code is theirs if they all have the same one, else WORKFLOW_INVALID.
    """
    codes = {finding.code for finding in findings}
    first = findings[0]
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return InvalidWorkflow(
        first.code if len(codes) == 1 else "WORKFLOW_INVALID",
        first.message + more,
        hint=first.hint,
        details={"findings": [finding.to_json() for finding in findings]},
    )


def as_graph(document: Any) -> dict[str, JSON]:
    """Check that *document* is an API-format workflow in shape.

    Raises ApiError WORKFLOW_MISSING, INVALID_REQUEST, WORKFLOW_FORMAT_UI or BAD_NODE.
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


def check(graph: Mapping[str, JSON], specs: Specs, targets: Iterable[str]) -> list[Finding]:
    """Give all findings on the nodes that *targets* depend on, and every unknown class anywhere.

    ComfyUI refuses a workflow for an unknown class even in a node that nothing needs.
    """
    findings = list(_unknown_classes(graph, specs))
    needed = reachable(graph, targets)
    for node_id in graph:
        if node_id in needed:
            findings.extend(_check_node(node_id, graph, specs))
    cycle = on_cycle({node_id: graph[node_id] for node_id in graph if node_id in needed})
    if cycle:
        path = " → ".join([*reversed(cycle), cycle[-1]])
        findings.append(
            Finding(
                "WORKFLOW_CYCLE",
                f"The workflow goes in a circle: {path}.",
                node_id=cycle[-1],
                class_type=graph[cycle[-1]]["class_type"],
                hint="Remove one of these links.",
                details={"cycle": list(reversed(cycle))},
            )
        )
    return findings


def _unknown_classes(graph: Mapping[str, JSON], specs: Specs) -> Iterator[Finding]:
    for node_id, node in graph.items():
        class_type = node["class_type"]
        if class_type not in specs:
            matches = close_matches(class_type, specs)
            yield Finding(
                "UNKNOWN_NODE_CLASS",
                f"Node {node_id}: this server has no node class {class_type!r}.",
                node_id=node_id,
                class_type=class_type,
                hint=f"Did you mean {matches[0]}?" if matches else "Install the node pack that brings it.",
                details={"close_matches": matches},
            )


def _check_node(node_id: str, graph: Mapping[str, JSON], specs: Specs) -> Iterator[Finding]:
    node = graph[node_id]
    class_type: str = node["class_type"]
    for name, value in inputs_of(node).items():
        if isinstance(value, list):
            finding = _check_link(cast("list[Any]", value), graph, specs)
            if finding is not None:
                code, message, hint = finding
                yield Finding(
                    code, f"Node {node_id} ({class_type}), {name}: {message}", node_id, name, class_type, hint
                )
    spec = specs.get(class_type)
    if spec is not None:
        for code, name, message, hint, details in _check_ports(spec, inputs_of(node)):
            yield Finding(
                code, f"Node {node_id} ({class_type}): {message}", node_id, name, class_type, hint, details
            )


def _check_link(
    value: list[Any], graph: Mapping[str, JSON], specs: Specs
) -> tuple[str, str, str | None] | None:
    if not is_link(value):
        return (
            "BAD_LINK",
            "an array must be a link [node id, slot].",
            'If the array is a value, write it as {"__value__": […]}.',
        )
    source, slot = value
    if source not in graph:
        matches = close_matches(source, graph)
        return (
            "DANGLING_LINK",
            f"it links to node {source!r}, which is not in the workflow.",
            f"Did you mean {matches[0]!r}?" if matches else None,
        )
    spec = specs.get(graph[source]["class_type"])
    if spec is None:
        return None  # already a finding
    count = len(spec.outputs)
    if slot != int(slot) or not 0 <= slot < count:
        slots = f"slots 0 to {count - 1}" if count > 1 else "slot 0 only" if count else "no outputs"
        return (
            "LINK_SLOT_OUT_OF_RANGE",
            f"it links to slot {slot} of node {source} ({spec.name}), which has {slots}.",
            None,
        )
    return None


_Fault = tuple[str, str, str, "str | None", Mapping[str, Any]]


def _check_ports(spec: NodeSpec, inputs: Mapping[str, Any]) -> Iterator[_Fault]:
    ports = live_ports(spec, inputs)
    for entry in ports.inputs:
        if entry.required and entry.name not in inputs:
            yield _missing(entry.name, entry.type)
    for param in ports.params:
        if param.name not in inputs:
            if param.required:
                yield _missing(param.name, param.type, param)
        elif param.variants is not None:
            yield from _check_variant(param, param.variants, inputs[param.name])


def _check_variant(param: Param, variants: Mapping[str, Ports], key: Any) -> Iterator[_Fault]:
    # ComfyUI lets an unknown key pass, and the node fails when it runs.
    if is_link(key) or (isinstance(key, str) and key in variants):
        return
    matches = close_matches(str(key), variants)
    yield (
        "UNKNOWN_OPTION",
        param.name,
        f"{param.name} cannot be {key!r}.",
        f"Did you mean {matches[0]!r}?" if matches else None,
        {"options": list(variants), "close_matches": matches},
    )


def _missing(name: str, type_: str, param: Param | None = None) -> _Fault:
    hint = f"Link an output of type {type_} to it."
    details: JSON = {"type": type_}
    if param is not None:
        hint = "Set it."
        default = param.default
        if default is None and param.options:
            default = param.options[0]
        if default is not None:
            hint = f"Set it; the default is {default!r}."
            details["default"] = default
    return "MISSING_INPUT", name, f"the input {name} ({type_}) is missing.", hint, details


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


def from_host(error: JSON, node_errors: Mapping[str, JSON], specs: Specs) -> list[Finding]:
    """Read what ``POST /prompt`` answers to a prompt that it refuses; at least one finding if *error*."""
    findings = [
        _from_host_fault(node_id, about.get("class_type"), fault, specs)
        for node_id, about in node_errors.items()
        for fault in about.get("errors") or ()
    ]
    if findings or not error:
        return findings
    code = "NO_OUTPUT_NODE" if error.get("type") == "prompt_no_outputs" else "WORKFLOW_INVALID"
    return [
        Finding(
            code,
            str(error.get("message") or "ComfyUI refuses this workflow."),
            hint="Add a node that saves or previews something." if code == "NO_OUTPUT_NODE" else None,
        )
    ]


def _from_host_fault(node_id: str, class_type: str | None, fault: JSON, specs: Specs) -> Finding:
    extra = cast("JSON", fault.get("extra_info") or {})
    code = _HOST_CODES.get(str(fault.get("type")), "VALIDATION_FAILED")
    name = extra.get("input_name")
    where = f"Node {node_id} ({class_type})"
    what = str(fault.get("message") or "is refused")
    # The details of an exception hold paths and tracebacks; of the others, the value and its limits.
    if code != "VALIDATION_FAILED" and fault.get("details"):
        what = f"{what}: {fault['details']}"
    hint = None
    details: JSON = {}
    if code == "UNKNOWN_OPTION" and name is not None:
        received = extra.get("received_value")
        options = _options(specs.get(class_type or ""), str(name))
        matches = close_matches(str(received), options)
        if options:
            shown = _SHOWN_OPTIONS
            what = f"{name} cannot be {received!r}"
            details = {"options": options[:shown], "options_total": len(options), "close_matches": matches}
            hint = f"Did you mean {matches[0]!r}?" if matches else None
        else:
            what = f"{name} cannot be {received!r}: this server has nothing to choose from"
    return Finding(code, f"{where}: {what}.", node_id, name, class_type, hint, details)


_SHOWN_OPTIONS = 50
"""How many options a finding lists; a folder of models can have thousands."""


def _options(spec: NodeSpec | None, name: str) -> list[str]:
    for param in () if spec is None else spec.params:
        if param.name == name:
            return [str(option) for option in param.options or ()]
    return []
