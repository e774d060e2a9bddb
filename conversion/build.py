"""Makes the levels of a document: every node with the slots and widgets that the page would give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..nodespec import Input, NodeSpec
from .arrange import Orders, arranged, in_order
from .document import MOST_NODES, Document, RawLevel, RawNode, links_in, too_large
from .groups import group_level
from .model import INPUTS, OUTPUTS, Border, Level, Link, Node, Slot
from .plain import Room, at, ident, items, member, place, text
from .promotion import migrate, promote
from .widgets import Widget, Widgets

VIRTUAL = frozenset(
    {
        *("Reroute", "PrimitiveNode", "Note", "MarkdownNote"),
        # packs' own, of which no server class exists either
        *("GetNode", "SetNode", "Note Plus (mtb)"),
        *("Bookmark (rgthree)", "Fast Actions Button (rgthree)", "Fast Bypasser (rgthree)"),
        *("Fast Groups Bypasser (rgthree)", "Fast Groups Muter (rgthree)", "Fast Muter (rgthree)"),
        *("Label (rgthree)", "Mute / Bypass Relay (rgthree)", "Mute / Bypass Repeater (rgthree)"),
        *("Node Collector (rgthree)", "Random Unmuter (rgthree)", "Reroute (rgthree)"),
    }
)
"""Nodes that the ComfyUI page, or a pack's part in it, resolves itself; no prompt holds them."""

_MOST_SLOTS = 1_000_000
"""Inputs and outputs of nodes that use subgraphs: few lines make many of them."""
_DEEPEST_GROUPS = 8
GROUP_PREFIXES = ("workflow>", "workflow/")


class Builder:
    """Makes the levels of *document*."""

    def __init__(self, document: Document, specs: Mapping[str, NodeSpec]) -> None:
        self._document = document
        self._specs = specs
        self._orders = Orders(specs)
        self._room = Room(_MOST_SLOTS, too_large)
        self._grouped = Room(MOST_NODES, too_large)
        self._open: list[str] = []
        self.levels: dict[str, Level] = {}

    def root(self) -> Level:
        """Make all levels, those first that others use, and give the root."""
        for name, raw in self._document.levels.items():
            self.levels[name] = self._level(raw)
        return self._level(self._document.root)

    def _level(self, raw: RawLevel) -> Level:
        level = Level(raw.id, text(raw.raw.get("name")))
        for link_id, origin, origin_slot, target, target_slot in links_in(raw.raw.get("links"), raw.renamed):
            level.links[link_id] = Link(origin, origin_slot, target, target_slot)
            if link_id.isdecimal():
                level.last_link = max(level.last_link, int(link_id))
        if raw is not self._document.root:
            _borders(level, raw.raw)
        made: list[tuple[Node, RawNode]] = []
        for each in raw.nodes:
            node = self._node(each)
            level.nodes[node.id] = node
            made.append((node, each))
        for node, _ in made:
            level.number(node)
        hosts = [node for node, _ in made if node.subgraph is not None]
        for host in hosts:
            promote(host)
        for host in hosts:
            migrate(host, self._room)
        return level

    def _node(self, each: RawNode) -> Node:
        raw = each.raw
        mode = place(raw.get("mode")) or 0
        node = Node(each.id, each.ui_id, each.type, mode, raw, title=text(raw.get("title")))
        subgraph = self.levels.get(each.type) or self._group(each)
        if subgraph is not None:
            node.subgraph = subgraph
            subgraph.hosts.append(node)
            node.title = node.title or subgraph.name
            saved = _by_name(raw)
            self._room.take(len(subgraph.inputs) + len(subgraph.outputs))
            node.inputs = [_host_slot(border, saved.get(border.name)) for border in subgraph.inputs]
            node.outputs = [text(member(port, "type")) or "*" for port in _outputs_of(raw, subgraph)]
            return node
        spec = self._specs.get(each.type)
        if spec is None:
            node.virtual = each.type in VIRTUAL
            node.inputs = [_saved_slot(port) for port in items(raw.get("inputs"))]
            node.outputs = [text(member(port, "type")) or "*" for port in items(raw.get("outputs"))]
            node.title = node.title or each.type
            return node
        node.spec = spec
        node.title = node.title or spec.display_name
        node.widgets = Widgets(spec)
        self._restore(node.widgets, raw)
        node.inputs = _slots(node.widgets, raw)
        node.outputs = [output.type for output in spec.outputs]
        more = items(raw.get("outputs"))[len(node.outputs) :]
        node.outputs.extend(text(member(port, "type")) or "*" for port in more)
        return node

    def _restore(self, widgets: Widgets, raw: Mapping[str, Any]) -> None:
        values, named = raw.get("widgets_values"), raw.get("widgets_values_named")
        if isinstance(values, list):
            names = list(cast("Mapping[str, Any]", named)) if isinstance(named, Mapping) else []
            saved = names or list(_by_name(raw))

            def arrange(group: Sequence[Widget], rest: Sequence[Any]) -> Sequence[Widget]:
                if names and {widget.name for widget in group if widget.param is not None} <= set(names):
                    return in_order(group, names)
                return arranged(group, rest, saved, self._orders)

            widgets.restore(cast("list[Any]", values), arrange)
            return
        for by_name in (named, values):  # some packs save their values by name
            if isinstance(by_name, Mapping):
                widgets.restore_named(cast("Mapping[str, Any]", by_name))
                return

    def _group(self, each: RawNode) -> Level | None:
        """Give what a group node stands for, made for this node alone."""
        if not each.type.startswith(GROUP_PREFIXES):
            return None
        name = each.type[len("workflow>") :]
        raw = self._document.groups.get(name)
        if raw is None or name in self._open or len(self._open) >= _DEEPEST_GROUPS:
            return None
        group = group_level(each, raw, self._specs)
        self._grouped.take(len(group.nodes))
        self._open.append(name)
        for inner in group.nodes:
            node = self._node(inner)
            group.level.nodes[node.id] = node
        self._open.pop()
        group.settle(each.raw)
        return group.level


def _borders(level: Level, raw: Mapping[str, Any]) -> None:
    told = items(raw.get("inputs"))
    for index, port in enumerate(told):
        border = Border(text(member(port, "name")) or str(index), text(member(port, "type")) or "*")
        border.links.extend(_links_of(items(member(port, "linkIds")), level))
        level.inputs.append(border)
    for port in items(raw.get("outputs")):
        level.outputs.append(_links_of(items(member(port, "linkIds")), level))
    # where the border does not list its links, the links tell
    inputs: dict[int, list[str]] = {}
    outputs: dict[int, list[str]] = {}
    for link_id, link in level.links.items():
        if link.origin == INPUTS:
            inputs.setdefault(link.origin_slot, []).append(link_id)
        if link.target == OUTPUTS:
            outputs.setdefault(link.target_slot, []).append(link_id)
    for index, border in enumerate(level.inputs):
        border.links = border.links or inputs.get(index, [])
    for index, listed in enumerate(level.outputs):
        level.outputs[index] = listed or outputs.get(index, [])


def _outputs_of(raw: Mapping[str, Any], subgraph: Level) -> list[Any]:
    saved = items(raw.get("outputs"))
    return [*saved, *([None] * (len(subgraph.outputs) - len(saved)))]


def _by_name(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {text(member(port, "name")): port for port in items(raw.get("inputs"))}


def _host_slot(border: Border, saved: Any) -> Slot:
    return Slot(border.name, border.type, ident(member(saved, "link")))


def _saved_slot(port: Any) -> Slot:
    widget = text(member(member(port, "widget"), "name")) or None
    return Slot(
        text(member(port, "name")), text(member(port, "type")) or "*", ident(member(port, "link")), widget
    )


def _slots(widgets: Widgets, raw: Mapping[str, Any]) -> list[Slot]:
    """Give the inputs of a node: those of its definition with their saved links, then what else was saved."""
    saved = _by_name(raw)
    found: dict[str, Slot] = {}
    growing: dict[str, Input] = {}
    choices = tuple(
        f"{widget.name}."
        for widget in widgets
        if widget.param is not None and widget.param.variants is not None and widgets.restored
    )
    for port, kind in widgets.ports():
        if isinstance(port, Input) and port.grows is not None:
            growing[f"{port.name}."] = port
            for name in port.grows.names()[: port.grows.least + 1]:
                found[name] = Slot(name, kind)
            for name in saved:
                if name.startswith(f"{port.name}.") and name not in found:
                    found[name] = Slot(name, kind)
        else:
            widget = None if isinstance(port, Input) else port.name
            match = port.match if isinstance(port, Input) else None
            found[port.name] = Slot(port.name, kind, widget=widget, match=match)
    for name, port in saved.items():
        slot = found.get(name)
        if slot is not None:
            slot.link = ident(member(port, "link"))
            continue
        extra = _saved_slot(port)
        stale = extra.widget is not None and widgets.find(extra.widget) is None
        if not stale and not name.startswith(choices):
            found[name] = extra
    return list(found.values())


def first_output_links(node: Node, level: Level) -> list[str]:
    """Give the links out of a node's first output, as the node itself lists them."""
    listed = member(at(node.raw.get("outputs"), 0), "links")
    if isinstance(listed, list):
        return _links_of(cast("list[Any]", listed), level)
    return [link_id for link_id in level.links_from(node.id) if level.links[link_id].origin_slot == 0]


def _links_of(listed: list[Any], level: Level) -> list[str]:
    return [name for name in map(ident, listed) if name is not None and name in level.links]
