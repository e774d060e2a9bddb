"""The operations on single links and params: connect, disconnect, set_param, set_title."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import InvalidOperation
from ..graph import is_link
from .draft import Draft
from .fields import as_value
from .making import Wanted, composed, fitting_slot, live_params, unknown_param, unplugged, value_of
from .ports import (
    Socket,
    ambiguous,
    best,
    output_json,
    rank_socket,
    slot,
    socket,
    socket_json,
    sockets,
    verify,
)
from .values import ABSENT


def connect(draft: Draft, given: Mapping[str, Any]) -> None:
    """Link an output to an input, which loses the link it had."""
    source, target = draft.node_id(given["source_node_id"]), draft.node_id(given["target_node_id"])
    if source == target:
        raise InvalidOperation(
            "WORKFLOW_CYCLE",
            f"Node {source} ({draft.class_of(source)}) cannot be linked to itself.",
            details={"cycle": [source]},
        )
    output, wanted = given["output"], given["input"]
    if wanted is not None and draft.known(target) is None and isinstance(wanted, str):
        # nothing is known of its inputs: the name is taken as it is given
        draft.set_input(target, wanted, [source, slot(draft, source, 0 if output is None else output)])
        return
    if output is not None and wanted is not None:
        name, at = socket(draft, target, wanted).name, slot(draft, source, output)
    else:
        name, at = _pair(draft, source, target, output, wanted)
    draft.set_input(target, name, [source, at])
    verify(draft, target, name)


def _pair(
    draft: Draft, source: str, target: str, output: int | str | None, wanted: int | str | None
) -> tuple[str, int]:
    """Find the input and the output that fit best: by type, then free ones first."""
    ports = sockets(draft.spec(target), draft.inputs(target)) if wanted is None else []
    if wanted is not None:
        port = socket(draft, target, wanted)
        return port.name, fitting_slot(draft, source, port.type, port.name, f"node {target}")
    slots = range(len(draft.spec(source).outputs)) if output is None else [slot(draft, source, output)]
    found = best(_ranked(draft, source, slots, target, ports))
    if len(found) == 1:
        port, at = found[0]
        return port.name, at
    about = f"node {source} ({draft.class_of(source)}) and node {target} ({draft.class_of(target)})"
    if found:
        raise ambiguous(
            f"{len(found)} links between {about} fit equally.",
            [
                {**output_json(draft, source, at), "target_node_id": target, "input": port.name}
                for port, at in found
            ],
        )
    raise InvalidOperation(
        "NO_FITTING_PORT",
        f"No output fits an input between {about}.",
        details={
            "outputs": [output_json(draft, source, at) for at in slots],
            "inputs": [socket_json(draft, target, port) for port in ports],
        },
    )


def _ranked(
    draft: Draft, source: str, slots: Any, target: str, ports: list[Socket]
) -> Iterator[tuple[tuple[int, bool, bool, bool], tuple[Socket, int]]]:
    inputs = draft.inputs(target)
    for at in slots:
        for port in ports:
            fit = rank_socket(draft, target, port, source, at)
            if fit is not None:
                yield (fit[0], is_link(inputs.get(port.name)), *fit[1:]), (port, at)


def disconnect(draft: Draft, given: Mapping[str, Any]) -> None:
    """Take out every link that the request describes."""
    source = None if given["source_node_id"] is None else draft.node_id(given["source_node_id"])
    target = None if given["target_node_id"] is None else draft.node_id(given["target_node_id"])
    at = slot(draft, source, given["output"]) if source is not None and given["output"] is not None else None
    name = given["input"]
    if isinstance(name, int) and target is not None:
        name = socket(draft, target, name).name
    if target is not None:
        links = [link for each in draft.inputs(target) if (link := draft.link(target, each)) is not None]
    else:
        links = [] if source is None else draft.users(source)
    found = [
        link
        for link in links
        if (source is None or link.source == source)
        and (at is None or link.slot == at)
        and (name is None or link.name == name)
    ]
    if not found:
        raise InvalidOperation(
            "LINK_NOT_FOUND",
            "There is no such link.",
            details={"source_node_id": source, "output": at, "target_node_id": target, "input": name},
        )
    for link in found:
        unplugged(draft, link.target, link.name)


def set_param(draft: Draft, given: Mapping[str, Any]) -> None:
    """Set a param; a link in its place goes."""
    node_id, name = draft.node_id(given["node_id"]), given["param"]
    inputs = draft.inputs(node_id)
    if draft.known(node_id) is None and name in inputs and not is_link(inputs[name]):
        draft.set_input(
            node_id, name, as_value(given["value"])
        )  # nothing is known of the class, but that it has this
        return
    spec = draft.spec(node_id)
    param = next((each for each in live_params(spec, inputs) if each.name == name), None)
    if param is None:
        raise unknown_param(spec, inputs, name)
    if param.variants is None:
        draft.set_input(node_id, name, value_of(param, given["value"]))
        return
    # Another variant: its ports come with their defaults, those of the old one go, the rest stays as it is.
    made = composed(draft, spec, Wanted({name: given["value"]}, {}, {**inputs, name: ABSENT}))
    before = f"{name}."
    changed = {
        key: made.get(key, held) if key == name or key.startswith(before) else held
        for key, held in inputs.items()
        if not key.startswith(before) or key in made
    }
    changed |= {key: held for key, held in made.items() if key == name or key.startswith(before)}
    draft.rewrite(node_id, spec.name, changed, lambda _: f"{name} is {given['value']!r} now")


def set_title(draft: Draft, given: Mapping[str, Any]) -> None:
    """Give a node a title, or with None take it away."""
    title = given["title"]
    draft.set_meta(draft.node_id(given["node_id"]), "title", ABSENT if title is None else title)
