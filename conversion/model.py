"""A workflow in UI format as it is while it is converted: its levels, their nodes, slots and links.

Facts about the format (litegraph 0.4 and 1.0, as ComfyUI's front end 1.49.6 reads it):

* A link is ``[id, origin_id, origin_slot, target_id, target_slot, type]`` or an object of these. Which link
  an input has is told by the input itself, not by the link.
* A subgraph stands in ``definitions.subgraphs`` under the id that the nodes using it have as their type. Its
  border is node -10 (its inputs) and node -20 (its outputs).
* In API format node 3 of the subgraph that node 12 uses is ``"12:3"``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..nodespec import NodeSpec, Param
from .widgets import Widget, Widgets

INPUTS = "-10"
OUTPUTS = "-20"
"""The ids that stand for a subgraph's border in its links."""

ALWAYS, MUTED, BYPASSED = 0, 2, 4
"""litegraph's modes."""


@dataclass(slots=True)
class Link:
    """A link within one level."""

    origin: str
    origin_slot: int
    target: str
    target_slot: int


@dataclass(slots=True)
class Promoted:
    """A widget that a node using a subgraph shows in place of one inside; its value counts."""

    kind: str
    value: Any
    param: Param | None


@dataclass(slots=True, eq=False)
class Slot:
    """An input of a node."""

    name: str
    type: str
    link: str | None = None
    widget: str | None = None
    """The widget it can take the place of."""
    promoted: Promoted | None = None
    match: str | None = None


@dataclass(slots=True)
class Border:
    """An input of a subgraph, and the links from it to the nodes inside."""

    name: str
    type: str
    links: list[str] = field(default_factory=list[str])


@dataclass(slots=True, eq=False)
class Node:
    """A node of one level."""

    id: str
    ui_id: str
    """Its id in the document; the page gives another one where two nodes have the same."""
    type: str
    mode: int
    raw: Mapping[str, Any]
    spec: NodeSpec | None = None
    subgraph: Level | None = None
    virtual: bool = False
    """Whether the page resolves it itself, so that no prompt holds it."""
    title: str = ""
    inputs: list[Slot] = field(default_factory=list[Slot])
    outputs: list[str] = field(default_factory=list[str])
    """The types of its outputs."""
    widgets: Widgets | None = None

    @property
    def active(self) -> bool:
        """Say whether it is neither muted nor bypassed."""
        return self.mode not in {MUTED, BYPASSED}

    def widget_of(self, slot: Slot) -> Widget | Promoted | None:
        """Give the widget that a link to *slot* takes the place of."""
        if slot.promoted is not None:
            return slot.promoted
        if self.widgets is None or slot.widget is None:
            return None
        return self.widgets.find(slot.widget)


@dataclass(slots=True, eq=False)
class Level:
    """The root of a workflow, or a subgraph as it is defined, however often it is used."""

    id: str
    name: str = ""
    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    links: dict[str, Link] = field(default_factory=dict[str, Link])
    inputs: list[Border] = field(default_factory=list[Border])
    outputs: list[list[str]] = field(default_factory=list[list[str]])
    """The links to each output of a subgraph."""
    hosts: list[Node] = field(default_factory=list[Node])
    """The nodes that use it, as far as they are read."""
    last_link: int = 0
    ends: dict[str, tuple[Node, Slot]] = field(default_factory=dict[str, "tuple[Node, Slot]"])
    """The input that has a link, by the link."""
    set_nodes: dict[str, Node] | None = None
    """SetNodes by the name they give their value."""
    _by_origin: dict[str, list[str]] | None = None

    def end(self, link_id: str) -> tuple[Node, Slot] | None:
        """Give the node and its input that a link ends in; None if these know nothing of it."""
        found, link = self.ends.get(link_id), self.links.get(link_id)
        return found if found is not None and link is not None and found[0].id == link.target else None

    def number(self, node: Node) -> None:
        """Let links name the inputs that have them: slots move where a definition has changed."""
        for index, slot in enumerate(node.inputs):
            if slot.link is not None and (link := self.links.get(slot.link)) is not None:
                link.target_slot = index
                if link.target == node.id:
                    self.ends.setdefault(slot.link, (node, slot))

    def links_from(self, node_id: str) -> Sequence[str]:
        """Give the links out of a node, in the document's order."""
        if self._by_origin is None:
            self._by_origin = {}
            for link_id, link in self.links.items():
                self._by_origin.setdefault(link.origin, []).append(link_id)
        return self._by_origin.get(node_id, ())
