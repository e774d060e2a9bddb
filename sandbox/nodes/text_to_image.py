"""The text-to-image family, simulated: no model is read, pictures are drawn (see picture.py).

Every decoded picture is marked, in the image and, by SaveImage, in the file.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np

from ..progress import ProgressBar, check_interrupt, pause
from . import pixels
from .base import MAX_RESOLUTION, Node, Pixels, check_size, inputs, integer, number
from .picture import Recipe, batch_recipe, noise_for, noisy, paint, stamp
from .stand_ins import Conditioning, Latent, Model, encoded, guided, pictures_of, rescaled, share_of

SAMPLERS = [
    "euler",
    "euler_cfg_pp",
    "euler_ancestral",
    "euler_ancestral_cfg_pp",
    "heun",
    "heunpp2",
    "exp_heun_2_x0",
    "exp_heun_2_x0_sde",
    "dpm_2",
    "dpm_2_ancestral",
    "lms",
    "dpm_fast",
    "dpm_adaptive",
    "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp",
    "dpmpp_sde",
    "dpmpp_sde_gpu",
    "dpmpp_2m",
    "dpmpp_2m_cfg_pp",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_gpu",
    "dpmpp_2m_sde_heun",
    "dpmpp_2m_sde_heun_gpu",
    "dpmpp_3m_sde",
    "dpmpp_3m_sde_gpu",
    "ddpm",
    "lcm",
    "ipndm",
    "ipndm_v",
    "deis",
    "res_multistep",
    "res_multistep_cfg_pp",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
    "gradient_estimation",
    "gradient_estimation_cfg_pp",
    "er_sde",
    "seeds_2",
    "seeds_3",
    "sa_solver",
    "sa_solver_pece",
    "ddim",
    "uni_pc",
    "uni_pc_bh2",
]
SCHEDULERS = [
    "simple",
    "sgm_uniform",
    "karras",
    "exponential",
    "ddim_uniform",
    "beta",
    "normal",
    "linear_quadratic",
    "kl_optimal",
]
SIMULATED = frozenset({"KSampler", "VAEDecode", "ImageUpscaleWithModel"})
"""Classes whose presence in a workflow means that its pictures may be simulated."""

PREVIEW = 256
"""Longest side of a preview, in pixels."""
PICTURE_VAE = "simulated"


class CheckpointLoaderSimple(Node):
    """Names a checkpoint; nothing is read."""

    DISPLAY_NAME = "Load Checkpoint"
    DESCRIPTION = "Loads a checkpoint. In the sandbox only its name counts."
    CATEGORY = "model/loaders"
    RETURN_TYPES = ("MODEL", "CLIP", "VAE")
    MODEL_FOLDERS = MappingProxyType({"ckpt_name": "checkpoints"})
    FILE_LISTS = frozenset({"checkpoints"})
    SEARCH_ALIASES = ("load model", "checkpoint", "model loader")

    def execute(self, ckpt_name: str) -> tuple[Model, Model, str]:
        """Give stand-ins."""
        model = Model(ckpt_name)
        return model, model, PICTURE_VAE


class LoraLoader(Node):
    """Names a LoRA; it changes the picture, nothing is read."""

    DISPLAY_NAME = "Load LoRA (Model and CLIP)"
    DESCRIPTION = "Loads a LoRA. In the sandbox only its name and strengths count."
    CATEGORY = "model/loaders"
    ESSENTIALS_CATEGORY = "Image Generation"
    INPUTS = inputs(
        {
            "model": ("MODEL", {}),
            "clip": ("CLIP", {}),
            "lora_name": ([], {}),  # filled in by MODEL_FOLDERS; here for its place
            "strength_model": number(1.0, -100.0, 100.0, 0.01),
            "strength_clip": number(1.0, -100.0, 100.0, 0.01),
        }
    )
    RETURN_TYPES = ("MODEL", "CLIP")
    MODEL_FOLDERS = MappingProxyType({"lora_name": "loras"})
    FILE_LISTS = frozenset({"loras"})
    SEARCH_ALIASES = ("lora", "load lora", "apply lora")

    def execute(
        self, model: Model, clip: Model, lora_name: str, strength_model: float, strength_clip: float
    ) -> tuple[Model, Model]:
        """Add the LoRA's name where it has any strength."""

        def patched(base: Model, strength: float) -> Model:
            return replace(base, loras=(*base.loras, f"{lora_name}@{strength:g}")) if strength else base

        return patched(model, strength_model), patched(clip, strength_clip)


class CLIPTextEncode(Node):
    """Carries a prompt."""

    DISPLAY_NAME = "CLIP Text Encode (Prompt)"
    CATEGORY = "model/conditioning"
    INPUTS = inputs({"text": ("STRING", {"multiline": True, "dynamicPrompts": True}), "clip": ("CLIP", {})})
    RETURN_TYPES = ("CONDITIONING",)
    SEARCH_ALIASES = ("text", "prompt", "text prompt", "encode text")

    def execute(self, text: str, clip: Model) -> tuple[Conditioning]:
        """Carry it."""
        return (Conditioning(text, clip),)


class EmptyLatentImage(Node):
    """Says which size and how many."""

    DISPLAY_NAME = "Empty Latent Image"
    CATEGORY = "model/latent"
    INPUTS = inputs(
        {
            "width": integer(512, 16, MAX_RESOLUTION, 8),
            "height": integer(512, 16, MAX_RESOLUTION, 8),
            "batch_size": integer(1, 1, 4096),
        }
    )
    RETURN_TYPES = ("LATENT",)
    SEARCH_ALIASES = ("empty", "new latent", "blank latent")

    def execute(self, width: int, height: int, batch_size: int = 1) -> tuple[Latent]:
        """Give an empty latent; sizes are cut to multiples of 8."""
        return (Latent(width // 8 * 8, height // 8 * 8, batch_size),)


class KSampler(Node):
    """Draws a picture, step by step."""

    DISPLAY_NAME = "KSampler"
    DESCRIPTION = "Denoises a latent. In the sandbox it draws a picture from prompt and seed."
    CATEGORY = "model/sampling"
    INPUTS = inputs(
        {
            "model": ("MODEL", {}),
            "seed": ("INT", {"default": 0, "min": 0, "max": 2**64 - 1, "control_after_generate": True}),
            "steps": integer(20, 1, 10000),
            "cfg": number(8.0, 0.0, 100.0, 0.1, round=0.01),
            "sampler_name": (SAMPLERS, {}),
            "scheduler": (SCHEDULERS, {}),
            "positive": ("CONDITIONING", {}),
            "negative": ("CONDITIONING", {}),
            "latent_image": ("LATENT", {}),
            "denoise": number(1.0, 0.0, 1.0, 0.01),
        }
    )
    RETURN_TYPES = ("LATENT",)
    SEARCH_ALIASES = ("sampler", "sample", "generate", "denoise", "txt2img", "img2img")

    def execute(
        self,
        model: Model,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        positive: Conditioning,
        negative: Conditioning,
        latent_image: Latent,
        denoise: float = 1.0,
    ) -> tuple[Latent]:
        """Draw every picture of the batch, then take the time that sampling would."""
        recipe = Recipe(
            prompt=positive.text,
            negative=negative.text,
            seed=seed,
            steps=steps,
            cfg=cfg,
            sampler=f"{sampler_name} {scheduler}",
            model=" ".join((str(model), str(positive.clip), *positive.settings)),
        )
        width, height = latent_image.drawn_size()
        before = pictures_of(latent_image, width, height)
        drawn = np.empty((latent_image.batch, height, width, 3), np.float32)
        for index in range(latent_image.batch):
            check_interrupt()
            drawn[index] = guided(paint(width, height, batch_recipe(recipe, index)), positive, index)
            if before is not None:
                share = denoise * share_of(latent_image, width, height, index)
                drawn[index] = before[index] * (1 - share) + drawn[index] * share
        self._sample(drawn[:1], before, recipe, denoise)
        return (replace(latent_image, pictures=drawn),)

    def _sample(self, drawn: Pixels, before: Pixels | None, recipe: Recipe, denoise: float) -> None:
        """Report every step, with a preview of the batch's first picture."""
        height, width = drawn.shape[1:3]
        scale = min(1.0, PREVIEW / max(width, height))
        size = (max(8, round(width * scale)), max(8, round(height * scale)))
        goal = pixels.resize(drawn, *size, "bilinear")[0]
        noise = noise_for(*size, recipe)
        if before is not None:
            noise = noise * denoise + pixels.resize(before[:1], *size, "bilinear")[0] * (1 - denoise)
        bar = ProgressBar(recipe.steps)
        for step in range(1, recipe.steps + 1):
            pause(self.studio.step_s)
            frame = pixels.to_pillow(noisy(goal, noise.astype(np.float32), step / recipe.steps))
            bar.update_absolute(step, recipe.steps, ("JPEG", frame, PREVIEW))


class VAEDecode(Node):
    """Turns what was drawn into an image, and marks it."""

    DISPLAY_NAME = "VAE Decode"
    CATEGORY = "model/latent"
    INPUTS = inputs({"samples": ("LATENT", {}), "vae": ("VAE", {})})
    RETURN_TYPES = ("IMAGE",)
    SEARCH_ALIASES = ("decode", "decode latent", "latent to image")

    def execute(self, samples: Latent, vae: str) -> tuple[Pixels]:
        """Give the pictures at their full size; an empty latent is grey."""
        del vae
        check_size(samples.batch, samples.height, samples.width)
        if samples.pictures is None:
            images = np.full((samples.batch, samples.height, samples.width, 3), 0.5, np.float32)
        else:
            images = pixels.resize(samples.pictures, samples.width, samples.height, "lanczos")
        for image in images:
            stamp(image)
        return (images,)


class VAEEncode(Node):
    """Takes an image as a latent, so that sampling can start from it."""

    DISPLAY_NAME = "VAE Encode"
    CATEGORY = "model/latent"
    INPUTS = inputs({"pixels": ("IMAGE",), "vae": ("VAE",)})
    RETURN_TYPES = ("LATENT",)
    SEARCH_ALIASES = ("encode", "encode image", "image to latent")

    def execute(self, pixels: Pixels, vae: str) -> tuple[Latent]:
        """Keep the image."""
        del vae
        return (encoded(pixels),)


class LatentUpscale(Node):
    """Changes the size of a latent."""

    DISPLAY_NAME = "Upscale Latent"
    CATEGORY = "model/latent"
    INPUTS = inputs(
        {
            "samples": ("LATENT",),
            "upscale_method": (["nearest-exact", "bilinear", "area", "bicubic", "bislerp"],),
            "width": integer(512, 0, MAX_RESOLUTION, 8),
            "height": integer(512, 0, MAX_RESOLUTION, 8),
            "crop": (["disabled", "center"],),
        }
    )
    RETURN_TYPES = ("LATENT",)
    SEARCH_ALIASES = ("enlarge latent", "resize latent")

    def execute(
        self, samples: Latent, upscale_method: str, width: int, height: int, crop: str
    ) -> tuple[Latent]:
        """Scale; a width or height of 0 follows from the other."""
        if width == 0 and height == 0:
            return (samples,)
        if width == 0:
            width = round(samples.width * height / samples.height)
        elif height == 0:
            height = round(samples.height * width / samples.width)
        return (rescaled(samples, max(64, width), max(64, height), upscale_method, crop),)


CLASSES = (
    CheckpointLoaderSimple,
    LoraLoader,
    CLIPTextEncode,
    EmptyLatentImage,
    KSampler,
    VAEDecode,
    VAEEncode,
    LatentUpscale,
)
