"""Results of nodes, kept between runs."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, cast

import numpy as np

from .calls import Result

MAX_BYTES = 512 * 1024 * 1024
MAX_ENTRIES = 2000


class ResultCache:
    """Results by signature, those used least recently dropped first. For one thread."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, max_entries: int = MAX_ENTRIES) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._results: OrderedDict[str, tuple[Result, int]] = OrderedDict()
        self._bytes = 0

    def has(self, key: str) -> bool:
        """Say whether there is a result."""
        return key in self._results

    def get(self, key: str | None) -> Result | None:
        """Give a result, or None."""
        if key is None or key not in self._results:
            return None
        self._results.move_to_end(key)
        return self._results[key][0]

    def put(self, key: str, result: Result) -> None:
        """Keep a result, unless it alone is too large."""
        size = _bytes_of(result.outputs)
        if size > self._max_bytes:
            return
        self._bytes += size - self._results.pop(key, (None, 0))[1]
        self._results[key] = (result, size)
        while self._bytes > self._max_bytes or len(self._results) > self._max_entries:
            _, (_, dropped) = self._results.popitem(last=False)
            self._bytes -= dropped

    def clear(self) -> None:
        """Drop everything."""
        self._results.clear()
        self._bytes = 0


def _bytes_of(value: object) -> int:
    """Estimate the size of a result: arrays count, the rest is small."""
    if isinstance(value, np.ndarray):
        return int(cast("np.ndarray[Any, Any]", value).nbytes)
    if isinstance(value, list | tuple):
        return sum(map(_bytes_of, cast("list[object]", value)))
    if isinstance(value, dict):
        return sum(map(_bytes_of, cast("dict[object, object]", value).values()))
    pictures = getattr(value, "pictures", None)  # a latent
    return 0 if pictures is None else _bytes_of(pictures)
