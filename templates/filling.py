"""Fills the inputs of a template in: checks them all, and gives the workflow to run. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import JSON, ApiError, close_matches
from ..graph import inputs_of
from ..nodespec import NodeSpec, live_ports
from ..tasks.addresses import with_input
from ..tasks.drawing import Drawn, within
from ..tasks.inputs import Source
from .files import FILE_TYPES, FileHere, Unfit, file_json
from .kinds import RANDOM
from .rules import Rule, param_at, rules_of
from .values import UNSET, Filled, Place, Template


def fill(
    template: Template,
    specs: Mapping[str, NodeSpec],
    inputs: Mapping[str, Any],
    random_seed: Callable[[], int],
    *,
    lenient: bool = False,
) -> Filled:
    """Fill a template in; neither it nor *inputs* is changed.

    *random_seed* is asked once for each input that is ``"random"``. *lenient* leaves in the workflow what
    it holds where a default cannot be used on this server.

    Raises ApiError TEMPLATE_INPUT_INVALID; ``details.inputs`` says of each input what is wrong with it.
    """
    rules = rules_of(template, specs)
    faults = _unknown(template, rules, inputs)
    work = _Work(template, specs, random_seed)
    for name, rule in rules.items():
        if name in inputs:
            given = inputs[name]
        elif rule.default is not UNSET and rule.declared.required is not True:
            given = rule.default
        else:
            if rule.declared.required or (rule.required and not lenient):
                faults[name] = rule.missing
            continue
        try:
            work.take(rule, rule.check(given), given=name in inputs)
        except Unfit as unfit:
            faults[name] = str(unfit)
    if faults:
        raise input_invalid(template, faults)
    graph = work.graph()
    faults = work.unused(graph, inputs)
    if faults:
        raise input_invalid(template, faults)
    outputs = tuple(dict.fromkeys(output.node for output in template.outputs.values()))
    return Filled(
        template=template,
        graph=graph,
        files=work.files,
        inputs=work.shown,
        drawn=tuple(work.drawn),
        outputs=outputs if outputs and template.kind == "template" else None,
    )


def input_invalid(template: Template, faults: Mapping[str, str]) -> ApiError:
    """Make the error TEMPLATE_INPUT_INVALID."""
    first, fault = next(iter(faults.items()))
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    known = ", ".join(template.inputs) or "none"
    return ApiError(
        "TEMPLATE_INPUT_INVALID",
        f"Input {first!r} of {template.ref}: {fault}{more}.",
        hint=f"Inputs of {template.name}: {known}. GET /ext/templates/{template.ref}/schema describes them.",
        details={"template": str(template.ref), "inputs": dict(faults)},
    )


def _unknown(template: Template, rules: Mapping[str, Rule], inputs: Mapping[str, Any]) -> dict[str, str]:
    faults: dict[str, str] = {}
    for name in inputs:
        if name not in rules:
            matches = close_matches(name, template.inputs)
            faults[name] = f"unknown; did you mean {matches[0]!r}?" if matches else "unknown"
    return faults


@dataclass(slots=True)
class _Work:
    """What becomes of one template."""

    template: Template
    specs: Mapping[str, NodeSpec]
    random_seed: Callable[[], int]
    changes: dict[Place, Any] = field(default_factory=dict[Place, Any])
    choices: dict[Place, Any] = field(default_factory=dict[Place, Any])
    """Values of dynamic combos: they bring inputs and take others away."""
    files: dict[str, Source] = field(default_factory=dict[str, Source])
    shown: JSON = field(default_factory=dict[str, Any])
    drawn: list[Drawn] = field(default_factory=list[Drawn])

    def take(self, rule: Rule, value: Any, *, given: bool) -> None:
        """Note a value that was checked."""
        declared = rule.declared
        if declared.type in FILE_TYPES:
            self.shown[declared.name] = file_json(value)
            for node, name in declared.places:
                if isinstance(value, FileHere):
                    self.changes[node, name] = value.name
                else:
                    self.files[f"{node}.{name}"] = value
            return
        if declared.type == "seed" and value == RANDOM:
            least = 0 if rule.least is None else int(rule.least)
            most = None if rule.most is None else int(rule.most)
            value = within(self.random_seed(), least, most)
            self.drawn.append(Drawn(declared.name, declared.places, least, most))
        self.shown[declared.name] = value
        for place in declared.places:
            node, name = place
            held = inputs_of(self.template.workflow[node]).get(name, UNSET)
            if not given and held == value and type(held) is type(value):
                continue
            param = param_at(place, self.template.workflow, self.specs)
            chooses = param is not None and param.variants is not None
            (self.choices if chooses else self.changes)[place] = value

    def graph(self) -> dict[str, JSON]:
        """Give the workflow with all that was noted."""
        graph: dict[str, JSON] = dict(self.template.workflow)
        if self.choices:
            from ..patch_engine import apply  # noqa: PLC0415 - rarely needed

            ops = [
                {"op": "set_param", "node_id": node, "param": name, "value": value}
                for (node, name), value in self.choices.items()
            ]
            graph = apply(graph, ops, self.specs).graph
        return with_input(
            graph, {place: value for place, value in self.changes.items() if self.live(graph, place)}
        )

    def live(self, graph: Mapping[str, JSON], place: Place) -> bool:
        """Say whether a node has the input, with the values that it has now."""
        if not self.choices:
            return True
        node = graph[place[0]]
        spec = self.specs.get(node["class_type"])
        if spec is None or not any(place[0] == chosen for chosen, _ in self.choices):
            return True
        ports = live_ports(spec, inputs_of(node))
        return any(port.name == place[1] for port in (*ports.params, *ports.inputs))

    def unused(self, graph: Mapping[str, JSON], inputs: Mapping[str, Any]) -> dict[str, str]:
        """Say which of the given inputs have no place beside what was chosen; others just do not count."""
        faults: dict[str, str] = {}
        for name, declared in self.template.inputs.items():
            if name in self.shown and not any(self.live(graph, place) for place in declared.places):
                if name in inputs:
                    faults[name] = "has no place with the other inputs as they are"
                del self.shown[name]
        return faults


def refuse_uploads(template: Template, filled: Filled) -> None:
    """Raise TEMPLATE_INPUT_INVALID if a file would have to be fetched or stored: here nothing can."""
    faults: dict[str, str] = {}
    for name, declared in template.inputs.items():
        if any(f"{node}.{key}" in filled.files for node, key in declared.places):
            faults[name] = "only the name of a file in the input folder can be given here"
    if faults:
        raise input_invalid(template, faults)
