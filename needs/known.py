"""Where the models of ComfyUI's public templates may be had: the table that ships with the package."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

log = logging.getLogger("backplane")

SHIPPED: Final = Path(__file__).resolve().parents[1] / "data" / "known_models.json"
"""data/collect_models.py makes it and says its shape."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A file of the table."""

    name: str
    folder: str
    url: str
    sha256: str | None


Known = Mapping[str, Sequence[KnownModel]]
"""File name (without folders) → one row for each model folder it is used in."""


class KnownModels:
    """The table, read once when it is first asked for."""

    def __init__(self, path: Path = SHIPPED) -> None:
        self._path = path
        self._loading = threading.Lock()
        self._table: Known | None = None

    def table(self) -> Known:
        """Give the table. Reads a file the first time: for threads. One that cannot be read is logged."""
        with self._loading:
            if self._table is None:
                try:
                    self._table = read(self._path)
                except Exception as error:  # without it, all else still works
                    log.warning("%s cannot be used: %s", self._path.name, type(error).__name__)
                    self._table = {}
            return self._table


def read(path: Path) -> Known:
    """Read a table. Raises OSError, ValueError, TypeError, KeyError for one that is damaged."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: tuple(KnownModel(name, row[0], row[1], row[2] if len(row) > 2 else None) for row in rows)
        for name, rows in document["models"].items()
    }
