"""Finds the ports of the nodes of a draft, and says which fit which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import JSON, InvalidOperation, close_matches
from ..nodespec import ANY, COMBO, LINKED, Grows, Input, NodeSpec, Output, Param, Ports, accepts, every_port
from .draft import Draft, ends


@dataclass(frozen=True, slots=True)
class Socket:
    """What takes a link: an input by a name it has now, or a param that may be linked."""

    name: str
    type: str
    required: bool
    is_param: bool = False
    match: str | None = None
    group: str | None = None
    """The name of the growing input that it belongs to."""
    options: tuple[Any, ...] | None = None
    """Of a COMBO whose type is the list itself: no other list is of that type, and COMBO is not."""


Item = TypeVar("Item")


def sockets(spec: NodeSpec, inputs: Mapping[str, Any]) -> list[Socket]:
    """Give what takes a link on a node with these inputs: of a growing input, what is set and the next."""
    return [*_sockets(spec.ports, inputs, params=False), *_sockets(spec.ports, inputs, params=True)]


def _sockets(ports: Ports, inputs: Mapping[str, Any], *, params: bool) -> Iterator[Socket]:
    for port in ports.inputs:
        if not params:
            yield from _grown(port, inputs)
        if port.variants is not None and port.name in inputs:
            yield from _sockets(port.variants.get(LINKED, _NONE), inputs, params=params)
    for param in ports.params:
        if params and param.link_type is not None:
            options = param.options if param.listed and param.link_type == COMBO else None
            yield Socket(param.name, param.link_type, param.required, is_param=True, options=options)
        if param.variants is not None:
            yield from _sockets(chosen(param, inputs), inputs, params=params)


_NONE = Ports()


def chosen(param: Param, inputs: Mapping[str, Any]) -> Ports:
    """Give the ports that the value of a dynamic combo brings."""
    key = inputs.get(param.name)
    known = (param.variants or {}) if isinstance(key, str | int | float) else {}
    return known.get(str(key), _NONE)


def _grown(port: Input, inputs: Mapping[str, Any]) -> Iterator[Socket]:
    if port.grows is None:
        yield Socket(port.name, port.type, port.required, match=port.match)
        return
    for number, name in enumerate(port.grows.names()):
        needed = port.required and number < port.grows.least
        yield Socket(name, port.type, needed, match=port.match, group=port.name)
        if name not in inputs:
            return


def has_name(grows: Grows, name: str) -> bool:
    """Say whether a growing input can have that name."""
    if grows.prefix is None:
        return name in grows.listed
    number = name.removeprefix(grows.prefix) if name.startswith(grows.prefix) else ""
    return _is_number(number) and str(int(number)) == number and int(number) < grows.most


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER


_LONGEST_NUMBER = 6
"""Digits of a port's number, more than any has: Python reads no number that is thousands of digits long."""


def socket(draft: Draft, node_id: str, wanted: int | str) -> Socket:
    """Find what takes a link by its name, a growing input's own name (its next place), or its number.

    The number is that of the inputs in the catalogue. Raises PORT_UNKNOWN, UNKNOWN_NODE_CLASS.
    """
    found = named_socket(draft.spec(node_id), draft.inputs(node_id), wanted)
    if found is None:
        raise _unknown_input(draft, node_id, wanted)
    return found


def named_socket(spec: NodeSpec, inputs: Mapping[str, Any], wanted: int | str) -> Socket | None:
    """Find as :func:`socket` does, on a node of this class with these inputs; None if there is none."""
    if isinstance(wanted, int):
        if not 0 <= wanted < len(spec.inputs):
            return None
        wanted = spec.inputs[wanted].name
    live = sockets(spec, inputs)
    for each in live:
        if each.name == wanted:
            return each
    for each in reversed(live):  # the last of a group is the one that is free
        if each.group == wanted:
            return each
    for port in every_port(spec.ports):
        if isinstance(port, Input) and port.grows is not None and has_name(port.grows, wanted):
            at = port.grows.names().index(wanted)
            needed = port.required and at < port.grows.least
            return Socket(wanted, port.type, needed, match=port.match, group=port.name)
    return None


def _unknown_input(draft: Draft, node_id: str, wanted: int | str) -> InvalidOperation:
    spec = draft.spec(node_id)
    names = [each.name for each in sockets(spec, draft.inputs(node_id))]
    matches = close_matches(str(wanted), names)
    hint = when(spec, str(wanted)) or (f"Did you mean {matches[0]}?" if matches else None)
    for port in every_port(spec.ports):
        if port.name == wanted and isinstance(port, Param) and port.link_type is None:
            hint = "It is a param that cannot be linked: use set_param."
    return InvalidOperation(
        "PORT_UNKNOWN",
        f"Node {node_id} ({spec.name}) has no input {wanted!r}.",
        hint=hint or (f"It has: {', '.join(names)}." if names else None),
        details={"node_id": node_id, "class_type": spec.name, "input": wanted, "inputs": names},
    )


def when(spec: NodeSpec, name: str) -> str | None:
    """Say with which value of a dynamic combo a port of that name would be there."""
    for param in every_port(spec.ports):
        if isinstance(param, Param) and param.variants is not None:
            keys = [
                key
                for key, ports in param.variants.items()
                if any(port.name == name for port in every_port(ports))
            ]
            if keys:
                return f"It is there when {param.name} is {' or '.join(map(repr, keys[:5]))}."
    return None


def slot(draft: Draft, node_id: str, wanted: int | str) -> int:
    """Find an output by its number or its name; case is ignored where the exact name is not there.

    A node whose class this server does not have may have any slot. Raises PORT_UNKNOWN, AMBIGUOUS_PORT,
    UNKNOWN_NODE_CLASS.
    """
    if isinstance(wanted, int) and draft.known(node_id) is None and wanted >= 0:
        return wanted
    spec = draft.spec(node_id)
    if isinstance(wanted, int):
        found = [wanted] if 0 <= wanted < len(spec.outputs) else []
    else:
        found = [at for at, output in enumerate(spec.outputs) if output.name == wanted]
        if not found:
            folded = wanted.casefold()
            found = [at for at, output in enumerate(spec.outputs) if output.name.casefold() == folded]
        if not found and _is_number(wanted) and int(wanted) < len(spec.outputs):
            found = [int(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ambiguous(
            f"Node {node_id} ({spec.name}) has {len(found)} outputs {wanted!r}; give the number.",
            [output_json(draft, node_id, at) for at in found],
        )
    names = [output.name for output in spec.outputs]
    matches = close_matches(str(wanted), names)
    raise InvalidOperation(
        "PORT_UNKNOWN",
        f"Node {node_id} ({spec.name}) has no output {wanted!r}.",
        hint=f"Did you mean {matches[0]}?" if matches else f"It has: {', '.join(names)}." if names else None,
        details={"node_id": node_id, "class_type": spec.name, "output": wanted, "outputs": names},
    )


def output_json(draft: Draft, node_id: str, at: int) -> JSON:
    """Describe an output as a candidate."""
    spec = draft.known(node_id)
    found: JSON = {"node_id": node_id, "class_type": draft.class_of(node_id), "slot": at}
    if spec is not None and 0 <= at < len(spec.outputs):
        found |= {"output": spec.outputs[at].name, "type": spec.outputs[at].type}
    return found


def socket_json(draft: Draft, node_id: str, port: Socket) -> JSON:
    """Describe what takes a link as a candidate."""
    class_type = draft.class_of(node_id)
    return {"node_id": node_id, "class_type": class_type, "input": port.name, "type": port.type}


def ambiguous(message: str, candidates: Sequence[JSON], *, name: str | None = None) -> InvalidOperation:
    """Make the error for what fits in several places. *name*: the one input that they are candidates for."""
    return InvalidOperation(
        "AMBIGUOUS_PORT",
        message,
        hint="Name the one that is meant.",
        details={
            "candidates": list(candidates[:_SHOWN]),
            "candidates_total": len(candidates),
            **({} if name is None else {"input": name}),
        },
    )


_SHOWN = 50


def best(ranked: Iterable[tuple[Any, Item]]) -> list[Item]:
    """Give the items with the lowest key, in the order they came."""
    found: list[Item] = []
    lowest: Any = None
    for key, item in ranked:
        if not found or key < lowest:
            found, lowest = [item], key
        elif key == lowest:
            found.append(item)
    return found


# types


def output(draft: Draft, node_id: str, at: int) -> Output | None:
    """Give what an output slot declares; None if the class or the slot is not known."""
    spec = draft.known(node_id) if node_id in draft.nodes else None
    return spec.outputs[at] if spec is not None and 0 <= at < len(spec.outputs) else None


def output_type(draft: Draft, node_id: str, at: int, seen: tuple[str, ...] = ()) -> str | None:
    """Give the type of an output, None if nothing is known of it.

    An output of a match type has the type of what is linked to the inputs of the same match.
    """
    declared = output(draft, node_id, at)
    if declared is None or declared.match is None or node_id in seen:
        return None if declared is None else declared.type
    for port in sockets(draft.spec(node_id), draft.inputs(node_id)):
        if port.match == declared.match:
            link = ends(draft.inputs(node_id).get(port.name))
            given = output_type(draft, *link, (*seen, node_id)) if link is not None else None
            if given is not None and given != ANY:
                return given
    return declared.type


def rank(draft: Draft, source: str, at: int, takes: str) -> int | None:
    """Say how well an output fits an input of that type; what is not known fits anything, but no better."""
    given = output_type(draft, source, at)
    return accepts(takes, ANY if given is None else given)


def misfit(draft: Draft, node_id: str, port: Socket, source: str, at: int) -> str | None:
    """Say why an output does not fit an input, None if it does.

    Inputs and outputs of one match type must agree, with what is linked to the others and with who uses them.
    """
    given = output_type(draft, source, at)
    if port.options is not None and given == COMBO:
        listed = output(draft, source, at)
        if listed is not None and listed.options != port.options:
            return "it takes a choice from a list of its own, not from another"
    return None if given is None else _clash(draft, node_id, port, given, ())


def _clash(draft: Draft, node_id: str, port: Socket, given: str, seen: tuple[str, ...]) -> str | None:
    if accepts(port.type, given) is None:
        whose = f"{port.name} of node {node_id} comes behind it and" if seen else "it"
        return f"{whose} takes {port.type}, not {given}"
    if port.match is None or node_id in seen:
        return None
    spec, inputs = draft.spec(node_id), draft.inputs(node_id)
    for other in sockets(spec, inputs):
        link = ends(inputs.get(other.name))
        if other.match == port.match and other.name != port.name and link is not None:
            theirs = output_type(draft, *link, (*seen, node_id))
            if theirs is not None and accepts(theirs, given) is None:
                return f"{other.name} of node {node_id} is {theirs} and has to be the same, not {given}"
    matched = [number for number, each in enumerate(spec.outputs) if each.match == port.match]
    for link in draft.users(node_id) if matched else ():
        user = draft.known(link.target)
        taking = named_socket(user, draft.inputs(link.target), link.name) if user is not None else None
        if link.slot in matched and taking is not None:
            why = _clash(draft, link.target, taking, given, (*seen, node_id))
            if why is not None:
                return why
    return None


def verify(draft: Draft, node_id: str, name: str) -> None:
    """Look whether the link in an input fits. Raises TYPE_MISMATCH."""
    link = draft.link(node_id, name)
    spec = draft.known(node_id)
    port = named_socket(spec, draft.inputs(node_id), name) if spec is not None else None
    if link is None or spec is None or port is None:
        return
    why = misfit(draft, node_id, port, link.source, link.slot)
    if why is not None:
        raise InvalidOperation(
            "TYPE_MISMATCH",
            f"Output {link.slot} of node {link.source} ({draft.class_of(link.source)}) does not fit "
            f"{name} of node {node_id} ({spec.name}): {why}.",
            details={
                "output": output_json(draft, link.source, link.slot),
                "input": socket_json(draft, node_id, port),
            },
        )


def rank_socket(
    draft: Draft, node_id: str, port: Socket, source: str, at: int
) -> tuple[int, bool, bool] | None:
    """Give how well an output fits an input, less is better: type, then sockets, then what is required."""
    if misfit(draft, node_id, port, source, at) is not None:
        return None
    fit = rank(draft, source, at, port.type)
    return None if fit is None else (fit, port.is_param, not port.required)
