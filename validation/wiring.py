"""Finds which output of the workflow an input should be linked to."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Mapping
from typing import Any

from ..nodespec import ANY, EXACT, accepts
from .look import Look, meeting, suits
from .net import Out
from .shapes import Field

Key = tuple[Any, ...]

_AROUND = 60
"""How many outputs of a type are looked at on each side of a node: those far away are seldom meant."""
_MOST_COMPARED = 100_000
"""How many outputs one call compares; where so much is wrong, what comes after that is not wired."""
_NOTHING: tuple[list[int], list[Out]] = ([], [])


class Wiring:
    """Looks for outputs that fit an input; makes its index when it is first asked."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._by_type: dict[str, tuple[list[int], list[Out]]] | None = None
        self._left = _MOST_COMPARED

    def source(self, node_id: str, name: str, field: Field, *, of: str | None = None) -> Out | None:
        """Give the output that fits an input best, None if none does without closing a circle.

        Types come first, and what nobody uses yet; then what inputs of that name take elsewhere, the name of
        the output, and the nearest, or the one with most behind it. *of*: only outputs of that node.
        """
        if not field.linkable or field.rule.variants or self._left < 0:
            return None
        ranked = sorted(
            (self._key(node_id, name, out, fit), out)
            for out, fit in self._fitting(node_id, field, of)
            if out[0] != node_id
        )
        self._left -= len(ranked)
        wanted = self._wanted(node_id, name, field)
        for _, out in ranked:
            given = self._look.gives(out) or ANY
            if all(accepts(kind, given) is not None for kind in wanted) and not self._look.net.depends(
                out[0], node_id
            ):
                return out
        return None

    def _fitting(self, node_id: str, field: Field, of: str | None) -> Iterator[tuple[Out, int]]:
        """Give outputs that fit, with how well. One that may be anything is no offer for a certain type."""
        takes = [part.strip() for part in field.takes.split(",")]
        kinds = list(self._types) if ANY in takes else takes
        seen: set[Out] = set()
        for kind in kinds:
            places, outs = self._types.get(kind, _NOTHING)
            middle = bisect(places, self._look.net.place[node_id if of is None else of])
            for out in outs[max(0, middle - _AROUND) : middle + _AROUND]:
                if (of is not None and out[0] != of) or out in seen:
                    continue
                seen.add(out)
                given, output = self._look.gives(out), self._look.output(out)
                if given is None or output is None or not suits(field, given, output):
                    continue
                yield out, accepts(field.takes, given) or EXACT

    @property
    def _types(self) -> Mapping[str, tuple[list[int], list[Out]]]:
        """Give the outputs by type, and the places of their nodes in order."""
        if self._by_type is None:
            self._by_type = {}
            for place, node_id in enumerate(self._look.net.order):
                spec = self._look.spec(node_id)
                for slot in range(0 if spec is None else len(spec.outputs)):
                    for kind in (self._look.gives((node_id, slot)) or ANY).split(","):
                        places, outs = self._by_type.setdefault(kind.strip(), ([], []))
                        places.append(place)
                        outs.append((node_id, slot))
        return self._by_type

    def _key(self, node_id: str, name: str, out: Out, fit: int) -> Key:
        net, output = self._look.net, self._look.output(out)
        here, there = net.place[node_id], net.place[out[0]]
        taken_here = any((source, slot) == out for _, source, slot in net.into[node_id])
        named = output is not None and output.name.casefold() == name.rpartition(".")[2].casefold()
        # what nobody uses has probably lost its link here
        return (
            fit,
            taken_here,
            net.used[out] > 0,
            -net.taken_as(name, out),
            not named,
            # to a node that nothing leads to yet, the end of the longest way
            there > here if net.into[node_id] else -net.depth(out[0]),
            abs(here - there),
            out[1],
        )

    def _wanted(self, node_id: str, name: str, field: Field) -> list[str]:
        """Give the types that a link must fit, for other inputs of its match and for who uses that."""
        if field.match is None:
            return []
        look, found = self._look, [field.takes]
        seen: set[tuple[str, str]] = set()
        left: list[tuple[str, str, str | None]] = [(node_id, field.match, name)]
        while left:
            at, match, but = left.pop()
            spec = look.spec(at)
            if (at, match) in seen or spec is None:
                continue
            seen.add((at, match))
            kind = meeting(kind for _, kind in look.matched(at, match, but=but))
            found += [] if kind is None else [kind]
            slots = {slot for slot, output in enumerate(spec.outputs) if output.match == match}
            for target, entry, slot in look.net.users[at]:
                user = look.field(target, entry) if slot in slots else None
                if user is None:
                    continue
                if user.match is None:
                    found.append(user.takes)
                else:
                    left.append((target, user.match, entry))
        return found
