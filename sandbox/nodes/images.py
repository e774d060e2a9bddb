"""Image nodes, executed for real."""

from __future__ import annotations

import hashlib
import json
import random
import string
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import numpy as np
import PIL.Image
import PIL.ImageOps
import PIL.ImageSequence
from PIL.PngImagePlugin import PngInfo

from ...errors import JSON
from ..files import TEMP_PREFIX
from ..progress import check_interrupt
from . import pixels
from .base import MAX_RESOLUTION, Node, Pixels, check_size, clamp, inputs, integer, number
from .text_to_image import SIMULATED

CORE_TOOLS = "Image Tools"


class LoadImage(Node):
    """Reads an image of the input folder; the mask is where it is transparent."""

    DISPLAY_NAME = "Load Image"
    DESCRIPTION = "Reads an image of the input folder; its transparency becomes the mask."
    CATEGORY = "image"
    ESSENTIALS_CATEGORY = "Basics"
    RETURN_TYPES = ("IMAGE", "MASK")
    FILE_LISTS = frozenset({"input"})
    SEARCH_ALIASES = ("load image", "open image", "upload image")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Give the inputs, with the images there are now."""
        return {"required": {"image": (cls.studio.files.input_images(), {"image_upload": True})}}

    @classmethod
    def IS_CHANGED(cls, image: str) -> str:  # noqa: N802
        """Tell a changed file by its content."""
        path = cls.studio.files.annotated(image)
        return "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()

    @classmethod
    def VALIDATE_INPUTS(cls, image: str | None) -> bool | str:  # noqa: N802
        """Take any image that is there, also in subfolders and with a folder note behind."""
        if image is None or cls.studio.files.annotated(image) is not None:
            return True
        return f"Invalid image file: {image}"

    def execute(self, image: str) -> tuple[Pixels, Pixels]:
        """Read the frames of the image that have the size of the first."""
        path = self.studio.files.annotated(image)
        if path is None:
            raise FileNotFoundError(f"Invalid image file: {image}")
        frames: list[Pixels] = []
        masks: list[Pixels] = []
        with PIL.Image.open(path) as source:
            for frame in PIL.ImageSequence.Iterator(source):
                check_interrupt()
                upright = PIL.ImageOps.exif_transpose(frame)
                transparent = "A" in upright.getbands() or "transparency" in upright.info
                pixel = pixels.from_pillow(upright.convert("RGBA" if transparent else "RGB"))
                if frames and pixel.shape[:2] != frames[0].shape[:2]:
                    continue
                frames.append(pixel[..., :3])
                masks.append(1 - pixel[..., 3] if transparent else np.zeros((64, 64), np.float32))
        return np.stack(frames), np.stack([mask for mask in masks if mask.shape == masks[0].shape])


class SaveImage(Node):
    """Writes images to the output folder as PNG, with the workflow inside."""

    DISPLAY_NAME = "Save Image"
    DESCRIPTION = "Saves images to the output folder."
    CATEGORY = "image"
    ESSENTIALS_CATEGORY = "Basics"
    INPUTS = inputs(
        {"images": ("IMAGE", {}), "filename_prefix": ("STRING", {"default": "ComfyUI"})},
        hidden={"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
    )
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("images",)
    OUTPUT_NODE = True
    SEARCH_ALIASES = ("save", "export image", "download")
    KIND: ClassVar[str] = "output"

    def execute(
        self,
        images: Pixels,
        filename_prefix: str = "ComfyUI",
        prompt: JSON | None = None,
        extra_pnginfo: Any = None,
    ) -> JSON:
        """Save every image of the batch. Raises ValueError for a prefix that leads out of the folder."""
        size = (images.shape[2], images.shape[1])
        series = self.studio.files.series(self.KIND, filename_prefix, size)
        saved: list[JSON] = []
        about = _png_texts(prompt, extra_pnginfo)
        for index, image in enumerate(images):
            check_interrupt()
            name = series.name(index)
            pixels.to_pillow(image).save(series.folder / name, format="PNG", pnginfo=about, compress_level=4)
            saved.append({"filename": name, "subfolder": series.subfolder, "type": self.KIND})
        return {"ui": {"images": saved}, "result": (images,)}


class PreviewImage(SaveImage):
    """Writes images to the temp folder."""

    DISPLAY_NAME = "Preview Image"
    DESCRIPTION = "Shows images without keeping them."
    INPUTS = inputs({"images": ("IMAGE",)}, hidden={"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"})
    SEARCH_ALIASES = ("preview", "show image", "view image")
    KIND = "temp"

    def execute(
        self,
        images: Pixels,
        filename_prefix: str = "",
        prompt: JSON | None = None,
        extra_pnginfo: Any = None,
    ) -> JSON:
        """Save every image under a name of its own."""
        tag = "".join(random.choices(string.ascii_lowercase, k=5))  # noqa: S311 (a name, no secret)
        return super().execute(images, f"{TEMP_PREFIX}{filename_prefix}{tag}", prompt, extra_pnginfo)


def _png_texts(prompt: JSON | None, extra_pnginfo: Any) -> PngInfo:
    texts = PngInfo()
    if prompt is not None:
        texts.add_text("prompt", json.dumps(prompt))
        classes = {cast("JSON", node).get("class_type") for node in prompt.values()}
        if classes & SIMULATED:
            texts.add_text("backplane", "simulated")
    if isinstance(extra_pnginfo, Mapping):
        for key, value in cast("Mapping[str, Any]", extra_pnginfo).items():
            texts.add_text(str(key), json.dumps(value))
    return texts


class EmptyImage(Node):
    """A batch of one colour."""

    DISPLAY_NAME = "Empty Image"
    CATEGORY = "image"
    INPUTS = inputs(
        {
            "width": integer(512, 1, MAX_RESOLUTION, 1),
            "height": integer(512, 1, MAX_RESOLUTION, 1),
            "batch_size": integer(1, 1, 4096),
            "color": integer(0, 0, 0xFFFFFF, 1, display="color"),
        }
    )
    RETURN_TYPES = ("IMAGE",)

    def execute(self, width: int, height: int, batch_size: int = 1, color: int = 0) -> tuple[Pixels]:
        """Make it; takes no memory, all pixels are the same one."""
        parts = [(color >> shift & 0xFF) / 255 for shift in (16, 8, 0)]
        return (np.broadcast_to(np.array(parts, np.float32), (batch_size, height, width, 3)),)


class ImageScale(Node):
    """Scales images."""

    DISPLAY_NAME = "Upscale Image"
    CATEGORY = "image/upscaling"
    ESSENTIALS_CATEGORY = CORE_TOOLS
    INPUTS = inputs(
        {
            "image": ("IMAGE",),
            "upscale_method": (list(pixels.METHODS),),
            "width": integer(512, 0, MAX_RESOLUTION, 1),
            "height": integer(512, 0, MAX_RESOLUTION, 1),
            "crop": (["disabled", "center"],),
        }
    )
    RETURN_TYPES = ("IMAGE",)
    SEARCH_ALIASES = ("resize", "scale image", "change size")

    def execute(
        self, image: Pixels, upscale_method: str, width: int, height: int, crop: str
    ) -> tuple[Pixels]:
        """Scale; a width or height of 0 follows from the other."""
        if width == 0 and height == 0:
            return (image,)
        width, height = pixels.target_size(image, width, height)
        return (pixels.resize(image, width, height, upscale_method, crop),)


class ImageInvert(Node):
    """Inverts colours."""

    DISPLAY_NAME = "Invert Image Colors"
    CATEGORY = "image/color"
    ESSENTIALS_CATEGORY = CORE_TOOLS
    INPUTS = inputs({"image": ("IMAGE",)})
    RETURN_TYPES = ("IMAGE",)
    SEARCH_ALIASES = ("reverse colors",)

    def execute(self, image: Pixels) -> tuple[Pixels]:
        """Invert."""
        check_size(*image.shape[:3])
        return (1 - image,)


class ImageBlend(Node):
    """Blends two images."""

    V3 = True
    DISPLAY_NAME = "Blend Images"
    CATEGORY = "image/filters"
    ESSENTIALS_CATEGORY = CORE_TOOLS
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_post_processing"
    INPUTS = inputs(
        {
            "image1": ("IMAGE", {}),
            "image2": ("IMAGE", {}),
            "blend_factor": number(0.5, 0.0, 1.0, 0.01),
            "blend_mode": (
                "COMBO",
                {
                    "multiselect": False,
                    "options": ["normal", "multiply", "screen", "overlay", "soft_light", "difference"],
                },
            ),
        }
    )
    RETURN_TYPES = ("IMAGE",)
    SEARCH_ALIASES = ("mix images",)

    def execute(self, image1: Pixels, image2: Pixels, blend_factor: float, blend_mode: str) -> tuple[Pixels]:
        """Blend; the second image is brought to the size of the first."""
        height, width = image1.shape[1:3]
        check_size(max(len(image1), len(image2)), height, width)
        (second,) = pixels.same_size([image2], width, height)
        mixed = pixels.blend(image1, second, blend_mode)
        return (clamp(image1 * (1 - blend_factor) + mixed * blend_factor),)


class ImageCrop(Node):
    """Cuts a rectangle out."""

    V3 = True
    DEPRECATED = True
    DISPLAY_NAME = "Crop Image (DEPRECATED)"
    CATEGORY = "image/transform"
    ESSENTIALS_CATEGORY = CORE_TOOLS
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_images"
    INPUTS = inputs(
        {
            "image": ("IMAGE", {}),
            "width": integer(512, 1, MAX_RESOLUTION, 1),
            "height": integer(512, 1, MAX_RESOLUTION, 1),
            "x": integer(0, 0, MAX_RESOLUTION, 1),
            "y": integer(0, 0, MAX_RESOLUTION, 1),
        }
    )
    RETURN_TYPES = ("IMAGE",)
    SEARCH_ALIASES = ("trim",)

    def execute(self, image: Pixels, width: int, height: int, x: int, y: int) -> tuple[Pixels]:
        """Crop; what lies outside is left out, but at least one pixel stays."""
        left, top = min(x, image.shape[2] - 1), min(y, image.shape[1] - 1)
        return (image[:, top : top + height, left : left + width],)


class ImageBlur(Node):
    """Blurs images."""

    V3 = True
    DISPLAY_NAME = "Blur Image"
    CATEGORY = "image/filters"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_post_processing"
    INPUTS = inputs(
        {
            "image": ("IMAGE", {}),
            "blur_radius": integer(1, 1, 31, 1),
            "sigma": number(1.0, 0.1, 10.0, 0.1),
        }
    )
    RETURN_TYPES = ("IMAGE",)

    def execute(self, image: Pixels, blur_radius: int, sigma: float) -> tuple[Pixels]:
        """Blur."""
        return (pixels.blur(image, blur_radius, sigma),)


CLASSES = (
    LoadImage,
    SaveImage,
    PreviewImage,
    EmptyImage,
    ImageScale,
    ImageInvert,
    ImageBlend,
    ImageCrop,
    ImageBlur,
)
