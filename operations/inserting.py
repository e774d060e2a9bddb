"""The operations that find their ports by type: insert_node, parallel, add_fragment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..errors import JSON, InvalidOperation
from ..graph import is_link, links_of
from . import links
from .bypassing import without_memory
from .draft import Draft
from .fields import Out, Unfit, bad, mapping, nodes, port
from .making import Wanted, composed, fitting_slot, free_sockets, resolved
from .nodes import free_alias, place
from .pieces import In, Piece, of_node
from .pieces import Out as Leaving
from .ports import ambiguous, best, output_json, rank, slot, socket, socket_json, verify
from .splicing import Splice, place_of, usual_place


def insert_node(draft: Draft, given: Mapping[str, Any]) -> None:
    """Put a new node into links."""
    where = place_of(draft, given)
    if where is None:
        raise bad({"target_node_id": "missing: say where with target_node_id, source_node_id or both"})
    spec = draft.spec_of(given["class_type"])
    inputs = composed(draft, spec, Wanted(given["params"], resolved(draft, spec, given["inputs"])))
    node_id = place(draft, given, spec, inputs)
    open_before = bool(draft.linked)
    piece = of_node(draft, node_id)
    entry = None if given["node_input"] is None else socket(draft, node_id, given["node_input"]).name
    leaving = (
        None if given["node_output"] is None else piece.outputs[slot(draft, node_id, given["node_output"])]
    )
    splice = Splice(draft, piece)
    splice.into(where, entry, leaving)
    splice.complete(where, wide=False)
    sources = {each.node_id for each in where.sources}
    fed = {link.source for link in links_of(node_id, draft.nodes[node_id])}
    if not open_before and len(sources) == 1 and fed == sources:
        draft.linked.clear()  # who uses it depended on that one node before


def parallel(draft: Draft, given: Mapping[str, Any]) -> None:
    """Put a new node beside another one: it takes what that takes, by name and then by type."""
    beside, spec = draft.node_id(given["node_id"]), draft.spec_of(given["class_type"])
    before = draft.inputs(beside)
    explicit = resolved(draft, spec, given["inputs"])
    inputs = composed(draft, spec, Wanted(given["params"], explicit, before))
    free = [port for port in free_sockets(spec, inputs) if port.required and not port.is_param]
    left = {
        name: value
        for name, value in before.items()
        if is_link(value) and value[0] in draft.nodes and value not in inputs.values()
    }
    node_id = place(draft, given, spec, inputs)
    chosen: dict[str, str] = {}
    for name, value in left.items():
        ranked = ((rank(draft, value[0], value[1], port.type), port) for port in free)
        found = best((fit, port) for fit, port in ranked if fit is not None)
        if len(found) > 1:
            raise ambiguous(
                f"What {name} of node {beside} takes fits {len(found)} inputs of {spec.name} equally.",
                [socket_json(draft, node_id, port) for port in found],
            )
        if found and found[0].name in chosen:
            rivals = [left[chosen[found[0].name]], value]
            raise ambiguous(
                f"{found[0].name} of {spec.name} could take several of the links of node {beside}.",
                [output_json(draft, *each) for each in rivals],
                name=found[0].name,
            )
        if found:
            chosen[found[0].name] = name
    if not chosen and not any(map(is_link, inputs.values())):
        raise InvalidOperation(
            "NO_FITTING_PORT",
            f"{spec.name} takes nothing of what node {beside} ({draft.class_of(beside)}) takes.",
            details={
                "outputs": [output_json(draft, *value) for value in left.values()],
                "inputs": [socket_json(draft, node_id, port) for port in free],
            },
        )
    for taking, name in chosen.items():
        draft.set_input(node_id, taking, left[name], shortcut=True)  # nobody uses it
        verify(draft, node_id, taking)


def add_fragment(draft: Draft, given: Mapping[str, Any]) -> None:
    """Put in the nodes of a fragment, and wire its open ports: as the request says, then by type."""
    where = place_of(draft, given)
    free_alias(draft, given["alias"])
    fragment = cast("Fragment", given["fragment"])
    usual = usual_place(draft, fragment.places) if where is None and given["wire"] else None
    ids = _put_nodes(draft, fragment, given["alias"])
    piece = fragment.piece(draft, ids)
    splice = Splice(draft, piece)
    for node, values in given["params"].items():
        if node not in ids:
            raise bad({"params": f"the fragment has no node {node!r}"})
        for name, value in _object(values, f"params of {node}").items():
            links.set_param(draft, {"node_id": ids[node], "param": name, "value": value})
    _link_ports(draft, splice, given)
    if usual is not None and splice.is_open_to(usual):
        where = usual
    if where is not None:
        splice.into(where)
    if given["wire"]:
        splice.complete(where, wide=True)
        _refuse_open(splice.open())


def _object(value: Any, name: str) -> JSON:
    try:
        return mapping(value)
    except Unfit as fault:
        raise bad({name: str(fault)}) from fault


def _link_ports(draft: Draft, splice: Splice, given: Mapping[str, Any]) -> None:
    """Link the open ports that the request names."""
    entries = {each.name: each for each in splice.piece.inputs}
    for name, out in cast("dict[str, Out]", given["inputs"]).items():
        if name not in entries:
            raise bad({"inputs": f"the fragment has no input {name!r}"})
        source = draft.node_id(out.node_id)
        if out.output is None:
            at = fitting_slot(draft, source, entries[name].type, name, "the fragment")
        else:
            at = slot(draft, source, out.output)
        splice.feed(entries[name], source, at)
    leavings = {each.name: each for each in splice.piece.outputs}
    for name, (target, taking) in given["outputs"].items():
        if name not in leavings:
            raise bad({"outputs": f"the fragment has no output {name!r}"})
        leaving = leavings[name]
        link = {"source_node_id": leaving.node_id, "output": leaving.slot}
        links.connect(draft, {**link, "target_node_id": target, "input": taking})
        splice.led.append(leaving)


def _put_nodes(draft: Draft, fragment: Fragment, alias: str | None) -> dict[str, str]:
    ids = {name: draft.new_id() for name in fragment.nodes}
    for name, node in fragment.nodes.items():
        draft.spec_of(node["class_type"])
        inputs: JSON = {}
        for key, value in node.get("inputs", {}).items():
            if not is_link(value):
                inputs[key] = value
            elif value[0] in ids:
                inputs[key] = [ids[value[0]], value[1]]
        made = without_memory({**node, "inputs": inputs})
        draft.add(ids[name], made, alias=None if alias is None else f"{alias}.{name}", copy_of=name)
    return ids


def _refuse_open(left: Sequence[In]) -> None:
    if left:
        raise InvalidOperation(
            "NO_FITTING_PORT",
            f"Nothing in the workflow fits {', '.join(entry.name for entry in left)} of the fragment.",
            hint="Name an output in the field inputs, or leave the inputs open with wire: false.",
            details={"inputs": [{"input": entry.name, "type": entry.type} for entry in left]},
        )


def _listed(held: Any) -> list[Any]:
    if not isinstance(held, list):
        raise Unfit('must have its places as a list of {"class_type": …, "input": …}')
    return cast("list[Any]", held)


class Fragment:
    """A part of a workflow with open ports.

    ``{"workflow": {id: node}, "inputs": {name: {"node", "field"}}, "outputs": {name: {"node", "output"}}}``.
    An input may be a list of such places: one link then goes into all of them. ``"place"``, a list of
    ``{"class_type", "input"}``, says where it goes if the request says nothing of that. Raises Unfit.
    """

    def __init__(self, document: Any) -> None:
        about = mapping(document)
        unknown = about.keys() - {"workflow", "inputs", "outputs", "place"}
        if unknown or not about.get("workflow"):
            raise Unfit('must be {"workflow": {…}, "inputs": {…}, "outputs": {…}}')
        self.nodes = nodes(about["workflow"])
        self.inputs = {
            name: [self._port(each, "field") for each in (held if isinstance(held, list) else [held])]  # pyright: ignore[reportUnknownVariableType]
            for name, held in mapping(about.get("inputs", {})).items()
        }
        self.outputs = {
            name: self._port(held, "output") for name, held in mapping(about.get("outputs", {})).items()
        }
        self.places = [self._place(each) for each in _listed(about.get("place", []))]
        fed = {place for places in self.inputs.values() for place in places}
        for node_id, node in self.nodes.items():
            for key, value in node.get("inputs", {}).items():
                if is_link(value) and value[0] not in self.nodes and (node_id, key) not in fed:
                    raise Unfit(f"links {key} of node {node_id!r} to {value[0]!r}, which is not in it")

    def _port(self, held: Any, key: str) -> tuple[str, int | str]:
        about = mapping(held)
        if about.keys() != {"node", key} or about["node"] not in self.nodes:
            raise Unfit(f'must name its ports as {{"node": one of its nodes, "{key}": …}}')
        return about["node"], port(about[key])

    def _place(self, held: Any) -> tuple[str, str]:
        about = mapping(held)
        class_type, name = about.get("class_type"), about.get("input")
        if about.keys() != {"class_type", "input"} or not isinstance(class_type, str):
            raise Unfit('must name each place as {"class_type": …, "input": …}')
        if not isinstance(name, str):
            raise Unfit("must name the input of each place")
        return class_type, name

    def piece(self, draft: Draft, ids: Mapping[str, str]) -> Piece:
        """See it as a piece, once its nodes are in the draft under *ids*. Raises PORT_UNKNOWN."""
        inputs: list[In] = []
        for name, places in self.inputs.items():
            ports = [(ids[node], socket(draft, ids[node], key)) for node, key in places]
            feeds = tuple((node_id, each.name) for node_id, each in ports)
            first = ports[0][1]
            inputs.append(In(name, first.type, feeds, match=first.match))
        outputs: list[Leaving] = []
        for name, (node, key) in self.outputs.items():
            at = slot(draft, ids[node], key)
            outputs.append(Leaving(name, draft.spec(ids[node]).outputs[at].type, ids[node], at))
        return Piece("the fragment", set(ids.values()), inputs, outputs)
