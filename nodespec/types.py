"""Which outputs fit which inputs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .clean import cleaned, is_listing, options_of

EXACT, UNION, WILDCARD = 0, 1, 2
"""How an output fits an input, the best first."""
RANK_NAMES = ("exact", "union", "wildcard")

ANY = "*"
COMBO = "COMBO"
MATCH = "COMFY_MATCHTYPE_V3"


@lru_cache(maxsize=16_384)
def accepts(input_type: str, output_type: str) -> int | None:
    """Say how well an output of one type fits an input of another: EXACT, UNION, WILDCARD, or None if not.

    Types are those of :class:`~.values.NodeSpec`: a name, a union ``"A,B"`` or ``"*"``. Source of the rule:
    ComfyUI comfy_execution/validation.py, ``validate_node_input``, not strict.
    """
    takes, gives = _members(input_type), _members(output_type)
    if not takes.isdisjoint((ANY, MATCH)) or not gives.isdisjoint((ANY, MATCH)):
        return WILDCARD
    if takes == gives:
        return EXACT
    return None if takes.isdisjoint(gives) else UNION


def _members(union: str) -> frozenset[str]:
    return frozenset(part.strip() for part in union.split(","))


def type_of(declared: Any) -> tuple[str, tuple[Any, ...] | None]:
    """Give the type a definition declares, and the options if it declares a list of them (a COMBO)."""
    if is_listing(declared):
        return COMBO, options_of(declared) or ()
    if isinstance(declared, type):
        return declared.__name__, None  # e.g. the type ``int`` itself
    plain = cleaned(declared)
    return (plain.strip() or ANY if isinstance(plain, str) else ANY), None
