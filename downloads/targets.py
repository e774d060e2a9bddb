"""Where a download goes: which folder, which of its roots, which name. Touches the disk, writes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import JSON, close_matches
from ..host.protocol import ModelFolder
from ..modelfiles import formats, kinds, names
from ..modelfiles.formats import Format
from ..modelfiles.trouble import BadName
from .plan import Found, Target, Wanted
from .trouble import DownloadError

DEPTH_MAX = 8
"""Most folders in ``target_dir``."""

GGUF_FOLDERS = frozenset({"diffusion_models", "text_encoders", "vae", "clip_vision"})
"""Folders in which the node packs that read GGUF look for it, whatever suffixes ComfyUI lists there."""

_SUFFIX = re.compile(r"\.(?!v[0-9])[a-z][a-z0-9_]{1,11}")
"""What is meant as a suffix: not the ``.5`` of ``detail 1.5``, nor the ``.v2`` of ``detail.v2``."""


def place(
    folders: Mapping[str, ModelFolder],
    aliases: Mapping[str, str],
    wanted: Wanted,
    found: Found | None,
    *,
    allow_pickle: bool,
) -> Target:
    """Say where the file that *wanted* asks for goes. With ``unzip``, the target is the archive's own.

    What is unpacked then goes beside it, into ``target.path.parent``. Whether a file is there already is
    not looked at. Raises DownloadError. Blocks.
    """
    folder = _folder(folders, aliases, wanted.type or (found.folder if found else None), asked=wanted.type)
    parts = _directory(wanted.target_dir)
    name = _filename(wanted, found)
    _admit(folders, folder, name, wanted, found, allow_pickle=allow_pickle)
    target = Target(folder.name, _root(folder, "/".join((*parts, name))), "/".join((*parts, name)))
    check_inside(target, folders)
    return target


def early(
    folders: Mapping[str, ModelFolder],
    aliases: Mapping[str, str],
    wanted: Wanted,
    *,
    allow_pickle: bool,
) -> Target | None:
    """Check what can be checked before the source is asked; give the target if it is known by then.

    Raises DownloadError. Blocks.
    """
    parts = _directory(wanted.target_dir)
    folder = _folder(folders, aliases, wanted.type, asked=wanted.type) if wanted.type else None
    if folder is not None:
        root = _root(folder, "/".join(parts))
        _check_way(root.joinpath(*parts), root, folders)
    if wanted.filename is None:
        return None
    _check_name(wanted.filename)
    if not _has_suffix(wanted.filename):
        return None
    if folder is None:
        _admit_format(wanted.filename, wanted, allow_pickle=allow_pickle)
        return None
    return place(folders, aliases, wanted, None, allow_pickle=allow_pickle)


def check_inside(target: Target, folders: Mapping[str, ModelFolder]) -> None:
    """Make sure that no link on the way leads out of the model folders. Raises DownloadError. Blocks."""
    _check_way(target.path.parent, target.root, folders)
    if target.path.is_dir():
        raise DownloadError(
            "DOWNLOAD_INVALID_FILENAME", "There is a folder of that name.", details={"name": target.name}
        )


def _check_way(parent: Path, root: Path, folders: Mapping[str, ModelFolder]) -> None:
    if not inside(parent, [root, *(each for folder in folders.values() for each in folder.roots)]):
        raise DownloadError(
            "DOWNLOAD_INVALID_TARGET", "target_dir leads out of the model folders, through a link."
        )
    while not os.path.lexists(parent) and parent != root:
        parent = parent.parent
    if os.path.lexists(parent) and not parent.is_dir():
        raise DownloadError("DOWNLOAD_INVALID_TARGET", "A part of target_dir is a file, and no folder.")


def inside(path: Path, roots: Iterable[Path]) -> bool:
    """Say whether *path*, all links followed, lies in one of *roots* or is one. It need not exist. Blocks."""
    real = os.path.realpath(path)
    for root in roots:
        real_root = os.path.realpath(root)
        try:
            if os.path.commonpath([real, real_root]) == real_root:
                return True
        except ValueError:  # on another drive
            continue
    return False


def takes(folders: Mapping[str, ModelFolder], folder: ModelFolder, suffix: str) -> bool:
    """Say whether files with this suffix, of a format that is known, belong into the folder."""
    known = formats.FORMATS.get(suffix)
    if known is None:
        return False
    listed = folder.suffixes & formats.FORMATS.keys()
    if not listed or suffix in listed or known.kind in {"companion", "archive"}:
        return True
    if known.name == "gguf":
        roots = set(folder.roots)
        return folder.name in GGUF_FOLDERS or any(
            ".gguf" in other.suffixes and roots & set(other.roots) for other in folders.values()
        )
    return False


def _folder(
    folders: Mapping[str, ModelFolder], aliases: Mapping[str, str], kind: str | None, *, asked: str | None
) -> ModelFolder:
    known = kinds.known_types([name for name, folder in folders.items() if folder.roots])
    details: JSON = {"types": known}
    if kind is None:
        raise DownloadError(
            "DOWNLOAD_INVALID_TYPE",
            "The source does not say what kind of model it is.",
            hint="Give type: one of details.types.",
            details=details,
        )
    name = kinds.folder_of(kind, known, aliases)
    if name is not None:
        return folders[name]
    closest = close_matches(kind, [*known, *kinds.USUAL])
    if asked is None:
        message, hint = f"This server has no model folder for {kind!r}.", "Give type: one of details.types."
    elif kind.strip().casefold() in kinds.CLOSED_FOLDERS:
        message, hint = f"Nothing is downloaded into {kind!r}: it holds no models.", None
    else:
        message = f"{kind!r} is no model folder of this server, nor one of the usual names."
        hint = f"Did you mean {closest[0]!r}?" if closest else "details.types has the folders."
    raise DownloadError("DOWNLOAD_INVALID_TYPE", message, hint=hint, details={**details, "closest": closest})


def _directory(target_dir: str | None) -> tuple[str, ...]:
    if not target_dir:
        return ()
    parts = tuple(target_dir.removesuffix("/").split("/"))
    if len(parts) > DEPTH_MAX:
        raise DownloadError(
            "DOWNLOAD_INVALID_TARGET", f"target_dir has {len(parts)} folders; {DEPTH_MAX} are the most."
        )
    for part in parts:
        try:
            names.check_name(part)
        except BadName as error:
            raise DownloadError(
                "DOWNLOAD_INVALID_TARGET",
                f"target_dir cannot be used: of {names.shown(part)}, {error.reason}.",
                hint="It is relative to the model folder, with / between its parts: sdxl/styles.",
                details={"part": names.shown(part)},
            ) from None
    return parts


def _filename(wanted: Wanted, found: Found | None) -> str:
    source = names.suggested(found.filename) if found and found.filename else None
    name = wanted.filename
    if name is None:
        if source is None:
            raise DownloadError(
                "DOWNLOAD_INVALID_FILENAME",
                "The source gives the file no name that can be used.",
                hint="Give filename, e.g. detail.safetensors.",
            )
        return source if not wanted.unzip or _has_suffix(source) else source + ".zip"
    _check_name(name)
    if _has_suffix(name):
        return name
    suffix = names.suffix_of(source) if source else ""
    if wanted.unzip and suffix not in formats.FORMATS:
        suffix = ".zip"
    if suffix not in formats.FORMATS:
        raise DownloadError(
            "DOWNLOAD_INVALID_FILENAME",
            "filename has no suffix, and the source gives none.",
            hint=f"E.g. {name}.safetensors.",
            details={"filename": name},
        )
    _check_name(name + suffix)
    return name + suffix


def _has_suffix(name: str) -> bool:
    suffix = names.suffix_of(name)
    return suffix in formats.FORMATS or _SUFFIX.fullmatch(suffix) is not None


def _check_name(name: str) -> None:
    try:
        names.check_name(name)
    except BadName as error:
        better = names.suggested(name)
        raise DownloadError(
            "DOWNLOAD_INVALID_FILENAME",
            f"filename cannot be used: {error.reason}.",
            hint=f"{better!r} would do." if better else "E.g. detail.safetensors.",
            details={"filename": names.shown(name), "suggestion": better},
        ) from None


def _admit(
    folders: Mapping[str, ModelFolder],
    folder: ModelFolder,
    name: str,
    wanted: Wanted,
    found: Found | None,
    *,
    allow_pickle: bool,
) -> None:
    """Refuse formats that do not go into the folder, or nowhere. Raises DownloadError."""
    known = _admit_format(name, wanted, allow_pickle=allow_pickle)
    suffix = names.suffix_of(name)
    if not takes(folders, folder, suffix):
        listed = sorted(folder.suffixes & formats.FORMATS.keys())
        raise DownloadError(
            "DOWNLOAD_UNSAFE_FORMAT",
            f"ComfyUI reads no {suffix} files from {folder.name}.",
            hint=f"It reads {', '.join(listed)}.",
            details={"suffix": suffix, "folder": folder.name, "takes": listed},
        )
    source = formats.format_of(found.filename) if found and found.filename else None
    if source is not None and source.pickle and not known.pickle and not wanted.unzip:
        raise DownloadError(
            "DOWNLOAD_UNSAFE_FORMAT",
            "The source's file can run code when it is loaded; another suffix does not change that.",
            hint="Look for a .safetensors of the same model.",
            details={"suffix": suffix},
        )


def _admit_format(name: str, wanted: Wanted, *, allow_pickle: bool) -> Format:
    suffix = names.suffix_of(name)
    known = formats.format_of(name)
    details: JSON = {"suffix": suffix}
    if known is None:
        raise DownloadError(
            "DOWNLOAD_UNSAFE_FORMAT",
            f"{suffix or 'A file without a suffix'} is no format of model files.",
            hint="Models are .safetensors, .gguf or .onnx files.",
            details=details,
        )
    if wanted.unzip and known.kind != "archive":
        raise DownloadError(
            "DOWNLOAD_INVALID_FILENAME",
            f"unzip is set, and the file is a {suffix}.",
            hint="unzip is for .zip files.",
            details=details,
        )
    if known.kind == "archive" and not wanted.unzip:
        raise DownloadError(
            "DOWNLOAD_UNSAFE_FORMAT",
            "ComfyUI reads no models from a .zip.",
            hint="Set unzip to have it unpacked.",
            details=details,
        )
    if known.pickle and not allow_pickle:
        raise DownloadError(
            "DOWNLOAD_UNSAFE_FORMAT",
            f"A {suffix} can run code when it is loaded.",
            hint="Look for a .safetensors of the same model; the setting allow_pickle lets such files in.",
            details=details,
        )
    return known


def _root(folder: ModelFolder, name: str) -> Path:
    """Choose a root: one that has a file of that name already, else the first that can be written to.

    ComfyUI takes the first file of a name: beside an old one, a new one would be hidden, or hide it.
    """
    for root in folder.roots:
        if os.path.lexists(root / name):
            return root
    usable = [root for root in folder.roots if _writable(root)]
    if not usable:
        return folder.roots[0]
    # ComfyUI lists models/unet before models/diffusion_models; today's name is where people look
    named = [root for root in usable if root.name == folder.name and root.parent == usable[0].parent]
    return (named or usable)[0]


def _writable(root: Path) -> bool:
    while not os.path.lexists(root) and root != root.parent:
        root = root.parent
    return root.is_dir() and os.access(root, os.W_OK | os.X_OK)
