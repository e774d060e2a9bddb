"""What all node classes of the sandbox share."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..files import Files

Pixels = NDArray[np.float32]
"""An IMAGE: [batch, height, width, channels], 0..1. A MASK: [batch, height, width], 0..1."""

MAX_RESOLUTION = 16384
MAX_IMAGE_BYTES = 4 << 30


@dataclass(frozen=True, slots=True)
class Studio:
    """What the nodes work with."""

    files: Files
    step_s: float
    """Seconds that one simulated sampling step takes."""


def inputs(
    required: Mapping[str, Any] | None = None,
    optional: Mapping[str, Any] | None = None,
    hidden: Mapping[str, str] | None = None,
) -> Mapping[str, Mapping[str, Any]]:
    """Give the sections of INPUT_TYPES; the optional ones only if there is something in them."""
    sections: dict[str, Mapping[str, Any]] = {"required": required or {}}
    if optional:
        sections["optional"] = optional
    if hidden:
        sections["hidden"] = hidden
    return MappingProxyType(sections)


class Node:
    """A node class; :meth:`bound` gives it its studio. FUNCTION is always ``execute``."""

    studio: ClassVar[Studio]
    INPUTS: ClassVar[Mapping[str, Mapping[str, Any]]] = inputs()
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ()
    FUNCTION: ClassVar[str] = "execute"
    CATEGORY: ClassVar[str] = "sandbox"
    DISPLAY_NAME: ClassVar[str | None] = ""
    RELATIVE_PYTHON_MODULE: ClassVar[str] = "nodes"
    V3: ClassVar[bool] = False
    """Whether ``/object_info`` shows it as a V3 node."""
    FILE_LISTS: ClassVar[frozenset[str]] = frozenset()
    MODEL_FOLDERS: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """``{param: model folder}`` for the COMBOs that list files."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 (ComfyUI's name)
        """Give the inputs, file lists as they are now."""
        sections = {name: copy.deepcopy(dict(section)) for name, section in cls.INPUTS.items()}
        for param, folder in cls.MODEL_FOLDERS.items():
            _, *options = sections["required"].get(param, ([], {}))
            sections["required"][param] = (cls.studio.files.model_files(folder), *options)
        return sections

    @classmethod
    def bound(cls, studio: Studio) -> type[Node]:
        """Give this class with a studio to work in."""
        return type(cls.__name__, (cls,), {"studio": studio, "__doc__": cls.__doc__})


def clamp(values: NDArray[Any], low: float = 0.0, high: float = 1.0) -> Pixels:
    """Bring *values* into a range, as float32."""
    # np.clip would do, but its type is not known to the checker.
    return np.minimum(np.maximum(values, low), high).astype(np.float32, copy=False)


def integer(default: int, least: int, most: int, step: int | None = None, **more: Any) -> tuple[str, Any]:
    """Give an INT input."""
    options: dict[str, Any] = {"default": default, "min": least, "max": most}
    return "INT", options | ({} if step is None else {"step": step}) | more


def number(default: float, least: float, most: float, step: float, **more: Any) -> tuple[str, Any]:
    """Give a FLOAT input."""
    return "FLOAT", {"default": default, "min": least, "max": most, "step": step, **more}


def check_size(batch: int, height: int, width: int) -> None:
    """Refuse images that this machine cannot be expected to hold. Raises MemoryError."""
    if batch * height * width * 3 * 4 > MAX_IMAGE_BYTES:
        raise MemoryError(
            f"{batch} images of {width} x {height} pixels take more than the 4 GiB the sandbox works with."
        )
