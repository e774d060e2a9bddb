"""Checks of one input's value, in the words of ComfyUI's ``POST /prompt``."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from typing import Any, cast

from ..errors import JSON
from .schema import InputSpec


def refusal(kind: str, message: str, details: str = "", **extra_info: Any) -> JSON:
    """Give an error in ComfyUI's shape."""
    return {"type": kind, "message": message, "details": details, "extra_info": extra_info}


def fits(given: Any, wanted: Any) -> bool:
    """Say whether an output of type *given* may be linked to an input of type *wanted*."""
    if not given != wanted:  # noqa: SIM202 (some packs' types override only !=)
        return True
    any_type = {"*", "COMFY_MATCHTYPE_V3"}
    if isinstance(given, list):
        return wanted == "COMBO" or wanted in (["*"], "*")
    if isinstance(wanted, list):
        return given in any_type
    if given in any_type or wanted in any_type:
        return True
    if not isinstance(given, str) or not isinstance(wanted, str):
        return False
    gives = {part.strip() for part in given.split(",")}
    takes = {part.strip() for part in wanted.split(",")}
    return bool(gives & takes) or "*" in gives | takes


def convert(wanted: InputSpec, inputs: JSON) -> JSON | None:
    """Turn a value into the input's type, in place."""
    value: Any = inputs[wanted.name]
    wrapped: object = value
    if isinstance(wrapped, dict) and "__value__" in wrapped:
        value = inputs[wanted.name] = cast("JSON", wrapped)["__value__"]
    kinds = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
    kind = kinds.get(wanted.type) if isinstance(wanted.type, str) else None
    if kind is None:
        return None
    try:
        inputs[wanted.name] = kind(value)
    except Exception as error:
        return refusal(
            "invalid_input_type",
            f"Failed to convert an input value to a {wanted.type} value",
            f"{wanted.name}, {value}, {error}",
            input_name=wanted.name,
            input_config=wanted.config(),
            received_value=value,
            exception_message=str(error),
        )
    return None


def range_error(wanted: InputSpec, value: Any) -> JSON | None:
    """Check a value against the input's minimum, maximum and options; None if it is fine."""
    told: JSON = {"input_name": wanted.name, "input_config": wanted.config(), "received_value": value}
    least, most = wanted.options.get("min"), wanted.options.get("max")
    if least is not None and value < least:
        return refusal(
            "value_smaller_than_min", f"Value {value} smaller than min of {least}", wanted.name, **told
        )
    if most is not None and value > most:
        return refusal(
            "value_bigger_than_max", f"Value {value} bigger than max of {most}", wanted.name, **told
        )
    choices = wanted.choices
    if choices is None:
        return None
    chosen: list[Any] = [value]
    if wanted.options.get("multiselect") is True:
        chosen = cast("list[Any]", value) if isinstance(value, list) else chosen
    wrong = [item for item in chosen if item not in choices]
    if not wrong:
        return None
    if len(choices) > 20:  # model lists can be long
        told["input_config"] = None
        listed = f"(list of length {len(choices)})"
    else:
        listed = str(choices)
    return refusal(
        "value_not_in_list",
        "Value not in list",
        f"{wanted.name}: {', '.join(map(repr, wrong))} not in {listed}",
        **told,
    )


def own_errors(own_check: Any, arguments: JSON) -> Iterable[JSON]:
    """Ask the node's VALIDATE_INPUTS; it answers True, False or a text."""
    answer = own_check(**arguments)
    if inspect.iscoroutine(answer):
        answer = asyncio.run(answer)
    if answer is True:
        return
    told = "" if answer is False else f" - {answer}"
    for name in arguments:
        yield refusal(
            "custom_validation_failed",
            "Custom validation failed for node",
            f"{name}{told}",
            input_name=name,
        )
