"""What goes between or beside nodes, as one thing with ports: a new node, or a fragment of several."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ..errors import JSON
from ..graph import is_link
from ..nodespec import ANY, EXACT, accepts
from .draft import Draft
from .ports import Socket, named_socket, output_type, sockets


@dataclass(frozen=True, slots=True)
class In:
    """An input of a piece that is free: what is linked to it goes into all of *feeds* (node, input)."""

    name: str
    type: str
    feeds: tuple[tuple[str, str], ...]
    required: bool = True
    is_param: bool = False
    match: str | None = None


@dataclass(frozen=True, slots=True)
class Out:
    """An output of a piece: that slot of that node."""

    name: str
    type: str
    node_id: str
    slot: int
    match: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """What is put in. *name* is what messages call it."""

    name: str
    ids: Collection[str]
    inputs: Sequence[In]
    outputs: Sequence[Out]


def of_node(draft: Draft, node_id: str) -> Piece:
    """See a node that was just put in as a piece."""
    spec, inputs = draft.spec(node_id), draft.inputs(node_id)
    free = [port for port in sockets(spec, inputs) if not is_link(inputs.get(port.name))]
    groups: set[str] = set()
    ins: list[In] = []
    for port in free:
        if port.group is not None and port.group in groups:
            continue
        if port.group is not None:
            groups.add(port.group)
        feeds = ((node_id, port.name),)
        ins.append(In(port.name, port.type, feeds, port.required, port.is_param, port.match))
    outs = [Out(each.name, each.type, node_id, at, each.match) for at, each in enumerate(spec.outputs)]
    return Piece(spec.name, {node_id}, ins, outs)


@dataclass(frozen=True, slots=True)
class Source:
    """An output of the workflow, and the inputs (node, name) that the piece is to come before."""

    node_id: str
    slot: int
    targets: tuple[tuple[str, str], ...]


def user_socket(draft: Draft, target: str, name: str) -> Socket | None:
    """Give the input of a node by its name, None if nothing is known of it."""
    spec = draft.known(target)
    return None if spec is None else named_socket(spec, draft.inputs(target), name)


Key = tuple[int, int, bool, bool, bool, bool]


def passages(draft: Draft, piece: Piece, source: Source) -> Iterator[tuple[Key, tuple[In, Out]]]:
    """Give each way through a piece that fits an output and all its targets, with a key: less is better.

    Types come first, sockets before params; then the names that the input, the output and the target share.
    """
    known = output_type(draft, source.node_id, source.slot)
    given = ANY if known is None else known
    takes = [user_socket(draft, *target) for target in source.targets]
    names = {name.casefold() for _, name in source.targets}
    for entry in piece.inputs:
        fit_in = accepts(entry.type, given)
        if fit_in is None:
            continue
        for leaving in piece.outputs:
            same = entry.match is not None and leaving.match == entry.match
            gives = given if same else leaving.type
            fits = [accepts(port.type, gives) for port in takes if port is not None]
            if None in fits:
                continue
            fit_out = max((fit for fit in fits if fit is not None), default=accepts(given, gives))
            if fit_out is None:
                continue
            shared = {entry.name.casefold(), leaving.name.casefold()}
            key = (
                fit_in,
                fit_out,
                entry.is_param,
                not shared <= names and bool(names),
                entry.name.casefold() != leaving.name.casefold(),
                not entry.required,
            )
            yield key, (entry, leaving)


def partner(piece: Piece, entry: In, taken: Collection[Out]) -> Out | None:
    """Give the output that an input's type passes through to: one of its name, else the only one."""
    found = [
        out
        for out in piece.outputs
        if out not in taken and (accepts(out.type, entry.type) == EXACT and ANY not in out.type)
    ]
    for out in found:
        if out.name.casefold() == entry.name.casefold():
            return out
    return found[0] if len(found) == 1 else None


def passage_json(piece: Piece, through: tuple[In, Out]) -> JSON:
    """Describe a way through a piece as a candidate."""
    entry, leaving = through
    return {
        "class_type": piece.name,
        "node_input": entry.name,
        "node_output": leaving.slot,
        "type": entry.type,
    }
