"""ComfyUI's lists of model files, as :mod:`.protocol` wants them. Part of the door: it imports ComfyUI."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import folder_paths

from .protocol import ModelFolder
from .stamps import FRESH_S, folder_stamp

NO_MODELS = frozenset({"custom_nodes", "configs"})
"""Folders that ComfyUI keeps among those of models and that hold none: code, and settings of old models."""

OLD_NAMES = ("unet", "clip")
"""Names that ComfyUI translates; its table of them is inside a function."""


def today(name: str) -> str:
    """Give a folder's present name for an old one."""
    translate = getattr(folder_paths, "map_legacy", None)
    return str(translate(name)) if translate is not None else name


def model_folders() -> Mapping[str, ModelFolder]:
    """Every folder that has models, those of node packs and of extra_model_paths.yaml included."""
    return {
        name: ModelFolder(
            name,
            tuple(Path(os.path.abspath(root)) for root in dict.fromkeys(roots)),  # noqa: PTH100 - follows no link
            frozenset(suffix.lower() for suffix in suffixes),
        )
        for name, (roots, suffixes, *_) in list(folder_paths.folder_names_and_paths.items())
        if name not in NO_MODELS
    }


def model_folder_aliases() -> Mapping[str, str]:
    """Old names, as far as this ComfyUI still takes them."""
    return {
        old: today(old)
        for old in OLD_NAMES
        if today(old) != old and today(old) in folder_paths.folder_names_and_paths
    }


def file_list_stamps() -> Mapping[str, Hashable]:
    """Give a value per model folder and for the input folder that changes when the list does."""
    stamps: dict[str, Hashable] = {}
    for folder, (roots, *_) in list(folder_paths.folder_names_and_paths.items()):
        if folder == "custom_nodes":
            continue  # no models: all code of all packs, thousands of folders to look at
        try:
            stamps[folder] = (
                hash(tuple(model_files(folder))),
                tuple(os.stat(root).st_mtime_ns for root in roots if os.path.isdir(root)),  # noqa: PTH112, PTH116
            )
        except OSError:
            stamps[folder] = None
    stamps["input"] = folder_stamp(folder_paths.get_input_directory())
    return stamps


def model_files(folder: str) -> Sequence[str]:
    """Give the file names of one model folder, relative, as COMBO options show them."""
    _refresh_if_fresh(folder)
    return folder_paths.get_filename_list(folder)


def forget(folder: str) -> None:
    """Renew ComfyUI's own list of a folder, whatever the times on the disk say."""
    scan = getattr(folder_paths, "get_filename_list_", None)
    name = today(folder)
    if scan is not None and name in folder_paths.filename_list_cache:
        # Replaced in one step, never removed: ComfyUI's own thread may be between look and use.
        folder_paths.filename_list_cache[name] = scan(name)


def _refresh_if_fresh(folder: str) -> None:
    """Renew ComfyUI's own list where its folder changed so recently that the timestamp may hide it."""
    cached = folder_paths.filename_list_cache.get(today(folder))
    if cached is not None and cached[1] and max(cached[1].values()) > cached[2] - FRESH_S + _clock_offset():
        forget(folder)


def _clock_offset() -> float:
    """The cache notes when it scanned by perf_counter, folders carry Unix time."""
    return time.time() - time.perf_counter()
