"""Values that a param can have where the one it has, or lacks, is wrong."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, Final, cast

from ..nodespec import COMBO, Param, Ports
from .look import Look
from .shapes import Field
from .values import Rule, is_option, misfit_of, unwrapped

NONE: Final = object()
"""Stands for no value, where null would be one."""


def better(look: Look, about: Field, value: Any) -> Any:
    """Give a value that ComfyUI takes, as near to *value* as can be; NONE if there is none.

    *value* may be :data:`NONE`. Numbers are put between their limits, names become the closest one; else it
    is the default, or what ComfyUI's page begins with.
    """
    rule = about.rule
    given: Any = unwrapped(value)
    for found in itertools.chain(_kept(look, rule, given), _fresh(about)):
        as_held = {"__value__": cast("list[Any]", found)} if isinstance(found, list) else found
        # what a class judges itself is not known to be good, but the default and the options are
        if misfit_of(rule, as_held, look.has_file) is None:
            return as_held
    return NONE


def _kept(look: Look, rule: Rule, value: Any) -> Iterator[Any]:
    """Give what can be made of the value."""
    if value is NONE:
        return
    value = value if rule.several else _alone(value)
    if isinstance(value, str | int | float) and (rule.kind != "BOOLEAN" or isinstance(value, bool)):
        yield value
    if rule.number:
        number = _number(value)
        if number is not None:
            yield within(rule, number)
    elif rule.kind == COMBO:
        yield from _chosen(look, rule, value)


def _fresh(about: Field) -> Iterator[Any]:
    """Give what a new node begins with."""
    rule, param = about.rule, about.param
    if param is not None and param.default is not None:
        yield param.default
    if rule.variants and param is not None:
        # a key that brings nothing which has to be linked before any other
        yield from sorted(rule.options or (), key=lambda key: _needs_links(param, key))
    elif rule.kind == COMBO:
        yield from (rule.options or ())[:1]
    elif rule.number:
        yield within(rule, 0)
    elif rule.kind in {"STRING", "BOOLEAN"}:
        yield "" if rule.kind == "STRING" else False


def _alone(value: Any) -> Any:
    """Take a value out of an array of one."""
    if not isinstance(value, list):
        return value
    held = cast("list[Any]", value)
    return held[0] if len(held) == 1 else held


def _needs_links(param: Param, key: Any) -> bool:
    return _links_needed((param.variants or {}).get(str(key), Ports()))


def _links_needed(ports: Ports) -> bool:
    return any(port.required for port in ports.inputs) or any(
        param.required and param.default is None and param.options == () for param in ports.params
    )


def _chosen(look: Look, rule: Rule, value: Any) -> Iterator[Any]:
    options = rule.options or ()
    if rule.several and isinstance(value, list):
        good = [each for each in cast("list[Any]", value) if is_option(rule, each)]
        if good:
            yield good
        yield from ([each] for each in look.closest.options(_alone(value), options))
    if isinstance(value, int | float):  # where the options are texts, or the other way round
        yield from (option for option in options if str(option) == str(value))
    yield from look.closest.options(_alone(value), options)


def _number(value: Any) -> float | None:
    """Read a number out of whatever it is: ``"5.0"`` is one, ``"12 px"`` is none."""
    if isinstance(value, int):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def within(rule: Rule, number: float) -> float:
    """Put a number between the limits of an INT or FLOAT, on a step where the upper one is no step itself."""
    least, most = rule.least, rule.most
    whole = rule.kind == "INT"
    if whole and isinstance(number, float):
        number = round(number)
    if most is not None and number > most:
        number = math.floor(most) if whole else most
        base, step = least or 0, rule.step
        if whole and step is not None and step > 1 and number >= base:
            number = int(base + (number - base) // step * step)
    if least is not None and number < least:
        number = math.ceil(least) if whole else least
    return number
