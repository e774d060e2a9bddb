"""How a request names an input of a node: ``"12.image"``, ``"Load Image.image"``. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import JSON
from ..graph import title_of


def split(graph: Mapping[str, JSON], key: str) -> tuple[str, str] | None:
    """Take *key* apart into (node id, input name); None if it begins with no node id and no title.

    Ids and input names may hold dots: the longest id that fits is meant. Ids go before titles; a title that
    several nodes have names none of them.
    """
    fitting = [node_id for node_id in graph if key.startswith(f"{node_id}.") and len(key) > len(node_id) + 1]
    if fitting:
        node_id = max(fitting, key=len)
        return node_id, key[len(node_id) + 1 :]
    titled = [
        (title, node_id)
        for node_id, node in graph.items()
        if (title := title_of(node)) and key.startswith(f"{title}.") and len(key) > len(title) + 1
    ]
    if not titled:
        return None
    longest = max(len(title) for title, _ in titled)
    named = [(title, node_id) for title, node_id in titled if len(title) == longest]
    if len(named) > 1:
        return None
    title, node_id = named[0]
    return node_id, key[len(title) + 1 :]


def by_title(graph: Mapping[str, JSON], title: str) -> list[str]:
    """Give the ids of the nodes with this title, case ignored unless one fits exactly."""
    exact = [node_id for node_id, node in graph.items() if title_of(node) == title]
    if exact:
        return exact
    folded = title.casefold()
    return [node_id for node_id, node in graph.items() if (title_of(node) or "").casefold() == folded]


def with_input(graph: Mapping[str, JSON], changes: Mapping[tuple[str, str], object]) -> dict[str, JSON]:
    """Give *graph* with the inputs (node id, name) of *changes* set; *graph* is left as it is."""
    changed: dict[str, JSON] = dict(graph)
    for (node_id, name), value in changes.items():
        node = changed[node_id]
        changed[node_id] = {**node, "inputs": {**(node.get("inputs") or {}), name: value}}
    return changed
