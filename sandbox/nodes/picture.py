"""A landscape drawn from a prompt and a seed. It stands for what a model would have made, and says so.

The same recipe gives the same picture. Words of the prompt choose the scene ("sea", "forest", "city",
"night", …) and colour it; cfg gives contrast, few steps leave it coarse and grainy.
"""

from __future__ import annotations

import colorsys
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from numpy.typing import NDArray

from .base import Pixels, clamp

Colour = tuple[float, float, float]
Plane = NDArray[np.float32]
LABEL = "simulated"


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a picture depends on, besides its size."""

    prompt: str
    seed: int
    negative: str = ""
    steps: int = 20
    cfg: float = 7.0
    sampler: str = "euler normal"
    model: str = ""


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a scene: the sky's top and horizon, its light, the hills far and near."""

    top: Colour
    horizon: Colour
    light: Colour
    far: Colour
    near: Colour
    stars: bool = False


def _rgb(code: str) -> Colour:
    red, green, blue = bytes.fromhex(code)
    return red / 255, green / 255, blue / 255


def _palette(codes: str, *, stars: bool = False) -> Palette:
    return Palette(*map(_rgb, codes.split()), stars=stars)


PALETTES = {
    "day": _palette("3a7bd5 cfe8f5 fff6d8 8fb3c9 24483e"),
    "sunset": _palette("3b2d6b ff9a6b ffe2a8 a85a78 241a3a"),
    "dawn": _palette("5a86c4 ffd3c2 fff2dc b79cb8 33354f"),
    "night": _palette("070b22 2b3f78 f2f1e4 2a3a66 060913", stars=True),
    "aurora": _palette("04141f 1d6f6a b8ffd9 1b4a55 04100f", stars=True),
    "desert": _palette("4a90b8 ffe3b0 fffbe6 d9945b 6b2f1d"),
    "mist": _palette("8fa3ad e3e8e6 ffffff aab9bc 37474d"),
    "violet": _palette("2a1b5c e07ac0 ffd6f3 8a4f9e 1c1038"),
}
WORDS = {
    "night": "night moon stars starry dark midnight galaxy space cosmic",
    "aurora": "aurora northern emerald magic fantasy",
    "sunset": "sunset dusk evening golden fire lava autumn",
    "dawn": "dawn sunrise morning spring blossom pastel",
    "desert": "desert dune sand canyon sahara savanna mars",
    "mist": "mist fog rain snow winter ice frozen misty",
    "violet": "purple violet pink neon cyberpunk vaporwave synthwave",
    "day": "day sunny summer sky blue bright green meadow",
}
WATER = frozenset(
    [
        "sea",
        "ocean",
        "lake",
        "river",
        "water",
        "beach",
        "coast",
        "island",
        "bay",
        "glass",
        "bottle",
        "reflection",
    ]
)
TREES = frozenset(["forest", "tree", "trees", "woods", "pine", "jungle", "woodland"])
TOWERS = frozenset(
    [
        "city",
        "skyline",
        "building",
        "buildings",
        "tower",
        "towers",
        "street",
        "skyscraper",
        "town",
        "cyberpunk",
    ]
)
HUES = {"red": 0.0, "orange": 0.08, "yellow": 0.15, "green": 0.36, "cyan": 0.5, "blue": 0.6, "purple": 0.77}


def paint(width: int, height: int, recipe: Recipe) -> Pixels:
    """Draw a picture: [height, width, 3]."""
    scene = np.random.Generator(np.random.PCG64(_digest(recipe.prompt, recipe.negative, recipe.model)))
    dice = np.random.Generator(
        np.random.PCG64(_digest(recipe.prompt, recipe.negative, recipe.model, recipe.seed, recipe.sampler))
    )
    words = frozenset(re.findall(r"[a-z]+", recipe.prompt.lower()))
    palette = _tinted(_chosen(words, scene), words, dice)
    detail = min(recipe.steps // 4 + 1, 5)
    y, x = _grid(width, height)
    horizon = 0.5 + 0.14 * dice.random()
    canvas = _sky(x, y, horizon, palette, dice, detail)
    canvas = _hills(canvas, x, y, horizon, palette, words, dice, detail)
    if words & WATER:
        canvas = _reflect(canvas, min(0.96, horizon + 0.16 + 0.08 * dice.random()), palette, dice)
    contrast = 0.75 + 0.5 * min(recipe.cfg / 14, 1.4)
    grey = canvas.mean(axis=2, keepdims=True)
    canvas = 0.5 + (grey + (canvas - grey) * contrast - 0.5) * (0.7 + 0.3 * contrast)
    centre = (x - 0.5) ** 2 + (y - 0.5) ** 2
    canvas = canvas * (1 - 0.5 * centre)[..., None]
    grain = 0.012 + 0.25 / (recipe.steps + 1)
    canvas = canvas + grain * (dice.random((height, width, 1), dtype=np.float32) - 0.5)
    return clamp(canvas)


def batch_recipe(recipe: Recipe, index: int) -> Recipe:
    """Give the recipe of picture *index* of a batch."""
    return recipe if index == 0 else replace(recipe, sampler=f"{recipe.sampler} #{index}")


def noisy(picture: Pixels, noise: Pixels, done: float) -> Pixels:
    """Show *picture* as it looks when *done* (0..1) of the steps are over: coarse shapes come first."""
    left = (1 - done) ** 1.4
    height, width = picture.shape[:2]
    cell = max(1, round(min(height, width) / 10 * left))
    coarse = picture
    if cell > 1:
        small = _resized(picture, max(1, width // cell), max(1, height // cell))
        coarse = _resized(small, width, height)
    return clamp(coarse * (1 - left) + noise * left)


def noise_for(width: int, height: int, recipe: Recipe) -> Pixels:
    """Give the noise that sampling starts from: [height, width, 3], in the blocks of a latent."""
    dice = np.random.Generator(np.random.PCG64(_digest("noise", recipe.seed)))
    rows, columns = -(-height // 4), -(-width // 4)
    blocks = dice.random((rows, columns, 3), dtype=np.float32)
    return np.repeat(np.repeat(blocks, 4, axis=0), 4, axis=1)[:height, :width]


def stamp(image: Pixels) -> None:
    """Write what it is into the lower right corner of one [height, width, 3] image, in place."""
    height, width = image.shape[:2]
    size = max(8, min(width, height) // 26)
    font = _font(size)
    left, top, right, bottom = font.getbbox(LABEL)
    text_width, text_height = int(right - left), int(bottom - top)
    pad = max(2, size // 2)
    tag = PIL.Image.new("L", (text_width + 2 * pad, text_height + 2 * pad), 0)
    PIL.ImageDraw.Draw(tag).text((pad - left, pad - top), LABEL, fill=255, font=font)
    room = (max(1, width - 2 * (pad // 2)), max(1, height - 2 * (pad // 2)))
    if tag.width > room[0] or tag.height > room[1]:
        tag.thumbnail(room)
    margin = min(pad // 2 + 1, width - tag.width, height - tag.height)
    rows = slice(height - margin - tag.height, height - margin)
    columns = slice(width - margin - tag.width, width - margin)
    ink = np.asarray(tag, dtype=np.float32)[..., None] / np.float32(255)
    image[rows, columns] = image[rows, columns] * np.float32(0.35) * (1 - ink) + ink


def _font(size: int) -> PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont:
    return PIL.ImageFont.load_default(size)


def _digest(*parts: object) -> int:
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest(), "big")


def _grid(width: int, height: int) -> tuple[Plane, Plane]:
    rows = ((np.arange(height) + 0.5) / height).astype(np.float32)
    columns = ((np.arange(width) + 0.5) / width).astype(np.float32)
    return np.broadcast_to(rows[:, None], (height, width)), np.broadcast_to(columns, (height, width))


def _chosen(words: frozenset[str], dice: np.random.Generator) -> Palette:
    for name, hints in WORDS.items():
        if words & set(hints.split()):
            return PALETTES[name]
    names = list(PALETTES)
    return PALETTES[names[int(dice.random() * len(names))]]


def _tinted(palette: Palette, words: frozenset[str], dice: np.random.Generator) -> Palette:
    """Turn the hue a little by the seed, or all the way to a colour that the prompt names."""
    named = [hue for word, hue in HUES.items() if word in words]
    shift = 0.05 * (dice.random() - 0.5)

    def turned(colour: Colour) -> Colour:
        hue, light, saturation = colorsys.rgb_to_hls(*colour)
        if named:
            return colorsys.hls_to_rgb(named[0] + shift, light, 0.35 + 0.5 * saturation)
        return colorsys.hls_to_rgb((hue + shift) % 1, light, saturation)

    return replace(
        palette,
        top=turned(palette.top),
        horizon=turned(palette.horizon),
        far=turned(palette.far),
        near=turned(palette.near),
    )


def _mix(one: Colour | Pixels, two: Colour | Pixels, share: NDArray[np.floating[Any]] | float) -> Pixels:
    weight = np.asarray(share, dtype=np.float32)[..., None]
    mixed = np.asarray(one, np.float32) * (1 - weight) + np.asarray(two, np.float32) * weight
    return mixed.astype(np.float32, copy=False)


def _clouds(width: int, height: int, dice: np.random.Generator, octaves: int) -> Plane:
    """Give smooth noise, 0..1, drawn out sideways as clouds are."""
    total = np.zeros((height, width), np.float32)
    weight = 0.0
    for octave in range(octaves + 1):
        cells = 2 ** (octave + 2)
        grid = PIL.Image.fromarray(dice.random((cells * 2, cells), dtype=np.float32))
        plane = np.asarray(grid.resize((width, height), PIL.Image.Resampling.BICUBIC))
        total += plane * np.float32(0.55**octave)
        weight += 0.55**octave
    return (total / weight).astype(np.float32)


def _sky(
    x: Plane, y: Plane, horizon: float, palette: Palette, dice: np.random.Generator, detail: int
) -> Pixels:
    height, width = x.shape
    aspect = width / height
    rise = clamp(y / horizon)
    canvas = _mix(palette.top, palette.horizon, rise**1.5)
    if palette.stars:
        count = 260
        columns = (dice.random(count) * width).astype(int)
        rows = (dice.random(count) ** 1.4 * horizon * height).astype(int)
        canvas[rows, columns] += (0.25 + 0.75 * dice.random(count)[:, None] ** 2).astype(np.float32)
    cloud = _clouds(width, height, dice, detail)
    cover = clamp((cloud - 0.52) * 5) * (0.2 if palette.stars else 0.75) * (1 - 0.5 * rise)
    bright = _mix(palette.horizon, palette.light, 0.55)
    canvas = _mix(canvas, bright, cover)
    sun_x, sun_y = 0.2 + 0.6 * dice.random(), horizon * (0.3 + 0.5 * dice.random())
    radius = 0.035 + 0.03 * dice.random()
    distance = np.sqrt(((x - sun_x) * aspect) ** 2 + (y - sun_y) ** 2) / max(1.0, aspect) ** 0.5
    glow = np.exp(-distance / (radius * 3.5)) * 0.75
    canvas = _mix(canvas, palette.light, glow)
    disc = clamp((radius - distance) * height * 0.5 + 0.5)
    return _mix(canvas, palette.light, disc)


def _hills(
    canvas: Pixels,
    x: Plane,
    y: Plane,
    horizon: float,
    palette: Palette,
    words: frozenset[str],
    dice: np.random.Generator,
    detail: int,
) -> Pixels:
    height = x.shape[0]
    line = x[0]
    layers = 5
    for layer in range(layers):
        depth = layer / (layers - 1)
        base = horizon - 0.08 + 0.42 * depth**1.2
        crest = base - (0.2 - 0.09 * depth) * _ridge(line, 1.6 + 1.1 * layer, dice, detail + 1)
        if words & TREES and layer >= 2:
            crest = crest - _spikes(line, 40 + 25 * (layers - layer), dice) * (0.03 + 0.035 * depth)
        elif words & TOWERS and layer in {1, 2, 3}:
            crest = np.minimum(crest, base - _blocks(line, 26 - 4 * layer, dice) * (0.32 - 0.05 * layer))
        inside = clamp((y - crest) * height + 0.5)
        colour = _mix(palette.far, palette.near, depth)
        # Haze gathers where a layer meets the next one.
        haze = clamp((y - base + 0.12) / 0.3) * (0.5 * (1 - depth))
        canvas = _mix(canvas, _mix(colour, palette.horizon, haze), inside)
    return canvas


def _ridge(line: Plane, frequency: float, dice: np.random.Generator, octaves: int) -> Plane:
    """Give a mountain line along x, about 0..1."""
    total = np.zeros_like(line)
    for octave in range(octaves + 1):
        cycles = frequency * 1.9**octave * (0.8 + 0.4 * dice.random())
        wave = np.sin(2 * np.pi * (cycles * line / 2 + dice.random()))
        total += (1 - np.abs(wave)).astype(np.float32) * np.float32(0.5**octave)
    return (total / 1.6).astype(np.float32)


def _spikes(line: Plane, count: int, dice: np.random.Generator) -> Plane:
    """Give a row of fir trees, 0..1."""
    place = line * count + dice.random()
    tall = dice.random(count + 2)[place.astype(int)]
    return ((1 - np.abs(place % 1 - 0.5) * 2) * (0.45 + 0.55 * tall)).astype(np.float32)


def _blocks(line: Plane, count: int, dice: np.random.Generator) -> Plane:
    """Give a row of buildings, 0..1."""
    place = (line * count + dice.random()).astype(int)
    return (0.15 + 0.85 * dice.random(count + 2)[place] ** 1.5).astype(np.float32)


def _reflect(canvas: Pixels, shore: float, palette: Palette, dice: np.random.Generator) -> Pixels:
    """Put water below *shore* (a share of the height) that mirrors what is above."""
    height, width = canvas.shape[:2]
    line = min(height - 1, max(1, round(shore * height)))
    # Moving the scene down would hide it: the water takes the lower part, compressed.
    rows = np.arange(height - line, dtype=np.int64)
    mirrored = np.maximum(line - 1 - rows * line * 4 // max(1, (height - line) * 5), 0)
    ripple = np.sin(rows * (18 / max(8, height - line)) * np.pi + 6 * dice.random())
    shift = (ripple * (1 + rows) / (height - line) * width * 0.012).astype(np.int64)
    columns = np.minimum(np.maximum(np.arange(width, dtype=np.int64) + shift[:, None], 0), width - 1)
    water = canvas[mirrored[:, None], columns]
    deep = (rows / max(1, height - line) * 0.45 + 0.15).astype(np.float32)[:, None]
    canvas = np.array(canvas, dtype=np.float32)
    canvas[line:] = _mix(water, _mix(palette.top, palette.near, 0.4), np.broadcast_to(deep, water.shape[:2]))
    canvas[line] = _mix(canvas[line], palette.light, 0.35)
    return canvas


def _resized(image: Pixels, width: int, height: int) -> Pixels:
    planes: Sequence[Plane] = [
        np.asarray(
            PIL.Image.fromarray(np.ascontiguousarray(image[..., channel])).resize(
                (width, height), PIL.Image.Resampling.BILINEAR
            )
        )
        for channel in range(3)
    ]
    return np.stack(planes, axis=2)
