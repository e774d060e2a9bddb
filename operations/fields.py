"""Reads the fields of operations, and says what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..errors import JSON, InvalidRequest, close_matches

_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_LONGEST_ID = 100

Read = Callable[[Any], Any]
"""Gives the value of a field as operations take it. Raises Unfit."""


class Unfit(Exception):
    """A field's value is not what it has to be; the message says what that is."""


@dataclass(frozen=True, slots=True)
class Out:
    """An output that a request names: a node and a slot, a name, or (None) whatever fits."""

    node_id: str
    output: int | str | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an operation."""

    read: Read
    required: bool = False
    default: Any = None


def text(value: Any) -> str:
    """Read a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise Unfit("must be a text that is not empty")
    return value


def reference(value: Any) -> str:
    """Read a node's id or ``$alias``; a whole number is an id."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        raise Unfit("must be a node's id or $alias")
    return value


def references(value: Any) -> list[str]:
    """Read a list of nodes, each once."""
    if not isinstance(value, list) or not value:
        raise Unfit("must be a list of nodes' ids or $aliases")
    return list(dict.fromkeys(map(reference, cast("list[Any]", value))))


def new_id(value: Any) -> str:
    """Read the id that a new node is to have."""
    wanted = reference(value)
    if wanted.startswith("$") or len(wanted) > _LONGEST_ID or not wanted.isprintable():
        raise Unfit(
            f"must be a printable text of at most {_LONGEST_ID} characters that does not begin with $"
        )
    return wanted


def alias(value: Any) -> str:
    """Read the alias that a new node is to have, with or without its ``$``."""
    name = value.removeprefix("$") if isinstance(value, str) else ""
    if not _ALIAS.fullmatch(name):
        raise Unfit("must be a letter, then letters, digits, _ and -, at most 64")
    return name


def port(value: Any) -> int | str:
    """Read the name or the number of an input or output."""
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise Unfit("must be a port's name or number")
    return value


def flag(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise Unfit("must be true or false")
    return value


def anything(value: Any) -> Any:
    """Take whatever it is."""
    return value


def titled(value: Any) -> str | None:
    """Read a title; null is none."""
    if value is not None and not isinstance(value, str):
        raise Unfit("must be a text, or null for none")
    return value or None


def mapping(value: Any) -> JSON:
    """Read an object."""
    if not isinstance(value, dict):
        raise Unfit("must be an object")
    return cast("JSON", value)


def out(value: Any) -> Out:
    """Read which output is meant: ``[node, output]`` or ``{"node_id", "output"?}``."""
    if isinstance(value, list) and len(cast("list[Any]", value)) == 2:
        node, slot = cast("list[Any]", value)
        return Out(reference(node), port(slot))
    if isinstance(value, dict) and not value.keys() - {"node_id", "output"} and "node_id" in value:
        slot = cast("JSON", value).get("output")
        return Out(reference(value["node_id"]), None if slot is None else port(slot))
    raise Unfit('must be [node, output] or {"node_id": …, "output": …}')


def outs(value: Any) -> dict[str, Out]:
    """Read which outputs go into which inputs."""
    return {name: out(each) for name, each in mapping(value).items()}


def into(value: Any) -> tuple[str, int | str]:
    """Read which input is meant: ``[node, input]``."""
    if not isinstance(value, list) or len(cast("list[Any]", value)) != 2:
        raise Unfit("must be [node, input]")
    node, name = cast("list[Any]", value)
    return reference(node), port(name)


def intos(value: Any) -> dict[str, tuple[str, int | str]]:
    """Read into which inputs outputs go."""
    return {name: into(each) for name, each in mapping(value).items()}


def node(value: Any) -> JSON:
    """Read a node as workflows have it."""
    found = mapping(value)
    if not isinstance(found.get("class_type"), str) or not isinstance(found.get("inputs", {}), dict):
        raise Unfit("must be a node: an object with class_type (a text) and inputs (an object)")
    return found


def nodes(value: Any) -> dict[str, JSON]:
    """Read a workflow, or a part of one."""
    return {node_id: node(each) for node_id, each in mapping(value).items()}


def nodes_or_none(value: Any) -> dict[str, JSON | None]:
    """Read nodes by id, null for those that are not to be there."""
    return {node_id: None if each is None else node(each) for node_id, each in mapping(value).items()}


def places(value: Any) -> dict[str, int]:
    """Read places in the order of nodes, counted from 0, by id."""
    found = mapping(value)
    if any(isinstance(index, bool) or not isinstance(index, int) or index < 0 for index in found.values()):
        raise Unfit("must be an object of whole numbers from 0")
    return found


def as_value(value: Any) -> Any:
    """Give *value* as workflows hold it: an array is wrapped, for bare it would be taken for a link."""
    return {"__value__": value} if type(value) is list else value  # pyright: ignore[reportUnknownVariableType]


def read(document: Any, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Read an operation's fields, all of them; what is left out has its default.

    Raises InvalidRequest INVALID_REQUEST, naming every field that is unknown, missing or wrong.
    """
    given = cast("JSON", document)
    faults: dict[str, str] = {}
    for name in given.keys() - fields.keys() - {"op"}:
        matches = close_matches(name, fields)
        faults[name] = f"unknown; did you mean {matches[0]}?" if matches else "unknown"
    found: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in given:
            found[name] = field.default
            if field.required:
                faults[name] = "missing"
            continue
        try:
            found[name] = field.read(given[name])
        except Unfit as fault:
            faults[name] = str(fault)
    if faults:
        raise bad(faults)
    return found


def bad(faults: Mapping[str, str]) -> InvalidRequest:
    """Make the error for fields that are wrong."""
    said = "; ".join(f"{name}: {fault}" for name, fault in sorted(faults.items()))
    return InvalidRequest("INVALID_REQUEST", f"{said}.", details={"fields": dict(sorted(faults.items()))})
