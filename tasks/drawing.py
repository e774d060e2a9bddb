"""Seeds that a request left to the server: drawn, written down, and drawn anew for another run. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import JSON
from .addresses import with_input

RANDOM = "random"
"""As a seed: draw one."""

CARRIED = ("node_ids", "extra_data", "template", "inputs", "session", "drawn", "changes")
"""What a task keeps of how its workflow came to be; a retry takes it over."""


def random_seed() -> int:
    """Draw a seed. JavaScript reads numbers up to 2**53 - 1 exactly."""
    return secrets.randbelow(2**53)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A seed that was drawn: what the request calls it, and the inputs (node id, name) that have it."""

    name: str
    places: tuple[tuple[str, str], ...]
    least: int = 0
    most: int | None = None
    """The limits that the inputs set."""

    def to_json(self) -> JSON:
        """Give it as tasks keep it."""
        limits = {"least": self.least, "most": self.most}
        return {"name": self.name, "places": [list(place) for place in self.places], **limits}


def within(seed: int, least: int, most: int | None) -> int:
    """Bring a drawn seed into the limits of its input."""
    if seed >= least and (most is None or seed <= most):
        return seed
    highest = 2**53 - 1 if most is None else most
    return least + seed % (max(highest, least) - least + 1)


def redrawn(
    graph: Mapping[str, JSON], carried: JSON, draw: Callable[[], int] = random_seed
) -> tuple[dict[str, JSON], JSON]:
    """Give *graph* with new seeds where *carried* says that they were drawn, and *carried* that says so."""
    values: dict[tuple[str, str], int] = {}
    inputs: JSON = dict(carried.get("inputs") or {})
    for each in carried.get("drawn") or ():
        seed = within(draw(), each["least"], each["most"])
        values |= {(node, name): seed for node, name in each["places"] if node in graph}
        if each["name"] in inputs:
            inputs[each["name"]] = seed
    if not values:
        return dict(graph), carried
    changes = [_with_seed(change, values) for change in carried.get("changes") or ()]
    return with_input(graph, values), {**carried, "inputs": inputs, "changes": changes}


def _with_seed(change: JSON, values: Mapping[tuple[str, str], int]) -> JSON:
    seed = values.get((str(change.get("node_id")), str(change.get("input"))))
    return change if seed is None else {**change, "value": seed}


def drawn_json(drawn: Sequence[Drawn]) -> list[Any]:
    """Give several as tasks keep them."""
    return [each.to_json() for each in drawn]
