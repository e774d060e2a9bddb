"""A :class:`NodeSpec` as JSON. Inside ports, what is absent or default is left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import JSON
from .values import Grows, Input, NodeSpec, Output, Param, Ports


def _flags(spec: NodeSpec) -> JSON:
    flags = spec.flags
    found = {
        "output_node": flags.output_node,
        "deprecated": flags.deprecated,
        "experimental": flags.experimental,
        "api_node": flags.api_node,
    }
    return {**found, "dev_only": True} if flags.dev_only else found


_FIELDS: dict[str, Callable[[NodeSpec], Any]] = {
    "name": lambda spec: spec.name,
    "display_name": lambda spec: spec.display_name,
    "category": lambda spec: spec.category,
    "description": lambda spec: spec.description,
    "pack": lambda spec: spec.pack,
    "inputs": lambda spec: [_input(port) for port in spec.inputs],
    "outputs": lambda spec: [_output(port) for port in spec.outputs],
    "params": lambda spec: [_param(port) for port in spec.params],
    "flags": _flags,
    "search_aliases": lambda spec: list(spec.search_aliases),
}
FIELDS: tuple[str, ...] = tuple(_FIELDS)
"""The keys of a NodeSpec in JSON, in order; all are always there but ``search_aliases``."""


def to_json(spec: NodeSpec, fields: Iterable[str] = FIELDS) -> JSON:
    """Give *spec*, or those of its keys that *fields* names."""
    found = {name: _FIELDS[name](spec) for name in fields}
    if not found.get("search_aliases", True):
        del found["search_aliases"]
    return found


def encoded(document: Any) -> bytes:
    """Encode as compact JSON in UTF-8."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8 has lone surrogates: only escapes can say them
        return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()


def _input(port: Input) -> JSON:
    return _said(
        {"name": port.name, "type": port.type, "required": port.required},
        display_name=port.display_name,
        lazy=port.lazy,
        list=port.list,
        match=port.match,
        grows=None if port.grows is None else _grows(port.grows),
        variants=_variants(port.variants),
        tooltip=port.tooltip,
    ) | dict(port.hints)


def _param(port: Param) -> JSON:
    found = _said(
        {"name": port.name, "type": port.type, "required": port.required},
        display_name=port.display_name,
        linkable=port.link_type is not None,
        link_type=None if port.link_type == port.type else port.link_type,
        lazy=port.lazy,
        options=None if port.options is None else list(port.options),
        variants=_variants(port.variants),
        multiline=port.multiline,
        control_after_generate=port.control_after_generate,
        upload=port.upload,
        folder=port.folder,
        advanced=port.advanced,
        tooltip=port.tooltip,
    )
    # False and 0 mean something here
    numbers = {"default": port.default, "min": port.min, "max": port.max, "step": port.step}
    found.update({key: value for key, value in numbers.items() if value is not None})
    return found | dict(port.hints)


def _output(port: Output) -> JSON:
    return _said(
        {"name": port.name, "type": port.type},
        list=port.list,
        match=port.match,
        options=None if port.options is None else list(port.options),
        tooltip=port.tooltip,
    )


def _grows(grows: Grows) -> JSON:
    names: JSON = {"names": list(grows.listed)} if grows.prefix is None else {"prefix": grows.prefix}
    return {**names, "min": grows.least, "max": grows.most}


def _variants(variants: Mapping[str, Ports] | None) -> JSON | None:
    if variants is None:
        return None
    return {
        key: {
            "inputs": [_input(port) for port in ports.inputs],
            "params": [_param(port) for port in ports.params],
        }
        for key, ports in variants.items()
    }


def _said(always: JSON, **others: Any) -> JSON:
    return always | {key: value for key, value in others.items() if value is not None and value is not False}
