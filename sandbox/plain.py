"""Values as JSON. Nodes may hand over anything; what leaves the server must always be JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np


def plain(value: object) -> Any:
    """Give a copy of *value* made of JSON's own types.

    NaN and infinities, which JSON lacks, become null, numpy scalars numbers, anything else its ``str()``.
    """
    if isinstance(value, np.generic):
        return plain(cast("object", value.item()))
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in cast("list[object]", value)]
    return str(value)


def dumps(value: Any) -> str:
    """Encode *value* as JSON in ASCII, whatever it holds (see :func:`plain`)."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError):
        return json.dumps(plain(value), allow_nan=False, separators=(",", ":"))
