"""The values of the library."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

FRESH_S = 2.0
"""What changed this recently may change again within its timestamp's resolution (FAT: 2 s)."""

HeaderState = Literal["ok", "damaged", "none", "pending", "outside"]
"""Whether a file's header was read. ``none``: its format has none that is read. ``pending``: not yet.
``outside``: a link that leads out of the model folders, which is not followed."""


class Stamp(NamedTuple):
    """What a file looks like from outside; content that changes changes it."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        """Take it from what ``os.stat`` says."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


def settled(mtime_ns: int, now: float) -> bool:
    """Say whether a change after *now* (Unix seconds) is sure to get another timestamp than *mtime_ns*."""
    return abs(now - mtime_ns / 1e9) > FRESH_S


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file's header says, as far as the library shows it."""

    damaged: str | None = None
    """Why the header cannot be read; all else is empty then."""
    base_model: str | None = None
    """A short name as ``base_models.py`` has them, or the file's own words where they are not known."""
    base_model_from: Literal["metadata", "tensors"] | None = None
    title: str | None = None
    trigger_words: tuple[str, ...] = ()
    """The phrase that the file names, else the tags it was trained with most."""
    tags: Mapping[str, int] = field(default_factory=dict[str, int])
    """What it was trained with, how often: the most frequent ones."""
    resolution: str | None = None
    """``WIDTHxHEIGHT`` that it was trained with."""
    precision: str | None = None
    """What most of its bytes are: ``fp16``, ``Q4_K_M``."""
    dtypes: Mapping[str, int] = field(default_factory=dict[str, int])
    """Bytes by dtype, as the format names them."""
    tensors: int | None = None
    parameters: int | None = None
    """Elements of all tensors; None for GGUF, whose blocks do not tell."""
    network_dim: str | None = None
    network_alpha: str | None = None
    prediction_type: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file was downloaded from, and what the source says of it."""

    page: str | None = None
    """Where a person can read about it."""
    source: str | None = None
    base_model: str | None = None
    trigger_words: tuple[str, ...] = ()
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a file while it has this stamp. Replaced, never changed."""

    stamp: Stamp
    sha256: str | None = None
    facts: Facts | None = None
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to a file."""

    folder: str
    name: str
    change: Literal["added", "changed", "removed"]

    def to_json(self) -> dict[str, Any]:
        """Give it as the event ``model.changed`` carries it."""
        return {"folder": self.folder, "name": self.name, "change": self.change}
