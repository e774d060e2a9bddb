"""The operations on whole nodes: add_node, remove_node, replace_node, duplicate, restore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import JSON
from ..graph import Link, is_link
from ..nodespec import NodeSpec, Output, accepts
from .bypassing import bridge, rewired, without_memory
from .draft import Draft
from .fields import bad
from .making import Wanted, composed, free_sockets, resolved, unplugged
from .ports import best, misfit, named_socket, rank, sockets, verify
from .values import BYPASSED


def add_node(draft: Draft, given: Mapping[str, Any]) -> None:
    """Put in a node; what is not given has its default."""
    spec = draft.spec_of(given["class_type"])
    links = resolved(draft, spec, given["inputs"])
    place(draft, given, spec, composed(draft, spec, Wanted(given["params"], links)))


def place(draft: Draft, given: Mapping[str, Any], spec: NodeSpec, inputs: JSON) -> str:
    """Put a node of that class with these inputs into the workflow, under the id, alias and title given.

    Gives its id. Raises NODE_ID_TAKEN, TYPE_MISMATCH, and INVALID_REQUEST for an alias that is taken.
    """
    free_alias(draft, given["alias"])
    node_id = draft.new_id(given["id"])
    node: JSON = {"class_type": spec.name, "inputs": inputs}
    if given["title"] is not None:
        node["_meta"] = {"title": given["title"]}
    draft.add(node_id, node, alias=given["alias"], wanted=given["id"] is not None)
    for name, value in inputs.items():
        if is_link(value):
            verify(draft, node_id, name)
    return node_id


def free_alias(draft: Draft, alias: str | None) -> None:
    """Look that no node has the alias. Raises INVALID_REQUEST."""
    if alias is not None and alias in draft.aliases:
        raise bad({"alias": f"{alias!r} is given to node {draft.aliases[alias]} already"})


def remove_node(draft: Draft, given: Mapping[str, Any]) -> None:
    """Take a node out. Who used it loses the link, or with ``bridge`` is linked to what went through."""
    node_id = draft.node_id(given["node_id"])
    users = [link for link in draft.users(node_id) if link.target != node_id]
    if given["bridge"] and users:
        draft.spec(node_id)  # must be known
    for link in users:
        if given["bridge"]:
            bridge(draft, link)
        else:
            gone = f"node {node_id} ({draft.class_of(node_id)}) was removed"
            unplugged(draft, link.target, link.name, reason=gone)
    draft.remove(node_id)


def replace_node(draft: Draft, given: Mapping[str, Any]) -> None:
    """Give a node another class, and keep what still fits: by name, then by type."""
    node_id, spec = draft.node_id(given["node_id"]), draft.spec_of(given["class_type"])
    before, was = draft.inputs(node_id), draft.known(node_id)
    links = {name: value for name, value in before.items() if is_link(value) and value[0] != node_id}
    inputs = composed(draft, spec, Wanted(given["params"], {}, {name: before[name] for name in before}))
    moved: set[str] = set()
    for name, value in links.items():
        if inputs.get(name) == value:
            continue
        ranked = (
            ((fit, port.is_param, at), port)
            for at, port in enumerate(free_sockets(spec, inputs))
            if not port.is_param and (fit := rank(draft, value[0], value[1], port.type)) is not None
        )
        found = best(ranked)
        if found:
            inputs[found[0].name] = value
            moved.add(name)

    def reason(name: str) -> str | None:
        return None if name in moved else f"{spec.name} has no place for it"

    draft.rewrite(node_id, spec.name, inputs, reason)
    _drop_misfits(draft, node_id, spec)
    for link in draft.users(node_id):
        _keep_user(draft, link, was, spec)
    kept = [
        {**entry, "slot": at}
        for entry in rewired(draft.nodes[node_id])
        if (at := _same_output(was, spec, entry["slot"], None, draft)) is not None
    ]
    if kept or rewired(draft.nodes[node_id]):
        draft.set_meta(node_id, BYPASSED, kept)


def _drop_misfits(draft: Draft, node_id: str, spec: NodeSpec) -> None:
    """Drop links that fit one by one, but not together: those of a match type."""
    for port in reversed(sockets(spec, draft.inputs(node_id))):  # the first ones stay
        link = draft.link(node_id, port.name)
        if port.match is not None and link is not None and link.source in draft.nodes:
            why = misfit(draft, node_id, port, link.source, link.slot)
            if why is not None:
                unplugged(draft, node_id, port.name, reason=why)


def _keep_user(draft: Draft, link: Link, was: NodeSpec | None, spec: NodeSpec) -> None:
    """Link who used an output of the old class to what stands for it in the new one, or drop the link."""
    user = draft.known(link.target)
    port = named_socket(user, draft.inputs(link.target), link.name) if user is not None else None
    at = _same_output(was, spec, link.slot, link, draft)
    if at is None or (port is not None and misfit(draft, link.target, port, link.source, at) is not None):
        reason = f"{spec.name} has no output that fits"
        unplugged(draft, link.target, link.name, reason=reason)
    elif at != link.slot:
        draft.set_input(link.target, link.name, [link.source, at], shortcut=True)


def _same_output(
    was: NodeSpec | None, spec: NodeSpec, at: int, link: Link | None, draft: Draft
) -> int | None:
    """Find the output that stands for *at* of the old class.

    One of its name, else the best by type, then the one of its number, then the first. It has to fit who uses
    it, or if that is not known to be of the same type.
    """
    old = was.outputs[at] if was is not None and 0 <= at < len(was.outputs) else None
    ranked = (
        ((old is None or new.name != old.name, fit, number != at, number), number)
        for number, new in enumerate(spec.outputs)
        if (fit := _fit(new, old, link, draft)) is not None
    )
    return next(iter(best(ranked)), None)


def _fit(new: Output, old: Output | None, link: Link | None, draft: Draft) -> int | None:
    takes = None if old is None else old.type
    if link is not None:
        user = draft.known(link.target)
        port = named_socket(user, draft.inputs(link.target), link.name) if user is not None else None
        takes = takes if port is None else port.type
    return 0 if takes is None else accepts(takes, new.type)


def duplicate(draft: Draft, given: Mapping[str, Any]) -> None:
    """Copy nodes: links among them join the copies, links from other nodes are kept or left out."""
    named = given["node_ids"] or ([] if given["node_id"] is None else [given["node_id"]])
    ids = list(dict.fromkeys(draft.node_id(each) for each in named))
    one = given["node_id"] is not None
    if one == (given["node_ids"] is not None):
        raise bad({"node_id": "give either node_id or node_ids"})
    if not one:
        only = [name for name in ("id", "params", "title") if given[name]]
        if only:
            raise bad(dict.fromkeys(only, "only with node_id"))
    free_alias(draft, given["alias"])
    copies: dict[str, str] = {}
    for node_id in ids:
        copies[node_id] = draft.new_id(given["id"])
    for node_id, copy in copies.items():
        alias = given["alias"] if one or given["alias"] is None else f"{given['alias']}.{node_id}"
        node = _copy(draft, node_id, copies, keep=given["keep_inputs"])
        if one:
            node = _changed(draft, node, given)
        draft.add(copy, node, alias=alias, copy_of=node_id, wanted=given["id"] is not None)
    if draft.linked:  # there may be a circle now, and the copy of it outlive it
        draft.linked.update(dict.fromkeys(copies.values()))


def _copy(draft: Draft, node_id: str, copies: Mapping[str, str], *, keep: bool) -> JSON:
    inputs: JSON = {}
    for name, value in draft.inputs(node_id).items():
        if not is_link(value):
            inputs[name] = value
        elif value[0] in copies:
            inputs[name] = [copies[value[0]], value[1]]
        elif keep:
            inputs[name] = value
    return without_memory({**draft.nodes[node_id], "inputs": inputs})


def _changed(draft: Draft, node: JSON, given: Mapping[str, Any]) -> JSON:
    if given["params"]:
        spec = draft.spec_of(node["class_type"])
        made = composed(draft, spec, Wanted(given["params"], {}, node["inputs"]))
        node = {**node, "inputs": made}
    if given["title"] is not None:
        node["_meta"] = {**(node.get("_meta") or {}), "title": given["title"]}
    return node


def restore(draft: Draft, given: Mapping[str, Any]) -> None:
    """Put nodes back as they were, unchecked: what inverses are made of."""
    draft.restore(given["nodes"], given["place"])
