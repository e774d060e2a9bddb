"""The catalogue's parts: node definitions as values, reading them, finding them, joining them.

Everything here is pure but :class:`PairCounts`, which keeps a file.
"""

from __future__ import annotations

from .encode import FIELDS, encoded, to_json
from .live import every_port, first_name, live_ports
from .pairs import LEARNED_WEIGHT, Pair, PairCounts, pair_key
from .parse import BadNodeInfo, parse
from .types import ANY, COMBO, EXACT, RANK_NAMES, UNION, WILDCARD, accepts
from .values import LINKED, Flags, Grows, Input, NodeSpec, Output, Param, Ports

__all__ = [
    "ANY",
    "COMBO",
    "EXACT",
    "FIELDS",
    "LEARNED_WEIGHT",
    "LINKED",
    "RANK_NAMES",
    "UNION",
    "WILDCARD",
    "BadNodeInfo",
    "Flags",
    "Grows",
    "Input",
    "NodeSpec",
    "Output",
    "Pair",
    "PairCounts",
    "Param",
    "Ports",
    "accepts",
    "encoded",
    "every_port",
    "first_name",
    "live_ports",
    "pair_key",
    "parse",
    "to_json",
]
