"""Pictures that lie beside a model: ``name.png`` or ``name.preview.png``, also jpg, jpeg and webp."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from .hashing import open_real
from .scan import IMAGE_SUFFIXES
from .values import Stamp

MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
"""What a preview is sent as; nothing else is one, so no preview can run scripts."""
MOST_BYTES = 32 * 1024**2
"""Larger pictures are no previews."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture of a model."""

    body: bytes
    media_type: str
    stamp: Stamp

    @property
    def etag(self) -> str:
        """Strong, quotes included."""
        return f'"{self.stamp.mtime_ns:x}-{self.stamp.size:x}-{self.stamp.inode:x}"'

    @property
    def modified(self) -> float:
        """Unix seconds."""
        return self.stamp.mtime_ns / 1e9


def read_preview(image: str, real: str) -> Preview:
    """Read the picture *image* at its path without links. Raises OSError. Blocks."""
    with os.fdopen(open_real(real), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
            raise OSError("no picture")
        kind = MEDIA_TYPES[os.path.splitext(image)[1].lower()]  # noqa: PTH122
        return Preview(file.read(MOST_BYTES), kind, Stamp.of(found))


def previews_of(file: str, images: Iterable[str]) -> list[str]:
    """Give those of *images* that are previews of the model *file* in the same directory, the best first."""
    stem = _stem(file)
    found: dict[tuple[str, int], str] = {}
    for image in images:
        base, suffix = os.path.splitext(image)  # noqa: PTH122 - for each file of a list
        kind = base[len(stem) :]
        if base.startswith(stem) and kind in {"", ".preview"} and image != file:
            found[kind, IMAGE_SUFFIXES.index(suffix.lower())] = image
    return [found[key] for key in sorted(found)]


def own_previews(file: str, images: Iterable[str], others: Iterable[str]) -> list[str]:
    """Give the previews of *file* that are no preview of one of the *others* too, nor one of them."""
    beside = set(others) - {file}
    stems = {_stem(other) for other in beside}
    return [
        image
        for image in previews_of(file, images)
        if image not in beside
        and _stem(image) not in stems
        and _stem(image).removesuffix(".preview") not in stems
    ]


def renamed(image: str, file: str, new_file: str) -> str:
    """Give the name that a preview of *file* has beside *new_file*."""
    return _stem(new_file) + image[len(_stem(file)) :]


def _stem(file: str) -> str:
    return os.path.splitext(file)[0]  # noqa: PTH122
