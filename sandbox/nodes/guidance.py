"""What guides sampling beside a prompt, simulated: Flux's guidance, ControlNets, masks."""

from __future__ import annotations

from dataclasses import replace

from .base import Node, Pixels, inputs, integer, number
from .edges import grown
from .loaders import ControlNet
from .stand_ins import Conditioning, Hint, Latent, Model, encoded

_MOST_SHOWN = 0.5
"""How strongly the image of a ControlNet shines through at the most, as a share."""


class FluxGuidance(Node):
    """Says how closely Flux follows the prompt; it changes the picture."""

    V3 = True
    DISPLAY_NAME = None
    CATEGORY = "model/conditioning/flux"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_flux"
    INPUTS = inputs({"conditioning": ("CONDITIONING", {}), "guidance": number(3.5, 0.0, 100.0, 0.1)})
    RETURN_TYPES = ("CONDITIONING",)

    def execute(self, conditioning: Conditioning, guidance: float) -> tuple[Conditioning]:
        """Note it."""
        return (replace(conditioning, settings=(*conditioning.settings, f"guidance {guidance:g}")),)


class ConditioningZeroOut(Node):
    """Takes the words out of a conditioning."""

    DISPLAY_NAME = "Conditioning Zero Out"
    CATEGORY = "model/conditioning/transform"
    INPUTS = inputs({"conditioning": ("CONDITIONING",)})
    RETURN_TYPES = ("CONDITIONING",)
    SEARCH_ALIASES = ("null conditioning", "clear conditioning")

    def execute(self, conditioning: Conditioning) -> tuple[Conditioning]:
        """Leave no words."""
        return (replace(conditioning, text=""),)


class ControlNetApplyAdvanced(Node):
    """Lets an image guide the picture: here it shines through."""

    DISPLAY_NAME = "Apply ControlNet"
    CATEGORY = "model/conditioning/controlnet"
    INPUTS = inputs(
        {
            "positive": ("CONDITIONING",),
            "negative": ("CONDITIONING",),
            "control_net": ("CONTROL_NET",),
            "image": ("IMAGE",),
            "strength": number(1.0, 0.0, 10.0, 0.01),
            "start_percent": number(0.0, 0.0, 1.0, 0.001),
            "end_percent": number(1.0, 0.0, 1.0, 0.001),
        },
        {"vae": ("VAE",)},
    )
    RETURN_TYPES = ("CONDITIONING", "CONDITIONING")
    RETURN_NAMES = ("positive", "negative")
    SEARCH_ALIASES = ("controlnet", "apply controlnet", "use controlnet")

    def execute(
        self,
        positive: Conditioning,
        negative: Conditioning,
        control_net: ControlNet,
        image: Pixels,
        strength: float,
        start_percent: float,
        end_percent: float,
        vae: str | None = None,
    ) -> tuple[Conditioning, Conditioning]:
        """Note the image, as strong as strength and the share of the steps make it."""
        del vae
        share = _MOST_SHOWN * min(1.0, strength) * max(0.0, end_percent - start_percent)
        if share <= 0:
            return positive, negative

        def guided(conditioning: Conditioning) -> Conditioning:
            hints = (*conditioning.hints, Hint(image, share))
            return replace(conditioning, hints=hints, settings=(*conditioning.settings, control_net.name))

        return guided(positive), guided(negative)


class DifferentialDiffusion(Node):
    """Softens the edges of masks; here they are soft anyway."""

    V3 = True
    EXPERIMENTAL = True
    DISPLAY_NAME = "Differential Diffusion"
    CATEGORY = "experimental"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_differential_diffusion"
    INPUTS = inputs({"model": ("MODEL", {})}, {"strength": number(1.0, 0.0, 1.0, 0.01)})
    RETURN_TYPES = ("MODEL",)
    SEARCH_ALIASES = ("inpaint gradient",)

    def execute(self, model: Model, strength: float = 1.0) -> tuple[Model]:
        """Pass the model on."""
        del strength
        return (model,)


class VAEEncodeForInpaint(Node):
    """Takes an image as a latent of which only the masked part is sampled."""

    DISPLAY_NAME = "VAE Encode (for Inpainting)"
    CATEGORY = "model/latent"
    INPUTS = inputs(
        {"pixels": ("IMAGE",), "vae": ("VAE",), "mask": ("MASK",), "grow_mask_by": integer(6, 0, 64, 1)}
    )
    RETURN_TYPES = ("LATENT",)

    def execute(self, pixels: Pixels, vae: str, mask: Pixels, grow_mask_by: int = 6) -> tuple[Latent]:
        """Keep both."""
        del vae
        return (encoded(pixels, grown(mask, grow_mask_by)),)


class InpaintModelConditioning(Node):
    """Tells a model what is masked; in the sandbox only that part is sampled, with noise_mask and without."""

    DISPLAY_NAME = "InpaintModelConditioning"
    CATEGORY = "model/conditioning"
    INPUTS = inputs(
        {
            "positive": ("CONDITIONING",),
            "negative": ("CONDITIONING",),
            "vae": ("VAE",),
            "pixels": ("IMAGE",),
            "mask": ("MASK",),
            "noise_mask": ("BOOLEAN", {"default": True}),
        }
    )
    RETURN_TYPES = ("CONDITIONING", "CONDITIONING", "LATENT")
    RETURN_NAMES = ("positive", "negative", "latent")

    def execute(
        self,
        positive: Conditioning,
        negative: Conditioning,
        vae: str,
        pixels: Pixels,
        mask: Pixels,
        noise_mask: bool = True,
    ) -> tuple[Conditioning, Conditioning, Latent]:
        """Keep image and mask."""
        del vae, noise_mask
        return positive, negative, encoded(pixels, mask)


CLASSES = (
    FluxGuidance,
    ConditioningZeroOut,
    ControlNetApplyAdvanced,
    DifferentialDiffusion,
    VAEEncodeForInpaint,
    InpaintModelConditioning,
)
