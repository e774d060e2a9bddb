"""Why a run ended early, as ComfyUI tells it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import JSON
from ..host.protocol import RunError
from .calls import Escaped
from .run_graph import RunGraph

LONGEST_VALUE = 500
"""Characters of an input's value that an error message repeats."""


class Stopped(Exception):
    """Ends a run: *cause* was raised, in node *node_id* if in a node, called with *values*."""

    def __init__(
        self, cause: BaseException, node_id: str | None, values: Mapping[str, list[Any]] | None = None
    ) -> None:
        super().__init__(type(cause).__name__)
        while isinstance(cause, Escaped):
            cause = cause.cause
        self.cause = cause
        self.node_id = node_id
        self.values = values or {}


@dataclass(frozen=True, slots=True)
class Failure:
    """*short* are the fields of ``execution_interrupted``, *full* those of ``execution_error``."""

    short: JSON
    full: JSON
    error: RunError


def describe(stop: Stopped, graph: RunGraph, *, executed: list[str], outputs: list[str]) -> Failure:
    """Put a stop in words. Never raises, whatever *cause* and values are."""
    cause = stop.cause
    real_id = None if stop.node_id is None else graph.get_real_node_id(stop.node_id)
    class_type = None if real_id is None else str(graph.get_node(real_id).get("class_type"))
    message = text_of(cause)
    kind = type_name(cause)
    short: JSON = {"node_id": real_id, "node_type": class_type, "executed": executed}
    full = short | {
        "exception_message": message,
        "exception_type": kind,
        "traceback": traceback.format_tb(cause.__traceback__),
        "current_inputs": {
            name: [_shown(item) for item in items[:20]] for name, items in stop.values.items()
        },
        "current_outputs": outputs,
    }
    return Failure(short, full, RunError(message, real_id, class_type, kind))


def type_name(cause: BaseException) -> str:
    """Give the type of an exception as ComfyUI does: with its module, unless it is built in."""
    kind = type(cause)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def text_of(value: object) -> str:
    """Give ``str(value)``, even if that raises."""
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _shown(value: object) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else text_of(value)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
