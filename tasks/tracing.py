"""Finds what the nodes of a workflow do for each other, by following its links. Pure.

Nothing is told by class names, except for the one node that turns a text off (``ConditioningZeroOut``).
A switch that is set to one of its branches counts as a link to that branch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import JSON
from ..graph import Link, inputs_of, is_link, links_of, reachable
from ..nodespec import Input, NodeSpec, Param, Ports, live_ports
from ..validation import output_nodes

Place = tuple[str, str]
"""(node id, input name)."""

SEEDS = ("seed", "noise_seed")
_TEXTS = ("text", "prompt", "user_prompt")
_ZERO_OUT = "ConditioningZeroOut"
_PARTS = frozenset({"NOISE", "GUIDER", "SAMPLER", "SIGMAS"})
"""Types of the links through which a sampler gets what others have as params of their own."""
_MOST_SWITCHES = 100
_LATENTS = ("latent_image", "latent", "samples")


def through_switches(graph: Mapping[str, JSON], value: Any) -> Any:
    """Give what an input's value is behind the switches it is linked to (ComfySwitchNode and its like)."""
    for _ in range(_MOST_SWITCHES):
        if not is_link(value) or value[1] != 0 or value[0] not in graph:
            break
        inputs = inputs_of(graph[value[0]])
        on = inputs.get("switch")
        if is_link(on) and on is not None and on[0] in graph:
            held = list(inputs_of(graph[on[0]]).values())
            on = held[0] if len(held) == 1 else None
        branch = inputs.get("on_true" if on is True else "on_false")
        if not isinstance(on, bool) or not is_link(branch):
            break
        value = branch
    return value


@dataclass(frozen=True, slots=True)
class Node:
    """A node with what its class says."""

    id: str
    spec: NodeSpec
    ports: Ports
    links: Mapping[str, Link]

    @property
    def params(self) -> dict[str, Param]:
        """Its params by name."""
        return {param.name: param for param in self.ports.params}

    @property
    def sockets(self) -> dict[str, Input]:
        """Its inputs that take a link only, by name."""
        return {socket.name: socket for socket in self.ports.inputs}


class Trace:
    """The nodes that a workflow's outputs need, or all where it has none; unknown classes are left out."""

    def __init__(self, graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec]) -> None:
        outputs = output_nodes(graph, specs)
        needed = reachable(graph, outputs) if outputs else set(graph)
        self.nodes: dict[str, Node] = {}
        for node_id, node in graph.items():
            spec = specs.get(str(node.get("class_type")))
            if spec is not None and node_id in needed:
                links: dict[str, Link] = {}
                for link in links_of(node_id, node):
                    source, slot = through_switches(graph, [link.source, link.slot])
                    links[link.name] = Link(source, slot, node_id, link.name)
                self.nodes[node_id] = Node(node_id, spec, live_ports(spec, inputs_of(node)), links)
        self.samplers = [node for node in self.nodes.values() if _samples(node)]

    def type_of(self, link: Link) -> str:
        """Give the type that comes through a link; empty if that is not known."""
        source = self.nodes.get(link.source)
        if source is None or not 0 <= link.slot < len(source.spec.outputs):
            return ""
        return source.spec.outputs[link.slot].type

    def behind(self, node: Node, types: frozenset[str]) -> Iterator[Node]:
        """Give *node* and all nodes it gets one of *types* from, directly or through others of them."""
        seen: set[str] = set()
        stack = [node]
        while stack:
            here = stack.pop()
            if here.id in seen:
                continue
            seen.add(here.id)
            yield here
            stack.extend(
                self.nodes[link.source]
                for link in here.links.values()
                if link.source in self.nodes and self.type_of(link) in types
            )

    # Where the well-known values are

    def settings(self, names: Sequence[str]) -> list[Place]:
        """Give the places of a sampler's value: its own, or of the nodes that it gets such things from."""
        return _unique(
            (node.id, name)
            for sampler in self.samplers
            for node in self.behind(sampler, _PARTS)
            for name in names
            if name in node.params
        )

    def seeds(self) -> list[Place]:
        """Give the seeds of all samplers; without a sampler, every seed that there is."""
        found = self.settings(SEEDS)
        if found or self.samplers:
            return found
        return [(node.id, name) for node in self.nodes.values() for name in SEEDS if name in node.params]

    def latents(self, name: str) -> list[Place]:
        """Give the places of *name* (``width``, …) in the nodes where the samplers' latents begin."""
        found: list[Place] = []
        for sampler in self.samplers:
            for start in (link for link in sampler.links.values() if link.name in _LATENTS):
                if start.source not in self.nodes:
                    continue
                for node in self.behind(self.nodes[start.source], frozenset({"LATENT"})):
                    makes = not any(self.type_of(link) == "LATENT" for link in node.links.values())
                    if makes and name in node.params:
                        found.append((node.id, name))
        return _unique(found)

    def schedules(self, name: str) -> list[Place]:
        """Give the places of *name* in the nodes that make the samplers' sigmas (some know the size)."""
        return _unique(
            (node.id, name)
            for sampler in self.samplers
            for node in self.behind(sampler, frozenset({"SIGMAS"}))
            if node is not sampler and name in node.params
        )

    def checkpoints(self) -> list[Place]:
        """Give the places of the checkpoint's name in the loaders of the samplers' models."""
        return _unique(
            (node.id, "ckpt_name")
            for sampler in self.samplers
            for node in self.behind(sampler, frozenset({"MODEL", "GUIDER", "SIGMAS"}))
            if "ckpt_name" in node.params
            and not any(self.type_of(link) == "MODEL" for link in node.links.values())
        )

    def texts(self, role: str) -> list[Place]:
        """Give the places of the text behind the samplers' *role*: ``positive`` or ``negative``."""
        found: list[Place] = []
        for sampler in self.samplers:
            own = "prompt" if role == "positive" else "negative_prompt"
            if own in sampler.params and role not in sampler.sockets:
                found.append((sampler.id, own))
            for node in self.behind(sampler, frozenset({"GUIDER"})):
                found.extend(self._texts_into(node, role))
        return _unique(found)

    def _texts_into(self, node: Node, role: str) -> Iterator[Place]:
        """Follow the conditioning links into a sampler or guider that belong to *role*."""
        names = [name for name, link in node.links.items() if self.type_of(link) == "CONDITIONING"]
        wanted = [name for name in names if name == role]
        if (
            not wanted and role == "positive"
        ):  # BasicGuider has one conditioning, DualCFGGuider has cond1, cond2
            wanted = [name for name in names if name != "negative" and name.startswith("cond")]
        seen: set[tuple[str, int]] = set()
        stack = [node.links[name] for name in wanted]
        while stack:
            link = stack.pop()
            source = self.nodes.get(link.source)
            if source is None or (link.source, link.slot) in seen or source.spec.name == _ZERO_OUT:
                continue
            seen.add((link.source, link.slot))
            into = {
                name: further
                for name, further in source.links.items()
                if self.type_of(further) == "CONDITIONING"
            }
            if into:
                # A node that passes several on names its outputs as its inputs.
                output = source.spec.outputs[link.slot].name
                stack.extend([into[output]] if output in into else into.values())
            else:
                yield from ((source.id, name) for name in _text_params(source, link.slot, role))


def _samples(node: Node) -> bool:
    inputs = {*node.sockets, *node.params}
    seeded = not inputs.isdisjoint(SEEDS)
    return (
        (seeded and {"positive", "negative"} <= inputs)
        or (seeded and "steps" in inputs)
        or {"guider", "sigmas"} <= inputs
    )


def _text_params(node: Node, slot: int, role: str) -> list[str]:
    texts = {name: param for name, param in node.params.items() if param.type == "STRING"}
    output = node.spec.outputs[slot].name
    if role == "negative" and output == role and "negative_prompt" in texts:
        return ["negative_prompt"]
    if role == "negative" and output == "positive":
        return []
    for name in _TEXTS:
        if name in texts:
            return [name]
    return [name for name, param in texts.items() if param.multiline and name != "negative_prompt"]


def _unique(places: Iterator[Place] | Sequence[Place]) -> list[Place]:
    return list(dict.fromkeys(places))
