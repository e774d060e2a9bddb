"""Widgets of a subgraph's nodes that the nodes using it show: where their values are, old and new.

A subgraph's input that ends in a widget shows it on each node that uses the subgraph; that node's own value
is then the one that counts. Such values stand in its ``widgets_values`` in the order of those inputs. Before
front end 1.45 (about) a node listed what it shows in ``properties.proxyWidgets`` as ``[node id, widget
name]``, with values in the order of that list; what the list has and no input leads to, becomes a new input.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .model import INPUTS, Border, Level, Link, Node, Promoted, Slot
from .plain import UNSET, Room, items, member, text
from .widgets import Widget

_PRIMITIVE = "PrimitiveNode"
_OLD_PREFIX = re.compile(r"\s*(\d{1,20})\s*:\s*(.+)", re.DOTALL)
_MOST_ENTRIES = 1000
_DEEPEST = 100


def promote(host: Node) -> None:
    """Give the inputs of a node that uses a subgraph the widgets they lead to, with the values it saved."""
    subgraph = host.subgraph
    if subgraph is None:
        return
    for slot, border in zip(host.inputs, subgraph.inputs, strict=False):
        for target, entry in _ends(subgraph, border):
            widget = target.widget_of(entry)
            if widget is not None:
                _show(slot, widget)
                break
    kept = _quarantined(host)
    values = items(host.raw.get("widgets_values"))
    shown = [slot for slot in host.inputs if slot.promoted is not None]
    for index, slot in enumerate(shown):
        if slot.promoted is not None:
            value = kept.get(slot.name, values[index] if index < len(values) else UNSET)
            if value is not UNSET:
                slot.promoted.value = value


def _show(slot: Slot, widget: Widget | Promoted) -> None:
    slot.promoted = Promoted(widget.kind, widget.value, widget.param)
    slot.widget = slot.name


def _ends(subgraph: Level, border: Border) -> Iterator[tuple[Node, Slot]]:
    """Give each (node, input) that an input of the subgraph leads to."""
    return (end for end in map(subgraph.end, border.links) if end is not None)


def _quarantined(host: Node) -> dict[str, Any]:
    """Give values that a later front end put aside, by the input they belong to."""
    found: dict[str, Any] = {}
    for entry in reversed(_listed(member(host.raw.get("properties"), "proxyWidgetErrorQuarantine"))):
        original = items(member(entry, "originalEntry"))
        value = member(entry, "hostValue")
        if len(original) >= 2 and original[0] == "-1" and isinstance(original[1], str) and value is not None:
            found[original[1]] = value
    return found


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str) and len(value) < 1_000_000:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    return items(value)[:_MOST_ENTRIES]


@dataclass(slots=True)
class _Entry:
    """A line of ``proxyWidgets``."""

    node: str
    widget: str
    deeper: str | None
    """The node inside the named one that has the widget, if that was needed to tell."""
    value: Any


def migrate(host: Node, room: Room) -> None:
    """Follow the old list of shown widgets: give each its value, making inputs that are not there.

    Raises ApiError WORKFLOW_INVALID where there is no room for these.
    """
    listed = _listed(member(host.raw.get("properties"), "proxyWidgets"))
    if not all(map(_is_entry, listed)):
        return  # the page takes all of it or nothing
    values = items(host.raw.get("widgets_values"))
    entries = [
        _entry(host, each, values[index] if index < len(values) else None)
        for index, each in enumerate(listed)
    ]
    primitives: dict[str, list[_Entry]] = {}
    if not entries:
        return
    # what an entry is, is told before any of them makes a new input
    shown = _Shown(host)
    often = Counter(entry.node for entry in entries)
    plans = [_plan(host, entry, shown, twice=often[entry.node] > 1) for entry in entries]
    for entry, plan in zip(entries, plans, strict=True):
        if isinstance(plan, Slot):
            if plan.promoted is not None and entry.value is not None:
                plan.promoted.value = entry.value
        elif plan == _PRIMITIVE:
            primitives.setdefault(entry.node, []).append(entry)
        elif plan == "new":
            _make_input(host, entry, room)
    for group in primitives.values():
        _take_over(host, group, room)


def _is_entry(value: Any) -> bool:
    return 2 <= len(items(value)) <= 3 and all(isinstance(part, str) for part in items(value))


def _entry(host: Node, listed: list[str], value: Any) -> _Entry:
    node, name = listed[0], listed[1]
    deeper = listed[2] if len(listed) > 2 else None
    if not _resolves(host, node, name):
        while (match := _OLD_PREFIX.fullmatch(name)) is not None:
            deeper, name = match[1], match[2]
    return _Entry(node, name, deeper, value)


def _resolves(host: Node, node_id: str, name: str) -> bool:
    """Say whether a widget of that name is at the end of the chain from this node inwards."""
    for _ in range(_DEEPEST):
        node = None if host.subgraph is None else host.subgraph.nodes.get(node_id)
        if node is None:
            return False
        if node.subgraph is None:
            return node.widgets is not None and node.widgets.find(name) is not None
        source = _source(node, name)
        if source is None:
            return False
        host, (node_id, name) = node, source
    return False


def _source(host: Node, name: str) -> tuple[str, str] | None:
    """Give (node, widget) that the subgraph's input of that name leads to."""
    subgraph = host.subgraph
    border = None if subgraph is None else next((each for each in subgraph.inputs if each.name == name), None)
    return None if subgraph is None or border is None else _source_of(subgraph, border)


def _source_of(subgraph: Level, border: Border) -> tuple[str, str] | None:
    for target, slot in _ends(subgraph, border):
        if target.subgraph is not None:
            return target.id, slot.name
        widget = target.widget_of(slot)
        if isinstance(widget, Widget):
            return target.id, widget.name
    return None


class _Shown:
    """What the inputs of a node that uses a subgraph show."""

    def __init__(self, host: Node) -> None:
        self.by_name: dict[str, Slot | None] = {}
        """None for a name that several have: then none of them is meant."""
        self.by_source: dict[tuple[str, str], str] = {}
        """The name of the input by (node, widget)."""
        for slot in host.inputs:
            self.by_name[slot.name] = None if slot.name in self.by_name else slot
        if host.subgraph is not None:
            for slot, border in zip(host.inputs, host.subgraph.inputs, strict=False):
                source = _source_of(host.subgraph, border)
                if source is not None:
                    self.by_source.setdefault(source, slot.name)


def _plan(host: Node, entry: _Entry, shown: _Shown, *, twice: bool) -> Slot | str | None:
    """Say what to do with an entry: the input that shows it already, else what is to be made."""
    name = shown.by_source.get((entry.node, entry.widget))
    if name is not None:
        return shown.by_name[name]
    subgraph = host.subgraph
    node = None if subgraph is None else subgraph.nodes.get(entry.node)
    if subgraph is None or node is None:
        return None
    if node.type != _PRIMITIVE or node.spec is not None:
        shows = not entry.widget.startswith("$$") and _widget_at(node, entry) is not None
        return "new" if shows else None
    marked = text(member(node.raw.get("properties"), "proxyBypassedToSubgraphInput"))
    if marked and marked in shown.by_name:
        return shown.by_name[marked]
    linked = any(subgraph.links[link].target in subgraph.nodes for link in subgraph.links_from(node.id))
    return _PRIMITIVE if linked or twice else None


def _widget_at(node: Node, entry: _Entry) -> Slot | None:
    """Give the input of *node* whose widget the entry means."""
    if node.subgraph is None:
        return next((slot for slot in node.inputs if slot.widget == entry.widget), None)
    for slot, border in zip(node.inputs, node.subgraph.inputs, strict=False):
        source = _source_of(node.subgraph, border)
        if entry.deeper is not None:
            hit = source == (entry.deeper, entry.widget)
        else:
            hit = slot.name == entry.widget or (source is not None and source[1] == entry.widget)
        if hit:
            return slot if slot.promoted is not None else None
    return None


def _make_input(host: Node, entry: _Entry, room: Room) -> None:
    subgraph = host.subgraph
    node = None if subgraph is None else subgraph.nodes.get(entry.node)
    slot = None if node is None else _widget_at(node, entry)
    if subgraph is None or node is None or slot is None:
        return
    shown = _add_border(subgraph, host, entry.widget, slot.type, [(node, slot)], room)
    if shown is not None and entry.value is not None and shown.promoted is not None:
        shown.promoted.value = entry.value


def _take_over(host: Node, entries: list[_Entry], room: Room) -> None:
    """Let a new input of the subgraph take the place of a primitive node in it."""
    subgraph, first = host.subgraph, entries[0]
    primitive = None if subgraph is None else subgraph.nodes.get(first.node)
    if subgraph is None or primitive is None or any(entry.widget != first.widget for entry in entries):
        return
    ends: list[tuple[Node, Slot]] = []
    kind = primitive.outputs[0] if primitive.outputs else "*"
    for link_id in subgraph.links_from(primitive.id):
        end = subgraph.end(link_id)
        if end is None or (end[1].type != kind and "*" not in {end[1].type, kind}):
            return
        ends.append(end)
    if not ends or not _alike([target.widget_of(slot) for target, slot in ends]):
        return
    title = primitive.title if primitive.title != _PRIMITIVE else ""
    shown = _add_border(subgraph, host, title or first.widget, kind, ends, room)
    primitive.raw = {
        **primitive.raw,
        "properties": {"proxyBypassedToSubgraphInput": subgraph.inputs[-1].name},
    }
    value = next((entry.value for entry in entries if entry.value is not None), None)
    if shown is not None and shown.promoted is not None and value is not None:
        shown.promoted.value = value


def _alike(widgets: list[Widget | Promoted | None]) -> bool:
    """Say whether one input may drive all these widgets."""
    kinds = {
        (each.kind, *((each.param.min, each.param.max, each.param.step) if each.param is not None else ()))
        for each in widgets
        if each is not None
    }
    return len(kinds) <= 1


def _add_border(
    subgraph: Level, host: Node, base: str, kind: str, ends: list[tuple[Node, Slot]], room: Room
) -> Slot | None:
    """Add an input to the subgraph, and so to every node that uses it; give *host*'s."""
    taken, name, number = {each.name for each in subgraph.inputs}, base, 0
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    border = Border(name, kind)
    for target, slot in ends:
        subgraph.last_link += 1
        if slot.link is not None:
            subgraph.ends.pop(slot.link, None)  # the new link takes its place
        slot.link = str(subgraph.last_link)
        subgraph.ends[slot.link] = (target, slot)
        index = target.inputs.index(slot)
        subgraph.links[slot.link] = Link(INPUTS, len(subgraph.inputs), target.id, index)
        border.links.append(slot.link)
    subgraph.inputs.append(border)
    room.take(len(subgraph.hosts))
    found = None
    widget = next(
        (each for each in (target.widget_of(slot) for target, slot in ends) if each is not None), None
    )
    for each in subgraph.hosts:
        shown = Slot(name, kind)
        if widget is not None:
            _show(shown, widget)
        each.inputs.append(shown)
        found = shown if each is host else found
    return found
