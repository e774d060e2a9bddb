"""Takes a document in UI format apart: definitions, ids that occur twice, links, each node's slots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ..errors import InvalidRequest, InvalidWorkflow
from .plain import Room, ident, items, member, place, text

MOST_NODES = 20_000
"""Nodes that a workflow may have, those of subgraphs counted each time they are used."""
_MOST_LINKS = 200_000
_DEEPEST_DEFINITIONS = 32


@dataclass(slots=True)
class RawNode:
    """A node as it stands in the document, with the id it gets."""

    id: str
    ui_id: str
    type: str
    raw: Mapping[str, Any]


@dataclass(slots=True)
class RawLevel:
    """A level as it stands in the document."""

    id: str
    raw: Mapping[str, Any]
    nodes: list[RawNode] = field(default_factory=list[RawNode])
    renamed: dict[str, str] = field(default_factory=dict[str, str])
    """Ids of the document -> the ids its nodes get instead."""

    def rename(self, node_id: str) -> str:
        """Give the id that a node of this level goes by."""
        return self.renamed.get(node_id, node_id)


@dataclass(slots=True)
class Document:
    """A document, read in shape."""

    root: RawLevel
    levels: dict[str, RawLevel]
    """The definitions of subgraphs by id, those first that use no other."""
    groups: Mapping[str, Mapping[str, Any]]
    """Group nodes by their name."""
    damaged: list[str]
    """What is no node, in words."""


def read_document(document: Any) -> Document:
    """Read a document in UI format.

    Raises ApiError WORKFLOW_MISSING, INVALID_REQUEST, or WORKFLOW_INVALID for one that is too large or whose
    subgraphs contain themselves.
    """
    if document is None or document == {}:
        raise InvalidRequest("WORKFLOW_MISSING", "The request has no workflow.")
    if not isinstance(document, dict):
        raise InvalidRequest(
            "INVALID_REQUEST",
            "workflow must be an object.",
            details={"fields": {"workflow": "not an object"}},
        )
    raw = cast("dict[str, Any]", document)
    if not isinstance(raw.get("nodes"), list):
        raise InvalidRequest(
            "INVALID_REQUEST",
            "workflow has no list of nodes: this is not what the ComfyUI page saves.",
            details={"fields": {"workflow": "no list of nodes"}},
        )
    damaged: list[str] = []
    room = Room(MOST_NODES, too_large)
    root = _level("", raw, damaged, room)
    levels: dict[str, RawLevel] = {}
    for each in _definitions(raw):
        name = ident(each.get("id"))
        if name is not None and name not in levels:
            levels[name] = _level(name, each, damaged, room)
    _make_unique(root, levels)
    ordered = _innermost_first(levels)
    _limit(root, ordered)
    groups = member(raw.get("extra"), "groupNodes")
    named = cast("Mapping[str, Any]", groups if isinstance(groups, Mapping) else {})
    return Document(
        root,
        ordered,
        {
            name: cast("Mapping[str, Any]", group)
            for name, group in named.items()
            if isinstance(group, Mapping)
        },
        damaged,
    )


def links_in(raw: Any, rename: Mapping[str, str]) -> Iterator[tuple[str, str, int, str, int]]:
    """Give (id, origin, its slot, target, its slot) of each link."""
    for link in items(raw)[:_MOST_LINKS]:
        if isinstance(link, list):
            parts = cast("list[Any]", link)[:5]
        else:
            parts = [
                member(link, key) for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot")
            ]
        if len(parts) < 5:
            continue
        link_id, origin, target = ident(parts[0]), ident(parts[1]), ident(parts[3])
        origin_slot, target_slot = place(parts[2]), place(parts[4])
        if link_id is not None and origin is not None and target is not None and origin_slot is not None:
            yield (
                link_id,
                rename.get(origin, origin),
                origin_slot,
                rename.get(target, target),
                -1 if target_slot is None else target_slot,
            )


def _level(name: str, raw: Mapping[str, Any], damaged: list[str], room: Room) -> RawLevel:
    level = RawLevel(name, raw)
    where = f" in subgraph {name}" if name else ""
    for number, node in enumerate(items(raw.get("nodes"))):
        room.take(1)
        node_id, kind = ident(member(node, "id")), text(member(node, "type"))
        if node_id is None or not kind:
            damaged.append(f"nodes[{number}]{where} has no id or no type.")
        else:
            level.nodes.append(RawNode(node_id, node_id, kind, node))
    return level


def too_large() -> InvalidWorkflow:
    """Make the error for a workflow of too many nodes."""
    return InvalidWorkflow(
        "WORKFLOW_INVALID", f"The workflow has more than {MOST_NODES} nodes, those in subgraphs included."
    )


def _definitions(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give every definition, those that stand inside other definitions included."""
    waiting = [(document, 0)]
    while waiting:
        holder, depth = waiting.pop(0)
        for each in items(member(holder.get("definitions"), "subgraphs")):
            if isinstance(each, Mapping):
                definition = cast("Mapping[str, Any]", each)
                yield definition
                if depth < _DEEPEST_DEFINITIONS:
                    waiting.append((definition, depth + 1))


def _make_unique(root: RawLevel, levels: Mapping[str, RawLevel]) -> None:
    """Give nodes of subgraphs another id where it is taken already, by the page's rule.

    The numbers of the root are kept; the next free one above ``last_node_id`` is taken.
    """
    used = {node.id for node in root.nodes}
    numbers = {node.id for node in root.nodes if isinstance(member(node.raw, "id"), int)}
    used &= numbers
    if root.raw.get("version") == 0.4:
        last = place(root.raw.get("last_node_id")) or 0
    else:
        state = place(member(root.raw.get("state"), "lastNodeId")) or 0
        last = place(root.raw.get("last_node_id")) or state
    for level in levels.values():
        for node in level.nodes:
            if node.id in used:
                while str(last := last + 1) in used:
                    pass
                level.renamed[node.ui_id] = node.id = str(last)
            elif node.id.isdecimal():
                last = max(last, int(node.id))
            used.add(node.id)


def _limit(root: RawLevel, ordered: Mapping[str, RawLevel]) -> None:
    """Refuse what unfolds to too much before any of it is made."""
    sizes: dict[str, int] = {}
    for level in (*ordered.values(), root):
        sizes[level.id] = size = sum(sizes.get(node.type, 0) + 1 for node in level.nodes)
        if level is root and size > MOST_NODES:
            raise too_large()


def _innermost_first(levels: Mapping[str, RawLevel]) -> dict[str, RawLevel]:
    users: dict[str, list[str]] = {name: [] for name in levels}
    waiting = dict.fromkeys(levels, 0)
    for name, level in levels.items():
        for inner in {node.type for node in level.nodes} & levels.keys():
            users[inner].append(name)
            waiting[name] += 1
    ready = [name for name, count in waiting.items() if count == 0]
    for name in ready:
        for user in users[name]:
            waiting[user] -= 1
            if waiting[user] == 0:
                ready.append(user)
    if len(ready) < len(levels):
        stuck = sorted(set(levels) - set(ready))
        raise InvalidWorkflow(
            "WORKFLOW_INVALID",
            "A subgraph contains itself.",
            details={"subgraphs": [text(levels[name].raw.get("name")) or name for name in stuck][:20]},
        )
    return {name: levels[name] for name in ready}
