"""Follows a link to the node or the value it comes from: over borders, reroutes, bypassed and muted nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidWorkflow
from .model import BYPASSED, INPUTS, Level, Link, Node, Slot
from .plain import items, text

_PASSING = frozenset({"Reroute", "Reroute (rgthree)"})
_FARTHEST = 10_000
"""Steps that one link is followed."""
_DEEPEST = 32
"""How deep subgraphs may be nested."""
_MOST_INPUTS = 500
"""Inputs of a bypassed node among which one is looked for."""
_DEEPEST_MATCH = 20


@dataclass(slots=True, eq=False)
class Frame:
    """One use of a level: the root, or a subgraph by the node that uses it."""

    level: Level
    prefix: str = ""
    """What stands before the ids of its nodes: ``"12:3:"``."""
    path: tuple[str, ...] = ()
    """The ids, in the document, of the nodes that lead here."""
    parent: Frame | None = None
    host: Node | None = None
    inner: dict[str, Frame] = field(default_factory=dict[str, "Frame"])

    def enter(self, host: Node) -> Frame | None:
        """Give the frame of the subgraph that one of this level's nodes uses."""
        if host.subgraph is None:
            return None
        frame = self.inner.get(host.id)
        if frame is None:
            if len(self.path) >= _DEEPEST:
                raise InvalidWorkflow("WORKFLOW_INVALID", "Subgraphs are nested too deeply.")
            path = (*self.path, host.ui_id)
            frame = self.inner[host.id] = Frame(host.subgraph, f"{self.prefix}{host.id}:", path, self, host)
        return frame


@dataclass(frozen=True, slots=True)
class Source:
    """Where an input gets its value: output *slot* of node *node_id*, or *value* if there is no such id."""

    node_id: str | None
    slot: int = 0
    value: Any = None


@dataclass(frozen=True, slots=True)
class _Broken:
    """Why a link gives nothing."""

    code: str
    message: str


Step = tuple[Frame, Slot, "str | None"]
"""Where a link goes on: an input, and the type of the input it is for, if another than its own."""

Tell = Callable[[str, str, Frame, Node, Slot], None]
"""Called with (code, message, where) for a link that leads nowhere."""


class Follower:
    """Follows links; *tell* hears of those that are broken."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._known: dict[tuple[Frame, Slot, str], Source | None] = {}

    def source(self, frame: Frame, node: Node, slot: Slot) -> Source | None:
        """Give what *slot* of *node* is linked to; None if it is not, or to nothing that gives a value."""
        if slot.link is None:
            return None
        way: dict[tuple[Frame, Slot, str], None] = {}
        found = self._followed(frame, slot, way)
        if isinstance(found, _Broken):
            self._tell(found.code, found.message, frame, node, slot)
            found = None
        # whoever comes by here again need not go on
        self._known.update(dict.fromkeys(way, found))
        return found

    def _followed(
        self, frame: Frame, slot: Slot, way: dict[tuple[Frame, Slot, str], None]
    ) -> Source | _Broken | None:
        kind: str | None = None
        while slot.link is not None:
            kind = kind or slot.type
            mark = (frame, slot, kind)
            if mark in self._known:
                return self._known[mark]
            if mark in way or len(way) > _FARTHEST:
                return _Broken("WORKFLOW_CYCLE", "Its link leads in a circle.")
            way[mark] = None
            link = frame.level.links.get(slot.link)
            if link is None:
                return _Broken("DANGLING_LINK", "Its link is not in the workflow.")
            step = self._over_border(frame, link) or self._out_of(frame, link, kind)
            if not isinstance(step, tuple):
                return step
            frame, slot, kind = step
        return None

    def _over_border(self, frame: Frame, link: Link) -> Step | Source | None:
        """Step from a subgraph's input to that of the node using it, or to the value this one holds."""
        host = frame.host
        if link.origin != INPUTS or host is None or frame.parent is None:
            return None
        if link.origin_slot >= len(host.inputs):
            return Source(None, -1)
        outer = host.inputs[link.origin_slot]
        if outer.link is not None:
            return frame.parent, outer, None
        return Source(None, -1) if outer.promoted is None else Source(None, 0, outer.promoted.value)

    def _out_of(self, frame: Frame, link: Link, kind: str) -> Step | Source | _Broken | None:
        """Step from an output to what gives its value."""
        for _ in range(_FARTHEST):
            node = frame.level.nodes.get(link.origin)
            if node is None:
                return _Broken("DANGLING_LINK", "Its link comes from a node that is not in the workflow.")
            slot = link.origin_slot
            if not node.active:
                passed = _bypass(frame.level, node, slot, kind) if node.mode == BYPASSED else None
                return None if passed is None else (frame, passed, None)
            inside = frame.enter(node)
            if inside is None:
                return (
                    _virtual(frame, node, slot, kind)
                    if node.virtual
                    else Source(frame.prefix + node.id, slot)
                )
            links = inside.level.outputs[slot] if slot < len(inside.level.outputs) else []
            inner = inside.level.links.get(links[0]) if links else None
            if inner is None or inner.origin == INPUTS:
                return None if inner is None else _through(frame, node, inner, kind)
            frame, link = inside, inner
        return _Broken("WORKFLOW_CYCLE", "Its link leads too far.")


def _through(frame: Frame, node: Node, inner: Link, kind: str) -> Step | None:
    """Step from an output of a subgraph that its own input leads straight to."""
    slots = node.inputs[inner.origin_slot : inner.origin_slot + 1]
    return (frame, slots[0], kind) if slots else None


def _virtual(frame: Frame, node: Node, slot: int, kind: str) -> Step | None:
    if node.type == "GetNode":
        setter = _setter(frame.level, node)
        return None if setter is None or not setter.inputs else (frame, setter.inputs[0], kind)
    if node.type not in _PASSING or slot >= len(node.inputs):
        return None
    return frame, node.inputs[slot], kind


def _setter(level: Level, getter: Node) -> Node | None:
    """Give the SetNode that gives its value the name that *getter* asks for."""
    if level.set_nodes is None:
        level.set_nodes = {}
        for node in level.nodes.values():
            if node.type == "SetNode" and node.virtual:
                level.set_nodes.setdefault(_name(node), node)
    return level.set_nodes.get(_name(getter))


def _name(node: Node) -> str:
    values = items(node.raw.get("widgets_values"))
    return text(values[0]) if values else ""


def _bypass(level: Level, node: Node, slot: int, kind: str) -> Slot | None:
    """Give the input of a bypassed node whose value takes the place of output *slot*.

    *kind* is the type of the input at the link's end. As the page does it: the input of the same number if it
    fits, else the first of that type, else the first that fits.
    """
    inputs = node.inputs[:_MOST_INPUTS]
    if not inputs or slot >= len(node.outputs):
        return None
    if kind in {"*", ""}:
        return inputs[slot] if slot < len(inputs) else inputs[0]
    types = [_type_of(level, node, each) for each in inputs]
    output = _output_type(level, node, slot, 0)
    if slot < len(inputs) and joins(types[slot], output) and joins(types[slot], kind):
        return inputs[slot]
    for each, its_type in zip(inputs, types, strict=True):
        if its_type == kind:
            return each
    for each, its_type in zip(inputs, types, strict=True):
        if joins(its_type, output) and joins(its_type, kind):
            return each
    return None


def joins(one: str, other: str) -> bool:
    """Say whether two types may be linked: equal, a wildcard, or with a type in common; case is ignored."""
    if one in {"*", ""} or other in {"*", ""}:
        return True
    mine, theirs = one.lower().split(","), other.lower().split(",")
    return "*" in mine or "*" in theirs or not set(mine).isdisjoint(theirs)


def _type_of(level: Level, node: Node, slot: Slot) -> str:
    """Give the type of an input; one that matches others takes only what they have too."""
    if slot.match is None:
        return slot.type
    others = [
        _linked_type(level, each, 0) for each in node.inputs if each.match == slot.match and each is not slot
    ]
    return _common([*others, slot.type]) or slot.type


def _output_type(level: Level, node: Node, slot: int, depth: int) -> str:
    match = node.spec.outputs[slot].match if node.spec is not None and slot < len(node.spec.outputs) else None
    if match is None or depth > _DEEPEST_MATCH:
        return node.outputs[slot] if slot < len(node.outputs) else "*"
    return _common([_linked_type(level, each, depth) for each in node.inputs if each.match == match]) or "*"


def _linked_type(level: Level, slot: Slot, depth: int) -> str:
    link = None if slot.link is None else level.links.get(slot.link)
    if link is None:
        return "*"
    if link.origin == INPUTS:
        return level.inputs[link.origin_slot].type if link.origin_slot < len(level.inputs) else "*"
    origin = level.nodes.get(link.origin)
    return "*" if origin is None else _output_type(level, origin, link.origin_slot, depth + 1)


def _common(types: list[str]) -> str | None:
    lists = [each.split(",") for each in types if each != "*"]
    if not lists:
        return "*"
    common = [each for each in lists[0] if all(each in others for others in lists[1:])]
    return ",".join(common) or None
