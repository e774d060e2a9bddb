"""What the inputs of a node may be, given its class and present values, made ready to look names up in.

The rules for dynamic inputs are ComfyUI's (comfy_api/latest/_io.py, ``get_finalized_class_inputs``): a
dynamic combo brings ports only if its value is exactly one of its keys.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..nodespec import COMBO, LINKED, Input, NodeSpec, Param, Ports, every_port
from .values import ANYTHING, Rule, rule_of

_OPEN_PACKS = frozenset({"core", "extras", "api"})
"""The packs of ComfyUI itself, whose classes have no inputs but those they declare."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input that a node has now."""

    port: Input | Param
    required: bool
    takes: str
    """The type of link it takes, as ComfyUI compares it."""
    rule: Rule
    match: str | None = None
    options: tuple[Any, ...] | None = None
    """Where its type is a list: that list."""

    @property
    def param(self) -> Param | None:
        """The port, if it is a widget."""
        return self.port if isinstance(self.port, Param) else None

    @property
    def linkable(self) -> bool:
        """Say whether an operation may link it."""
        return self.port.link_type is not None


@dataclass(frozen=True, slots=True)
class Shape:
    """The inputs of a node, by name."""

    spec: NodeSpec
    fields: Mapping[str, Field]
    required: tuple[str, ...]
    matched: tuple[str, ...]
    """Names of the inputs that have a match type."""
    closed: bool
    """A link to any other name than these would be handed to a function that does not know it."""


class Shapes:
    """The shapes of the nodes of one call; nodes that look the same share one."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Shape] = {}
        self._dynamic: dict[str, tuple[tuple[str, bool], ...]] = {}
        """Of each class, the names that decide what it has: of dynamic combos (True) and slots."""

    def of(self, spec: NodeSpec, inputs: Mapping[str, Any]) -> Shape:
        """Give the shape of a node of that class with these inputs."""
        names = self._dynamic.get(spec.name)
        if names is None:
            names = self._dynamic[spec.name] = tuple(
                (port.name, isinstance(port, Param))
                for port in every_port(spec.ports)
                if port.variants is not None
            )
        key: Hashable = spec.name
        if names:
            key = (
                spec.name,
                *(_scalar(inputs.get(name)) if combo else name in inputs for name, combo in names),
            )
        shape = self._known.get(key)
        if shape is None:
            shape = self._known[key] = _shape(spec, inputs)
        return shape


def _scalar(value: Any) -> Hashable:
    return value if isinstance(value, str | int | float) else None


def _shape(spec: NodeSpec, inputs: Mapping[str, Any]) -> Shape:
    fields: dict[str, Field] = {}
    _gather(spec, spec.ports, inputs, fields)
    return Shape(
        spec,
        fields,
        tuple(name for name, field in fields.items() if field.required),
        tuple(name for name, field in fields.items() if field.match is not None),
        spec.pack in _OPEN_PACKS and "*" not in spec.own_checks,
    )


def _gather(spec: NodeSpec, ports: Ports, inputs: Mapping[str, Any], fields: dict[str, Field]) -> None:
    for port in ports.inputs:
        _socket(spec, port, fields)
        if port.variants is not None and port.name in inputs:
            _gather(spec, port.variants.get(LINKED, _NONE), inputs, fields)
    for param in ports.params:
        rule = rule_of(param, own=_own(spec, param.name))
        takes = param.link_type or param.type
        listed = param.options if param.listed and takes == COMBO else None
        fields[param.name] = Field(param, param.required, takes, rule, options=listed)
        if param.variants is not None and param.name in inputs:
            _gather(spec, chosen(param, inputs[param.name]), inputs, fields)


_NONE = Ports()


def chosen(param: Param, value: Any) -> Ports:
    """Give the ports that the value of a dynamic combo brings."""
    for key in param.options or ():
        if key == value and isinstance(value, str | int | float):
            return (param.variants or {}).get(str(key), _NONE)
    return _NONE


def _socket(spec: NodeSpec, port: Input, fields: dict[str, Field]) -> None:
    if port.grows is None:
        rule = rule_of(port, own=_own(spec, port.name)) if port.match is None else ANYTHING
        fields[port.name] = Field(port, port.required, port.type, rule, port.match)
        return
    rule = rule_of(port, own="*" in spec.own_checks) if port.match is None else ANYTHING
    needed = Field(port, port.required, port.type, rule, port.match)
    further = replace(needed, required=False)
    for number, name in enumerate(port.grows.names()):
        fields[name] = needed if number < port.grows.least else further


def _own(spec: NodeSpec, name: str) -> bool:
    return bool(spec.own_checks) and (name in spec.own_checks or "*" in spec.own_checks)
