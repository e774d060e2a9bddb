"""Gives each fault the one operation that mends it, where there is one (docs/patching.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from ..errors import JSON
from ..graph import is_link
from ..nodespec import ANY, COMBO, EXACT, NodeSpec, accepts
from .fix_values import NONE, better
from .look import Look, suits
from .net import Hop, Out
from .nodes import Fault
from .shapes import Field
from .wiring import Wiring


class Fixes:
    """The fixes of one call."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._wiring = Wiring(look)
        self._shows: dict[str, tuple[str, str] | None] = {}

    def of(self, fault: Fault) -> JSON | None:
        """Give the operation that mends a fault, None if none can."""
        node_id = fault.node_id
        if node_id is None:
            return self._show() if fault.code == "NO_OUTPUT_NODE" and not fault.details else None
        special: Mapping[str, Callable[[str, Fault], JSON | None]] = {
            "UNKNOWN_NODE_CLASS": self._class,
            "BAD_NODE": self._shaped,
            "PARAM_UNKNOWN": self._misspelt,
            "PORT_UNKNOWN": self._unlinked,
            "WORKFLOW_CYCLE": self._broken,
            "OUTPUT_NOT_REACHED": self._reached,
            "NODE_NOT_USED": lambda node_id, _: _removed(node_id),
        }
        if fault.code in special:
            return special[fault.code](node_id, fault)
        name = fault.name or ""
        field = self._look.field(node_id, name)
        if field is None:
            return self._without(node_id, name)
        if field.param is not None:
            return self._param(node_id, name, field, fault)
        return self._socket(node_id, name, field, fault)

    # params

    def _param(self, node_id: str, name: str, field: Field, fault: Fault) -> JSON | None:
        held = self._look.inputs(node_id).get(name, NONE)
        if fault.code == "MISSING_INPUT" and "misspelt" in fault.details:
            held = self._look.inputs(node_id)[fault.details["misspelt"]]
            link = self._given(node_id, field, held)
            if link is not None:
                return _connected(link, node_id, name)
        if is_link(held):
            known = held[0] in self._look.graph
            own = self._wiring.source(node_id, name, field, of=held[0]) if known else None
            if own is not None:
                return _connected(own, node_id, name)
            held = NONE
        if fault.code == "BAD_LINK" and field.rule.free and field.rule.kind not in {"STRING", "BOOLEAN"}:
            return _set(node_id, name, {"__value__": held})
        value = better(self._look, field, held)
        if value is not NONE:
            return _set(node_id, name, value)
        found = None if field.rule.kind == COMBO else self._wiring.source(node_id, name, field)
        if found is not None:  # what has neither a default nor names to choose from
            return _connected(found, node_id, name)
        missing = fault.code == "MISSING_INPUT"
        return None if field.required or missing else self._without(node_id, name)

    def _given(self, node_id: str, field: Field, held: Any) -> Out | None:
        """Give the output that a misspelt input is linked to, if it fits."""
        if not is_link(held) or held[0] not in self._look.graph or not field.linkable:
            return None
        out: Out = (held[0], held[1])
        given, output = self._look.gives(out), self._look.output(out)
        if given is None or output is None or not suits(field, given, output):
            return None
        return None if self._look.net.depends(out[0], node_id) else out

    # sockets

    def _socket(self, node_id: str, name: str, field: Field, fault: Fault) -> JSON | None:
        misspelt = fault.details.get("misspelt")
        if misspelt is not None:
            link = self._given(node_id, field, self._look.inputs(node_id)[misspelt])
            if link is not None:
                return _connected(link, node_id, name)
        found = self._meant(node_id, name, field, fault) or self._wiring.source(node_id, name, field)
        if found is not None:
            return _connected(found, node_id, name)
        if not field.required:
            return self._without(node_id, name)
        return self._done_without(node_id)

    def _meant(self, node_id: str, name: str, field: Field, fault: Fault) -> Out | None:
        """Give another output of the node that a link names, or an output of one that has nearly that id."""
        held = self._look.inputs(node_id).get(name)
        if not isinstance(held, list) or not held:
            return None
        near = [cast("list[Any]", held)[0], *fault.details.get("close_matches", ())]
        for source in near:
            if not isinstance(source, str) or source not in self._look.graph:
                continue
            last = self._last(held, node_id, field) if fault.code == "LINK_SLOT_OUT_OF_RANGE" else None
            found = last or self._wiring.source(node_id, name, field, of=source)
            if found is not None:
                return found
        return None

    def _last(self, held: Any, node_id: str, field: Field) -> Out | None:
        """Give what ComfyUI makes of a slot below 0, which it counts from the end, if it fits."""
        spec = self._look.spec(held[0])
        slot = len(spec.outputs) + held[1] if spec is not None and held[1] < 0 else -1
        return self._given(node_id, field, [held[0], slot]) if slot >= 0 else None

    def _done_without(self, node_id: str) -> JSON | None:
        """Remove a node that cannot be given what it needs, if that takes nothing from others."""
        users = self._look.net.users[node_id]
        if not users:
            return _removed(node_id)
        links = [(source, slot) for _, source, slot in self._look.net.into[node_id] if source != node_id]
        for target, name, slot in users:
            user, given = self._look.field(target, name), self._look.gives((node_id, slot))
            if user is None or given is None or user.match is not None:
                return None
            kinds = [kind for out in links if (kind := self._look.gives(out)) is not None]
            fits = [kind for kind in kinds if accepts(user.takes, kind) == accepts(given, kind) == EXACT]
            if not fits and user.required:
                return None
        return {"op": "remove_node", "node_id": node_id, "bridge": True}

    def _without(self, node_id: str, name: str) -> JSON | None:
        """Take an input away: no operation does that to values, so the node is put there without it."""
        inputs = self._look.inputs(node_id)
        if name not in inputs:
            return None
        if is_link(inputs[name]):
            return {"op": "disconnect", "target_node_id": node_id, "input": name}
        node = self._look.graph[node_id]
        kept = {key: value for key, value in inputs.items() if key != name}
        return {"op": "restore", "nodes": {node_id: {**node, "inputs": kept}}}

    # whole nodes

    def _class(self, node_id: str, fault: Fault) -> JSON | None:
        matches: list[str] = fault.details["close_matches"]
        if matches:
            return {"op": "replace_node", "node_id": node_id, "class_type": matches[0]}
        return None if self._look.net.users[node_id] else _removed(node_id)

    def _shaped(self, node_id: str, _: Fault) -> JSON | None:
        return {"op": "restore", "nodes": {node_id: {**self._look.graph[node_id], "inputs": {}}}}

    def _misspelt(self, node_id: str, fault: Fault) -> JSON | None:
        meant: str = fault.details["meant"]
        field = self._look.field(node_id, meant)
        if field is None or field.param is None:
            return self._without(node_id, fault.name or "")
        value = better(self._look, field, self._look.inputs(node_id)[fault.name or ""])
        return None if value is NONE else _set(node_id, meant, value)

    def _unlinked(self, node_id: str, fault: Fault) -> JSON | None:
        return self._without(node_id, fault.name or "")

    def _reached(self, node_id: str, _: Fault) -> JSON | None:
        shape = self._look.shape(node_id)
        fields: Mapping[str, Field] = {} if shape is None else shape.fields
        for name, field in fields.items():
            typed = field.param is None and field.takes != ANY
            found = self._wiring.source(node_id, name, field) if typed else None
            if found is not None:
                return _connected(found, node_id, name)
        return _removed(node_id)

    # circles

    def circles(self) -> list[Fault]:
        """Tell each circle at the link where it is best broken, once for each such link."""
        found: dict[tuple[str, str], Fault] = {}
        for circle in self._look.net.circles:
            ways = [(*self._breaking(hop), hop) for hop in circle[:_TRIED]]
            _, _, hop = min(ways, key=lambda way: way[0])
            flow = [circle[0].source, *(each.target for each in circle[:-1])]
            found.setdefault(
                (hop.target, hop.name),
                Fault(
                    "WORKFLOW_CYCLE",
                    hop.target,
                    hop.name,
                    f"the workflow goes in a circle: {' → '.join([*flow, flow[0]])}.",
                    "Remove one of these links.",
                    {"cycle": flow},
                    circle=circle,
                ),
            )
        return list(found.values())

    def _breaking(self, hop: Hop) -> tuple[int, JSON]:
        """Give the operation that breaks a circle at one link, and how good that is: less is better."""
        node_id, name, look = hop.target, hop.name, self._look
        removal = _removed(node_id)
        if sum(source == hop.source for _, source, _ in look.net.into[node_id]) > 1:
            return 3, removal  # another link between the two would close it still
        field = look.field(node_id, name)
        unlinked: JSON = {"op": "disconnect", "target_node_id": node_id, "input": name}
        if field is None:
            return 1, unlinked
        if field.param is not None:
            value = better(look, field, NONE)
            return (3, removal) if value is NONE else (1, _set(node_id, name, value))
        found = self._wiring.source(node_id, name, field)
        if found is not None:
            return (0 if look.gives(found) == field.takes else 2), _connected(found, node_id, name)
        return (3, removal) if field.required else (1, unlinked)

    def _broken(self, node_id: str, fault: Fault) -> JSON | None:
        return self._breaking(
            next(hop for hop in fault.circle if (hop.target, hop.name) == (node_id, fault.name))
        )[1]

    # outputs

    def _show(self) -> JSON | None:
        """Add a node that shows something: the last that nobody uses, pictures and the like before others."""
        net = self._look.net
        offers: list[tuple[tuple[bool, bool], Out, str]] = []
        for node_id in reversed(net.order):
            spec = self._look.spec(node_id)
            for slot in range(0 if spec is None else len(spec.outputs)):
                kind = self._look.gives((node_id, slot))
                if kind is not None:
                    key = (net.used[node_id, slot] > 0, kind not in SHOWN_BEST)
                    offers.append((key, (node_id, slot), kind))
        for _, out, kind in sorted(offers, key=lambda offer: offer[0]):
            found = self._shown_by(kind)
            if found is not None:
                return {"op": "add_node", "class_type": found[0], "inputs": {found[1]: list(out)}}
        return None

    def _shown_by(self, kind: str) -> tuple[str, str] | None:
        """Give the output class that is best for a type, and its input."""
        if kind not in self._shows:
            ranked = [
                (key, (spec.name, name))
                for spec in self._look.specs.values()
                if spec.flags.output_node and (found := self._shown_in(spec, kind)) is not None
                for key, name in [found]
            ]
            self._shows[kind] = min(ranked, key=lambda each: each[0])[1] if ranked else None
        return self._shows[kind]

    def _shown_in(self, spec: NodeSpec, kind: str) -> tuple[tuple[Any, ...], str] | None:
        """Give the one input that a class needs linked, if it takes that type, and how good that is."""
        flags = spec.flags
        if flags.deprecated or flags.api_node or flags.dev_only or flags.experimental:
            return None
        shape = self._look.shape_of(spec, {})
        sockets = [name for name in shape.required if shape.fields[name].param is None]
        others = [shape.fields[name] for name in shape.required if shape.fields[name].param is not None]
        if len(sockets) != 1 or any(better(self._look, field, NONE) is NONE for field in others):
            return None
        fit = accepts(shape.fields[sockets[0]].takes, kind)
        if fit is None:
            return None
        previews = spec.name.startswith("Preview")
        # of a model or the like only a text is shown: better than to save it
        key = (fit, not previews) if kind in SHOWN_BEST else (not previews, fit)
        return (*key, spec.pack != "core", spec.name), sockets[0]


_TRIED = 12
"""At how many links a circle is tried to be broken."""

SHOWN_BEST = frozenset({"IMAGE", "AUDIO", "VIDEO", "SVG"})
"""Types that are worth showing for themselves."""


def _set(node_id: str, name: str, value: Any) -> JSON:
    return {"op": "set_param", "node_id": node_id, "param": name, "value": value}


def _connected(out: Out, node_id: str, name: str) -> JSON:
    return {
        "op": "connect",
        "source_node_id": out[0],
        "output": out[1],
        "target_node_id": node_id,
        "input": name,
    }


def _removed(node_id: str) -> JSON:
    return {"op": "remove_node", "node_id": node_id}
