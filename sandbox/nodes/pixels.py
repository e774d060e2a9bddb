"""Arithmetic on images, independent of nodes. Shapes as in base.py."""

from __future__ import annotations

import numpy as np
import PIL.Image
from PIL.Image import Resampling

from .base import Pixels, check_size, clamp

METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
STRIP = 256

_RESAMPLING = {
    "nearest-exact": Resampling.NEAREST,
    "bilinear": Resampling.BILINEAR,
    "area": Resampling.BOX,
    "bicubic": Resampling.BICUBIC,
    "bislerp": Resampling.BICUBIC,
    "lanczos": Resampling.LANCZOS,
}


def to_pillow(image: Pixels) -> PIL.Image.Image:
    """Turn one [height, width, 3 or 4] image into 8-bit RGB or RGBA."""
    pixels = np.empty(image.shape, np.uint8)
    for first in range(0, image.shape[0], STRIP):  # in strips: a large image is in memory only once
        strip = slice(first, first + STRIP)
        pixels[strip] = np.rint(clamp(image[strip]) * 255).astype(np.uint8)
    return PIL.Image.fromarray(pixels)


def from_pillow(image: PIL.Image.Image) -> Pixels:
    """Turn an 8-bit image into floats."""
    return np.divide(np.asarray(image, dtype=np.uint8), 255, dtype=np.float32)


def resize(image: Pixels, width: int, height: int, method: str, crop: str = "disabled") -> Pixels:
    """Scale an image or a mask to *width* x *height*; ``center`` first crops it to that shape."""
    mask = image.ndim == 3
    pixels = image[..., None] if mask else image
    check_size(pixels.shape[0], height, width)
    if crop == "center":
        pixels = _center(pixels, width / height)
    scaled = np.empty((pixels.shape[0], height, width, pixels.shape[3]), dtype=np.float32)
    for target, source in zip(scaled, pixels, strict=True):
        for channel in range(pixels.shape[3]):
            # One float channel at a time: 8 bits would round.
            plane = PIL.Image.fromarray(np.ascontiguousarray(source[..., channel], dtype=np.float32))
            target[..., channel] = np.asarray(plane.resize((width, height), _RESAMPLING[method]))
    np.minimum(np.maximum(scaled, 0, out=scaled), 1, out=scaled)
    return scaled[..., 0] if mask else scaled


def _center(pixels: Pixels, aspect: float) -> Pixels:
    height, width = pixels.shape[1:3]
    if width / height > aspect:
        margin = round((width - height * aspect) / 2)
        return pixels[:, :, margin : width - margin]
    margin = round((height - width / aspect) / 2)
    return pixels[:, margin : height - margin]


def target_size(image: Pixels, width: int, height: int) -> tuple[int, int]:
    """Fill in a width or height of 0 so that the shape is kept; both 0 keeps the size."""
    old_height, old_width = image.shape[1:3]
    if width == 0 and height == 0:
        return old_width, old_height
    if width == 0:
        width = max(1, round(old_width * height / old_height))
    elif height == 0:
        height = max(1, round(old_height * width / old_width))
    return width, height


def blend(one: Pixels, two: Pixels, mode: str) -> Pixels:
    """Blend two images of one size by *mode*. Raises ValueError."""
    match mode:
        case "normal":
            mixed = two
        case "multiply":
            mixed = one * two
        case "screen":
            mixed = 1 - (1 - one) * (1 - two)
        case "overlay":
            mixed = np.where(one <= 0.5, 2 * one * two, 1 - 2 * (1 - one) * (1 - two))
        case "soft_light":
            curve = np.where(one <= 0.25, ((16 * one - 12) * one + 4) * one, np.sqrt(np.maximum(one, 0)))
            darker = one - (1 - 2 * two) * one * (1 - one)
            mixed = np.where(two <= 0.5, darker, one + (2 * two - 1) * (curve - one))
        case "difference":
            mixed = one - two
        case _:
            raise ValueError(f"There is no blend mode {mode!r}.")
    return mixed


def blur(image: Pixels, radius: int, sigma: float) -> Pixels:
    """Blur with a Gaussian of *sigma* pixels, cut off at *radius*; edges are mirrored."""
    check_size(*image.shape[:3])
    offsets = np.arange(-radius, radius + 1, dtype=np.float32)
    kernel = np.exp(-(offsets**2) / (2 * sigma * sigma))
    kernel /= kernel.sum()
    for axis in (1, 2):
        image = _convolved(image, axis, kernel)
    return image


def _convolved(image: Pixels, axis: int, kernel: Pixels) -> Pixels:
    size, radius = image.shape[axis], len(kernel) // 2
    padding = [(radius, radius) if index == axis else (0, 0) for index in range(image.ndim)]
    padded = np.pad(image, padding, mode="reflect" if size > radius else "edge")
    total = np.zeros_like(image)
    for start, weight in enumerate(kernel):
        total += weight * np.take(padded, range(start, start + size), axis=axis)
    return total


def same_size(images: list[Pixels], width: int, height: int) -> list[Pixels]:
    """Scale the images that are not *width* x *height*, cropping what does not fit the shape."""
    return [
        image if image.shape[1:3] == (height, width) else resize(image, width, height, "bilinear", "center")
        for image in images
    ]
