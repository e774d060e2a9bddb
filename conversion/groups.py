"""Group nodes: what was before subgraphs. One is read as a subgraph that is used once.

The format, as front ends up to 1.49 read it: ``extra.groupNodes[NAME]`` is ``{nodes, links, external,
config}``; nodes go by their place in the list, a link is ``[from, slot, to, slot, type]``, ``external``
lists outputs that are used outside although they are linked inside. The node that uses it has type
``workflow>NAME`` (once ``workflow/NAME``), as inputs those of its nodes that are not linked inside, as
widgets all of theirs, and in API format node 1 of group node 5 is ``"5:1"``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, cast

from ..nodespec import NodeSpec
from .document import RawNode
from .model import INPUTS, OUTPUTS, Border, Level, Link, Node, Slot
from .plain import at, ident, items, member, place, text

_PRIMITIVE, _REROUTE = "PrimitiveNode", "Reroute"


@dataclass(slots=True)
class Group:
    """The level that a group node stands for; :meth:`settle` finishes it once its nodes are made."""

    level: Level
    nodes: list[RawNode]
    definition: Mapping[str, Any]
    specs: Mapping[str, NodeSpec]

    def settle(self, host: Mapping[str, Any]) -> None:
        """Join the nodes, and give them what the node that uses the group saved."""
        joints = list(_joints(self.definition, self.level))
        for number, (source, source_slot, target, slot) in enumerate(joints):
            slot.link = str(number)
            self.level.links[slot.link] = Link(source.id, source_slot, target.id, 0)
        self.level.last_link = len(joints)
        self._outputs(joints)
        self._inputs(host, {source.id for source, _, _, _ in joints})
        for node in self.level.nodes.values():
            self.level.number(node)
        self._values(items(host.get("widgets_values")))

    def _inputs(self, host: Mapping[str, Any], inside: AbstractSet[str]) -> None:
        seen: dict[str, int] = {}
        late: list[tuple[Node, Slot, Mapping[str, Any]]] = []
        found: list[tuple[str, Slot, Node]] = []
        for node in self.level.nodes.values():
            if node.type == _REROUTE and node.id in inside:
                continue
            told = {text(member(port, "name")): port for port in items(node.raw.get("inputs"))}
            for slot in node.inputs:
                if slot.link is not None:
                    continue
                if slot.widget is None:
                    name = self._name(node, slot, told, seen)
                    if self._configured(node, "input", slot.name).get("visible") is not False:
                        found.append((name, slot, node))
                elif member(told.get(slot.name), "widget"):
                    late.append((node, slot, told))
        found.extend((self._name(node, slot, told, seen), slot, node) for node, slot, told in late)
        ports = items(host.get("inputs"))
        by_name = {text(member(port, "name")): port for port in ports}
        for index, (name, slot, node) in enumerate(found):
            port = by_name.get(name, at(ports, index))
            if ident(member(port, "link")) is None:
                continue
            self.level.last_link += 1
            slot.link = str(self.level.last_link)
            self.level.links[slot.link] = Link(INPUTS, len(self.level.inputs), node.id, 0)
            self.level.inputs.append(Border(text(member(port, "name")), slot.type, [slot.link]))

    def _name(self, node: Node, slot: Slot, told: Mapping[str, Any], seen: dict[str, int]) -> str:
        custom = text(self._configured(node, "input", slot.name).get("name"))
        name = key = custom or text(member(told.get(slot.name), "label")) or slot.name
        if name in seen:
            prefix = f"{text(node.raw.get('title')) or node.type} "
            name = key = prefix + slot.name
            if name in seen:
                name = f"{prefix}{seen[name]} {slot.name}"
        seen[key] = seen.get(key, 1) + 1
        return name

    def _outputs(self, joints: list[tuple[Node, int, Node, Slot]]) -> None:
        inside = {(source.id, slot) for source, slot, _, _ in joints}
        outside = {
            (ident(at(each, 0)), place(at(each, 1))) for each in items(self.definition.get("external"))
        }
        for node in self.level.nodes.values():
            if node.type not in self.specs and node.type not in {_PRIMITIVE, _REROUTE}:
                continue
            for slot in range(len(node.outputs)):
                hidden = (node.id, slot) in inside and (node.id, slot) not in outside
                visible = self._configured(node, "output", str(slot)).get("visible")
                if hidden if visible is None else not visible:
                    continue
                self.level.last_link += 1
                link = str(self.level.last_link)
                self.level.links[link] = Link(node.id, slot, OUTPUTS, len(self.level.outputs))
                self.level.outputs.append([link])

    def _configured(self, node: Node, side: str, name: str) -> Mapping[str, Any]:
        found = member(member(member(self.definition.get("config"), node.id), side), name)
        return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}

    def _values(self, values: list[Any]) -> None:
        rest = iter(values)
        for node in self.level.nodes.values():
            if node.type == _PRIMITIVE:
                if self.level.links_from(node.id):
                    mine = list(_next(rest, 2 if _has_control(node) else 1))
                    node.raw = {**node.raw, "widgets_values": mine or node.raw.get("widgets_values")}
            elif node.widgets is not None:
                converted = {
                    text(member(port, "name"))
                    for port in items(node.raw.get("inputs"))
                    if member(port, "widget")
                }
                index = 0
                while index < len(node.widgets.listed):
                    widget = node.widgets.listed[index]
                    index += 1
                    if widget.saved and widget.name not in converted:
                        for value in _next(rest, 1):
                            node.widgets.put(widget, value)


def group_level(host: RawNode, definition: Mapping[str, Any], specs: Mapping[str, NodeSpec]) -> Group:
    """Begin the level of a group node: its nodes are still to be made."""
    nodes: list[RawNode] = []
    for index, node in enumerate(items(definition.get("nodes"))):
        if isinstance(node, Mapping):
            each = cast("Mapping[str, Any]", node)
            nodes.append(RawNode(str(index), str(index), text(each.get("type")), _unlinked(each)))
    return Group(Level(f"group:{host.id}", host.type[len("workflow>") :]), nodes, definition, specs)


def _unlinked(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out the links that a node had before it was put into the group."""
    ports = [
        {key: value for key, value in cast("Mapping[str, Any]", port).items() if key != "link"}
        for port in items(node.get("inputs"))
        if isinstance(port, Mapping)
    ]
    return {**node, "inputs": ports}


def _joints(definition: Mapping[str, Any], level: Level) -> Iterator[tuple[Node, int, Node, Slot]]:
    for link in items(definition.get("links")):
        source, target = level.nodes.get(ident(at(link, 0)) or ""), level.nodes.get(ident(at(link, 2)) or "")
        source_slot, target_slot = place(at(link, 1)), place(at(link, 3))
        if source is None or target is None or source_slot is None or target_slot is None:
            continue
        slot = _slot(target, target_slot)
        if slot is not None:
            yield source, source_slot, target, slot


def _slot(node: Node, index: int) -> Slot | None:
    """Give the input that a link names by its place: among those saved, else among the sockets."""
    name = text(member(at(node.raw.get("inputs"), index), "name"))
    slot = next((each for each in node.inputs if each.name == name), None) if name else None
    sockets = [each for each in node.inputs if each.widget is None]
    return slot or (sockets[index] if index < len(sockets) else None)


def _has_control(primitive: Node) -> bool:
    """Say whether a primitive saved a control beside its value."""
    return len(items(primitive.raw.get("widgets_values"))) > 1


def _next(rest: Iterator[Any], count: int) -> Iterator[Any]:
    for _, value in zip(range(count), rest, strict=False):
        yield value
