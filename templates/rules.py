"""What a template's inputs may be on this server: what is declared, and what the nodes themselves say. Pure.

Where a template says nothing, the node's definition counts; where both say something, the narrower limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import JSON, close_matches
from ..graph import inputs_of
from ..nodespec import Input, NodeSpec, Param, every_port, live_ports
from .files import FILE_TYPES, Unfit
from .kinds import NUMBERS, RANDOM, fits
from .values import UNSET, Declared, Place, Template

_MOST_NAMED = 10
_TYPES = {"FLOAT": ("number", "integer"), "BOOLEAN": ("boolean",), "STRING": ("string", "model")}


@dataclass(frozen=True, slots=True)
class Rule:
    """An input as it may be filled in here."""

    declared: Declared
    least: float | None
    most: float | None
    options: tuple[Any, ...] | None
    default: Any
    """What counts if it is left out, or UNSET."""
    default_fault: str | None
    """Why the default that was meant cannot be used here."""
    required: bool
    param: Param | None
    """The param of its first place; None where that is not known."""
    multiline: bool

    def check(self, value: Any) -> Any:
        """Give *value* as :func:`.kinds.fits` reads it. Raises Unfit."""
        found = fits(self.declared.type, value)
        if self.declared.type in FILE_TYPES or (self.declared.type == "seed" and found == RANDOM):
            return found
        if self.options is not None and found not in self.options:
            raise Unfit(_not_among(found, self.options))
        if self.least is not None and found < self.least:
            raise Unfit(f"must be at least {_shown(self.least)}")
        if self.most is not None and found > self.most:
            raise Unfit(f"must be at most {_shown(self.most)}")
        return found

    @property
    def missing(self) -> str:
        """Say that it was left out and must not be."""
        return "missing" if self.default_fault is None else f"missing, and its default {self.default_fault}"


def rules_of(template: Template, specs: Mapping[str, NodeSpec]) -> dict[str, Rule]:
    """Give the rule of each input, in the template's order."""
    return {name: _rule(declared, template, specs) for name, declared in template.inputs.items()}


def _rule(declared: Declared, template: Template, specs: Mapping[str, NodeSpec]) -> Rule:
    params = [param_at(place, template.workflow, specs) for place in declared.places]
    least, most, options = declared.min, declared.max, declared.enum
    for (node, _), param in zip(declared.places, params, strict=True):
        if param is None or _judges_itself(specs.get(template.workflow[node]["class_type"]), param.name):
            continue
        if declared.type in NUMBERS:
            least = param.min if least is None or (param.min is not None and param.min > least) else least
            most = param.max if most is None or (param.max is not None and param.max < most) else most
        if declared.type not in FILE_TYPES and param.options is not None:
            options = _common(declared.type, options, param.options)
    first = params[0]
    rule = Rule(
        declared=declared,
        least=_whole(least, declared.type),
        most=_whole(most, declared.type),
        options=options,
        default=UNSET,
        default_fault=None,
        required=True,
        param=first,
        multiline=declared.multiline if declared.multiline is not None else bool(first and first.multiline),
    )
    return _with_default(rule, template)


def _with_default(rule: Rule, template: Template) -> Rule:
    declared = rule.declared
    fault: str | None = None
    default: Any = UNSET
    for value in _defaults(rule, template):
        try:
            rule.check(value)
        except Unfit as unfit:
            fault = str(unfit)
        else:
            default, fault = value, None
        break  # a default that cannot be used here is not replaced by one that nobody meant
    required = declared.required if declared.required is not None else default is UNSET
    if declared.required is False and fault is not None and declared.default is not UNSET:
        required = True
    return Rule(
        declared=declared,
        least=rule.least,
        most=rule.most,
        options=rule.options,
        default=default,
        default_fault=fault,
        required=required,
        param=rule.param,
        multiline=rule.multiline,
    )


def _defaults(rule: Rule, template: Template) -> Iterator[Any]:
    """Give what may count as its default: what is declared, what the workflow holds, what the node says."""
    declared = rule.declared
    node, field = declared.places[0]
    held = inputs_of(template.workflow[node]).get(field, UNSET)
    if declared.default is not UNSET:
        yield declared.default
    elif held is not UNSET and held is not None:
        yield held
    elif rule.param is not None and rule.param.default is not None:
        yield rule.param.default


def param_at(place: Place, graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec]) -> Param | None:
    """Give the param at a place, also one that another value of a dynamic combo brings; None if unknown."""
    port = port_at(place, graph, specs)
    return port if isinstance(port, Param) else None


def port_at(place: Place, graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec]) -> Input | Param | None:
    """Give the input or param at a place, as :func:`param_at` finds it."""
    node = graph.get(place[0])
    spec = None if node is None else specs.get(node["class_type"])
    if node is None or spec is None:
        return None
    live = live_ports(spec, inputs_of(node))
    ports = (*live.params, *live.inputs, *every_port(spec.ports))
    return next((port for port in ports if port.name == place[1]), None)


def _judges_itself(spec: NodeSpec | None, name: str) -> bool:
    return spec is not None and not spec.own_checks.isdisjoint({name, "*"})


def _common(kind: str, wanted: tuple[Any, ...] | None, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
    usable = tuple(option for option in given if _is_of(kind, option))
    if wanted is None:
        return usable
    both = tuple(option for option in wanted if option in usable)
    return both or wanted


def _is_of(kind: str, option: Any) -> bool:
    try:
        fits(kind, option)
    except Unfit:
        return False
    return True


def _whole(limit: float | None, kind: str) -> float | None:
    if kind in {"integer", "seed"} and isinstance(limit, float) and limit.is_integer():
        return int(limit)
    return limit


def _shown(limit: float) -> str:
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def _not_among(value: Any, options: Sequence[Any]) -> str:
    shown = f"{value[:100]!r}" if isinstance(value, str) else str(value)
    if not options:
        return f"{shown} is not here: there is nothing to choose from"
    matches = close_matches(str(value), [option for option in options if isinstance(option, str)])
    if matches:
        return f"{shown} is not an option; did you mean {matches[0]!r}?"
    listed = ", ".join(map(str, options[:_MOST_NAMED]))
    more = ", …" if len(options) > _MOST_NAMED else ""
    return f"{shown} is not an option; there are: {listed}{more}"


# What an input may be declared as


def misdeclared(template: Template, specs: Mapping[str, NodeSpec]) -> dict[str, str]:
    """Say what is wrong with a template against the node classes; nothing where these are unknown."""
    faults: dict[str, str] = {}
    for declared in template.inputs.values():
        for place in declared.places:
            spec = specs.get(template.workflow[place[0]]["class_type"])
            if spec is not None:
                faults |= _misplaced(declared, place, template, spec, specs)
    for name, output in template.outputs.items():
        spec = specs.get(template.workflow[output.node]["class_type"])
        if spec is None:
            continue
        if template.kind == "template" and not spec.flags.output_node:
            faults[f"outputs.{name}.node"] = f"{spec.name} shows and saves nothing"
        elif template.kind == "fragment" and not _has_output(spec, output.output):
            faults[f"outputs.{name}.output"] = f"{spec.name} has no output {output.output!r}"
    return faults


def _misplaced(
    declared: Declared, place: Place, template: Template, spec: NodeSpec, specs: Mapping[str, NodeSpec]
) -> dict[str, str]:
    where, field = f"inputs.{declared.name}", place[1]
    port = port_at(place, template.workflow, specs)
    if port is None:
        matches = close_matches(
            field, [each.name for each in every_port(spec.ports) if isinstance(each, Param)]
        )
        hint = f"; did you mean {matches[0]!r}?" if matches else ""
        return {f"{where}.field": f"{spec.name} has no input {field!r}{hint}"}
    if isinstance(port, Input):
        if field in inputs_of(template.workflow[place[0]]):
            return {}  # a value where a link is usual
        return {f"{where}.field": f"{field} of {spec.name} takes a link, not a value"}
    if suits(declared.type, port):
        return {}
    wanted = " or ".join(types_of(port)) or "nothing that can be declared"
    words = f"{field} of {spec.name} ({port.type}) takes {wanted}, not {declared.type}"
    return {f"{where}.type": words}


def _has_output(spec: NodeSpec, wanted: int | str | None) -> bool:
    if isinstance(wanted, int):
        return 0 <= wanted < len(spec.outputs)
    return wanted is not None and wanted.casefold() in {each.name.casefold() for each in spec.outputs}


def suits(kind: str, param: Param) -> bool:
    """Say whether a param can be declared as an input of type *kind*."""
    return kind in types_of(param) or (kind == "file" and param.upload is not None)


def types_of(param: Param) -> tuple[str, ...]:
    """Give the types that a param can be declared as, the one that suits best first."""
    if param.upload is not None:
        return (param.upload, "string") if param.upload in FILE_TYPES else ("file", "string")
    if param.type == "INT":
        seed = bool(param.control_after_generate) or param.name in {"seed", "noise_seed"}
        return ("seed", "integer") if seed else ("integer", "seed")
    if param.type == "COMBO":
        return _types_of_options(param)
    other = () if not isinstance(param.default, str | None) else ("string",)
    return _TYPES.get(param.type, other)


def _types_of_options(param: Param) -> tuple[str, ...]:
    if param.hints.get("multiselect"):
        return ()
    options = param.options or ()
    if options and all(_is_of("integer", option) for option in options):
        return ("integer", "number")
    if options and all(_is_of("number", option) for option in options):
        return ("number",)
    if options and not any(isinstance(option, str) for option in options):
        return ()
    return ("model", "string") if param.folder is not None else ("string", "model")
