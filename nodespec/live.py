"""The ports of a node: all that it could have, and those it has with given values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from .values import LINKED, Input, NodeSpec, Param, Ports


def every_port(ports: Ports) -> Iterator[Input | Param]:
    """Give each port as declared, those of all variants included."""
    for port in (*ports.inputs, *ports.params):
        yield port
        for variant in (port.variants or {}).values():
            yield from every_port(variant)


def live_ports(spec: NodeSpec, values: Mapping[str, Any]) -> Ports:
    """Give the ports that a node with these ``inputs`` has, every name one that may be set.

    A dynamic combo brings the ports of the key it is set to; with a missing or unknown key it brings none,
    as in ComfyUI (which then lets the node fail at run time: check its value first). A growing input becomes
    the names it can have, the first ones required. A dynamic slot that is set brings its further ports.
    """
    inputs: list[Input] = []
    params: list[Param] = []
    _gather(spec.ports, values, inputs, params)
    return Ports(tuple(inputs), tuple(params))


def _gather(ports: Ports, values: Mapping[str, Any], inputs: list[Input], params: list[Param]) -> None:
    for port in ports.inputs:
        inputs.extend(_grown(port))
        if port.variants is not None and port.name in values:
            _gather(port.variants.get(LINKED, Ports()), values, inputs, params)
    for port in ports.params:
        params.append(port)
        if port.variants is not None:
            chosen = values.get(port.name)
            if isinstance(chosen, str | int | float):
                _gather(port.variants.get(str(chosen), Ports()), values, inputs, params)


def _grown(port: Input) -> Iterator[Input]:
    if port.grows is None:
        yield port
        return
    for number, name in enumerate(port.grows.names()):
        required = port.required and number < port.grows.least
        yield replace(port, name=name, required=required, grows=None)


def first_name(port: Input | Param) -> str:
    """Give the name to link a port by; a growing input's first."""
    if isinstance(port, Input) and port.grows is not None:
        return next(iter(port.grows.names()), port.name)
    return port.name
