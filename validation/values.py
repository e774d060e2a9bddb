"""Judges values as ComfyUI does when a prompt is queued: converted first, then ranges and options.

Source of the rules: ComfyUI 0.33 execution.py, ``validate_inputs``. What a class judges itself
(:attr:`~.nodespec.NodeSpec.own_checks`) is only converted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..errors import JSON
from ..nodespec import COMBO, Input, Param

CONVERTED: Mapping[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
"""The types whose values ComfyUI converts; of these, only the numbers can fail."""
_NUMBERS = frozenset({"INT", "FLOAT"})
_FREE = frozenset({"STRING", "BOOLEAN"})

LINKS_ONLY = frozenset(
    {"IMAGE", "MASK", "LATENT", "MODEL", "CLIP", "VAE", "CONDITIONING", "AUDIO", "VIDEO", "CONTROL_NET"}
    | {"CLIP_VISION", "CLIP_VISION_OUTPUT", "STYLE_MODEL", "GLIGEN", "UPSCALE_MODEL", "SAMPLER", "SIGMAS"}
    | {"NOISE", "GUIDER", "HOOKS", "HOOK_KEYFRAMES", "MESH", "VOXEL", "MODEL_PATCH", "AUDIO_ENCODER"}
)
"""Types of ComfyUI that no JSON value can stand for. A pack may have taught the page widgets of others."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How plain values of one input are judged."""

    kind: str
    """The type as ComfyUI compares it; ``""`` for what it does not look at."""
    least: float | None = None
    most: float | None = None
    step: float | None = None
    options: tuple[Any, ...] | None = None
    allowed: frozenset[Any] = frozenset()
    """*options*, those that can be looked up."""
    several: bool = False
    """A list of options may be chosen."""
    own: bool = False
    """The class judges it itself."""
    variants: bool = False
    """A dynamic combo: without one of its keys the node lacks inputs that it needs to run."""
    folder: str | None = None
    """The model folder whose files the options are."""
    upload: bool = False
    """The options are input files."""
    free: bool = False
    """No plain value is ever wrong."""

    @property
    def number(self) -> bool:
        """Say whether a number is always a value of its type: of a union, one is enough."""
        return any(part.strip() in _NUMBERS for part in self.kind.split(","))

    @property
    def missing(self) -> str:
        """The code of a value that is not among the options."""
        if self.folder is not None:
            return "MODEL_FILE_MISSING"
        return "INPUT_FILE_MISSING" if self.upload else "UNKNOWN_OPTION"


ANYTHING = Rule("", free=True)


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a value is refused; *value* is what it was converted to, or *wrong* of several."""

    code: str
    text: str
    value: Any
    details: JSON | None = None


def rule_of(port: Input | Param, *, own: bool) -> Rule:
    """Give the rule for plain values of an input; *own*: its class judges it itself."""
    if isinstance(port, Input):
        return _socket_rule(port, own=own)
    if port.variants is not None:
        return Rule(COMBO, options=port.options or (), allowed=_lookup(port.options), variants=True)
    kind = port.link_type or port.type  # of a union only the widget shows one type
    if kind == COMBO:
        return Rule(
            COMBO,
            least=port.min,
            most=port.max,
            options=port.options,
            allowed=_lookup(port.options),
            several="multiselect" in port.hints,
            own=own,
            folder=port.folder,
            upload=port.upload is not None,
            free=port.options is None and port.upload is None,
        )
    return _ranged(kind, port.min, port.max, port.step, own=own)


def _socket_rule(port: Input, *, own: bool) -> Rule:
    hints = port.hints
    if port.type == COMBO:
        listed = hints.get("options")
        options = tuple(cast("list[Any]", listed)) if isinstance(listed, list | tuple) else None
        return Rule(COMBO, options=options, allowed=_lookup(options), own=own, free=options is None)
    return _ranged(port.type, hints.get("min"), hints.get("max"), hints.get("step"), own=own)


def _ranged(kind: str, least: Any, most: Any, step: Any, *, own: bool) -> Rule:
    """Make a rule with limits; those that are no numbers count as none."""
    limits = [each if isinstance(each, int | float) else None for each in (least, most, step)]
    bounded = limits[0] is not None or limits[1] is not None
    free = kind not in _NUMBERS and (kind in _FREE or own or not bounded)
    return Rule(kind, limits[0], limits[1], limits[2], own=own, free=free)


def _lookup(options: tuple[Any, ...] | None) -> frozenset[Any]:
    try:
        return frozenset(options or ())
    except TypeError:  # some pack's options are lists
        return frozenset(option for option in options or () if isinstance(option, str | int | float))


def unwrapped(value: Any) -> Any:
    """Take the wrapper off an array that is a value."""
    if isinstance(value, dict) and "__value__" in value:
        return cast("JSON", value)["__value__"]
    return cast("Any", value)


def is_option(rule: Rule, value: Any) -> bool:
    """Say whether a value is one of the options."""
    try:
        return value in rule.allowed or (
            len(rule.allowed) != len(rule.options or ()) and value in (rule.options or ())
        )
    except TypeError:  # an array or object
        return value in (rule.options or ())


def misfit_of(rule: Rule, value: Any, has_file: Callable[[str], bool] | None = None) -> Misfit | None:
    """Say why a plain value is refused, None if it is not. *has_file* knows the input files."""
    if rule.free:
        return None
    if rule.variants:  # compared as it is, wrapper and all
        return None if is_option(rule, value) else _no_option(rule, value)
    value = unwrapped(value)
    kind = rule.kind
    if kind in _NUMBERS:
        try:
            value = CONVERTED[kind](value)
        except (ValueError, TypeError, OverflowError):
            return Misfit("VALUE_WRONG_TYPE", f"{shortened(value)} cannot be read as {kind}.", value)
    if rule.own:
        return _missing_file(rule, value, has_file)
    if rule.least is not None or rule.most is not None:
        found = _out_of_range(rule, value)
        if found is not None:
            return found
    return _not_chosen(rule, value) if rule.options is not None else None


def _out_of_range(rule: Rule, value: Any) -> Misfit | None:
    try:
        if rule.least is not None and value < rule.least:
            side = f"below the minimum of {rule.least}"
        elif rule.most is not None and value > rule.most:
            side = f"above the maximum of {rule.most}"
        else:
            return None
    except TypeError:
        return Misfit("VALUE_WRONG_TYPE", f"{shortened(value)} cannot be compared with its limits.", value)
    return Misfit(
        "VALUE_OUT_OF_RANGE",
        f"{shortened(value)} is {side}.",
        value,
        {"min": rule.least, "max": rule.most},
    )


def _not_chosen(rule: Rule, value: Any) -> Misfit | None:
    if is_option(rule, value):
        return None
    if rule.several and isinstance(value, list):
        wrong = [each for each in cast("list[Any]", value) if not is_option(rule, each)]
        return _no_option(rule, wrong[0]) if wrong else None
    return _no_option(rule, value)


def _no_option(rule: Rule, value: Any) -> Misfit:
    if rule.folder is not None:
        said = f"there is no {shortened(value)} in {rule.folder}."
    elif rule.upload:
        said = f"there is no input file {shortened(value)}."
    elif rule.options:
        said = f"cannot be {shortened(value)}."
    else:
        said = f"cannot be {shortened(value)}: this server has nothing to choose from."
    return Misfit(rule.missing, said, value)


def _missing_file(rule: Rule, value: Any, has_file: Callable[[str], bool] | None) -> Misfit | None:
    """Look for an input file that the class looks for itself, where somebody knows the files."""
    if not rule.upload or has_file is None or is_option(rule, value):
        return None
    if isinstance(value, str) and has_file(value):
        return None
    return _no_option(rule, value)


def shortened(value: Any) -> str:
    """Give a value as messages show it."""
    try:
        said = repr(value[:_SHOWN] if isinstance(value, str) else value)
    except RecursionError:  # JSON may be nested as deeply as this
        said = "that value"
    return said if len(said) <= _SHOWN + 10 else f"{said[:_SHOWN]}…"


_SHOWN = 200
