"""What a file really is, told by its first bytes and never by its name; and pictures opened safely.

Only types in which nothing can run are known: no SVG, no HTML, no scripts, no archives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEAD_BYTES = 4096
"""How many of a file's first bytes :func:`sniff` wants to see."""

MOST_PIXELS = 100_000_000
"""Pictures larger than this are not decoded: 10,000 x 10,000 takes 400 MB of memory."""


@dataclass(frozen=True, slots=True)
class FileType:
    """A type of file. *kind* is ``image``, ``video``, ``audio``, ``3d`` or ``tensors``."""

    extension: str
    kind: str
    pillow: str | None = None
    """Pillow's name of the format, for images."""


PNG = FileType("png", "image", "PNG")
JPEG = FileType("jpg", "image", "JPEG")
WEBP = FileType("webp", "image", "WEBP")
GIF = FileType("gif", "image", "GIF")
BMP = FileType("bmp", "image", "BMP")
TIFF = FileType("tiff", "image", "TIFF")
AVIF = FileType("avif", "image", "AVIF")
HEIC = FileType("heic", "image", "HEIF")
MP4 = FileType("mp4", "video")
MOV = FileType("mov", "video")
WEBM = FileType("webm", "video")
MKV = FileType("mkv", "video")
AVI = FileType("avi", "video")
WAV = FileType("wav", "audio")
FLAC = FileType("flac", "audio")
MP3 = FileType("mp3", "audio")
OGG = FileType("ogg", "audio")
M4A = FileType("m4a", "audio")
GLB = FileType("glb", "3d")
FBX = FileType("fbx", "3d")
PLY = FileType("ply", "3d")
LATENT = FileType("latent", "tensors")
"""A safetensors file, under the name that LoadLatent looks for."""

_STARTS: Sequence[tuple[bytes, FileType]] = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"fLaC", FLAC),
    (b"OggS", OGG),
    (b"ID3", MP3),
    (b"glTF\x02\x00\x00\x00", GLB),
    (b"Kaydara FBX Binary  \x00", FBX),
    (b"ply\n", PLY),
    (b"ply\r\n", PLY),
)
_RIFF = {b"WEBP": WEBP, b"WAVE": WAV, b"AVI ": AVI}
_BRANDS: Sequence[tuple[frozenset[bytes], FileType]] = (  # the first that fits, of all the file names
    (frozenset({b"avif", b"avis"}), AVIF),
    (frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}), HEIC),
    (frozenset({b"M4A ", b"M4B "}), M4A),
    (frozenset({b"qt  "}), MOV),
    (
        frozenset({b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"M4VP"})
        | {b"dash", b"3gp4", b"3gp5", b"3gp6", b"3g2a", b"MSNV"},
        MP4,
    ),
)
_ACCEPTS = {
    "image": frozenset({"image"}),
    "video": frozenset({"video"}),
    "audio": frozenset({"audio", "video"}),  # LoadAudio takes the sound of a video
    "file": frozenset({"image", "video", "audio", "3d", "tensors"}),
}
_MOST_SAFETENSORS_HEADER = 100_000_000  # the format's own limit


def accepted(upload: str, found: FileType) -> bool:
    """Say whether a param with this ``upload`` (:attr:`Param.upload`) takes a file of this type."""
    return found.kind in _ACCEPTS.get(upload, frozenset[str]())


def sniff(head: bytes) -> FileType | None:
    """Give the type of a file that begins with *head* (:data:`HEAD_BYTES`), or None for any other."""
    readers = (_by_start, _riff, _iso_media, _matroska, _bmp, _mp3_frame, _safetensors)
    return next((found for reader in readers if (found := reader(head)) is not None), None)


def _by_start(head: bytes) -> FileType | None:
    return next((found for start, found in _STARTS if head.startswith(start)), None)


def _riff(head: bytes) -> FileType | None:
    return _RIFF.get(head[8:12]) if head[:4] == b"RIFF" else None


def _matroska(head: bytes) -> FileType | None:
    if head[:4] != b"\x1a\x45\xdf\xa3":  # EBML; its header says which
        return None
    return WEBM if b"webm" in head[:64] else MKV if b"matroska" in head[:64] else None


def _bmp(head: bytes) -> FileType | None:
    return BMP if head[:2] == b"BM" and head[6:10] == bytes(4) and len(head) >= 26 else None


def _safetensors(head: bytes) -> FileType | None:
    size = int.from_bytes(head[:8], "little")
    begins = len(head) > 9 and head[8:10] in {b'{"', b"{ ", b"{}"}
    return LATENT if begins and 2 <= size <= _MOST_SAFETENSORS_HEADER else None


def _iso_media(head: bytes) -> FileType | None:
    """Read the brands of an ISO base media file (ISO/IEC 14496-12, 4.3): one major, then compatible ones."""
    if head[4:8] != b"ftyp":
        return None
    end = min(max(int.from_bytes(head[:4], "big"), 16), 256)
    brands = [head[8:12], *(head[place : place + 4] for place in range(16, end, 4))]
    for brand in brands:
        for known, found in _BRANDS:
            if brand in known:
                return found
    return None


def _mp3_frame(head: bytes) -> FileType | None:
    """Look for the header of an MPEG audio frame of layer III with no impossible value in it."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    possible = head[1] & 0x18 != 0x08 and head[2] & 0xF0 not in {0x00, 0xF0} and head[2] & 0x0C != 0x0C
    return MP3 if possible else None


class BadPicture(Exception):
    """A picture that cannot or shall not be opened; the message says why, without any path."""


def open_picture(path: Path, formats: Sequence[str]) -> Any:
    """Open a picture with Pillow: a ``PIL.Image.Image`` of which only the header is read. Close it.

    Only the *formats* are tried (Pillow knows some that start other programs). Raises :class:`BadPicture`;
    decoding it later may raise anything. Touches the disk.
    """
    from PIL import Image  # noqa: PLC0415 - not before there is a picture

    Image.init()
    known = [name for name in formats if name in Image.OPEN]
    if not known:
        raise BadPicture("this server cannot read pictures of that type")
    try:
        image = Image.open(path, formats=known)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture("it has too many pixels") from error
    except Exception as error:
        raise BadPicture("it is damaged or no picture") from error
    if image.width * image.height > MOST_PIXELS:
        image.close()
        raise BadPicture(f"it has {image.width} x {image.height} pixels, more than {MOST_PIXELS:,}")
    return image


def verify_picture(path: Path, found: FileType) -> None:
    """Check a picture's header, size and, where the format has them, check sums. Raises BadPicture."""
    image = open_picture(path, (found.pillow,) if found.pillow else ())
    try:
        image.verify()
    except Exception as error:
        raise BadPicture("it is damaged") from error
    finally:
        image.close()
