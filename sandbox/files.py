"""The data folder: inputs, outputs, models. Every path that comes from outside is confined here.

Lists are read from the disk each time, so that a new file is seen at once.
"""

from __future__ import annotations

import mimetypes
import os
import re
import time
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..host.protocol import ModelFolder

MODEL_FOLDERS = (
    "checkpoints",
    "loras",
    "vae",
    "text_encoders",
    "diffusion_models",
    "clip_vision",
    "style_models",
    "embeddings",
    "diffusers",
    "vae_approx",
    "controlnet",
    "gligen",
    "upscale_models",
    "latent_upscale_models",
    "hypernetworks",
    "photomaker",
    "classifiers",
    "model_patches",
    "audio_encoders",
)
MODEL_SUFFIXES = frozenset({".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"})
KINDS = ("input", "output", "temp")
TEMP_PREFIX = "ComfyUI_temp_"


@dataclass(frozen=True, slots=True)
class Series:
    """Where the next images of a filename prefix go: ``{folder}/{stem}_{number:05}_.png``."""

    folder: Path
    subfolder: str
    stem: str
    number: int

    def name(self, index: int) -> str:
        """Give the file name of image *index* of a batch."""
        stem = self.stem.replace("%batch_num%", str(index))
        return f"{stem}_{self.number + index:05}_.png"


class Files:
    """The data folder of one sandbox."""

    def __init__(self, data_dir: Path) -> None:
        self.root = Path(os.path.realpath(data_dir))

    def make_folders(self) -> None:
        """Make what is missing, and drop preview images of earlier runs. Raises OSError."""
        for kind in KINDS:
            self.folder(kind).mkdir(parents=True, exist_ok=True)
        for folder in MODEL_FOLDERS:
            self.models(folder).mkdir(parents=True, exist_ok=True)
        self.state_dir().mkdir(parents=True, exist_ok=True)
        # Only what this sandbox names so itself: the folder may be someone's own "temp".
        for old in self.folder("temp").glob(f"{TEMP_PREFIX}*_.png"):
            old.unlink(missing_ok=True)

    def folder(self, kind: str) -> Path:
        """The folder behind ``"input"``, ``"output"`` or ``"temp"``."""
        return self.root / kind

    def models(self, folder: str) -> Path:
        """The folder of one kind of model."""
        return self.root / "models" / folder

    def model_folders(self) -> Mapping[str, ModelFolder]:
        """Every model folder, as Backplane's host shows them."""
        return {
            folder: ModelFolder(folder, (self.models(folder),), MODEL_SUFFIXES) for folder in MODEL_FOLDERS
        }

    def user_dir(self) -> Path:
        """What the one user keeps on the server: workflows, settings."""
        return self.root / "user" / "default"

    def state_dir(self) -> Path:
        """Backplane's own folder; no route reads it."""
        return self.root / "user" / "__backplane"

    def model_files(self, folder: str) -> list[str]:
        """File names of one model folder, relative, sorted; empty for an unknown folder."""
        if folder not in MODEL_FOLDERS:
            return []
        root = self.models(folder)
        return sorted(
            str(path.relative_to(root)) for path in _walk(root) if path.suffix.lower() in MODEL_SUFFIXES
        )

    def input_images(self) -> list[str]:
        """Names of the images right in the input folder, sorted."""
        try:
            entries = list(os.scandir(self.folder("input")))
        except OSError:
            return []
        return sorted(
            entry.name
            for entry in entries
            if entry.is_file() and (mimetypes.guess_type(entry.name)[0] or "").startswith("image/")
        )

    def stamps(self) -> Mapping[str, Hashable]:
        """A value per file list that changes with the list."""
        stamps: dict[str, Hashable] = {folder: tuple(self.model_files(folder)) for folder in MODEL_FOLDERS}
        stamps["input"] = tuple(self.input_images())
        return stamps

    def inside(self, kind: str, *parts: str) -> Path | None:
        """Join *parts* below the folder of *kind*; None if the path would leave it, links followed."""
        if kind not in KINDS or any("\0" in part for part in parts):
            return None
        base = os.path.realpath(self.folder(kind))
        # Names from another system's client count as paths here too.
        joined = os.path.realpath(Path(base).joinpath(*(part.replace("\\", "/") for part in parts)))
        try:
            within = os.path.commonpath((base, joined)) == base
        except ValueError:  # another drive
            return None
        return Path(joined) if within else None

    def file(self, filename: str, subfolder: str, kind: str) -> Path | None:
        """The existing file behind an output or input; None if absent or outside its folder."""
        path = self.inside(kind, subfolder, filename)
        return path if path is not None and path.is_file() else None

    def annotated(self, name: str) -> Path | None:
        """The existing file behind a LoadImage value: ``"sub/a.png"``, ``"a.png [output]"``."""
        kind = "input"
        for known in KINDS:
            if name.endswith(f" [{known}]"):
                name, kind = name[: -len(known) - 3], known
        return self.file(name, "", kind)

    def series(self, kind: str, prefix: str, size: tuple[int, int]) -> Series:
        """Where images saved under *prefix* go; *size* is width, height for ``%width%`` and ``%height%``.

        Raises ValueError for a prefix that leads out of the folder, OSError if it cannot be made.
        """
        now = time.localtime()
        for name, value in {
            "width": str(size[0]),
            "height": str(size[1]),
            "year": str(now.tm_year),
            "month": f"{now.tm_mon:02}",
            "day": f"{now.tm_mday:02}",
            "hour": f"{now.tm_hour:02}",
            "minute": f"{now.tm_min:02}",
            "second": f"{now.tm_sec:02}",
        }.items():
            prefix = prefix.replace(f"%{name}%", value)
        target = self.inside(kind, prefix)
        base = Path(os.path.realpath(self.folder(kind)))
        if target is None or target == base:
            raise ValueError(f"filename_prefix {prefix!r} does not name files inside the {kind} folder.")
        folder = target.parent
        folder.mkdir(parents=True, exist_ok=True)
        subfolder = "" if folder == base else folder.relative_to(base).as_posix()
        taken = re.compile(re.escape(target.name).replace("%batch_num%", r"\d+") + r"_(\d+)_")
        numbers = [
            int(found[1]) for entry in os.scandir(folder) if (found := taken.match(entry.name)) is not None
        ]
        return Series(folder, subfolder, target.name, max(numbers, default=0) + 1)


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith("."):
                yield Path(folder, name)


def content_type(name: str) -> str:
    """Guess a file's media type by its name."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
