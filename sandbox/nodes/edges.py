"""Outlines and masks, computed for real. Canny goes as in kornia, which ComfyUI uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..progress import check_interrupt
from . import pixels
from .base import MAX_RESOLUTION, Node, Pixels, inputs, integer, number

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_AHEAD = ((0, 1), (1, 1), (1, 0), (1, -1))
"""Steps in rows and columns along the four directions that a gradient is rounded to, by 45 degrees."""
_AROUND = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column)

Mask = NDArray[np.bool_]


class Canny(Node):
    """Finds the outlines in images."""

    V3 = True
    DISPLAY_NAME = "Detect Edges (Canny)"
    CATEGORY = "image/filters"
    ESSENTIALS_CATEGORY = "Image Tools"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_canny"
    INPUTS = inputs(
        {
            "image": ("IMAGE", {}),
            "low_threshold": number(0.4, 0.01, 0.99, 0.01),
            "high_threshold": number(0.8, 0.01, 0.99, 0.01),
        }
    )
    RETURN_TYPES = ("IMAGE",)
    SEARCH_ALIASES = ("edge detection", "outline", "line art")

    def execute(self, image: Pixels, low_threshold: float, high_threshold: float) -> tuple[Pixels]:
        """Draw them white on black. Raises ValueError if the thresholds are the wrong way round."""
        if low_threshold > high_threshold:
            raise ValueError(f"low_threshold {low_threshold} is above high_threshold {high_threshold}.")
        edges = np.stack([_edges(each, low_threshold, high_threshold) for each in image])
        return (np.repeat(edges[..., None], 3, axis=3),)


def _edges(image: Pixels, low: float, high: float) -> Pixels:
    check_interrupt()
    grey = (image[..., :3] @ _LUMA).astype(np.float32)
    smooth = pixels.blur(grey[None, ..., None], 2, 1.0)[0, ..., 0]
    near = np.pad(smooth, 1, mode="edge")
    across, down = near[:, 2:] - near[:, :-2], near[2:] - near[:-2]
    gx = across[:-2] + 2 * across[1:-1] + across[2:]
    gy = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    strength = np.sqrt(gx * gx + gy * gy)
    direction = np.rint(np.arctan2(gy, gx) / (np.pi / 4)).astype(np.int8) % 4
    ridge = np.zeros(strength.shape, np.bool_)
    for nth, (row, column) in enumerate(_AHEAD):
        # of two that are equal one stays, or a clean step would have no outline
        highest = (strength > _moved(strength, row, column)) & (strength >= _moved(strength, -row, -column))
        ridge |= (direction == nth) & highest
    strong, weak = ridge & (strength > high), ridge & (strength > low)
    return _followed(strong, weak).astype(np.float32)


def _moved(plane: NDArray[np.float32], row: int, column: int) -> NDArray[np.float32]:
    """Give the values so many rows and columns further; 0 outside."""
    height, width = plane.shape
    return np.pad(plane, 1)[1 + row : 1 + row + height, 1 + column : 1 + column + width]


def _followed(strong: Mask, weak: Mask) -> Mask:
    """Keep the weak outlines that hang on strong ones."""
    height, width = strong.shape
    kept = strong
    while True:
        check_interrupt()
        padded = np.pad(kept, 1)
        wider: Mask = np.zeros_like(kept)
        for row, column in (*_AROUND, (0, 0)):
            wider |= padded[1 + row : 1 + row + height, 1 + column : 1 + column + width]
        wider &= weak
        if np.array_equal(wider, kept):
            return kept
        kept = wider


class GrowMask(Node):
    """Makes masks larger or smaller."""

    V3 = True
    DISPLAY_NAME = "Grow Mask"
    CATEGORY = "image/mask"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_mask"
    INPUTS = inputs(
        {
            "mask": ("MASK", {}),
            "expand": integer(0, -MAX_RESOLUTION, MAX_RESOLUTION, 1),
            "tapered_corners": ("BOOLEAN", {"default": True, "advanced": True}),
        }
    )
    RETURN_TYPES = ("MASK",)
    SEARCH_ALIASES = ("expand mask", "shrink mask")

    def execute(self, mask: Pixels, expand: int, tapered_corners: bool) -> tuple[Pixels]:
        """Grow by *expand* pixels, or shrink if that is below 0."""
        return (grown(mask, expand, tapered=tapered_corners),)


def grown(mask: Pixels, expand: int, *, tapered: bool = False) -> Pixels:
    """Grow a mask by so many pixels, or shrink it; *tapered* leaves corners out."""
    choose = np.maximum if expand > 0 else np.minimum
    steps = [(row, column) for row, column in _AROUND if not tapered or row == 0 or column == 0]
    height, width = mask.shape[1:3]
    for _ in range(min(abs(expand), max(height, width))):
        check_interrupt()
        padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)), mode="edge")
        for row, column in steps:
            mask = choose(mask, padded[:, 1 + row : 1 + row + height, 1 + column : 1 + column + width])
    return mask


CLASSES = (Canny, GrowMask)
