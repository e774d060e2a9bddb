"""Values that change when a folder does, from the times the disk keeps."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable

FRESH_S = 2.0
"""A folder changed this recently may change again within its timestamp's resolution (FAT: 2 s)."""


def folder_stamp(path: str) -> Hashable:
    """Give the change times of *path* and its subfolders; None if it is absent.

    While one of them is fresh, no two stamps are equal: the folder counts as changed.
    """
    try:
        times = [os.stat(path).st_mtime_ns]  # noqa: PTH116 - called at each request: no Path objects
        with os.scandir(path) as entries:
            times += [entry.stat().st_mtime_ns for entry in entries if entry.is_dir()]
    except OSError:
        return None
    fresh = time.time_ns() - max(times) < FRESH_S * 1e9
    return (tuple(times), time.monotonic_ns() if fresh else 0)
