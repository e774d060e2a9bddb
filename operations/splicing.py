"""Puts a piece into links: finds where it goes through, and what else it needs from its neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidOperation
from ..graph import Link, is_link
from ..nodespec import EXACT, accepts
from .draft import Draft
from .fields import bad
from .pieces import In, Out, Piece, Source, partner, passage_json, passages
from .ports import ambiguous, best, output_json, output_type, slot, socket, verify


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece goes. If *strict*, it has to take all the *sources*, else those of a type that fits."""

    sources: Sequence[Source]
    strict: bool


def place_of(draft: Draft, given: Mapping[str, Any]) -> Place | None:
    """Read where a piece is to go; None if the request does not say.

    An input: the link into it. A source: every link out of it, or out of one output. Both: the links between.
    Raises LINK_NOT_FOUND if there are none, PORT_UNKNOWN, NODE_NOT_FOUND, ALIAS_UNKNOWN.
    """
    source, target = given["source_node_id"], given["target_node_id"]
    output, name = given["output"], given["input"]
    if source is None and target is None:
        extra = [key for key in ("output", "input") if given[key] is not None]
        if extra:
            raise bad(dict.fromkeys(extra, "only with a node that it belongs to"))
        return None
    if (output is not None and source is None) or (name is not None and target is None):
        missing = "source_node_id" if output is not None and source is None else "target_node_id"
        raise bad({missing: "missing"})
    source = None if source is None else draft.node_id(source)
    target = None if target is None else draft.node_id(target)
    at = None if source is None or output is None else slot(draft, source, output)
    if name is not None and target is not None and draft.known(target) is not None:
        name = socket(draft, target, name).name
    if target is not None:
        into = [link for each in draft.inputs(target) if (link := draft.link(target, each)) is not None]
    else:
        into = [] if source is None else draft.users(source)
    links = [
        link
        for link in into
        if link.source in draft.nodes
        and (source is None or link.source == source)
        and (at is None or link.slot == at)
        and (name is None or link.name == name)
    ]
    if not links:
        raise InvalidOperation(
            "LINK_NOT_FOUND",
            "There is no link to go into.",
            hint="Use add_node and connect.",
            details={"source_node_id": source, "output": at, "target_node_id": target, "input": name},
        )
    return Place(list(_grouped(links)), strict=name is not None or at is not None)


def usual_place(draft: Draft, places: Sequence[tuple[str, str]]) -> Place | None:
    """Give the first of *places* (class, input) that the workflow has, None if it has none.

    It has one if links go into that input of nodes of that class and they all come from one output.
    """
    for class_type, name in places:
        links = [
            link
            for node_id in draft.nodes
            if draft.class_of(node_id) == class_type
            and (link := draft.link(node_id, name)) is not None
            and link.source in draft.nodes
        ]
        found = list(_grouped(links))
        if len(found) == 1:
            return Place(found, strict=True)
    return None


def _grouped(links: Sequence[Link]) -> Iterator[Source]:
    groups: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for link in links:
        groups.setdefault((link.source, link.slot), []).append((link.target, link.name))
    for (source, at), targets in groups.items():
        yield Source(source, at, tuple(targets))


@dataclass(slots=True)
class Splice:
    """Puts *piece* into the workflow. *fed* and *led* are its ports that are linked already."""

    draft: Draft
    piece: Piece
    fed: list[In] = field(default_factory=list[In])
    led: list[Out] = field(default_factory=list[Out])

    def into(self, place: Place, node_input: str | None = None, node_output: Out | None = None) -> None:
        """Put the piece into the links of *place*.

        Raises NO_FITTING_PORT, AMBIGUOUS_PORT, TYPE_MISMATCH.
        """
        draft, chosen = self.draft, list[tuple[Source, In, Out]]()
        for source in place.sources:
            ways = [
                (key, way)
                for key, way in passages(draft, self.piece, source)
                if way[0] not in self.fed
                and (node_input is None or way[0].name == node_input)
                and (node_output is None or way[1] == node_output)
            ]
            found = best(ways)
            if len(found) > 1:
                raise ambiguous(
                    f"{self.piece.name} can be put into that link in {len(found)} ways that fit equally.",
                    [passage_json(self.piece, way) for way in found],
                )
            if found:
                chosen.append((source, *found[0]))
            elif place.strict:
                raise self._unfit([source])
        if not chosen:
            raise self._unfit(place.sources)
        self._settle(chosen)
        for source, entry, leaving in chosen:
            self._feed(entry, source.node_id, source.slot)
            self._lead(leaving, source.targets)

    def is_open_to(self, place: Place) -> bool:
        """Say whether the ports that fit the links of *place* best are not linked yet."""
        ways = [best(passages(self.draft, self.piece, source)) for source in place.sources]
        return all(
            found and all(entry not in self.fed and leaving not in self.led for entry, leaving in found)
            for found in ways
        )

    def _settle(self, chosen: Sequence[tuple[Source, In, Out]]) -> None:
        """Look that no two sources want the same port."""
        for number, (source, entry, leaving) in enumerate(chosen):
            rivals = [other for other, *ports in chosen[:number] if entry in ports or leaving in ports]
            if rivals:
                raise ambiguous(
                    f"Several outputs fit {self.piece.name} equally.",
                    [output_json(self.draft, each.node_id, each.slot) for each in [*rivals, source]],
                )

    def _unfit(self, sources: Sequence[Source]) -> InvalidOperation:
        return InvalidOperation(
            "NO_FITTING_PORT",
            f"{self.piece.name} cannot be put there: it takes and gives nothing of those types.",
            details={
                "outputs": [output_json(self.draft, each.node_id, each.slot) for each in sources],
                "inputs": [{"input": entry.name, "type": entry.type} for entry in self.piece.inputs],
            },
        )

    def _feed(self, entry: In, source: str, at: int) -> None:
        for node_id, name in entry.feeds:
            self.draft.set_input(node_id, name, [source, at])
            verify(self.draft, node_id, name)
        self.fed.append(entry)

    def _lead(self, leaving: Out, targets: Sequence[tuple[str, str]]) -> None:
        for target, name in targets:
            self.draft.set_input(target, name, [leaving.node_id, leaving.slot])
            verify(self.draft, target, name)
        self.led.append(leaving)

    def feed(self, entry: In, source: str, at: int) -> None:
        """Link an output to an input of the piece, as the request says."""
        self._feed(entry, source, at)

    def complete(self, place: Place | None, *, wide: bool) -> None:
        """Find what the piece needs beside the links that it was put into.

        For each required input that is free, the first of these that there is: what the node behind it takes
        under the same name; another output of the node before it; what that takes under the same name; the
        one place in the workflow where the type begins. What passes through the piece is taken over. Without
        *wide*, the last counts only for what passes through and is of another type than the links.
        Raises AMBIGUOUS_PORT.
        """
        sources = () if place is None else place.sources
        main = {output_type(self.draft, each.node_id, each.slot) for each in sources}
        for entry in self.piece.inputs:
            if entry in self.fed or not entry.required or entry.is_param:
                continue
            leaving = partner(self.piece, entry, self.led)
            found = self._beside(entry, leaving, sources)
            if found is None and (wide or (leaving is not None and entry.type not in main)):
                found = self._beginning(entry, leaving)
            if found is not None:
                self._feed(entry, found.node_id, found.slot)
                if leaving is not None and found.targets:
                    self._lead(leaving, found.targets)

    def _beside(self, entry: In, leaving: Out | None, sources: Sequence[Source]) -> Source | None:
        draft = self.draft
        behind = dict.fromkeys(target for each in sources for target, _ in each.targets)
        links = [link for target in behind if (link := self._namesake(entry, target)) is not None]
        if links:
            source, at = links[0].source, links[0].slot
            same = [(link.target, link.name) for link in links if (link.source, link.slot) == (source, at)]
            return Source(source, at, tuple(same) if leaving is not None else ())
        if leaving is not None:
            used = {(each.node_id, each.slot) for each in sources}
            others = [
                (each.node_id, at)
                for each in sources
                for at, output in enumerate(_outputs(draft, each.node_id))
                if (each.node_id, at) not in used and accepts(entry.type, output) == EXACT
            ]
            if others:
                return self._taken(self._one(entry, list(dict.fromkeys(others))))
        for source in dict.fromkeys(each.node_id for each in sources):
            link = self._namesake(entry, source)
            if link is not None:
                return Source(link.source, link.slot, ())
        return None

    def _beginning(self, entry: In, leaving: Out | None) -> Source | None:
        found = [root for root in _roots(self.draft, entry.type) if root[0] not in self.piece.ids]
        if not found:
            return None
        source = self._one(entry, found)
        return self._taken(source) if leaving is not None else Source(*source, ())

    def _taken(self, source: tuple[str, int]) -> Source:
        users = self.draft.users(source[0])
        targets = [
            (link.target, link.name)
            for link in users
            if link.slot == source[1] and link.target not in self.piece.ids
        ]
        return Source(*source, tuple(targets))

    def _namesake(self, entry: In, node_id: str) -> Link | None:
        link = self.draft.link(node_id, entry.name)
        if link is None or link.source not in self.draft.nodes or link.source in self.piece.ids:
            return None
        given = output_type(self.draft, link.source, link.slot)
        return link if given is not None and accepts(entry.type, given) is not None else None

    def _one(self, entry: In, found: Sequence[tuple[str, int]]) -> tuple[str, int]:
        if len(found) == 1:
            return found[0]
        raise ambiguous(
            f"{len(found)} outputs fit {entry.name} of {self.piece.name} equally.",
            [output_json(self.draft, *each) for each in found],
            name=entry.name,
        )

    def open(self) -> list[In]:
        """Give the inputs that are required and still free."""
        return [entry for entry in self.piece.inputs if entry.required and entry not in self.fed]


def _outputs(draft: Draft, node_id: str) -> list[str]:
    spec = draft.known(node_id)
    return [] if spec is None else [output.type for output in spec.outputs]


def _roots(draft: Draft, type_: str) -> list[tuple[str, int]]:
    """Give the outputs of that type that are used, of nodes that take none of it: where it begins."""
    found: list[tuple[str, int]] = []
    for node_id in draft.nodes:
        slots = [at for at, each in enumerate(_outputs(draft, node_id)) if accepts(type_, each) == EXACT]
        if not slots or _takes(draft, node_id, type_):
            continue
        used = {link.slot for link in draft.users(node_id)}
        found.extend((node_id, at) for at in slots if at in used)
    return found


def _takes(draft: Draft, node_id: str, type_: str) -> bool:
    return any(
        is_link(value)
        and (given := output_type(draft, value[0], value[1])) is not None
        and accepts(type_, given) == EXACT
        for value in draft.inputs(node_id).values()
    )
