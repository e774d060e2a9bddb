"""Proposes what a template's inputs and outputs are. Pure.

An author says it with titles: ``$prompt`` is an input (its node has one value, or one of that name),
``$size.width`` one with the field named; several may stand in one title. The title ``$name`` of a node that
shows or saves names an output. What App mode shows counts too. Where neither says anything, the usual
fields are proposed: the prompt, the seed and so on, found by the links from the samplers, and the files
that are loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import JSON
from ..graph import inputs_of, is_link, title_of
from ..nodespec import NodeSpec, Param, live_ports
from ..tasks.tracing import Trace, through_switches
from ..validation import output_nodes
from .app_mode import AppMode, Shown
from .reading import MOST_INPUTS, is_input_name
from .rules import param_at, types_of
from .values import Place

_MARK = re.compile(r"\$([A-Za-z_][A-Za-z0-9_-]*)((?:\.[A-Za-z0-9_-]+)*)")
_LONGEST = 64
_MOST_STEPS = 100
_SETTINGS = ("steps", "cfg", "sampler_name", "scheduler", "denoise")


@dataclass(slots=True)
class Proposal:
    """Inputs and outputs as a template declares them. *origin* says of each name where it is from."""

    inputs: dict[str, JSON] = field(default_factory=dict[str, JSON])
    outputs: dict[str, JSON] = field(default_factory=dict[str, JSON])
    origin: dict[str, str] = field(default_factory=dict[str, str])
    """By name ``title``, ``app`` or ``usual``."""
    notes: list[str] = field(default_factory=list[str])

    def to_json(self) -> JSON:
        """Give it as replies carry it."""
        return {"inputs": self.inputs, "outputs": self.outputs, "from": self.origin, "notes": self.notes}


def propose(graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec], app: AppMode | None = None) -> Proposal:
    """Propose inputs and outputs for a workflow in API format; *app* is what its App mode shows."""
    work = _Work(graph, specs)
    work.from_titles()
    if app is not None:
        work.from_app(app)
    if not work.found.inputs:
        work.usual()
    return work.found


class _Work:
    """Collects one proposal."""

    def __init__(self, graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec]) -> None:
        self.graph = graph
        self.specs = specs
        self.found = Proposal()
        self.taken: set[Place] = set()
        self.shown = set(output_nodes(graph, specs))

    # Titles

    def from_titles(self) -> None:
        for node_id, node in self.graph.items():
            title = (title_of(node) or "").strip()
            if not title.startswith("$"):
                continue
            for name, path in _MARK.findall(title):
                self.marked(node_id, name[:_LONGEST], path[1:])

    def marked(self, node_id: str, name: str, named: str) -> None:
        node = self.graph[node_id]
        spec = self.specs.get(node["class_type"])
        if spec is None:
            self.found.notes.append(f"${name}: node {node_id} is of a class that is not here.")
            return
        params = [param.name for param in live_ports(spec, inputs_of(node)).params]
        if named:
            choice = [named] if named in params else []
        elif node_id in self.shown:
            if name in self.found.outputs:
                self.found.notes.append(f"${name}: several nodes have this title.")
            else:
                self.found.outputs[name] = {"node": node_id}
            return
        else:
            choice = [name] if name in params else params
        if len(choice) == 1:
            self.add(name, [(node_id, choice[0])], "title")
        else:
            said = (
                f"has no value {named!r}"
                if named
                else f"has {len(params)} values; say which, as in ${name}.{name}"
            )
            self.found.notes.append(f"${name}: node {node_id} ({spec.name}) {said}.")

    # App mode

    def from_app(self, app: AppMode) -> None:
        for shown in app.inputs:
            self.from_shown(shown)
        self.found.notes += [f"App mode's {name} leads to nothing in the workflow." for name in app.lost]
        taken = {output["node"] for output in self.found.outputs.values()}
        for node_id in app.outputs:
            if node_id in self.shown and node_id not in taken:
                own = self.own_title(node_id)
                name = _free(_as_name(own or "output"), self.found.outputs)
                self.found.outputs[name] = {"node": node_id, **({"title": own} if own else {})}
                taken.add(node_id)
            elif node_id not in self.graph:
                self.found.notes.append(f"App mode's output {node_id} is not in the workflow.")

    def from_shown(self, shown: Shown) -> None:
        places = list(dict.fromkeys(self.source(place) or place for place in shown.places))
        places = [place for place in places if self.settable(place)]
        if not places:
            self.found.notes.append(f"App mode's {shown.name} is linked, or leads to nothing.")
            return
        own = None if shown.title is None or shown.title.startswith("$") else shown.title
        self.add(_as_name(own or shown.name), places, "app", title=own)

    # The usual fields

    def usual(self) -> None:
        trace = Trace(self.graph, self.specs)
        positive = trace.texts("positive")
        negative = [place for place in trace.texts("negative") if place not in positive]
        finders: list[tuple[str, Callable[[], Sequence[Place]]]] = [
            ("prompt", lambda: positive),
            ("negative_prompt", lambda: negative),
            *((name, _finder(trace, name)) for name in ("width", "height", "batch_size")),
            ("seed", trace.seeds),
            *((name, _setting(trace, name)) for name in _SETTINGS),
            ("checkpoint", trace.checkpoints),
        ]
        for name, finder in finders:
            places = list(
                dict.fromkeys(found for place in finder() if (found := self.source(place)) is not None)
            )
            places = [place for place in places if self.settable(place)]
            alike = {repr(self.now(place)) for place in places}
            if not places:
                continue
            if name == "seed" or len(alike) == 1:
                self.add(name, places, "usual")
            else:
                for place in places:
                    self.add(name, [place], "usual")
        for place in self.files():
            self.add(place[1], [place], "usual", title=self.own_title(place[0]))

    def files(self) -> Iterator[Place]:
        for node_id, node in self.graph.items():
            spec = self.specs.get(node["class_type"])
            for param in () if spec is None else live_ports(spec, inputs_of(node)).params:
                if param.upload is not None and self.settable((node_id, param.name)):
                    yield node_id, param.name

    def source(self, place: Place) -> Place | None:
        """Give the place itself, or the one value it is linked to; None where there is more behind it."""
        for _ in range(_MOST_STEPS):
            value = through_switches(self.graph, self.now(place))
            if not is_link(value):
                return place
            node = self.graph.get(value[0])
            spec = None if node is None else self.specs.get(node["class_type"])
            if (
                spec is None
                or spec.inputs
                or len(spec.params) != 1
                or value[1] != 0
                or len(spec.outputs) != 1
            ):
                return None
            place = (value[0], spec.params[0].name)
        return None

    # Both

    def own_title(self, node_id: str) -> str | None:
        """Give the title that a person gave a node."""
        title, spec = title_of(self.graph[node_id]), self.specs.get(self.graph[node_id]["class_type"])
        return None if spec is None or title in {None, "", spec.display_name, spec.name} else title

    def now(self, place: Place) -> Any:
        return inputs_of(self.graph.get(place[0], {})).get(place[1])

    def settable(self, place: Place) -> bool:
        param = self.param(place)
        return place not in self.taken and not is_link(self.now(place)) and bool(param and types_of(param))

    def param(self, place: Place) -> Param | None:
        return param_at(place, self.graph, self.specs)

    def add(self, name: str, places: Sequence[Place], origin: str, title: str | None = None) -> None:
        """Declare an input; what cannot be one is noted."""
        usable = [place for place in places if self.settable(place)]
        param = self.param(usable[0]) if usable else None
        if param is None:
            for node_id, field_name in places:
                if (node_id, field_name) not in self.taken:
                    words = "is linked, or holds what no input can be"
                    self.found.notes.append(f"{name}: {field_name} of node {node_id} {words}.")
            return
        if len(self.found.inputs) >= MOST_INPUTS:
            return
        kind = types_of(param)[0]
        same = [place for place in usable if (other := self.param(place)) and kind in types_of(other)]
        node_id, field_name = same[0]
        name = _free(name, self.found.inputs)
        document: JSON = {"node": node_id, "field": field_name, "type": kind}
        if title:
            document["title"] = title[:200]
        if len(same) > 1:
            document["also"] = [{"node": node, "field": key} for node, key in same[1:]]
        self.found.inputs[name] = document
        self.found.origin[name] = origin
        self.taken.update(same)


def _finder(trace: Trace, name: str) -> Callable[[], Sequence[Place]]:
    return lambda: trace.latents(name)


def _setting(trace: Trace, name: str) -> Callable[[], Sequence[Place]]:
    return lambda: trace.settings([name])


def _as_name(text: str) -> str:
    """Make a name of what a person wrote."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_").lower()[:_LONGEST]
    return name if is_input_name(name) else f"input_{name}".strip("_")[:_LONGEST]


def _free(name: str, taken: Mapping[str, Any]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name[: _LONGEST - 5]}_{number}" in taken:
        number += 1
    return f"{name[: _LONGEST - 5]}_{number}"
