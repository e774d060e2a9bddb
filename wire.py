"""JSON as it goes to clients: compact, without the numbers that JSON lacks, times as RFC 3339."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any


def dumps(value: Any) -> str:
    """Encode *value* as compact JSON; NaN and infinities, which JSON lacks, become null."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, separators=(",", ":"), ensure_ascii=False)


def rfc3339(at: float | None) -> str | None:
    """Write Unix seconds as RFC 3339 in UTC with milliseconds; None for times that no calendar has."""
    if at is None:
        return None
    try:
        moment = datetime.fromtimestamp(at, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
