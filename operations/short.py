"""The short form of one operation: ``{"action": …, "payload": {…}}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ..errors import JSON
from .fields import bad

_SAME: Mapping[str, str] = {"source_port_name": "output", "target_port_name": "input"}
"""Names of the short form, and what they are called in operations."""


def from_short(document: Any) -> list[JSON]:
    """Read ``{"action": name, "payload": fields}`` as a list of one operation.

    In the payload ``source_port_name`` stands for ``output`` and ``target_port_name`` for ``input``. The
    fields themselves are read by ``apply``. Raises InvalidRequest INVALID_REQUEST.
    """
    if not isinstance(document, dict):
        raise bad({"action": "missing"})
    about = cast("JSON", document)
    faults = dict.fromkeys(about.keys() - {"action", "payload"}, "unknown")
    action, payload = about.get("action"), about.get("payload", {})
    if not isinstance(action, str):
        faults["action"] = "missing" if action is None else "must be a text"
    if not isinstance(payload, dict):
        faults["payload"] = "must be an object"
        raise bad(faults)
    fields = cast("JSON", payload)
    twice = [short for short, long in _SAME.items() if short in fields and long in fields]
    faults |= {f"payload.{name}": f"the same as {_SAME[name]}: give one" for name in twice}
    if "op" in fields:
        faults["payload.op"] = "unknown"
    if faults:
        raise bad(faults)
    return [{"op": action, **{_SAME.get(name, name): value for name, value in fields.items()}}]
