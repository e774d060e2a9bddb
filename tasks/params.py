"""Sets values of a workflow by what they mean: ``params`` and ``loras`` of a request. Pure.

A key of ``params`` is looked for in this order:

1. A well-known value (:data:`WELL_KNOWN`). It is found by following the links from the samplers that the
   outputs need: ``seed`` and ``steps`` on the sampler or what hangs on it (noise, guider, sigmas), ``prompt``
   in the text that its ``positive`` link leads to, ``width`` where its latent begins. A text behind
   ConditioningZeroOut is not a negative prompt. Where there is no sampler, params of that name are meant.
2. ``"<node id>.<input>"`` or ``"<title>.<input>"``: any value of any node. It goes before a well-known value
   for the same place.
3. The title of a node with one param, or the name of a param that only one node has.

If a well-known value has several places, all are set if they hold the same value now: then it is one value,
said several times. ``seed`` is set everywhere in any case. Otherwise a choice would be a guess: it is refused
with PARAM_AMBIGUOUS, which lists the places. A value that comes from another node by a link is set there, if
that node does nothing but hold one value; else it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..errors import JSON, InvalidRequest, InvalidWorkflow, close_matches
from ..graph import inputs_of, is_link, links_of, title_of
from ..nodespec import ANY, NodeSpec, Param, every_port, live_ports
from .addresses import by_title, split, with_input
from .drawing import RANDOM, Drawn
from .loras import Inserted, Lora, insert_loras
from .tracing import SEEDS, Place, Trace, through_switches

MOST_PARAMS = 200

_WHOLE, _NUMBER, _TEXT = "a whole number", "a number", "a string"

WELL_KNOWN: Mapping[str, str] = {
    "prompt": _TEXT,
    "negative_prompt": _TEXT,
    "seed": _WHOLE,
    "steps": _WHOLE,
    "cfg": _NUMBER,
    "sampler_name": _TEXT,
    "scheduler": _TEXT,
    "denoise": _NUMBER,
    "width": _WHOLE,
    "height": _WHOLE,
    "batch_size": _WHOLE,
    "ckpt_name": _TEXT,
    "checkpoint": _TEXT,
}
"""The well-known values and what each must be; a seed may be ``"random"``."""


@dataclass(frozen=True, slots=True)
class Change:
    """A value that was set. *also* are other inputs that get the same value by links."""

    param: str
    node_id: str
    input: str
    value: Any
    also: tuple[str, ...] = ()

    def to_json(self) -> JSON:
        """Give it as the reply shows it."""
        return {
            "param": self.param,
            "node_id": self.node_id,
            "input": self.input,
            "value": self.value,
            "also": list(self.also),
        }


@dataclass(frozen=True, slots=True)
class Applied:
    """The new workflow and what was done to it."""

    graph: dict[str, JSON]
    changes: tuple[Change | Inserted, ...]
    drawn: tuple[Drawn, ...] = ()


def read_params(value: Any) -> dict[str, Any]:
    """Read a request's ``params``: an object. Raises ApiError INVALID_REQUEST."""
    if value is None:
        return {}
    if not isinstance(value, dict) or len(cast("JSON", value)) > MOST_PARAMS:
        raise _bad("params", f"params must be an object with at most {MOST_PARAMS} values.")
    params = cast("JSON", value)
    for key, given in params.items():
        kind = WELL_KNOWN.get(key)
        if kind is not None and not (_is(kind, given) or (key == "seed" and given == RANDOM)):
            wanted = f'{kind} or "{RANDOM}"' if key == "seed" else kind
            raise _bad(f"params.{key}", f"{key} must be {wanted}.")
    return params


def _is(kind: str, value: Any) -> bool:
    if kind == _TEXT:
        return isinstance(value, str)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) if kind == _WHOLE else isinstance(value, int | float)


def _bad(field: str, message: str) -> InvalidRequest:
    return InvalidRequest("INVALID_REQUEST", message, details={"fields": {field: message}})


def apply_params(
    graph: Mapping[str, JSON],
    specs: Mapping[str, NodeSpec],
    params: Mapping[str, Any],
    loras: Sequence[Lora] = (),
    *,
    random_seed: Callable[[], int],
) -> Applied:
    """Give *graph* with the values set and the LoRAs put in; *graph* is left as it is.

    *params* and *loras* are those of :func:`read_params` and :func:`.loras.read_loras`. *random_seed* is
    asked once for each ``"random"``; JavaScript reads numbers up to 2**53 - 1 exactly. What a value may be
    is not checked: ComfyUI does that. Raises ApiError PARAM_NOT_FOUND, PARAM_AMBIGUOUS, LORA_NOT_FOUND,
    UNKNOWN_NODE_CLASS.
    """
    work = _Work(graph, specs)
    for key, value in sorted(params.items(), key=lambda item: item[0] not in WELL_KNOWN):
        work.set(key, value, random_seed)
    changed = with_input(graph, {place: _as_input(change.value) for place, change in work.changes.items()})
    with_loras, inserted = insert_loras(changed, specs, loras)
    return Applied(with_loras, (*work.changes.values(), *inserted), work.drawn())


def held(graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec], key: str) -> list[tuple[Place, Any]]:
    """Give where a well-known value is, as :func:`apply_params` would find it, and what it is there.

    Empty where that cannot be told.
    """
    work = _Work(graph, specs)
    try:
        return work.held(key)
    except InvalidWorkflow:
        return []


def _as_input(value: Any) -> Any:
    if isinstance(value, list):
        return {"__value__": cast("list[Any]", value)}  # a bare list would be a link
    return value


class _Work:
    """Finds the places of one request's values."""

    def __init__(self, graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec]) -> None:
        self.graph = graph
        self.specs = specs
        self.trace = Trace(graph, specs)
        self.changes: dict[Place, Change] = {}
        self._drawn: list[Drawn] = []

    def set(self, key: str, value: Any, random_seed: Callable[[], int]) -> None:
        """Note where *value* goes."""
        known = key in WELL_KNOWN
        places = self._well_known(key) if known else [self._named(key)]
        sources = list(dict.fromkeys(self._source(key, place) for place in places))
        if known and key != "seed" and any(self._now(each) != self._now(sources[0]) for each in sources):
            raise self._ambiguous(key, sources)
        if value == RANDOM and (key == "seed" or places[0][1] in SEEDS):
            value = random_seed()
            self._drawn.append(Drawn(key, tuple(sources)))
        for place in sources:
            earlier = self.changes.get(place)
            if earlier is not None and earlier.value != value and (known or earlier.param not in WELL_KNOWN):
                raise InvalidWorkflow(
                    "PARAM_AMBIGUOUS",
                    f"{earlier.param!r} and {key!r} set the same value, {place[0]}.{place[1]}.",
                    details={"param": key, "candidates": [self._shown(place)]},
                )
            also = tuple(user for user in self._users(place) if user not in places)
            self.changes[place] = Change(key, *place, value, tuple(f"{node}.{name}" for node, name in also))

    def held(self, key: str) -> list[tuple[Place, Any]]:
        """Give the places of a well-known value, each with what it holds."""
        places = dict.fromkeys(self._source(key, place) for place in self._well_known(key))
        return [(place, self._now(place)) for place in places]

    def drawn(self) -> tuple[Drawn, ...]:
        """Give the seeds that were drawn, and where none was set by name afterwards."""
        kept = (
            Drawn(each.name, tuple(place for place in each.places if self.changes[place].param == each.name))
            for each in self._drawn
        )
        return tuple(each for each in kept if each.places)

    # Well-known values

    def _well_known(self, key: str) -> list[Place]:
        trace = self.trace
        match key:
            case "prompt":
                found = trace.texts("positive")
            case "negative_prompt":
                positive = trace.texts("positive")
                found = [place for place in trace.texts("negative") if place not in positive]
            case "seed":
                found = trace.seeds()
            case "width" | "height":
                found = trace.latents(key)
                now = {repr(self._now(place)) for place in found}
                # Some schedules know the size too; one that is kept different is kept.
                found += [place for place in trace.schedules(key) if repr(self._now(place)) in now]
            case "batch_size":
                found = trace.latents(key)
            case "ckpt_name" | "checkpoint":
                found = trace.checkpoints()
            case _:
                found = trace.settings([key])
        if not trace.samplers:  # such as one whose work is done by a partner's service
            name = "ckpt_name" if key == "checkpoint" else key
            found = [(node.id, name) for node in trace.nodes.values() if name in node.params] or found
        if found:
            return found
        samplers = "no sampler whose links lead to it" if trace.samplers else "no sampler"
        raise InvalidWorkflow(
            "PARAM_NOT_FOUND",
            f"The workflow has {samplers}: {key!r} cannot be set.",
            hint='Name the place itself: "<node id>.<input>".',
            details={"param": key},
        )

    # Places by name

    def _named(self, key: str) -> Place:
        address = split(self.graph, key)
        if address is not None:
            self._check_exists(key, address)
            return address
        titled = by_title(self.graph, key)
        found = [(node_id, name) for node_id in titled for name in self._params(node_id)]
        if not found:
            found = [(node.id, key) for node in self.trace.nodes.values() if key in node.params]
        if len(found) == 1:
            return found[0]
        if found:
            raise self._ambiguous(key, found)
        names = {name for node in self.trace.nodes.values() for name in node.params}
        matches = close_matches(key, sorted({*WELL_KNOWN, *names}))
        raise InvalidWorkflow(
            "PARAM_NOT_FOUND",
            f"The workflow has no value {key!r}.",
            hint=f"Did you mean {matches[0]!r}?" if matches else 'Name it as "<node id>.<input>".',
            details={"param": key, "close_matches": matches},
        )

    def _check_exists(self, key: str, place: Place) -> None:
        node_id, name = place
        node = self.graph[node_id]
        spec = self.specs.get(str(node.get("class_type")))
        if spec is None:
            names = list(inputs_of(node))
        else:
            live = live_ports(spec, inputs_of(node))
            # Also those that another value of the same request brings.
            names = [port.name for port in (*every_port(spec.ports), *live.params) if isinstance(port, Param)]
            names += [
                port.name for port in live.inputs if not is_link(inputs_of(node).get(port.name, ["", 0]))
            ]
        if name in names:
            return
        matches = close_matches(name, names)
        raise InvalidWorkflow(
            "PARAM_NOT_FOUND",
            f"Node {node_id} ({node.get('class_type')}) has no value {name!r}.",
            hint=f"Did you mean {matches[0]!r}?" if matches else None,
            details={"param": key, "node_id": node_id, "close_matches": matches},
        )

    def _params(self, node_id: str) -> list[str]:
        node = self.graph[node_id]
        spec = self.specs.get(str(node.get("class_type")))
        return [] if spec is None else [param.name for param in live_ports(spec, inputs_of(node)).params]

    # Values that come by links

    def _source(self, key: str, place: Place) -> Place:
        """Give the place itself, or the one value that it is linked to."""
        here, source = place, "another node"
        for _ in range(len(self.graph) + 1):
            value = through_switches(self.graph, self._now(here))
            if not is_link(value):
                return here
            if value[0] in self.graph:
                source = f"node {value[0]} ({self.graph[value[0]].get('class_type')})"
            held = self._held(value[0], value[1])
            if held is None:
                break
            here = held
        raise InvalidWorkflow(
            "PARAM_NOT_FOUND",
            f"{place[0]}.{place[1]} gets its value from {source}, which does more than hold one value.",
            hint="Set an input of that node instead, or remove the link.",
            details={"param": key, "candidates": [self._shown(place)]},
        )

    def _held(self, node_id: str, slot: int) -> Place | None:
        """Give the value of a node that only holds one."""
        node = self.graph.get(node_id)
        spec = None if node is None else self.specs.get(str(node.get("class_type")))
        if node is None or spec is None or spec.inputs or len(spec.params) != 1 or len(spec.outputs) != 1:
            return None
        param = spec.params[0]
        fits = slot == 0 and spec.outputs[0].type in {param.type, ANY}
        return (node_id, param.name) if fits and param.variants is None else None

    def _users(self, place: Place) -> Iterator[Place]:
        """Give the inputs that get the value of a place by links, where the node only holds it."""
        if self._held(place[0], 0) == place:
            for node_id, node in self.graph.items():
                for link in links_of(node_id, node):
                    if link.source == place[0]:
                        yield node_id, link.name

    # What errors show

    def _now(self, place: Place) -> Any:
        return inputs_of(self.graph[place[0]]).get(place[1])

    def _shown(self, place: Place) -> JSON:
        node_id, name = place
        node, value = self.graph[node_id], self._now(place)
        return {
            "key": f"{node_id}.{name}",
            "class_type": node.get("class_type"),
            "title": title_of(node),
            "value": value[:200] if isinstance(value, str) else value,
        }

    def _ambiguous(self, key: str, places: Sequence[Place]) -> InvalidWorkflow:
        names = ", ".join(f"{node_id}.{name}" for node_id, name in places[:10])
        return InvalidWorkflow(
            "PARAM_AMBIGUOUS",
            f"{key!r} has {len(places)} places in the workflow, with different values.",
            hint=f"Say which: {names}.",
            details={"param": key, "candidates": [self._shown(place) for place in places]},
        )
