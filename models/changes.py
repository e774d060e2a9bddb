"""A model and its previews, deleted or moved together. Blocks: for threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from ..errors import ApiError, InvalidRequest, NotFound
from ..modelfiles.names import check_name, suffix_of
from ..modelfiles.trouble import BadName
from .index import Look, View
from .moves import Moved, move, remove
from .previews import Preview, own_previews, previews_of, read_preview, renamed
from .scan import Entry

DEEPEST = 16
"""Parts of a name."""


def check_inside(look: Look, view: View, entry: Entry) -> None:
    """Raise ApiError MODEL_REFUSED for a file that lies outside all model folders, links followed."""
    if not look.inside(os.path.realpath(entry.path)):
        raise refused(view, entry.name)


def refused(view: View, name: str) -> ApiError:
    """The error for a file outside."""
    return ApiError(
        "MODEL_REFUSED",
        f"{name!r} leads outside the model folders.",
        hint="Name the folder that it leads to in extra_model_paths.yaml.",
        details={"folder": view.name, "name": name},
    )


def check_target(view: View, name: str, new_name: str) -> None:
    """Check a new name for a model. Raises InvalidRequest with what is wrong with it."""
    parts = new_name.split("/")
    wrong = f"it has more than {DEEPEST} parts" if len(parts) > DEEPEST else None
    for part in parts:
        try:
            check_name(part)
        except BadName as error:
            wrong = wrong or error.reason
    suffix = suffix_of(name)
    if suffix_of(new_name) != suffix:
        wrong = wrong or f"a model keeps its suffix, {suffix or 'none'}"
    if wrong is not None:
        raise InvalidRequest(
            "INVALID_REQUEST", f"name cannot be {new_name!r}: {wrong}.", details={"fields": {"name": wrong}}
        )
    if view.suffixes and os.path.splitext(new_name)[1].lower() not in view.suffixes:  # noqa: PTH122
        raise InvalidRequest(
            "INVALID_REQUEST",
            f"ComfyUI does not look for {suffix or 'such'} files in {view.name}.",
            details={"fields": {"folder": "takes other files"}},
        )


def target_of(look: Look, source: View, entry: Entry, view: View, name: str) -> str:
    """Give the path that a file gets: below its own root, or the first one of another folder.

    Raises ApiError MODEL_REFUSED if a link on the way leads outside, MODEL_EXISTS.
    """
    if name in view.by_name:
        raise ApiError(
            "MODEL_EXISTS",
            f"The folder {view.name} has a model {name!r} already.",
            hint="Choose another name.",
            details={"folder": view.name, "name": name},
        )
    root = view.roots[entry.root if source is view else 0]
    target = os.path.join(root, *name.split("/"))  # noqa: PTH118
    directory = os.path.join(os.path.realpath(os.path.dirname(target)), "")  # noqa: PTH118, PTH120
    # the root itself may not exist yet, so that the look does not know it
    if not (directory.startswith(os.path.join(os.path.realpath(root), "")) or look.inside(directory)):  # noqa: PTH118
        raise refused(view, name)
    return target


def preview_of(look: Look, view: View, entry: Entry) -> Preview:
    """Give the best picture of a model that lies in the model folders.

    Raises NotFound PREVIEW_IMAGE_NOT_FOUND.
    """
    for image in previews_of(entry.file, entry.where.images):
        real = os.path.realpath(os.path.join(entry.where.path, image))  # noqa: PTH118
        if look.inside(real):
            with suppress(OSError):
                return read_preview(image, real)
    raise NotFound(
        "PREVIEW_IMAGE_NOT_FOUND",
        f"The model {entry.name!r} has no preview image.",
        hint="Put one beside it, of the same name but with .png, .jpg or .webp.",
        details={"folder": view.name, "name": entry.name},
    )


def delete(look: Look, view: View, entry: Entry) -> None:
    """Delete a model, and its previews if no other model has them. Raises as :func:`.moves.remove`."""
    check_inside(look, view, entry)
    remove(entry.path, entry.name)
    for image in _own_previews(view, entry):
        try:
            remove(os.path.join(entry.where.path, image), image)  # noqa: PTH118
        except (ApiError, OSError):
            continue  # the model is gone, which is what was asked for


def relocate(look: Look, view: View, entry: Entry, target: str, go_on: Callable[[], bool]) -> Moved:
    """Move a model, and its previews as far as their names are free. Raises as :func:`.moves.move`."""
    check_inside(look, view, entry)
    moved = move(entry.path, target, entry.name, go_on)
    directory, file = os.path.split(target)
    for image in _own_previews(view, entry):
        try:
            move(
                os.path.join(entry.where.path, image),  # noqa: PTH118
                os.path.join(directory, renamed(image, entry.file, file)),  # noqa: PTH118
                image,
                go_on,
            )
        except (ApiError, OSError):
            continue  # stays where it is
    return moved


def _own_previews(view: View, entry: Entry) -> list[str]:
    beside = [
        other.file
        for below in view.directories
        for directory in below.values()
        if directory.where.path == entry.where.path
        for other in directory.entries
    ]
    return own_previews(entry.file, entry.where.images, beside)
