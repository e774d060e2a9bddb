"""The links of a workflow, walked once: in which order nodes depend on each other, what closes circles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import JSON
from ..graph import inputs_of, is_link

Out = tuple[str, int]
"""A node and the number of one of its outputs."""


@dataclass(frozen=True, slots=True)
class Hop:
    """A link on a circle: *name* of *target* takes something of *source*."""

    target: str
    name: str
    source: str


class Net:
    """The links among the nodes of *graph*; :attr:`needed` are those that *targets* depend on."""

    def __init__(self, graph: Mapping[str, JSON], targets: Iterable[str]) -> None:
        self.into: dict[str, list[tuple[str, str, int]]] = {
            node_id: _links(node, graph) for node_id, node in graph.items()
        }
        """Of each node its links to nodes that exist, as (input, source, slot)."""
        self.order: list[str] = []
        """Every node behind what it depends on, but for circles."""
        self.circles: list[tuple[Hop, ...]] = []
        """One for each link that closes a circle, in the order in which things flow, that link first."""
        self._state: dict[str, int] = {}
        for target in targets:
            if target in graph:
                self._walk(target)
        self.needed: Collection[str] = frozenset(self.order)
        for node_id in graph:
            self._walk(node_id)
        self._place: dict[str, int] | None = None
        self._above: dict[str, int] = {}
        self._used: Counter[Out] | None = None
        self._users: dict[str, list[tuple[str, str, int]]] | None = None
        self._names: Counter[tuple[str, str, int]] | None = None

    def _walk(self, start: str) -> None:
        """Go up from a node, depth first. No recursion: a chain may be as long as the workflow."""
        state = self._state  # 1: on the way here, 2: done
        if start in state:
            return
        state[start] = 1
        stack: list[tuple[str, Iterator[tuple[str, str, int]]]] = [(start, iter(self.into[start]))]
        while stack:
            node_id, links = stack[-1]
            for name, source, _ in links:
                seen = state.get(source)
                if seen is None:
                    state[source] = 1
                    stack.append((source, iter(self.into[source])))
                    break
                if seen == 1:
                    self.circles.append(self._circle([each for each, _ in stack], name, source))
            else:
                state[node_id] = 2
                self.order.append(node_id)
                stack.pop()

    def _circle(self, way: list[str], name: str, source: str) -> tuple[Hop, ...]:
        """Give the circle that a link closes; *way* goes up to its target, each node using the next."""
        round_ = way[way.index(source) :]
        hops = [Hop(round_[-1], name, source)]
        for target, above in zip(reversed(round_[:-1]), reversed(round_[1:]), strict=True):
            hops.append(Hop(target, next(n for n, s, _ in self.into[target] if s == above), above))
        return tuple(hops)

    @property
    def users(self) -> Mapping[str, list[tuple[str, str, int]]]:
        """Of each node the links out of it, as (target, input, slot)."""
        if self._users is None:
            self._users = {node_id: [] for node_id in self.into}
            for target, links in self.into.items():
                for name, source, slot in links:
                    self._users[source].append((target, name, slot))
        return self._users

    @property
    def used(self) -> Mapping[Out, int]:
        """How many inputs take each output; 0 for those that nobody uses."""
        if self._used is None:
            self._used = Counter((source, slot) for links in self.into.values() for _, source, slot in links)
        return self._used

    def taken_as(self, name: str, out: Out) -> int:
        """Say how many inputs of that name take an output."""
        if self._names is None:
            self._names = Counter(link for links in self.into.values() for link in links)
        return self._names[(name, *out)]

    @property
    def place(self) -> Mapping[str, int]:
        """The place of each node in :attr:`order`."""
        if self._place is None:
            self._place = {node_id: at for at, node_id in enumerate(self.order)}
        return self._place

    def depends(self, node_id: str, other: str) -> bool:
        """Say whether a node depends on another, or is it."""
        if not self._above:
            self._fill()
        return bool(self._above[node_id] >> self.place[other] & 1)

    def depth(self, node_id: str) -> int:
        """Say how many nodes a node depends on, itself among them."""
        if not self._above:
            self._fill()
        return self._above[node_id].bit_count()

    def _fill(self) -> None:
        """Find what each node depends on, as the bits of their places."""
        place, above = self.place, self._above
        changed = True
        while changed:  # twice or a few times where there are circles
            changed = False
            for node_id in self.order:
                bits = 1 << place[node_id]
                for _, source, _ in self.into[node_id]:
                    bits |= above.get(source, 0)
                if bits != above.get(node_id):
                    above[node_id] = bits
                    changed = bool(self.circles)


def _links(node: JSON, graph: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    return [
        (name, value[0], value[1])
        for name, value in inputs_of(node).items()
        if isinstance(value, list) and is_link(value) and value[0] in graph
    ]
