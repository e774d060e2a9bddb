"""Puts the widgets that a choice brings into the order in which their values were saved.

That is the order of the definition, and where the values fit it nothing is changed. A definition may have
lost its order, though (as JSON with sorted keys), or have changed since: then the order is taken that the
values fit best, of several the one with the order of the inputs the node saved, with the most values that
are defaults, and with the order that such names have elsewhere (width comes before height).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..nodespec import NodeSpec, Param, every_port
from .widgets import Widget, fits

_MOST = 10
"""Params of a choice that are put into order: the work doubles with each."""
_SURE = 20
"""Choices of three and more params that must all be in the alphabet's order before it is called lost."""

Score = tuple[int, int, int, int]


class Orders:
    """What the definitions of a server tell of orders, looked up when it is first asked for."""

    def __init__(self, specs: Mapping[str, NodeSpec]) -> None:
        self._specs = specs
        self._seen: dict[tuple[str, str], int] | None = None
        self._lost: bool | None = None

    def lost(self) -> bool:
        """Say whether definitions came with sorted keys: their order within a choice then says nothing."""
        if self._lost is None:
            names = [
                [param.name for param in ports.params if param.required is required]
                for spec in self._specs.values()
                for port in every_port(spec.ports)
                for ports in (port.variants or {}).values()
                for required in (True, False)
            ]
            telling = [each for each in names if len(each) > 2]
            self._lost = len(telling) >= _SURE and all(each == sorted(each) for each in telling)
        return self._lost

    def before(self, one: str, other: str) -> bool:
        """Say whether *one* comes before *other* more often than behind it."""
        if self._seen is None:
            self._seen = {}
            for spec in self._specs.values():
                names = [param.name for param in spec.ports.params]
                for index, name in enumerate(names):
                    for later in names[index + 1 :]:
                        self._seen[name, later] = self._seen.get((name, later), 0) + 1
        return self._seen.get((one, other), 0) > self._seen.get((other, one), 0)


def arranged(
    widgets: Sequence[Widget], values: Sequence[Any], saved: Sequence[str], orders: Orders
) -> list[Widget]:
    """Give the widgets of a choice in the order of *values*; *saved* names the node's inputs in order."""
    groups = _groups(widgets)
    params = [group[0].param for group in groups]
    if len(groups) < 2 or len(groups) > _MOST or any(param is None or param.variants for param in params):
        return list(widgets)
    sizes = [sum(widget.saved for widget in group) for group in groups]
    at = 0
    misfits = 0
    for group, size in zip(groups, sizes, strict=True):
        misfits += _misfits(group, values[at : at + size])
        at += size
    if misfits == 0 and not orders.lost():
        return list(widgets)
    order = _best(groups, sizes, values, saved, orders)
    return [widget for index in order for widget in groups[index]]


def in_order(widgets: Sequence[Widget], names: Sequence[str]) -> list[Widget]:
    """Give the widgets of a choice in the order of *names*, which has them all."""
    place = {name: index for index, name in enumerate(names)}
    groups = sorted(_groups(widgets), key=lambda group: place.get(group[0].name, -1))
    return [widget for group in groups for widget in group]


def _groups(widgets: Sequence[Widget]) -> list[list[Widget]]:
    """Take each param together with the widgets that the page adds behind it."""
    groups: list[list[Widget]] = []
    for widget in widgets:
        if widget.param is not None or not groups:
            groups.append([widget])
        else:
            groups[-1].append(widget)
    return groups


def _misfits(group: Sequence[Widget], values: Sequence[Any]) -> int:
    found = 0
    for widget, value in zip([each for each in group if each.saved], values, strict=False):
        if widget.param is not None:
            found += not (fits(widget.param, value) and _in_range(widget.param, value))
        elif widget.kind == "control":
            found += not fits(None, value)
    return found


def _in_range(param: Param, value: Any) -> bool:
    if not isinstance(value, int | float) or param.type not in {"INT", "FLOAT"}:
        return True
    if param.type == "INT" and not float(value).is_integer():
        return False
    return (param.min is None or value >= param.min) and (param.max is None or value <= param.max)


def _best(
    groups: Sequence[Sequence[Widget]],
    sizes: Sequence[int],
    values: Sequence[Any],
    saved: Sequence[str],
    orders: Orders,
) -> list[int]:
    """Find the best order, by what each set of params that stand first costs at the least."""
    count = len(groups)
    names = [group[0].name for group in groups]
    place = {name: index for index, name in enumerate(saved)}
    leaves = [name.rpartition(".")[2] for name in names]
    # early[k]: by whom k should not be overtaken, as bits: by saved inputs, by names elsewhere, by definition
    optional = [group[0].param is not None and not group[0].param.required for group in groups]
    told = [
        sum(1 << j for j in range(count) if _earlier(place, names[j], names[k]) or optional[j] < optional[k])
        for k in range(count)
    ]
    usual = [sum(1 << j for j in range(count) if orders.before(leaves[j], leaves[k])) for k in range(count)]
    best: dict[int, tuple[Score, int, list[int]]] = {0: ((0, 0, 0, 0), 0, [])}
    for _ in range(count):
        grown: dict[int, tuple[Score, int, list[int]]] = {}
        for mask, (score, inversions, order) in best.items():
            at = sum(sizes[index] for index in order)
            rest = ((1 << count) - 1) & ~mask
            for index in range(count):
                if mask & (1 << index):
                    continue
                here = values[at : at + sizes[index]]
                cost = (
                    score[0] + _misfits(groups[index], here),
                    score[1] + (rest & told[index]).bit_count(),
                    score[2] - _is_default(groups[index][0].param, here),
                    score[3] + (rest & usual[index]).bit_count(),
                )
                skipped = inversions + (rest & ((1 << index) - 1)).bit_count()
                known = grown.get(mask | (1 << index))
                if known is None or (cost, skipped) < known[:2]:
                    grown[mask | (1 << index)] = (cost, skipped, [*order, index])
        best = grown
    return next(iter(best.values()))[2]


def _earlier(place: Mapping[str, int], one: str, other: str) -> bool:
    return one in place and other in place and place[one] < place[other]


def _is_default(param: Param | None, values: Sequence[Any]) -> int:
    if param is None or not values or values[0] == "":
        return 0
    default = param.default if param.default is not None or not param.options else param.options[0]
    return int(type(default) is type(values[0]) and default == values[0] and not isinstance(default, bool))
