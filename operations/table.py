"""The table of operations: the fields of each, what it can be refused for, and what doing it again does.

docs/patching.md has the same table for readers; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from .bypassing import bypass
from .draft import Draft
from .fields import (
    Field,
    alias,
    anything,
    flag,
    intos,
    mapping,
    new_id,
    nodes_or_none,
    outs,
    places,
    port,
    reference,
    references,
    text,
    titled,
)
from .inserting import Fragment, add_fragment, insert_node, parallel
from .links import connect, disconnect, set_param, set_title
from .nodes import add_node, duplicate, remove_node, replace_node, restore

NOTHING, ANOTHER = "nothing", "another"


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of operation."""

    run: Callable[[Draft, Mapping[str, Any]], None]
    fields: Mapping[str, Field]
    errors: frozenset[str]
    """Codes it can be refused with, beside INVALID_REQUEST."""
    again: str
    """What the same operation does a second time: NOTHING, ANOTHER of the same, or a code."""


def _fields(**fields: Field) -> Mapping[str, Field]:
    return MappingProxyType(fields)


_NODE = Field(reference, required=True)
_CLASS = Field(text, required=True)
_PARAMS = Field(mapping, default=MappingProxyType({}))
_OUTS = Field(outs, default=MappingProxyType({}))
_NEW = {"id": Field(new_id), "alias": Field(alias), "title": Field(titled)}
_MAKE = {"class_type": _CLASS, "params": _PARAMS, "inputs": _OUTS, **_NEW}
_WHERE = {
    "source_node_id": Field(reference),
    "output": Field(port),
    "target_node_id": Field(reference),
    "input": Field(port),
}

_NAMING = {"NODE_NOT_FOUND", "ALIAS_UNKNOWN"}
_MAKING = {"UNKNOWN_NODE_CLASS", "PARAM_UNKNOWN", "UNKNOWN_OPTION", "VALUE_WRONG_TYPE"}
_LINKING = {"PORT_UNKNOWN", "NO_FITTING_PORT", "AMBIGUOUS_PORT", "TYPE_MISMATCH", "UNKNOWN_NODE_CLASS"}
_CYCLE = "WORKFLOW_CYCLE"

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "add_node": Operation(
            add_node,
            _fields(**_MAKE),
            frozenset({*_NAMING, *_MAKING, *_LINKING, "NODE_ID_TAKEN", _CYCLE}),
            ANOTHER,
        ),
        "remove_node": Operation(
            remove_node,
            _fields(node_id=_NODE, bridge=Field(flag, default=False)),
            frozenset({*_NAMING, "UNKNOWN_NODE_CLASS"}),
            "NODE_NOT_FOUND",
        ),
        "replace_node": Operation(
            replace_node,
            _fields(node_id=_NODE, class_type=_CLASS, params=_PARAMS),
            frozenset({*_NAMING, *_MAKING}),
            NOTHING,
        ),
        "insert_node": Operation(
            insert_node,
            _fields(**_MAKE, **_WHERE, node_input=Field(port), node_output=Field(port)),
            frozenset({*_NAMING, *_MAKING, *_LINKING, "NODE_ID_TAKEN", "LINK_NOT_FOUND", _CYCLE}),
            ANOTHER,
        ),
        "parallel": Operation(
            parallel,
            _fields(node_id=_NODE, **_MAKE),
            frozenset({*_NAMING, *_MAKING, *_LINKING, "NODE_ID_TAKEN", _CYCLE}),
            ANOTHER,
        ),
        "connect": Operation(
            connect,
            _fields(source_node_id=_NODE, output=Field(port), target_node_id=_NODE, input=Field(port)),
            frozenset({*_NAMING, *_LINKING, _CYCLE}),
            NOTHING,
        ),
        "disconnect": Operation(
            disconnect,
            _fields(**_WHERE),
            frozenset({*_NAMING, "LINK_NOT_FOUND", "PORT_UNKNOWN", "AMBIGUOUS_PORT", "UNKNOWN_NODE_CLASS"}),
            "LINK_NOT_FOUND",
        ),
        "set_param": Operation(
            set_param,
            _fields(node_id=_NODE, param=Field(text, required=True), value=Field(anything, required=True)),
            frozenset({*_NAMING, *_MAKING}),
            NOTHING,
        ),
        "set_title": Operation(
            set_title,
            _fields(node_id=_NODE, title=Field(titled, required=True)),
            frozenset(_NAMING),
            NOTHING,
        ),
        "bypass": Operation(
            bypass,
            _fields(node_id=_NODE, on=Field(flag, default=True)),
            frozenset({*_NAMING, "UNKNOWN_NODE_CLASS", "NODE_NOT_BYPASSABLE", _CYCLE}),
            NOTHING,
        ),
        "duplicate": Operation(
            duplicate,
            _fields(
                node_id=Field(reference),
                node_ids=Field(references),
                params=_PARAMS,
                keep_inputs=Field(flag, default=True),
                **_NEW,
            ),
            frozenset({*_NAMING, *_MAKING, "NODE_ID_TAKEN", _CYCLE}),
            ANOTHER,
        ),
        "add_fragment": Operation(
            add_fragment,
            _fields(
                fragment=Field(Fragment, required=True),
                params=_PARAMS,
                inputs=_OUTS,
                outputs=Field(intos, default=MappingProxyType({})),
                alias=Field(alias),
                wire=Field(flag, default=True),
                **_WHERE,
            ),
            frozenset({*_NAMING, *_MAKING, *_LINKING, "LINK_NOT_FOUND", _CYCLE}),
            ANOTHER,
        ),
        "restore": Operation(
            restore,
            _fields(
                nodes=Field(nodes_or_none, required=True),
                place=Field(places, default=MappingProxyType({})),
            ),
            frozenset(),
            NOTHING,
        ),
    }
)
"""Every kind of operation by its name. ``batch`` is none of them: it is how ``apply`` groups them."""
