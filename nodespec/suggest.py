"""Which nodes may follow an output, or come before an input, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import JSON, NotFound
from .live import every_port, first_name
from .pairs import Pair, PairCounts, pair_key
from .types import RANK_NAMES, accepts
from .values import Input, NodeSpec


@dataclass(frozen=True, slots=True)
class End:
    """One end of a possible link: an input, a linkable param, or an output of a class."""

    spec: NodeSpec
    name: str
    type: str
    slot: int | None = None
    """The number of an output; None for what takes a link."""
    is_param: bool = False


class PortIndex:
    """All ends of a catalogue, by type."""

    def __init__(self, specs: Iterable[NodeSpec]) -> None:
        self.takes: dict[str, list[End]] = {}
        self.gives: dict[str, list[End]] = {}
        for spec in specs:
            for end in taking(spec):
                self.takes.setdefault(end.type, []).append(end)
            for end in giving(spec):
                self.gives.setdefault(end.type, []).append(end)


def taking(spec: NodeSpec) -> Iterator[End]:
    """Give what takes a link: sockets and linkable params, those of dynamic variants included."""
    for port in every_port(spec.ports):
        if port.link_type is not None:
            yield End(spec, first_name(port), port.link_type, is_param=not isinstance(port, Input))


def giving(spec: NodeSpec) -> Iterator[End]:
    """Give the outputs."""
    for slot, output in enumerate(spec.outputs):
        yield End(spec, output.name, output.type, slot=slot)


def output_end(spec: NodeSpec, output: str) -> End:
    """Find an output by number or name. Raises NotFound PORT_NOT_FOUND."""
    ends = list(giving(spec))
    for end in ends:
        if str(end.slot) == output:
            return end
    for end in ends:
        if end.name == output:
            return end
    raise _no_port(spec, "output", output, [end.name for end in ends])


def input_end(spec: NodeSpec, name: str | None) -> End:
    """Find what takes a link by name, or the first; the names of a growing input count, and its own.

    Raises NotFound PORT_NOT_FOUND.
    """
    ends = list(taking(spec))
    for port in every_port(spec.ports):
        if port.link_type is None:
            continue
        grown = port.grows.names() if isinstance(port, Input) and port.grows is not None else ()
        if name is None or name == port.name or name in grown:
            shown = name if name in grown else None
            return End(spec, shown or first_name(port), port.link_type, is_param=not isinstance(port, Input))
    raise _no_port(spec, "input", name or "", list(dict.fromkeys(end.name for end in ends)))


def _no_port(spec: NodeSpec, side: str, name: str, known: list[str]) -> NotFound:
    message = f"{spec.name} has no {side} {name!r}." if name else f"{spec.name} has no {side}."
    return NotFound(
        "PORT_NOT_FOUND",
        message,
        hint=f"It has: {', '.join(known)}." if known else None,
        details={"class_type": spec.name, f"{side}s": known},
    )


def following(index: PortIndex, output: End, counts: PairCounts) -> list[JSON]:
    """Give the nodes that take this output, ranked as :func:`_ranked` says."""

    def fits(kind: str) -> int | None:
        return accepts(kind, output.type)

    def pair(end: End) -> Pair:
        return Pair(output.spec.name, output.slot or 0, end.spec.name, pair_key(end.name))

    return _ranked(index.takes, fits, pair, counts)


def preceding(index: PortIndex, target: End, counts: PairCounts) -> list[JSON]:
    """Give the nodes with an output for this input, ranked as :func:`_ranked` says."""

    def fits(kind: str) -> int | None:
        return accepts(target.type, kind)

    def pair(end: End) -> Pair:
        return Pair(end.spec.name, end.slot or 0, target.spec.name, pair_key(target.name))

    return _ranked(index.gives, fits, pair, counts)


def _ranked(
    by_type: Mapping[str, list[End]],
    fits: Callable[[str], int | None],
    pair: Callable[[End], Pair],
    counts: PairCounts,
) -> list[JSON]:
    """Order by how the types fit (exact, union, wildcard), then by the weight of the pair.

    After that sockets come before params, current nodes before deprecated ones, and names in order. Each
    class appears once, with its best port; ``ports`` lists all that fit as well as that or worse.
    """
    found: dict[str, list[tuple[tuple[Any, ...], End]]] = {}
    for kind, ends in by_type.items():
        rank = fits(kind)
        if rank is None:
            continue
        for end in ends:
            # min() and sort() are stable: ports that are equal so far keep the order of the definition
            key = (rank, -counts.weight(pair(end)), end.is_param)
            found.setdefault(end.spec.name, []).append((key, end))
    rows: list[tuple[tuple[Any, ...], JSON]] = []
    for name, ends in found.items():
        ends.sort(key=lambda item: item[0])
        (rank, weight, is_param), best = ends[0]
        item: JSON = {
            "name": name,
            "display_name": best.spec.display_name,
            "category": best.spec.category,
            "port": best.name,
            "port_type": best.type,
            "match": RANK_NAMES[rank],
            "count": counts.count(pair(best)),
            "ports": list(dict.fromkeys(end.name for _, end in ends)),
        }
        if best.slot is not None:
            item["slot"] = best.slot
        flags = best.spec.flags
        rows.append(((rank, weight, is_param, flags.deprecated, name), item))
    rows.sort(key=lambda row: row[0])
    return [item for _, item in rows]
