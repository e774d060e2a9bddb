"""An API-format workflow as a value: its nodes, links and order. Pure; imports nothing of a host.

The format (what ``POST /prompt`` takes): ``{node_id: {"class_type": str, "inputs": {name: value},
"_meta": {"title": str}}}``, where a value that is a list ``[node_id, slot]`` links to an output of
another node, and an array that is no link is wrapped as ``{"__value__": [...]}``.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Link:
    """*target*'s input *name* takes output *slot* (counted from 0) of node *source*."""

    source: str
    slot: int
    target: str
    name: str


def looks_like_ui_format(document: Mapping[str, Any]) -> bool:
    """Say whether this is what the desktop page saves (litegraph), not what ``/prompt`` takes."""
    return isinstance(document.get("nodes"), list) and (
        "links" in document or "last_node_id" in document or "version" in document
    )


def is_link(value: Any) -> bool:
    """Say whether an input's value is a link: a list of a string and a whole number.

    ComfyUI's own rule (comfy_execution/graph_utils.py, ``is_link``) also lets 0.5, true and 1e400 through,
    but its validation, which takes every list for a link, then fails to index outputs with them. So here
    such lists are no links, and other lists than links are findings, not values.
    """
    return (
        isinstance(value, list)
        and len(value) == 2  # pyright: ignore[reportUnknownArgumentType]
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
    )


def inputs_of(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a node's inputs; empty where the node has none or they are no object."""
    inputs = node.get("inputs")
    return inputs if isinstance(inputs, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]


def links_of(node_id: str, node: Mapping[str, Any]) -> Iterator[Link]:
    """Give the links into a node, in the order of its inputs."""
    for name, value in inputs_of(node).items():
        if is_link(value):
            yield Link(value[0], value[1], node_id, name)


def title_of(node: Mapping[str, Any]) -> str | None:
    """Give the title a person gave the node, if any."""
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return title if isinstance(title, str) else None


def reachable(graph: Mapping[str, Any], targets: Iterable[str]) -> set[str]:
    """Give the ids of *targets* and of every node they depend on; unknown ids are left out."""
    found: set[str] = set()
    stack = [target for target in targets if target in graph]
    while stack:
        node_id = stack.pop()
        if node_id in found:
            continue
        found.add(node_id)
        stack.extend(
            link.source
            for link in links_of(node_id, graph[node_id])
            if link.source in graph and link.source not in found
        )
    return found


def topological(graph: Mapping[str, Any]) -> tuple[list[str], set[str]]:
    """Order the nodes so that each comes after what it depends on, else as they stand in *graph*.

    Returns the ordered ids and the ids that cannot be ordered: nodes on a cycle, or behind one.
    """
    ids = list(graph)
    place = {node_id: index for index, node_id in enumerate(ids)}
    waiting: dict[str, int] = {}
    users: dict[str, list[str]] = {node_id: [] for node_id in ids}
    for node_id, node in graph.items():
        sources = {link.source for link in links_of(node_id, node) if link.source in graph}
        waiting[node_id] = len(sources)
        for source in sources:
            users[source].append(node_id)
    ready = [place[node_id] for node_id in ids if waiting[node_id] == 0]  # ascending, so a heap
    order: list[str] = []
    while ready:
        node_id = ids[heapq.heappop(ready)]
        order.append(node_id)
        for user in users[node_id]:
            waiting[user] -= 1
            if waiting[user] == 0:
                heapq.heappush(ready, place[user])
    return order, set(ids).difference(order)


def on_cycle(graph: Mapping[str, Any]) -> list[str]:
    """Give one cycle as node ids, each depending on the next, or an empty list if there is none."""
    _, stuck = topological(graph)
    if not stuck:
        return []
    # Every node that could not be ordered depends on another such node: walking back must repeat.
    node_id = min(stuck)
    seen: dict[str, int] = {}
    walk: list[str] = []
    while node_id not in seen:
        seen[node_id] = len(walk)
        walk.append(node_id)
        node_id = next(link.source for link in links_of(node_id, graph[node_id]) if link.source in stuck)
    return walk[seen[node_id] :]
