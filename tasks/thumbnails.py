"""Small pictures of outputs, made with Pillow and kept in a folder; and outputs as base64.

What Pillow cannot read (video, audio, 3D) has no thumbnail. ComfyUI's workflow, which its PNG files carry, is
not in a thumbnail.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import logging
import os
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import NotFound
from .filetypes import AVIF, BMP, GIF, JPEG, PNG, TIFF, WEBP, BadPicture, open_picture
from .outputs import Output

log = logging.getLogger("backplane")

Format = Literal["webp", "jpeg", "png"]

FORMATS: tuple[Format, ...] = ("webp", "jpeg", "png")
"""What a thumbnail can be encoded as; its media type is ``image/`` and this."""

WIDTHS = (16, 2048)
"""The least and the most that a thumbnail may be wide."""

TALLEST = 4
"""How many times as high as wide a thumbnail can be; a higher one becomes narrower."""

_READ = tuple(found.pillow for found in (PNG, JPEG, WEBP, GIF, BMP, TIFF, AVIF) if found.pillow)
_ORIENTATION = 0x0112  # EXIF's tag; its values 2 to 8 and how Pillow calls what undoes them:
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_LYING = frozenset({5, 6, 7, 8})
_MOST_PROFILE_BYTES = 16 * 1024
_AT_ONCE = 2
"""How many are made at a time: the GPU's server has other things to do."""


class NoThumbnail(NotFound):
    """The file is no picture that can be made smaller here."""

    def __init__(self, why: str) -> None:
        super().__init__("THUMBNAIL_NOT_FOUND", f"There is no thumbnail: {why}.")


def thumbnail(path: Path, *, width: int, format: Format = "webp", quality: int = 80) -> bytes:  # noqa: A002 - Pillow's word, and the query's
    """Encode the first frame of a picture, at most *width* pixels wide and never larger than it is.

    Turned as its EXIF says; transparency stays in webp and png, and is white in jpeg. Raises
    :class:`NoThumbnail`. Takes tens of milliseconds: not for the event loop.
    """
    try:
        image = open_picture(path, _READ)
    except BadPicture as error:
        raise NoThumbnail(str(error)) from error
    try:
        with image:
            return _encoded(_shrunk(image, width), format, quality)
    except Exception as error:  # decoders raise what they like: OSError, SyntaxError, struct.error, …
        raise NoThumbnail("it is damaged, or of a form that cannot be read here") from error


def _shrunk(image: Any, width: int) -> Any:
    from PIL import Image  # noqa: PLC0415 - not before there is a picture

    width = min(max(width, WIDTHS[0]), WIDTHS[1])
    image.draft("RGB", (width, width))  # JPEG: decode at a fraction of the size; of no effect on others
    image.load()
    orientation = image.getexif().get(_ORIENTATION, 1)  # now: loading turns a TIFF
    turn = _TURNS.get(orientation)
    profile = image.info.get("icc_profile")
    image = _plain(image)
    box = (width * TALLEST, width) if orientation in _LYING else (width, width * TALLEST)
    image.thumbnail(box, Image.Resampling.LANCZOS, reducing_gap=2.0)
    if turn is not None:
        image = image.transpose(Image.Transpose[turn])
    keeps = isinstance(profile, bytes) and len(profile) <= _MOST_PROFILE_BYTES and image.mode != "L"
    image.info = {"icc_profile": profile} if keeps else {}
    return image


def _plain(image: Any) -> Any:
    """Give it as L, RGB or RGBA: what can be resized well and encoded as anything."""
    if image.mode.startswith("I;16"):
        image = image.point(_high_byte)
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode in {"L", "RGB"}:
        return image
    return image.convert("L" if image.mode in {"1", "I", "F"} or image.mode.startswith("I;16") else "RGB")


def _high_byte(value: Any) -> Any:
    return value * (1 / 256)


def _encoded(image: Any, format: Format, quality: int) -> bytes:  # noqa: A002 - as above
    from PIL import Image  # noqa: PLC0415 - as above

    buffer = io.BytesIO()
    extra = {"icc_profile": image.info["icc_profile"]} if "icc_profile" in image.info else {}
    if format == "png":
        image.save(buffer, format="PNG", compress_level=6, **extra)
    elif format == "webp":
        image.save(buffer, format="WEBP", quality=quality, method=4, exif=b"", **extra)
    else:
        if image.mode == "RGBA":
            white = Image.new("RGB", image.size, (255, 255, 255))
            white.paste(image, mask=image.getchannel("A"))
            image = white
        image.save(buffer, format="JPEG", quality=quality, progressive=True, **extra)
    return buffer.getvalue()


def inline(output: Output, path: Path | None, max_bytes: int) -> str | None:
    """Give an output as base64, or None if it has more than *max_bytes* or its file is gone.

    *path* is its file, None for an output that is a value. Touches the disk.
    """
    if path is None:
        data = output.content() if output.filename is None else None
    else:
        try:
            with path.open("rb") as file:
                data = file.read(max_bytes + 1)
        except OSError:
            data = None
    if data is None or len(data) > max_bytes:
        return None
    return base64.b64encode(data).decode("ascii")


@dataclass(frozen=True, slots=True)
class Thumb:
    """A thumbnail as it is sent. *tag* changes with the file, its width and its format: an ETag."""

    data: bytes
    media_type: str
    tag: str


class Thumbnails:
    """Makes thumbnails and keeps up to *max_bytes* of them in *folder*, those last asked for.

    *folder* is its own: whatever lies in it may be removed. If it cannot be written, thumbnails are made
    anew each time. To be used on one event loop.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._making: dict[str, asyncio.Task[bytes]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._kept: int | None = None

    async def get(self, path: Path, *, width: int, format: Format = "webp") -> Thumb:  # noqa: A002 - as above
        """Give the thumbnail of a file, made now if there is none. Raises :class:`NoThumbnail`."""
        tag = await asyncio.to_thread(_tag, path, width, format)
        making = self._making.get(tag)
        if making is None:
            making = asyncio.ensure_future(self._make(tag, path, width, format))
            self._making[tag] = making
            making.add_done_callback(lambda done: self._made(tag, done))
        # Shielded: others may wait for the same one.
        return Thumb(await asyncio.shield(making), f"image/{format}", tag)

    def _made(self, tag: str, done: asyncio.Task[bytes]) -> None:
        self._making.pop(tag, None)
        if not done.cancelled():
            done.exception()  # seen, also if all who asked have gone

    async def _make(self, tag: str, path: Path, width: int, format: Format) -> bytes:  # noqa: A002 - as above
        async with self._slots:
            return await asyncio.to_thread(self._read_or_make, tag, path, width, format)

    def _read_or_make(self, tag: str, path: Path, width: int, format: Format) -> bytes:  # noqa: A002 - as above
        kept = self._folder / f"{tag}.{format}"
        try:
            data = kept.read_bytes()
        except OSError:
            pass
        else:
            with suppress(OSError):
                os.utime(kept)  # asked for last
            return data
        data = thumbnail(path, width=width, format=format)
        try:
            self._keep(kept, data)
        except OSError:
            log.debug("A thumbnail cannot be kept", exc_info=True)
        return data

    def _keep(self, path: Path, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
        try:
            part.write_bytes(data)
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink()
            raise
        with self._lock:
            self._kept = None if self._kept is None else self._kept + len(data)
            if self._kept is None or self._kept > self._max_bytes:
                self._kept = self._prune()

    def _prune(self) -> int:
        """Remove the oldest until nine tenths of the limit are left; give how many bytes are."""
        found: list[tuple[int, int, Path]] = []
        for path in self._folder.iterdir():
            with suppress(OSError):
                about = path.stat()
                found.append((about.st_mtime_ns, about.st_size, path))
        total = sum(size for _, size, _ in found)
        if total <= self._max_bytes:
            return total
        for _, size, path in sorted(found):
            if total <= self._max_bytes * 0.9:
                break
            with suppress(OSError):
                path.unlink()
                total -= size
        return total


def _tag(path: Path, width: int, format: Format) -> str:  # noqa: A002 - as above
    try:
        about = path.stat()
    except OSError as error:
        raise NoThumbnail("the file is gone") from error
    key = (os.fspath(path), about.st_mtime_ns, about.st_size, width, format)
    return hashlib.sha256(repr(key).encode("utf-8", "surrogatepass")).hexdigest()[:32]
