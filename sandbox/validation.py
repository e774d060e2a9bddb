"""Checks a prompt before it is queued, with the answers and the words of ComfyUI's ``POST /prompt``.

Follows ComfyUI 0.33: numbers, texts and flags are converted in place; a prompt is taken if at least one of
its outputs can run; the errors of the others are given along.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ..errors import JSON
from ..graph import inputs_of, is_link, links_of, on_cycle, reachable, topological
from .checks import convert, fits, own_errors, range_error, refusal
from .registry import Registry
from .schema import InputSpec, schema_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """*targets* are the output nodes that can run; none means refused, and *error* says why."""

    targets: tuple[str, ...]
    error: JSON | None
    node_errors: dict[str, JSON]


@dataclass(slots=True)
class _Findings:
    """What was found about one node; *crash* is what its check raised."""

    errors: list[JSON] = field(default_factory=list[JSON])
    crash: Exception | None = None
    valid: bool = True


def validate_prompt(graph: Any, targets: object, registry: Registry) -> Verdict:
    """Check an API-format workflow; *targets* limits it to these output nodes, None means all.

    Runs the packs' own code (INPUT_TYPES, VALIDATE_INPUTS): not for the event loop.
    """
    error = _shape_error(graph, targets) or _class_error(graph, registry)
    if error is not None:
        return Verdict((), error, {})
    wanted = None if targets is None else cast("list[object]", targets)
    outputs = [
        node_id
        for node_id, node in graph.items()
        if getattr(registry.get(node["class_type"]), "OUTPUT_NODE", False) is True
        and (wanted is None or node_id in wanted)
    ]
    if not outputs:
        return Verdict((), refusal("prompt_no_outputs", "Prompt has no outputs"), {})
    return _Check(graph, registry).outputs(outputs)


def _shape_error(graph: Any, targets: object) -> JSON | None:
    """ComfyUI answers these with an error 500; nothing can depend on that."""
    if not isinstance(graph, dict):
        return refusal("invalid_prompt", "The prompt is not an object", type(graph).__name__)
    if targets is not None and not isinstance(targets, list):
        return refusal("invalid_prompt", "partial_execution_targets is not a list of node ids")
    for node_id, node in cast("dict[str, Any]", graph).items():
        if not isinstance(node, dict):
            return refusal(
                "invalid_prompt",
                "A node is not an object",
                f"Node ID '#{node_id}'",
                node_id=node_id,
            )
    return None


def _class_error(graph: Mapping[str, JSON], registry: Registry) -> JSON | None:
    for node_id, node in graph.items():
        class_type = node.get("class_type")
        if registry.get(class_type) is not None:
            continue
        meta = node.get("_meta")
        title = cast("JSON", meta).get("title") if isinstance(meta, dict) else None
        if "class_type" not in node:
            message = (
                f"Node '{title or f'ID #{node_id}'}' has no class_type. "
                "The workflow may be corrupted or a custom node is missing."
            )
        else:
            title = title or class_type
            message = f"Node '{title}' not found. The custom node may not be installed."
        return refusal(
            "missing_node_type",
            message,
            f"Node ID '#{node_id}'",
            node_id=node_id,
            class_type=class_type,
            node_title=title,
        )
    return None


class _Check:
    def __init__(self, graph: dict[str, JSON], registry: Registry) -> None:
        self._graph = graph
        self._registry = registry
        self._findings: dict[str, _Findings] = {}
        self._as_sent = {node_id: {**node, "inputs": {**inputs_of(node)}} for node_id, node in graph.items()}
        """Checks unwrap values in place, and an array in a wrapper is no link that they follow."""

    def outputs(self, outputs: list[str]) -> Verdict:
        good: list[str] = []
        node_errors: dict[str, JSON] = {}
        lines: list[str] = []
        for output in outputs:
            needed = reachable(self._as_sent, [output])
            self._examine(needed, output)
            if self._findings[output].valid:
                good.append(output)
                continue
            lines += [f"{error['message']}: {error['details']}" for error in self._findings[output].errors]
            for node_id in self._graph:
                errors = self._findings[node_id].errors if node_id in needed else []
                if errors:
                    entry = node_errors.setdefault(
                        node_id,
                        {
                            "errors": errors,
                            "dependent_outputs": [],
                            "class_type": self._graph[node_id]["class_type"],
                        },
                    )
                    entry["dependent_outputs"].append(output)
        if good:
            return Verdict(tuple(good), None, node_errors)
        error = refusal(
            "prompt_outputs_failed_validation", "Prompt outputs failed validation", "\n".join(lines)
        )
        return Verdict((), error, node_errors)

    def _examine(self, needed: set[str], output: str) -> None:
        """Fill in the findings of *needed*, sources first: no recursion, so no limit to the depth."""
        graph = {node_id: node for node_id, node in self._as_sent.items() if node_id in needed}
        order, stuck = topological(graph)
        users = {link.source: link for node_id in order for link in links_of(node_id, graph[node_id])}
        for node_id in [*order, *sorted(stuck)]:
            if node_id not in self._findings:
                self._findings[node_id] = self._check(node_id)
        self._mark_cycles({node_id: graph[node_id] for node_id in stuck})
        for node_id in [*order, *sorted(stuck)]:
            found = self._findings[node_id]
            if found.crash is not None and not found.errors:
                user = None if node_id == output else users.get(node_id)
                found.errors.append(self._crashed(found.crash, user and (user.target, user.name)))
            sources = [link.source for link in links_of(node_id, graph[node_id]) if link.source in graph]
            found.valid = not found.errors and all(self._findings[source].valid for source in sources)

    def _mark_cycles(self, stuck: dict[str, JSON]) -> None:
        for node_id in stuck:
            self._findings[node_id].valid = False
        while cycle := on_cycle(stuck):
            path = " -> ".join(
                f"{node_id} ({stuck[node_id]['class_type']})" for node_id in [*cycle, cycle[0]]
            )
            for node_id in cycle:
                error = refusal(
                    "dependency_cycle",
                    "Dependency cycle detected",
                    path,
                    node_id=node_id,
                    cycle_nodes=cycle,
                )
                errors = self._findings[node_id].errors
                if not any(known["type"] == "dependency_cycle" for known in errors):
                    errors.insert(0, error)
                del stuck[node_id]

    def _crashed(self, crash: Exception, user: tuple[str, str] | None) -> JSON:
        kind = type(crash)
        module = "" if kind.__module__ == "builtins" else kind.__module__ + "."
        extra: JSON = {
            "exception_type": module + kind.__qualname__,
            "traceback": traceback.format_tb(crash.__traceback__),
        }
        if user is None:
            return refusal(
                "exception_during_validation", "Exception when validating node", str(crash), **extra
            )
        target, name = user
        extra |= {
            "exception_message": str(crash),
            "input_name": name,
            "linked_node": self._graph[target]["inputs"][name],
        }
        return refusal(
            "exception_during_inner_validation", "Exception when validating inner node", str(crash), **extra
        )

    def _check(self, node_id: str) -> _Findings:
        found = _Findings()
        try:
            self._check_inputs(node_id, found.errors)
        except Exception as crash:
            found.crash = crash
        return found

    def _check_inputs(self, node_id: str, errors: list[JSON]) -> None:
        node = self._graph[node_id]
        node_class = self._registry.get(node["class_type"])
        if node_class is None:  # ruled out by _class_error
            raise KeyError(node["class_type"])
        inputs: JSON = node["inputs"]
        schema = schema_of(node_class, inputs)
        own_check = getattr(node_class, "VALIDATE_INPUTS", None)
        spec = None if own_check is None else inspect.getfullargspec(own_check)
        checked_by_node: set[str] = set() if spec is None else set(spec.args)
        takes_all = spec is not None and spec.varkw is not None
        received: JSON = {}
        for name, wanted in schema.inputs.items():
            error: JSON | None = None
            if name not in inputs:
                if wanted.required:
                    error = _missing(name, node_class)
            elif isinstance(inputs[name], list):
                error = self._link_error(wanted, inputs[name], received, "input_types" in checked_by_node)
            else:
                error = convert(wanted, inputs)
                if error is None and not takes_all and name not in checked_by_node:
                    error = range_error(wanted, inputs[name])
            if error is not None:
                errors.append(error)
        if own_check is not None:
            arguments = {
                name: None if isinstance(value, list) else value
                for name, value in inputs.items()
                if name in schema.inputs and (takes_all or name in checked_by_node)
            }
            if "input_types" in checked_by_node:
                arguments["input_types"] = received
            errors.extend(own_errors(own_check, arguments))

    def _link_error(
        self, wanted: InputSpec, link: list[Any], received: JSON, node_checks_types: bool
    ) -> JSON | None:
        if len(link) != 2:
            return _bad_link(wanted, link)
        source = self._graph[link[0]]  # a dangling link raises, as it does in ComfyUI
        source_class: Any = self._registry.get(source["class_type"])
        given = source_class.RETURN_TYPES[link[1]]
        if not is_link(link):
            return _bad_link(wanted, link)
        received[wanted.name] = given
        if node_checks_types or fits(given, wanted.type):
            return None
        return refusal(
            "return_type_mismatch",
            "Return type mismatch between linked nodes",
            f"{wanted.name}, received_type({given}) mismatch input_type({wanted.type})",
            input_name=wanted.name,
            input_config=wanted.config(),
            received_type=given,
            linked_node=link,
        )


def _bad_link(wanted: InputSpec, link: list[Any]) -> JSON:
    return refusal(
        "bad_linked_input",
        "Bad linked input, must be a length-2 list of [node_id, slot_index]",
        wanted.name,
        input_name=wanted.name,
        input_config=wanted.config(),
        received_value=link,
    )


def _missing(name: str, node_class: type[Any]) -> JSON:
    short = name.rpartition(".")[2] if getattr(node_class, "V3", False) else name
    return refusal("required_input_missing", "Required input is missing", short, input_name=name)
