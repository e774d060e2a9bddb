"""Folds what the host reports about one run into the state of its nodes. O(1) per report.

States of a node::

    pending ─► running ─► done            failed / interrupted: it was running when the run ended
       ├─► cached                         cached → running happens when the cache lost it meanwhile
       └─► skipped                        not needed: behind a cached node, or a lazy input not asked for

``nodes_total`` is what the outputs can reach in the submitted workflow. Nodes that a node expands into
belong to it: they are shown with their ``parent`` and do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..errors import JSON
from ..graph import links_of, reachable, title_of
from ..host.protocol import (
    NodeFinished,
    NodeProgressed,
    NodesCached,
    NodeStarted,
    Preview,
    RunEnded,
)

NodeState = Literal["pending", "running", "done", "cached", "failed", "skipped", "interrupted"]

SETTLED: frozenset[NodeState] = frozenset({"done", "cached", "skipped"})
"""States in which a node has nothing left to do."""

CHILDREN_KEPT = 500
"""How many expanded nodes a task shows; a loop can make any number of them."""


@dataclass(slots=True)
class NodeRun:
    """One node of one run. Times are Unix seconds, *value* and *max* steps as the node counts them."""

    class_type: str | None
    title: str | None
    state: NodeState = "pending"
    value: float | None = None
    max: float | None = None
    started_at: float | None = None
    duration_s: float | None = None
    parent: str | None = None
    vram_peak: int | None = None
    ram_peak: int | None = None
    """Highest memory while it ran, in bytes, where the machine can tell."""

    @property
    def fraction(self) -> float:
        """How much of the node is done by its own count, 0..1."""
        if self.value is None or not self.max or self.max <= 0:
            return 0.0
        return min(max(self.value / self.max, 0.0), 1.0)


@dataclass(slots=True)
class RunProgress:
    """The nodes of one run and what has become of them."""

    nodes: dict[str, NodeRun]
    links: Mapping[str, tuple[str, ...]]
    """node id → the nodes it takes inputs from."""
    targets: tuple[str, ...]
    total: int
    preview: Preview | None = None
    running: dict[str, None] = field(default_factory=dict[str, None])
    """Ids of the nodes that are running, in the order in which they began."""
    settled: int = 0
    children: int = 0
    high: float = 0.0
    """The highest progress shown so far: it never goes back."""

    @classmethod
    def of(cls, graph: Mapping[str, JSON], targets: Iterable[str]) -> RunProgress:
        """Begin with every node pending that *targets* can reach in *graph*."""
        wanted = tuple(targets)
        needed = reachable(graph, wanted)
        return cls(
            nodes={
                node_id: NodeRun(str(node.get("class_type")), title_of(node))
                for node_id, node in graph.items()
                if node_id in needed
            },
            links={
                node_id: tuple({link.source for link in links_of(node_id, graph[node_id])})
                for node_id in needed
            },
            targets=wanted,
            total=len(needed),
        )

    @property
    def fraction(self) -> float:
        """Progress of the run, 0..1; never falls."""
        if self.total:
            part = sum(self.nodes[node_id].fraction for node_id in self.running if self._counts(node_id))
            self.high = max(self.high, min((self.settled + part) / self.total, 1.0))
        return self.high

    def _counts(self, node_id: str) -> bool:
        return self.nodes[node_id].parent is None

    def _set(self, node_id: str, state: NodeState) -> None:
        node = self.nodes[node_id]
        if self._counts(node_id):
            self.settled += (state in SETTLED) - (node.state in SETTLED)
        node.state = state
        if state == "running":
            self.running[node_id] = None
        else:
            self.running.pop(node_id, None)

    def cached(self, event: NodesCached) -> None:
        """Settle the nodes that need not run, and those that only they would have needed."""
        hits = [node_id for node_id in event.node_ids if node_id in self.nodes]
        for node_id in hits:
            if self.nodes[node_id].state in {"pending", "skipped"}:
                self._set(node_id, "cached")
        if not hits:
            return
        needed: set[str] = set()
        stack = [target for target in self.targets if target in self.nodes]
        while stack:
            node_id = stack.pop()
            if node_id in needed:
                continue
            needed.add(node_id)
            if self.nodes[node_id].state != "cached":
                stack.extend(source for source in self.links.get(node_id, ()) if source in self.nodes)
        for node_id, node in self.nodes.items():
            if node.state == "pending" and node_id not in needed and node.parent is None:
                self._set(node_id, "skipped")

    def started(self, event: NodeStarted) -> None:
        """A node begins, or goes on after its lazy inputs."""
        node = self.nodes.get(event.node_id)
        if node is None:
            if self.children >= CHILDREN_KEPT:
                return
            self.children += 1
            parent = event.parent_id or event.display_id
            node = NodeRun(event.class_type, None, parent=parent)
            self.nodes[event.node_id] = node
        if node.started_at is None:
            node.started_at = event.at
        self._set(event.node_id, "running")

    def progressed(self, event: NodeProgressed) -> None:
        """A node reports a step."""
        if event.preview is not None:
            self.preview = event.preview
        node = self.nodes.get(event.node_id)
        if node is not None:
            node.value, node.max = event.value, event.max

    def finished(self, event: NodeFinished) -> None:
        """A node is done; one that never began came from the cache."""
        node = self.nodes.get(event.node_id)
        if node is None:
            return
        if node.started_at is None:
            if node.state != "cached":
                self._set(event.node_id, "cached")
            return
        node.duration_s = max(event.at - node.started_at, 0.0)
        node.vram_peak, node.ram_peak = event.vram_peak, event.ram_peak
        if node.max is not None:
            node.value = node.max
        self._set(event.node_id, "done")

    def ended(self, event: RunEnded) -> None:
        """Give every node that is not settled its last state."""
        failed = None if event.error is None else event.error.node_id
        last: NodeState = "done" if event.status == "succeeded" else "interrupted"
        for node_id in list(self.running):
            node = self.nodes[node_id]
            if node.started_at is not None:
                node.duration_s = max(event.at - node.started_at, 0.0)
            culprit = event.status == "failed" and failed in {node_id, node.parent}
            self._set(node_id, "failed" if culprit else last)
        if event.status == "failed" and failed in self.nodes:
            self._set(failed, "failed")
        for node_id, node in self.nodes.items():
            if node.state == "pending":
                self._set(node_id, "skipped")
        self.links = {}

    def drop_preview(self) -> None:
        """Let go of the last frame: decoded, it takes megabytes."""
        self.preview = None
