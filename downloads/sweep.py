"""Finds and removes the parts that killed processes left. Touches the disk."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..tasks.engine import StoredTask
from ..tasks.task import FINISHED
from . import unzip
from .job import Folders

PART = re.compile(r"\.(dl-[0-9a-f]{32})(\..+)?\.(?:part|old)")
"""Names of parts, of what is being unpacked, and of what that was about to replace."""

STRANGERS_S = 7 * 86_400.0
"""A part that this store does not know may be another server's, on a shared disk: it is left for so long."""


@dataclass(frozen=True, slots=True)
class Left:
    """A part, and the download that it is of."""

    path: Path
    task_id: str
    changed_at: float


def find(folders: Folders) -> list[Left]:
    """Give the parts in all model folders."""
    found: dict[str, Left] = {}
    for root in {root for folder in folders.model_folders().values() for root in folder.roots}:
        for place, _, names in os.walk(root):
            for name in names:
                part = PART.fullmatch(name)
                if part is not None:
                    path = Path(place, name)
                    with suppress(OSError):
                        found[str(path)] = Left(path, part[1], path.stat().st_mtime)
    return list(found.values())


def is_orphan(part: Left, task: StoredTask | None, kept: Container[str]) -> bool:
    """Say whether nothing will go on with a part. *kept* are ids of downloads whose parts others take up."""
    if task is None:
        return time.time() - part.changed_at > STRANGERS_S
    return (task.status in FINISHED or task.cancel_requested) and task.id not in kept


def remove(parts: Iterable[Left]) -> int:
    """Remove parts; give how many went."""
    count = 0
    for part in parts:
        with suppress(OSError):
            unzip.sweep(part.path.parent, part.task_id)
            part.path.unlink()
            count += 1
    return count
