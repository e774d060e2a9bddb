"""The levels of a workflow in UI format: the root, and each subgraph and group node where it is used.

Facts about the format, from the templates that ship with ComfyUI and its front end (litegraph 0.4 and 1.0):

* A link is ``[id, origin_id, origin_slot, target_id, target_slot, type]`` or an object of these.
* A subgraph's border is node -10 (its inputs) and -20; its definition stands in ``definitions.subgraphs``
  under the UUID that the node using it has as its type. That node's ``widgets_values``, if there are any, are
  those of the subgraph's inputs that end in a widget, in their order; else the inner nodes' own hold.
* In API format, node 3 in a subgraph used by node 12 is ``"12:3"``.
* A group node's type is ``workflow>NAME`` (once ``workflow/NAME``); it stands in ``extra.groupNodes``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from .text import ident, is_file, items, member, text

DEEPEST = 32
"""How deep subgraphs may be nested."""

_BORDER = "-10"
_FARTHEST = 64
"""How many reroutes and borders a link is followed over."""
_PASSING = frozenset({"Reroute", "Reroute (rgthree)"})


@dataclass(frozen=True, slots=True)
class Follow:
    """Where a linked value comes from.

    ``value``: it is ``values[0]``. ``node``: node *node_id* works it out, of *values* perhaps. ``own``:
    nothing replaces the widget's own.
    """

    kind: Literal["value", "node", "own"]
    node_id: str = ""
    values: Sequence[Any] = ()


_OWN = Follow("own")


class Definition:
    """A workflow, subgraph or group node as it stands in the document, used once or many times."""

    def __init__(self, raw: Mapping[str, Any], *, group: bool = False) -> None:
        self.raw = raw
        self.group = group
        self.nodes = items(raw.get("nodes"))
        self.uses = 0
        self._by_id: dict[str, Mapping[str, Any]] | None = None
        self._links: dict[str, tuple[str, Any, str, Any]] | None = None
        self._widget_inputs: list[str] | None = None

    def size(self) -> int | None:
        """Give how long it is as JSON, in characters; None if it is nested too deeply to tell."""
        try:
            return len(json.dumps(self.raw))
        except RecursionError:
            return None

    def node(self, node_id: str) -> Mapping[str, Any] | None:
        """Give a node by its id."""
        if self._by_id is None:
            self._by_id = {}
            for node in self.nodes:
                if (name := ident(member(node, "id"))) is not None:
                    self._by_id[name] = node
        return self._by_id.get(node_id)

    def link(self, link_id: Any) -> tuple[str, Any] | None:
        """Give (origin id, origin slot) of a link."""
        name = ident(link_id)
        link = None if name is None else self._all_links().get(name)
        return None if link is None else link[:2]

    def input_name(self, slot: Any) -> str:
        """Give the name of a subgraph's input."""
        return text(member(_at(self.raw.get("inputs"), slot), "name")) or ""

    def widget_inputs(self) -> list[str]:
        """Give the names of the subgraph's inputs that end in a widget, in order."""
        if self._widget_inputs is None:
            slots = {
                slot
                for origin, slot, target, target_slot in self._all_links().values()
                if origin == _BORDER
                and isinstance(slot, int)
                and isinstance(
                    member(_at((self.node(target) or {}).get("inputs"), target_slot), "widget"), Mapping
                )
            }
            self._widget_inputs = [self.input_name(slot) for slot in sorted(slots)]
        return self._widget_inputs

    def _all_links(self) -> dict[str, tuple[str, Any, str, Any]]:
        if self._links is None:
            self._links = {}
            # in a group node's definition links have no ids
            for link in [] if self.group else items(self.raw.get("links")):
                if isinstance(link, list):
                    parts = cast("list[Any]", link)[:5]
                else:
                    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
                    parts = [member(link, key) for key in keys]
                if len(parts) < 5:
                    continue
                name, origin, target = ident(parts[0]), ident(parts[1]), ident(parts[3])
                if name is not None and origin is not None and target is not None:
                    self._links[name] = (origin, parts[2], target, parts[4])
        return self._links


class Level:
    """A definition in one place where it is used: by *instance*, a node of *parent*; the root has neither."""

    def __init__(
        self,
        definition: Definition,
        *,
        parent: Level | None = None,
        instance: Mapping[str, Any] | None = None,
        needed: bool = True,
    ) -> None:
        self.needed = needed
        self.prefix = ""
        """What the ids of its nodes begin with in API format."""
        self.fits = True
        """Whether the values of *instance* could be told apart, as far as was looked."""
        self.within: tuple[Definition, ...] = (definition,)
        if parent is not None:
            self.prefix = f"{parent.prefix}{ident(member(instance, 'id'))}:"
            self.within = (*parent.within, definition)
        self._definition = definition
        self._parent = parent
        self._instance: Mapping[str, Any] = instance or {}
        self._values: Mapping[str, Any] | None = None
        self._outer: dict[str, Any] | None = None
        self.nodes = self._group_nodes() if definition.group else definition.nodes

    def _group_nodes(self) -> list[Any]:
        """Give the nodes of a group node. Of its own values only the names of files are carried into them."""
        inner = [
            {**cast("Mapping[str, Any]", each), "id": number}
            for number, each in enumerate(self._definition.nodes)
            if isinstance(each, Mapping)
        ]
        chosen = _files(self._instance.get("widgets_values"))
        if chosen and len(chosen) != sum(len(_files(each.get("widgets_values"))) for each in inner):
            self.fits = False
        elif chosen:
            following = iter(chosen)
            for each in inner:
                each["widgets_values"] = [
                    next(following) if isinstance(value, str) and is_file(value) else value
                    for value in items(each.get("widgets_values"))
                ]
        return cast("list[Any]", inner)

    def follow(self, link_id: Any) -> Follow:
        """Say what comes over a link."""
        found: Follow | tuple[Level, Any] = (self, link_id)
        for _ in range(_FARTHEST):
            if isinstance(found, Follow):
                return found
            level, link_id = found
            found = level.step(link_id)
        return _OWN

    def step(self, link_id: Any) -> Follow | tuple[Level, Any]:
        """Give what a link of this level comes from, or the level and link to look at next."""
        link = self._definition.link(link_id)
        if link is None:
            return _OWN
        origin_id, slot = link
        if origin_id == _BORDER:
            return self._over_border(slot)
        node = self._definition.node(origin_id)
        if node is None:
            return _OWN
        kind = node.get("type")
        if isinstance(kind, str) and kind in _PASSING:
            return self, member(_at(node.get("inputs"), 0), "link")
        values = items(node.get("widgets_values"))
        if kind == "PrimitiveNode":
            return Follow("value", values=values) if values else _OWN
        return Follow("node", self.prefix + origin_id, values)

    def _over_border(self, slot: Any) -> Follow | tuple[Level, Any]:
        name = self._definition.input_name(slot)
        outer = self._outer_link(name)
        if outer is not None and self._parent is not None:
            return self._parent, outer
        values = self._own_values()
        return Follow("value", values=(values[name],)) if name in values else _OWN

    def _outer_link(self, name: str) -> Any:
        if self._outer is None:
            self._outer = {}
            for port in items(self._instance.get("inputs")):
                if (port_name := text(member(port, "name"))) is not None:
                    self._outer[port_name] = member(port, "link")
        return self._outer.get(name)

    def _own_values(self) -> Mapping[str, Any]:
        """Give the values that the node using this subgraph has for its inputs."""
        if self._values is None:
            saved = self._instance.get("widgets_values")
            if isinstance(saved, Mapping):
                self._values = cast("Mapping[str, Any]", saved)
            else:
                names, values = self._definition.widget_inputs(), items(saved)
                self.fits = not values or len(names) == len(values)
                self._values = dict(zip(names, values, strict=True)) if values and self.fits else {}
        return self._values


def _at(values: Any, place: Any) -> Any:
    listed = items(values)
    return listed[place] if isinstance(place, int) and 0 <= place < len(listed) else None


def _files(values: Any) -> list[str]:
    return [value for value in items(values) if isinstance(value, str) and is_file(value)]
