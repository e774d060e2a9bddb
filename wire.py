"""JSON as it goes to clients: compact, and without the numbers that JSON lacks."""

from __future__ import annotations

import json
import math
from typing import Any


def dumps(value: Any) -> str:
    """Encode *value* as compact JSON; NaN and infinities, which JSON lacks, become null."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, separators=(",", ":"), ensure_ascii=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
