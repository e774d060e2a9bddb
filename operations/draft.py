"""The workflow while operations change it: a copy that shares every node it has not touched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import JSON, InvalidOperation, close_matches
from ..graph import Link, inputs_of, is_link, links_of
from ..nodespec import NodeSpec
from .values import (
    ABSENT,
    CLASS_CHANGED,
    INPUT_DROPPED,
    INPUT_REMOVED,
    INPUT_SET,
    META_SET,
    NODE_ADDED,
    NODE_REMOVED,
    NODE_RESTORED,
    Change,
    Created,
    same,
)

_LONGEST_NUMBER = 15
"""Digits: ids that are longer are names, not numbers to count on from."""


class Draft:
    """A workflow being changed. Nodes are values here: a changed node is another object.

    Its methods keep three things right: :attr:`changes`, which nodes were touched, and the index of who uses
    whose outputs. That index is made when it is first asked for.
    """

    def __init__(self, graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec]) -> None:
        self.nodes: dict[str, JSON] = dict(graph)
        self.specs = specs
        self.op = 0
        self.changes: list[Change] = []
        self.created: dict[str, Created] = {}
        self.aliases: dict[str, str] = {}
        self.touched: dict[str, None] = {}
        """Ids of every node that was changed, made or removed."""
        self.moved: set[str] = set()
        """Ids whose place in the order changed."""
        self.linked: dict[str, None] = {}
        """Ids of the nodes that got a link which may close a circle."""
        self._users: dict[str, list[str]] | None = None
        self._next: int | None = None

    # looking

    def node_id(self, reference: str) -> str:
        """Give the id that *reference* means: ``$alias``, or an id. Raises NODE_NOT_FOUND, ALIAS_UNKNOWN."""
        found = self.aliases.get(reference[1:], reference) if reference.startswith("$") else reference
        if found in self.nodes:
            return found
        if found is reference and reference.startswith("$"):
            matches = close_matches(reference[1:], self.aliases)
            raise InvalidOperation(
                "ALIAS_UNKNOWN",
                f"No operation before this one gave a node the alias {reference[1:]!r}.",
                hint=f"Did you mean ${matches[0]}?" if matches else None,
                details={"alias": reference[1:], "aliases": list(self.aliases)[:50]},
            )
        near = not found.isdecimal() and len(self.nodes) <= _COMPARED
        matches = close_matches(found, self.nodes) if near else []
        raise InvalidOperation(
            "NODE_NOT_FOUND",
            f"The workflow has no node {found!r}.",
            hint=f"Did you mean {matches[0]!r}?" if matches else None,
            details={"node_id": found, "close_matches": matches},
        )

    def class_of(self, node_id: str) -> str:
        """Give a node's class_type."""
        return self.nodes[node_id]["class_type"]

    def inputs(self, node_id: str) -> Mapping[str, Any]:
        """Give a node's inputs."""
        return inputs_of(self.nodes[node_id])

    def known(self, node_id: str) -> NodeSpec | None:
        """Give the definition of a node's class, or None if this server does not have it."""
        return self.specs.get(self.nodes[node_id]["class_type"])

    def spec(self, node_id: str) -> NodeSpec:
        """Give the definition of a node's class. Raises UNKNOWN_NODE_CLASS."""
        return self.spec_of(self.nodes[node_id]["class_type"])

    def spec_of(self, class_type: str) -> NodeSpec:
        """Give the definition of a class. Raises UNKNOWN_NODE_CLASS."""
        spec = self.specs.get(class_type)
        if spec is None:
            matches = close_matches(class_type, self.specs)
            raise InvalidOperation(
                "UNKNOWN_NODE_CLASS",
                f"This server has no node class {class_type!r}.",
                hint=f"Did you mean {matches[0]}?" if matches else "Install the node pack that brings it.",
                details={"class_type": class_type, "close_matches": matches},
            )
        return spec

    def link(self, node_id: str, name: str) -> Link | None:
        """Give the link into an input, if it has one."""
        link = ends(self.inputs(node_id).get(name))
        return None if link is None else Link(*link, node_id, name)

    def users(self, node_id: str) -> list[Link]:
        """Give the links out of a node."""
        if self._users is None:
            self._users = _index(self.nodes)
        return [
            link
            for target in dict.fromkeys(self._users.get(node_id, ()))
            for link in links_of(target, self.nodes[target])
            if link.source == node_id
        ]

    def new_id(self, wanted: str | None = None) -> str:
        """Give the id for a new node: *wanted*, else the next number. Raises NODE_ID_TAKEN."""
        if wanted is not None:
            if wanted in self.nodes:
                raise InvalidOperation(
                    "NODE_ID_TAKEN",
                    f"The workflow has a node {wanted!r} already.",
                    details={"node_id": wanted, "class_type": self.class_of(wanted)},
                )
            return wanted
        if self._next is None:
            self._next = _highest(self.nodes) + 1
        while str(self._next) in self.nodes or self.users(str(self._next)):
            self._next += 1  # a link that leads nowhere must not lead to the new node
        number, self._next = self._next, self._next + 1
        return str(number)

    # changing

    def add(
        self,
        node_id: str,
        node: JSON,
        *,
        alias: str | None = None,
        copy_of: str | None = None,
        wanted: bool = False,
    ) -> None:
        """Put a new node at the end; *alias* can then be used for its id. *wanted*: its id was given."""
        self._put(node_id, node)
        self.created[node_id] = Created(self.op, node_id, node["class_type"], alias, copy_of)
        if alias is not None:
            self.aliases[alias] = node_id
        if wanted and self.users(node_id):
            self.linked[node_id] = None  # links that led nowhere lead to it now
        self._log(NODE_ADDED, node_id, new=node)

    def remove(self, node_id: str) -> None:
        """Take a node out. Its users keep their links: see to them first."""
        node = self.nodes[node_id]
        self._log(NODE_REMOVED, node_id, old=node)
        self._put(node_id, None)
        self.created.pop(node_id, None)

    def set_input(self, node_id: str, name: str, value: Any, *, shortcut: bool = False) -> None:
        """Give an input a value or a link; nothing happens if it has that already.

        *shortcut* says that the input depended on the source of the link before, if by another way.
        """
        node, inputs = self.nodes[node_id], self.inputs(node_id)
        old = inputs.get(name, ABSENT)
        if same(old, value):
            return
        self._put(node_id, {**node, "inputs": {**inputs, name: value}})
        if is_link(value) and not (shortcut and not self.linked):
            self.linked[node_id] = None
        self._log(INPUT_SET, node_id, name, old=old, new=value)

    def take_input(self, node_id: str, name: str, *, reason: str | None = None) -> None:
        """Take an input out. *reason* says why, where nobody asked for it."""
        node, inputs = self.nodes[node_id], dict(self.inputs(node_id))
        old = inputs.pop(name)
        self._put(node_id, {**node, "inputs": inputs})
        kind = INPUT_REMOVED if reason is None else INPUT_DROPPED
        self._log(kind, node_id, name, old=old, reason=reason)

    def set_meta(self, node_id: str, key: str, value: Any) -> None:
        """Set a key of a node's ``_meta``, or with :data:`ABSENT` take it out."""
        node = self.nodes[node_id]
        held = node.get("_meta")
        meta: JSON = dict(held) if isinstance(held, dict) else {}  # pyright: ignore[reportUnknownArgumentType]
        old = meta.get(key, ABSENT)
        if same(old, value):
            return
        if value is ABSENT:
            del meta[key]
        else:
            meta[key] = value
        changed = {**node, "_meta": meta}
        if not meta:
            del changed["_meta"]
        self._put(node_id, changed)
        self._log(META_SET, node_id, key, old=old, new=value)

    def rewrite(
        self, node_id: str, class_type: str, inputs: JSON, reason_of: Callable[[str], str | None]
    ) -> None:
        """Give a node another class and other inputs, with no links from other nodes than before.

        *reason_of* says why an input is dropped, None if it is not.
        """
        node, before = self.nodes[node_id], self.inputs(node_id)
        if class_type == node["class_type"] and same(before, inputs):
            return
        self._put(node_id, {**node, "class_type": class_type, "inputs": inputs})
        if class_type != node["class_type"]:
            self._log(CLASS_CHANGED, node_id, old=node["class_type"], new=class_type)
        for name, old in before.items():
            if name not in inputs:
                reason = reason_of(name)
                kind = INPUT_REMOVED if reason is None else INPUT_DROPPED
                self._log(kind, node_id, name, old=old, reason=reason)
        for name, value in inputs.items():
            old = before.get(name, ABSENT)
            if not same(old, value):
                self._log(INPUT_SET, node_id, name, old=old, new=value)

    def restore(self, nodes: Mapping[str, JSON | None], place: Mapping[str, int]) -> None:
        """Put whole nodes back, or take them out (None); *place* gives ids their index in the order."""
        for node_id, node in nodes.items():
            old = self.nodes.get(node_id)
            if node is None:
                if old is not None:
                    self.remove(node_id)
            elif old is None:
                self._put(node_id, node)
                self._log(NODE_ADDED, node_id, new=node)
            elif old is not node:
                self._put(node_id, node)
                if not same(old, node):
                    self._log(NODE_RESTORED, node_id, old=old, new=node)
        wanted = sorted((index, node_id) for node_id, index in place.items() if node_id in self.nodes)
        if wanted:
            ids = _placed([node_id for node_id in self.nodes if node_id not in place], wanted)
            self.nodes = {node_id: self.nodes[node_id] for node_id in ids}
            self.moved.update(node_id for _, node_id in wanted)
            self.touched.update(dict.fromkeys(node_id for _, node_id in wanted))

    def _put(self, node_id: str, node: JSON | None) -> None:
        self.touched[node_id] = None
        old = self.nodes.get(node_id)
        if node is None:
            del self.nodes[node_id]
            self.moved.add(node_id)
        else:
            self.nodes[node_id] = node
        if self._users is None:
            return
        before = {} if old is None else {link.name: link for link in links_of(node_id, old)}
        after = {} if node is None else {link.name: link for link in links_of(node_id, node)}
        for name, link in before.items():
            if after.get(name) != link:
                self._users[link.source].remove(node_id)
        for name, link in after.items():
            if before.get(name) != link:
                self._users[link.source].append(node_id)

    def _log(
        self,
        kind: str,
        node_id: str,
        name: str | None = None,
        *,
        old: Any = ABSENT,
        new: Any = ABSENT,
        reason: str | None = None,
    ) -> None:
        self.changes.append(Change(self.op, kind, node_id, self.class_of(node_id), name, old, new, reason))


_COMPARED = 500
"""Close ids are looked for among no more than so many: it takes milliseconds. Numbers have none."""


def _index(nodes: Mapping[str, JSON]) -> dict[str, list[str]]:
    """Give the targets of the links out of each node, one for each link; a few more do no harm.

    It is most of what one operation takes, so it only looks at what a link cannot do without.
    """
    users: dict[str, list[str]] = defaultdict(list)
    for target, node in nodes.items():
        for value in node.get("inputs", _NO_INPUTS).values():
            if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):  # pyright: ignore[reportUnknownArgumentType]
                users[value[0]].append(target)
    return users


def _highest(ids: Iterable[str]) -> int:
    """Give the highest number among ids; those that are too long are names."""
    numbers = filter(str.isdecimal, ids)
    return max((int(each) for each in numbers if len(each) <= _LONGEST_NUMBER), default=0)


_NO_INPUTS: Mapping[str, Any] = {}


def _placed(others: Iterable[str], wanted: Iterable[tuple[int, str]]) -> list[str]:
    """Put ids at their indexes among *others*, which keep their order."""
    found: list[str] = []
    rest = iter(others)
    for index, node_id in wanted:
        while len(found) < index and (other := next(rest, None)) is not None:
            found.append(other)
        found.append(node_id)
    return [*found, *rest]


def ends(value: Any) -> tuple[str, int] | None:
    """Give the node and the slot that an input's value links to; None if it is no link.

    The same question as :func:`~.graph.is_link`, asked of every input of a workflow: most answers are quick.
    """
    if type(value) is list and len(value) == 2 and type(value[0]) is str and type(value[1]) is int:  # pyright: ignore[reportUnknownArgumentType]
        return value[0], value[1]  # pyright: ignore[reportUnknownVariableType]
    return (value[0], value[1]) if is_link(value) else None  # pyright: ignore[reportUnknownVariableType]
