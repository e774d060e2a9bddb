"""What goes through a node, and the operation that lets everything pass by it: bypass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from ..errors import JSON, InvalidOperation
from ..graph import Link
from ..nodespec import EXACT, accepts
from .draft import Draft, ends
from .making import unplugged
from .ports import misfit, named_socket, output_type, rank, sockets
from .values import ABSENT, BYPASSED


def through(draft: Draft, node_id: str, at: int, takes: str | None) -> list[Any] | None:
    """Give the link that an output would pass on if its node did nothing, or None.

    It is one of the node's own: that with the output's number if its type fits, else the first of exactly the
    output's type, else the first that fits both the output and *takes*, the type of who uses it. This is the
    order in which ComfyUI's page bypasses nodes; unlike there, inputs without a link do not count.
    """
    spec = draft.spec(node_id)
    gives = output_type(draft, node_id, at)
    linked: list[tuple[int, str, list[Any]]] = []
    for number, port in enumerate(sockets(spec, draft.inputs(node_id))):
        link = ends(draft.inputs(node_id).get(port.name))
        if link is None or link[0] not in draft.nodes or link[0] == node_id:
            continue
        fits_output = gives is None or rank(draft, *link, gives) is not None
        if fits_output and (takes is None or rank(draft, *link, takes) is not None):
            linked.append((number, port.type, list(link)))
    for number, _, value in linked:
        if number == at:
            return value
    for _, type_, value in linked:
        if gives is not None and accepts(gives, type_) == EXACT:
            return value
    return linked[0][2] if linked else None


def bridge(draft: Draft, link: Link) -> list[Any] | None:
    """Link the user of an output to what goes through its node; where nothing does, the link is dropped.

    Gives what the user is linked to now.
    """
    user = draft.known(link.target)
    port = named_socket(user, draft.inputs(link.target), link.name) if user is not None else None
    passed = through(draft, link.source, link.slot, None if port is None else port.type)
    if passed is not None and (port is None or misfit(draft, link.target, port, *passed) is None):
        draft.set_input(link.target, link.name, passed, shortcut=True)
        return passed
    reason = f"nothing of its type goes through node {link.source} ({draft.class_of(link.source)})"
    unplugged(draft, link.target, link.name, reason=reason)
    return None


def bypass(draft: Draft, given: Mapping[str, Any]) -> None:
    """Let everything pass by a node, which stays; or with ``on`` false, let it work again."""
    node_id = draft.node_id(given["node_id"])
    if given["on"]:
        _bypass(draft, node_id)
    else:
        _put_back(draft, node_id)


def _bypass(draft: Draft, node_id: str) -> None:
    if draft.spec(node_id).flags.output_node:
        raise InvalidOperation(
            "NODE_NOT_BYPASSABLE",
            f"Node {node_id} ({draft.class_of(node_id)}) shows or saves its result: it would run anyway.",
            hint="Use remove_node; its inverse brings it back.",
            details={"node_id": node_id, "class_type": draft.class_of(node_id)},
        )
    kept: list[JSON] = []
    for link in draft.users(node_id):
        bridge(draft, link)
        now = draft.inputs(link.target).get(link.name, ABSENT)
        entry: JSON = {"node_id": link.target, "input": link.name, "slot": link.slot}
        kept.append(entry if now is ABSENT else {**entry, "now": now})
    if kept:
        draft.set_meta(node_id, BYPASSED, [*rewired(draft.nodes[node_id]), *kept])
    elif not is_bypassed(draft.nodes[node_id]):
        draft.set_meta(node_id, BYPASSED, [])


def _put_back(draft: Draft, node_id: str) -> None:
    """Link those to the node again that the bypass linked elsewhere, if they still are where it put them."""
    for entry in rewired(draft.nodes[node_id]):
        target, name, at = entry["node_id"], entry["input"], entry["slot"]
        if target not in draft.nodes or target == node_id:
            continue
        value = draft.inputs(target).get(name, ABSENT)
        # what goes through may be another output by now, if its neighbour was bypassed too
        if value == entry.get("now", ABSENT) or value in _passed(draft, node_id, at):
            spec = draft.known(target)
            port = named_socket(spec, draft.inputs(target), name) if spec is not None else None
            if port is None or misfit(draft, target, port, node_id, at) is None:
                draft.set_input(target, name, [node_id, at])
    draft.set_meta(node_id, BYPASSED, ABSENT)


def _passed(draft: Draft, node_id: str, at: int) -> list[list[Any]]:
    if draft.known(node_id) is None:
        return []
    passed = through(draft, node_id, at, None)
    return [] if passed is None else [passed]


def is_bypassed(node: Mapping[str, Any]) -> bool:
    """Say whether the node is bypassed."""
    meta = node.get("_meta")
    return isinstance(meta, dict) and BYPASSED in meta


def without_memory(node: JSON) -> JSON:
    """Give a node as one that was never bypassed."""
    if not is_bypassed(node):
        return node
    meta = {key: value for key, value in node["_meta"].items() if key != BYPASSED}
    rest = {key: value for key, value in node.items() if key != "_meta"}
    return {**rest, "_meta": meta} if meta else rest


def rewired(node: Mapping[str, Any]) -> list[JSON]:
    """Give what bypassing the node rewired; entries that are not of that form are left out."""
    held: Any = node["_meta"][BYPASSED] if is_bypassed(node) else None
    return list(_entries(cast("list[Any]", held))) if isinstance(held, list) else []


def _entries(held: list[Any]) -> Iterator[JSON]:
    for entry in held:
        if (
            isinstance(entry, dict)
            and isinstance(entry.get("node_id"), str)  # pyright: ignore[reportUnknownMemberType]
            and isinstance(entry.get("input"), str)  # pyright: ignore[reportUnknownMemberType]
            and isinstance(entry.get("slot"), int)  # pyright: ignore[reportUnknownMemberType]
        ):
            yield cast("JSON", entry)
