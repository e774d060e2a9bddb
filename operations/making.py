"""Makes the inputs of a node: what was asked for, what can be kept of another node, else the defaults."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import JSON, InvalidOperation, close_matches
from ..graph import is_link
from ..nodespec import COMBO, LINKED, Input, NodeSpec, Param, Ports, every_port
from .draft import Draft
from .fields import Out, as_value
from .ports import Socket, ambiguous, best, has_name, named_socket, output_json, rank, slot, sockets, when
from .values import ABSENT


def initial(param: Param) -> Any:
    """Give what a param is set to where nobody says: as ComfyUI's page does. ABSENT if nobody can know."""
    if param.default is not None:
        return as_value(param.default)
    if param.type == COMBO:
        return as_value(param.options[0]) if param.options else ABSENT
    if param.type in {"INT", "FLOAT"}:
        return max(0, param.min or 0) if param.max is None else min(max(0, param.min or 0), param.max)
    return {"STRING": "", "BOOLEAN": False}.get(param.type, ABSENT)


def suits(param: Param, value: Any) -> bool:
    """Say whether a value, taken from another node, can be this param's."""
    if is_link(value):
        return False
    if param.variants is not None:
        return isinstance(value, str | int | float) and str(value) in param.variants
    if param.options is not None:
        return value in param.options or (isinstance(value, dict) and "multiselect" in param.hints)
    if param.type in {"INT", "FLOAT"}:
        kinds = int if param.type == "INT" else int | float
        return (
            isinstance(value, kinds)
            and not isinstance(value, bool)
            and (param.min is None or value >= param.min)
            and (param.max is None or value <= param.max)
        )
    kind = {"STRING": str, "BOOLEAN": bool}.get(param.type)
    return kind is None or isinstance(value, kind)


def value_of(param: Param, value: Any) -> Any:
    """Give *value* as workflows hold it. Raises VALUE_WRONG_TYPE if it looks like a link."""
    if is_link(value) and param.link_type is not None:
        raise InvalidOperation(
            "VALUE_WRONG_TYPE",
            f"{param.name} is set to a value here, and {value!r} looks like a link.",
            hint='Link it with connect, or in the field inputs; if it is a value, write {"__value__": […]}.',
            details={"param": param.name, "value": value},
        )
    return as_value(value)


@dataclass(slots=True)
class Wanted:
    """What the inputs of a node are to be. *values* and *links* have to fit; of *kept*, what does is used."""

    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    links: Mapping[str, list[Any]] = field(default_factory=dict[str, "list[Any]"])
    kept: Mapping[str, Any] = field(default_factory=dict[str, Any])


def composed(draft: Draft, spec: NodeSpec, wanted: Wanted) -> JSON:
    """Make the inputs of a node of that class, params first, in the order of the definition.

    Whether the types of *links* fit is left to :func:`~.ports.verify`. Raises PARAM_UNKNOWN, PORT_UNKNOWN,
    UNKNOWN_OPTION, VALUE_WRONG_TYPE.
    """
    params: JSON = {}
    linked: JSON = {}
    _compose(draft, spec.ports, wanted, params, linked)
    inputs = {**params, **linked}
    for name in wanted.values:
        if name not in inputs:
            raise unknown_param(spec, inputs, name)
    for name in wanted.links:
        if name not in inputs:
            known = [port.name for port in sockets(spec, inputs)]
            matches = close_matches(name, known)
            raise InvalidOperation(
                "PORT_UNKNOWN",
                f"{spec.name} has no input {name!r}.",
                hint=when(spec, name) or (f"Did you mean {matches[0]}?" if matches else None),
                details={"class_type": spec.name, "input": name, "inputs": known},
            )
    return inputs


def _compose(draft: Draft, ports: Ports, wanted: Wanted, params: JSON, linked: JSON) -> None:
    for param in ports.params:
        name = param.name
        kept = wanted.kept.get(name, ABSENT)
        if param.link_type is not None and name in wanted.links:
            params[name] = wanted.links[name]
        elif name in wanted.values:
            params[name] = value_of(param, wanted.values[name])
        elif kept is not ABSENT and (
            suits(param, kept) or (param.link_type is not None and _fits(draft, kept, param.link_type))
        ):
            params[name] = kept
        elif (value := initial(param)) is not ABSENT:
            params[name] = value
        if param.variants is not None and name in params:
            _compose(draft, variant(param, params[name]), wanted, params, linked)
    for port in ports.inputs:
        _link(draft, port, wanted, linked)
        if port.variants is not None and port.name in linked:
            _compose(draft, port.variants.get(LINKED, Ports()), wanted, params, linked)


def _link(draft: Draft, port: Input, wanted: Wanted, linked: JSON) -> None:
    if port.grows is not None:
        grown = (
            [*wanted.links, *(name for name in wanted.kept if name not in wanted.links)]
            if wanted.links or wanted.kept
            else []
        )
        names = [name for name in grown if has_name(port.grows, name)]
    else:
        names = [port.name]
    for name in names:
        if name in wanted.links:
            linked[name] = wanted.links[name]
        elif _fits(draft, wanted.kept.get(name), port.type):
            linked[name] = wanted.kept[name]


def _fits(draft: Draft, value: Any, takes: str) -> bool:
    return is_link(value) and value[0] in draft.nodes and rank(draft, value[0], value[1], takes) is not None


def variant(param: Param, key: Any) -> Ports:
    """Give the ports that a dynamic combo brings with that value. Raises UNKNOWN_OPTION."""
    variants = param.variants or {}
    found = variants.get(str(key)) if isinstance(key, str | int | float) else None
    if found is None:
        matches = close_matches(str(key), variants)
        raise InvalidOperation(
            "UNKNOWN_OPTION",
            f"{param.name} cannot be {key!r}.",
            hint=f"Did you mean {matches[0]!r}?" if matches else None,
            details={"param": param.name, "options": list(variants), "close_matches": matches},
        )
    return found


def unknown_param(spec: NodeSpec, inputs: Mapping[str, Any], name: str) -> InvalidOperation:
    """Make the error for a param that a node with these inputs does not have."""
    known = [param.name for param in live_params(spec, inputs)]
    matches = close_matches(name, known)
    hint = when(spec, name) or (f"Did you mean {matches[0]}?" if matches else None)
    if named_socket(spec, inputs, name) is not None:
        hint = "It is an input that takes links only: use connect, or the field inputs."
    return InvalidOperation(
        "PARAM_UNKNOWN",
        f"{spec.name} has no param {name!r}.",
        hint=hint,
        details={"class_type": spec.name, "param": name, "params": known, "close_matches": matches},
    )


def live_params(spec: NodeSpec, inputs: Mapping[str, Any]) -> list[Param]:
    """Give the params that a node with these inputs has."""
    return list(_live(spec.ports, inputs))


def _live(ports: Ports, inputs: Mapping[str, Any]) -> list[Param]:
    found: list[Param] = []
    for param in ports.params:
        found.append(param)
        if param.variants is not None:
            key = inputs.get(param.name)
            found.extend(_live(param.variants.get(str(key), Ports()), inputs))
    for port in ports.inputs:
        if port.variants is not None and port.name in inputs:
            found.extend(_live(port.variants.get(LINKED, Ports()), inputs))
    return found


def resolved(draft: Draft, spec: NodeSpec, outs: Mapping[str, Out]) -> dict[str, list[Any]]:
    """Give links for the outputs that a request names, by the full names of the inputs they go into.

    Where no output is named, it is that which fits. Raises what :func:`~.ports.slot` does, NO_FITTING_PORT.
    """
    found: dict[str, list[Any]] = {}
    for name, out in outs.items():
        source = draft.node_id(out.node_id)
        port = named_socket(spec, found, name)
        full = name if port is None else port.name
        if out.output is not None:
            found[full] = [source, slot(draft, source, out.output)]
        else:
            takes = _declared_type(spec, name) if port is None else port.type
            found[full] = [source, fitting_slot(draft, source, takes, full, f"the new {spec.name}")]
    return found


def _declared_type(spec: NodeSpec, name: str) -> str:
    types = (port.link_type for port in every_port(spec.ports) if port.name == name)
    return next((type_ for type_ in types if type_ is not None), "*")


def fitting_slot(draft: Draft, source: str, takes: str, name: str, owner: str) -> int:
    """Find the output of a node that fits an input of that type. Raises NO_FITTING_PORT, AMBIGUOUS_PORT.

    *name* and *owner* say which input, for errors.
    """
    spec = draft.spec(source)
    ranked = ((rank(draft, source, at, takes), at) for at in range(len(spec.outputs)))
    found = best((fit, at) for fit, at in ranked if fit is not None)
    if len(found) == 1:
        return found[0]
    if found:
        raise ambiguous(
            f"{len(found)} outputs of node {source} ({spec.name}) fit {name} of {owner} equally.",
            [output_json(draft, source, at) for at in found],
            name=name,
        )
    raise InvalidOperation(
        "NO_FITTING_PORT",
        f"Node {source} ({spec.name}) has no output that fits {name} of {owner} ({takes}).",
        details={
            "outputs": [output_json(draft, source, at) for at in range(len(spec.outputs))],
            "type": takes,
        },
    )


def unplugged(draft: Draft, node_id: str, name: str, *, reason: str | None = None) -> None:
    """Take the link out of an input; a param gets its default back, as there is no value to go back to."""
    spec = draft.known(node_id)
    for param in live_params(spec, draft.inputs(node_id)) if spec is not None else ():
        if param.name == name and (value := initial(param)) is not ABSENT:
            draft.set_input(node_id, name, value)
            return
    draft.take_input(node_id, name, reason=reason)


def free_sockets(spec: NodeSpec, inputs: Mapping[str, Any], *, but: Collection[str] = ()) -> list[Socket]:
    """Give what takes a link and has none yet."""
    return [
        port for port in sockets(spec, inputs) if not is_link(inputs.get(port.name)) and port.name not in but
    ]
