"""Count which node outputs feed which inputs in the public workflow templates; write node_pairs.json.

Usage::

    python -m venv counting && counting/bin/pip install comfyui-workflow-templates-json
    counting/bin/python data/count_pairs.py

The package holds UI-format workflows. Only facts are taken from them: pairs of class names with their
ports, and how often each occurs. Shape of the table::

    {"format": 1, "package": …, "version": …, "workflows": n,
     "pairs": {source class: {output slot: {target class: {input name: count}}}}}

Input names are those of the API format, with the trailing number of a growing input cut off
(``images.image0`` counts as ``images.image``), as ``nodespec/pairs.py`` looks them up. Reroutes and the
borders of subgraphs are followed through to the nodes they join.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

PACKAGE = "comfyui-workflow-templates-json"
LEAST = 2
"""A pair seen once in hundreds of workflows ranks nothing, and such pairs are half of the table."""

SUBGRAPH_INPUT, SUBGRAPH_OUTPUT = -10, -20
"""litegraph's ids of the two border nodes of a subgraph."""
PASSING = frozenset({"Reroute"})
VIRTUAL = frozenset({"PrimitiveNode", "Note", "MarkdownNote", "GetNode", "SetNode"})
"""Nodes of the desktop page alone: never part of a prompt."""

Pair = tuple[str, int, str, str]


class Graph:
    """One level of a workflow: the root, or one subgraph seen from one place it is used."""

    def __init__(self, document: dict[str, Any], definitions: dict[str, Any]) -> None:
        self.document = document
        self.definitions = definitions
        self.nodes = {node["id"]: node for node in document.get("nodes", [])}
        self.links = {link[0]: link for link in map(as_array, document.get("links", [])) if link}
        self.inner: dict[Any, Graph] = {}
        self.parent: Graph | None = None
        self.node_id: Any = None
        for node_id, node in self.nodes.items():
            if node.get("type") in definitions:
                inner = Graph(definitions[node["type"]], definitions)
                inner.parent, inner.node_id = self, node_id
                self.inner[node_id] = inner

    def producer(self, node_id: Any, slot: int) -> tuple[str, int] | None:
        """Give the real class and slot behind an output of this level."""
        if node_id == SUBGRAPH_INPUT:
            return self.outer_producer(slot)
        node = self.nodes.get(node_id)
        if node is None:
            return None
        if node_id in self.inner:
            inner = self.inner[node_id]
            for link in inner.links.values():
                if link[3] == SUBGRAPH_OUTPUT and link[4] == slot:
                    return inner.producer(link[1], link[2])
            return None
        if node["type"] in PASSING:
            inputs: Any = node.get("inputs") or [{}]
            return self.source_of(inputs[0].get("link"))
        return None if node["type"] in VIRTUAL else (node["type"], slot)

    def outer_producer(self, slot: int) -> tuple[str, int] | None:
        """Give the real class and slot behind an input of this subgraph."""
        ports: Any = self.document.get("inputs", [])
        if self.parent is None or slot >= len(ports):
            return None
        outer: Any = self.parent.nodes[self.node_id].get("inputs", [])
        links = [port.get("link") for port in outer if port.get("name") == ports[slot].get("name")]
        return self.parent.source_of(links[0]) if links else None

    def source_of(self, link_id: Any) -> tuple[str, int] | None:
        """Give the real class and slot that feeds a link of this level."""
        link = self.links.get(link_id)
        return None if link is None else self.producer(link[1], link[2])

    def pairs(self) -> Iterator[Pair]:
        """Give every pair of this level and of the subgraphs in it."""
        for node_id, node in self.nodes.items():
            if node_id in self.inner:
                yield from self.inner[node_id].pairs()
            elif node["type"] not in PASSING | VIRTUAL:
                ports: Any = node.get("inputs") or []
                for port in ports:
                    source = self.source_of(port.get("link"))
                    if source is not None and port.get("name"):
                        yield (*source, node["type"], pair_key(port["name"]))


def as_array(link: Any) -> list[Any] | None:
    """Give a link as [id, source, slot, target, slot, type]; a subgraph's links are objects."""
    if isinstance(link, dict):
        return [link[key] for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")]
    return link


def pair_key(name: str) -> str:
    """Cut the number off a growing input's name; the same rule as ``nodespec/pairs.py``."""
    return re.sub(r"[0-9]+$", "", name) if "." in name else name


def count(folder: Path) -> tuple[Counter[Pair], int]:
    """Count the pairs of all workflows under *folder*; also give how many workflows there were."""
    pairs: Counter[Pair] = Counter()
    workflows = 0
    for path in sorted(folder.rglob("*.json")):
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict) or "nodes" not in document:
            continue  # an index of the templates
        document = cast("dict[str, Any]", document)
        subgraphs: Any = document.get("definitions", {}).get("subgraphs", [])
        pairs.update(Graph(document, {subgraph["id"]: subgraph for subgraph in subgraphs}).pairs())
        workflows += 1
    return pairs, workflows


def main() -> None:
    """Write the table beside this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("node_pairs.json"))
    out: Path = parser.parse_args().out
    distribution = importlib.metadata.distribution(PACKAGE)
    pairs, workflows = count(Path(str(distribution.locate_file("comfyui_workflow_templates_json"))))
    nested: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
    for (source, slot, target, name), seen in sorted(pairs.items()):
        if seen >= LEAST:
            by_slot = nested.setdefault(source, {}).setdefault(str(slot), {})
            by_slot.setdefault(target, {})[name] = seen
    table = {
        "format": 1,
        "package": PACKAGE,
        "version": distribution.version,
        "workflows": workflows,
        "pairs": nested,
    }
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False)
    # one source class a line, so that a recount is a readable diff
    out.write_text(re.sub(r'\}\}\},"', '}}},\n"', text) + "\n", encoding="utf-8")
    print(f"{workflows} workflows, {len(pairs)} pairs, {out.stat().st_size} bytes -> {out}")


if __name__ == "__main__":
    main()
