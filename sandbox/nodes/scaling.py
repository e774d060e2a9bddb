"""More ways to another size: images for real, latents and upscale models simulated."""

from __future__ import annotations

import math
import re

import numpy as np

from ..progress import ProgressBar, check_interrupt
from . import pixels
from .base import MAX_RESOLUTION, Node, Pixels, check_size, inputs, integer, number
from .loaders import Upscaler
from .stand_ins import Latent, rescaled

_FACTOR = re.compile(r"(?<![0-9])([1-8])x|x([1-8])(?![0-9])", re.IGNORECASE)
_USUAL = 4


class EmptySD3LatentImage(Node):
    """Says which size and how many."""

    V3 = True
    DISPLAY_NAME = None
    CATEGORY = "model/latent/stable diffusion"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_sd3"
    INPUTS = inputs(
        {
            "width": integer(1024, 16, MAX_RESOLUTION, 16),
            "height": integer(1024, 16, MAX_RESOLUTION, 16),
            "batch_size": integer(1, 1, 4096),
        }
    )
    RETURN_TYPES = ("LATENT",)

    def execute(self, width: int, height: int, batch_size: int = 1) -> tuple[Latent]:
        """Give an empty latent; sizes are cut to multiples of 8."""
        return (Latent(width // 8 * 8, height // 8 * 8, batch_size),)


class LatentUpscaleBy(Node):
    """Makes a latent larger by a factor."""

    DISPLAY_NAME = "Upscale Latent By"
    CATEGORY = "model/latent"
    INPUTS = inputs(
        {
            "samples": ("LATENT",),
            "upscale_method": (["nearest-exact", "bilinear", "area", "bicubic", "bislerp"],),
            "scale_by": number(1.5, 0.01, 8.0, 0.01),
        }
    )
    RETURN_TYPES = ("LATENT",)
    SEARCH_ALIASES = ("enlarge latent", "resize latent")

    def execute(self, samples: Latent, upscale_method: str, scale_by: float) -> tuple[Latent]:
        """Scale, in the steps of 8 pixels that latents have."""
        width, height = (max(8, 8 * round(side / 8 * scale_by)) for side in (samples.width, samples.height))
        return (rescaled(samples, width, height, upscale_method, "disabled"),)


class ImageScaleBy(Node):
    """Scales images by a factor."""

    DISPLAY_NAME = "Upscale Image By"
    CATEGORY = "image/upscaling"
    ESSENTIALS_CATEGORY = "Image Tools"
    INPUTS = inputs(
        {
            "image": ("IMAGE",),
            "upscale_method": (list(pixels.METHODS),),
            "scale_by": number(1.0, 0.01, 8.0, 0.01),
        }
    )
    RETURN_TYPES = ("IMAGE",)

    def execute(self, image: Pixels, upscale_method: str, scale_by: float) -> tuple[Pixels]:
        """Scale."""
        height, width = (max(1, round(side * scale_by)) for side in image.shape[1:3])
        return (pixels.resize(image, width, height, upscale_method),)


class ImageScaleToTotalPixels(Node):
    """Scales images to a number of pixels, in their shape."""

    V3 = True
    DISPLAY_NAME = "Scale Image to Total Pixels"
    CATEGORY = "image/upscaling"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_post_processing"
    INPUTS = inputs(
        {
            "image": ("IMAGE", {}),
            "upscale_method": ("COMBO", {"multiselect": False, "options": list(pixels.METHODS)}),
            "megapixels": number(1.0, 0.01, 16.0, 0.01),
            "resolution_steps": integer(1, 1, 256, advanced=True),
        }
    )
    RETURN_TYPES = ("IMAGE",)

    def execute(
        self, image: Pixels, upscale_method: str, megapixels: float, resolution_steps: int = 1
    ) -> tuple[Pixels]:
        """Scale; sides are multiples of *resolution_steps*."""
        factor = math.sqrt(megapixels * 1024 * 1024 / (image.shape[1] * image.shape[2]))
        steps = resolution_steps
        height, width = (max(1, round(side * factor / steps)) * steps for side in image.shape[1:3])
        return (pixels.resize(image, width, height, upscale_method),)


class ImageUpscaleWithModel(Node):
    """Makes images larger, by the factor that the model's name tells; no model is run."""

    V3 = True
    DISPLAY_NAME = "Upscale Image (using Model)"
    CATEGORY = "image/upscaling"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_upscale_model"
    INPUTS = inputs({"upscale_model": ("UPSCALE_MODEL", {}), "image": ("IMAGE", {})})
    RETURN_TYPES = ("IMAGE",)
    SEARCH_ALIASES = ("upscale", "upscaler", "enlarge image", "super resolution")

    def execute(self, upscale_model: Upscaler, image: Pixels) -> tuple[Pixels]:
        """Scale, one image after the other."""
        found = _FACTOR.search(upscale_model.name)
        factor = _USUAL if found is None else int(found[1] or found[2])
        height, width = (factor * side for side in image.shape[1:3])
        check_size(len(image), height, width)
        larger = np.empty((len(image), height, width, image.shape[3]), np.float32)
        bar = ProgressBar(len(image))
        for index in range(len(image)):
            check_interrupt()
            larger[index] = pixels.resize(image[index : index + 1], width, height, "bicubic")[0]
            bar.update(1)
        return (larger,)


CLASSES = (
    EmptySD3LatentImage,
    LatentUpscaleBy,
    ImageScaleBy,
    ImageScaleToTotalPixels,
    ImageUpscaleWithModel,
)
