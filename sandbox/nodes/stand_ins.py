"""What stands for models, conditionings and latents in the sandbox."""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import pixels
from .base import Pixels

LONGEST_DRAWN = 1024
"""Longest side that is drawn, in pixels; larger pictures are this, scaled up."""
MOST_DRAWN = 16_000_000
"""Pixels drawn for a whole batch."""


@dataclass(frozen=True, slots=True)
class Model:
    """Stands for a MODEL or a CLIP: the names that it was made from."""

    checkpoint: str
    loras: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.checkpoint, *self.loras))


@dataclass(frozen=True, slots=True, eq=False)
class Hint:
    """What a ControlNet was told: an image, shown in the picture as strongly as *share* (0..1) says."""

    image: Pixels
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Conditioning:
    """Stands for a CONDITIONING."""

    text: str
    clip: Model
    settings: tuple[str, ...] = ()
    """Whatever else changes the picture."""
    hints: tuple[Hint, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Latent:
    """Stands for a LATENT. *pictures* are what decoding it shows, drawn smaller; None if it is empty."""

    width: int
    """In pixels of the decoded image."""
    height: int
    batch: int
    pictures: Pixels | None = None
    mask: Pixels | None = None
    """What sampling may change, as a MASK of any size; None for all."""

    def drawn_size(self) -> tuple[int, int]:
        """Width and height that are really drawn."""
        room = (MOST_DRAWN / (self.batch * self.width * self.height)) ** 0.5
        scale = min(1.0, LONGEST_DRAWN / max(self.width, self.height), room)
        return max(8, round(self.width * scale)), max(8, round(self.height * scale))


def rescaled(latent: Latent, width: int, height: int, method: str, crop: str) -> Latent:
    """Give a latent of another size, cut to multiples of 8 pixels."""
    larger = replace(latent, width=width // 8 * 8, height=height // 8 * 8, pictures=None)
    if latent.pictures is None:
        return larger
    return replace(larger, pictures=pixels.resize(latent.pictures, *larger.drawn_size(), method, crop))


def encoded(image: Pixels, mask: Pixels | None = None) -> Latent:
    """Take an image as a latent; sizes are cut to multiples of 8."""
    height, width = (max(8, side // 8 * 8) for side in image.shape[1:3])
    latent = Latent(width, height, image.shape[0], image[:, :height, :width, :3], mask)
    return replace(latent, pictures=pictures_of(latent, *latent.drawn_size()))


def guided(picture: Pixels, conditioning: Conditioning, index: int) -> Pixels:
    """Let the images that ControlNets were told shine through."""
    height, width = picture.shape[:2]
    for hint in conditioning.hints:
        image = hint.image[index % len(hint.image)][None, ..., :3]
        picture = (
            picture * (1 - hint.share) + pixels.resize(image, width, height, "area", "center")[0] * hint.share
        )
    return picture


def share_of(latent: Latent, width: int, height: int, index: int) -> Pixels | float:
    """Give how much of each pixel may change."""
    if latent.mask is None:
        return 1.0
    mask = latent.mask[index % len(latent.mask)][None]
    return pixels.resize(mask, width, height, "bilinear")[0][..., None]


def pictures_of(latent: Latent, width: int, height: int) -> Pixels | None:
    """Give what a latent shows at another size; None if it is empty."""
    if latent.pictures is None or latent.pictures.shape[1:3] == (height, width):
        return latent.pictures
    return pixels.resize(latent.pictures, width, height, "area")
