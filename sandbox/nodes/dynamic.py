"""V3-style nodes whose inputs depend on values: autogrow, match type, dynamic combo."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import JSON
from . import pixels
from .base import MAX_RESOLUTION, Node, Pixels, check_size, inputs, integer, number

_SIZE = integer(512, 0, MAX_RESOLUTION, 1)
_CROP = ("COMBO", {"default": "center", "multiselect": False, "options": ["disabled", "center"]})


def _option(key: str, **required: Any) -> JSON:
    return {"key": key, "inputs": {"required": required}}


class BatchImagesNode(Node):
    """Puts images into one batch."""

    V3 = True
    DISPLAY_NAME = "Batch Images"
    CATEGORY = "image/batch"
    ESSENTIALS_CATEGORY = "Image Tools"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_post_processing"
    INPUTS = inputs(
        {
            "images": (
                "COMFY_AUTOGROW_V3",
                {
                    "template": {
                        "input": {"required": {"image": ("IMAGE", {})}},
                        "prefix": "image",
                        "min": 1,
                        "max": 50,
                    }
                },
            )
        }
    )
    RETURN_TYPES = ("IMAGE",)
    SEARCH_ALIASES = ("batch", "image batch", "combine images", "merge images")

    def execute(self, images: dict[str, Pixels]) -> tuple[Pixels]:
        """Batch them; all are brought to the size of the first."""
        batch = list(images.values())
        height, width = batch[0].shape[1:3]
        check_size(sum(map(len, batch)), height, width)
        channels = max(image.shape[3] for image in batch)
        opaque = [
            np.concatenate([image, np.ones((*image.shape[:3], 1), np.float32)], axis=3)
            if image.shape[3] < channels
            else image
            for image in pixels.same_size(batch, width, height)
        ]
        return (np.concatenate(opaque),)


class ResizeImageMaskNode(Node):
    """Scales an image or a mask, in one of several ways."""

    V3 = True
    DISPLAY_NAME = "Resize Image/Mask"
    CATEGORY = "image/transform"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_post_processing"
    INPUTS = inputs(
        {
            "input": (
                "COMFY_MATCHTYPE_V3",
                {"template": {"template_id": "input_type", "allowed_types": "IMAGE,MASK"}},
            ),
            "resize_type": (
                "COMFY_DYNAMICCOMBO_V3",
                {
                    "options": [
                        _option("scale dimensions", width=_SIZE, height=_SIZE, crop=_CROP),
                        _option("scale by multiplier", multiplier=number(1.0, 0.01, 8.0, 0.01)),
                        _option("scale longer dimension", longer_size=_SIZE),
                        _option("scale shorter dimension", shorter_size=_SIZE),
                        _option("scale width", width=_SIZE),
                        _option("scale height", height=_SIZE),
                        _option("scale total pixels", megapixels=number(1.0, 0.01, 16.0, 0.01)),
                        _option("match size", match=("IMAGE,MASK", {}), crop=_CROP),
                        _option("scale to multiple", multiple=integer(8, 1, MAX_RESOLUTION, 1)),
                    ]
                },
            ),
            "scale_method": (
                "COMBO",
                {"default": "area", "multiselect": False, "options": list(pixels.METHODS)},
            ),
        }
    )
    RETURN_TYPES = ("COMFY_MATCHTYPE_V3",)
    RETURN_NAMES = ("resized",)
    OUTPUT_MATCHTYPES = ("input_type",)
    SEARCH_ALIASES = ("resize", "scale image", "scale mask", "change size")

    def execute(self, input: Pixels, resize_type: JSON, scale_method: str) -> tuple[Pixels]:  # noqa: A002
        """Scale; *resize_type* is the chosen way under its own name, and that way's inputs."""
        width, height = _wanted(input, resize_type)
        if (input.shape[2], input.shape[1]) == (width, height):
            return (input,)
        covers = resize_type["resize_type"] == "scale to multiple"
        crop = "center" if covers else resize_type.get("crop", "disabled")
        return (pixels.resize(input, width, height, scale_method, crop),)


def _wanted(image: Pixels, way: JSON) -> tuple[int, int]:
    height, width = image.shape[1:3]
    match way["resize_type"]:
        case "match size":
            return way["match"].shape[2], way["match"].shape[1]
        case "scale by multiplier":
            factor = way["multiplier"]
        case "scale longer dimension":
            factor = way["longer_size"] / max(width, height)
        case "scale shorter dimension":
            factor = way["shorter_size"] / min(width, height)
        case "scale total pixels":
            factor = math.sqrt(way["megapixels"] * 1024 * 1024 / (width * height))
        case "scale to multiple":
            multiple = way["multiple"]
            fitting = (width // multiple * multiple, height // multiple * multiple)
            return fitting if all(fitting) else (width, height)
        case _:
            return pixels.target_size(image, way.get("width", 0), way.get("height", 0))
    if factor <= 0:
        return width, height
    return max(1, round(width * factor)), max(1, round(height * factor))


CLASSES = (BatchImagesNode, ResizeImageMaskNode)
