"""How many downloads each client asked for within the hour. Pure; the store keeps it over restarts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .trouble import DownloadError

HOUR_S = 3600.0


class Quota:
    """Counts. *per_hour* 0 means no limit. Times are Unix seconds."""

    def __init__(self, per_hour: int, kept: Mapping[str, Sequence[float]] | None = None) -> None:
        self._per_hour = per_hour
        self._asked = {client: list(times) for client, times in (kept or {}).items()}

    def take(self, client: str, count: int, now: float) -> None:
        """Count *count* more. Raises DownloadError DOWNLOAD_RATE_LIMITED, and counts none."""
        self._asked = {
            who: recent
            for who, times in self._asked.items()
            if (recent := [at for at in times if now - HOUR_S < at <= now])
        }
        times = self._asked.get(client, [])
        if self._per_hour and len(times) + count > self._per_hour:
            # When enough of the oldest are an hour old; never, if it is more than an hour takes.
            oldest = len(times) + count - self._per_hour - 1
            wait = times[oldest] + HOUR_S - now if oldest < len(times) else HOUR_S
            raise DownloadError(
                "DOWNLOAD_RATE_LIMITED",
                f"{len(times)} downloads were asked for within the hour; {self._per_hour} are allowed.",
                hint="Raise downloads_per_hour.",
                details={"per_hour": self._per_hour, "retry_after_s": max(1, math.ceil(wait))},
            )
        self._asked[client] = [*times, *[now] * count]

    def give_back(self, client: str, count: int) -> None:
        """Count the last *count* no longer: nothing came of them."""
        times = self._asked.get(client, [])
        del times[len(times) - count :]

    def to_json(self) -> dict[str, Any]:
        """Give what is to be kept."""
        return dict(self._asked)
