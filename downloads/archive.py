"""What a zip archive may hold, judged by its directory before anything is unpacked.

The format: PKWARE's APPNOTE.TXT. Its directory is at the end, and each file has a header of its own besides;
tools differ in which of the two they believe, so both must say the same.
"""

from __future__ import annotations

import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..modelfiles import formats, names
from ..modelfiles.trouble import BadName
from .trouble import DownloadError

ENTRIES_MAX = 1000
"""Most entries of an archive, folders included."""
DIRECTORY_MAX = 1024**2
"""Largest directory of an archive, in bytes: reading it takes memory before anything is known of it."""
RATIO_MAX = 100
"""Most bytes that one packed byte may stand for; models hardly shrink at all."""
RATIO_FROM = 1024**2
"""Files up to this size may shrink more, in bytes."""
DEPTH_MAX = 8
"""Most folders around a file."""
PATH_MAX = 400
"""Longest path in an archive, in bytes of UTF-8."""

SKIPPED = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files that desktops leave in archives; they and the folder ``__MACOSX`` are passed over."""

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCAL = struct.Struct("<4s5H3L2H")
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_SIZES_FOLLOW = 0x8
_UTF8 = 0x800
_REPARSE_POINT = 0x400
_UNKNOWN = 0xFFFFFFFF

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
)
"""What the standard library raises for archives that are damaged, or made to look so."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file to unpack."""

    info: zipfile.ZipInfo
    parts: tuple[str, ...]
    """Its path, checked: every part can be a file's name on every system."""

    @property
    def name(self) -> str:
        """Its path, ``/`` between parts."""
        return "/".join(self.parts)


@contextmanager
def opened(path: Path) -> Generator[zipfile.ZipFile]:
    """Open an archive whose directory is of a sensible size. Raises DownloadError, OSError. Blocks."""
    with path.open("rb") as file:
        _check_directory(file)
        try:
            archive = zipfile.ZipFile(file)
        except DAMAGE as error:
            raise damaged("its directory cannot be read") from error
        with archive:
            yield archive


def entries(
    archive: zipfile.ZipFile,
    *,
    max_bytes: int,
    allow_pickle: bool,
    takes: Callable[[str], bool] | None = None,
) -> list[Entry]:
    """Give the files of an archive, each checked for its name, format and declared size.

    *takes* says of a suffix whether its files belong where this goes. Raises DownloadError, OSError. Blocks.
    """
    infos = archive.infolist()
    if len(infos) > ENTRIES_MAX:
        raise _too_many(len(infos))
    found = [Entry(info, _parts(info)) for info in infos]
    for entry in found:
        _check_entry(entry)
    _check_names(found)
    found = [entry for entry in found if not entry.info.is_dir() and not _is_litter(entry)]
    if not found:
        raise damaged("there are no files in it")
    for entry in found:
        _check_format(entry, allow_pickle=allow_pickle, takes=takes)
    _check_sizes(found, max_bytes)
    _check_headers(archive)
    return found


def damaged(reason: str) -> DownloadError:
    """Make the error for an archive that cannot be read."""
    return DownloadError("DOWNLOAD_INVALID_ARCHIVE", f"The archive is damaged: {reason}.")


def unsafe(name: str, reason: str) -> DownloadError:
    """Make the error for an archive with a file that is refused."""
    shown = names.shown(name)
    return DownloadError(
        "DOWNLOAD_ARCHIVE_UNSAFE",
        f"Of the archive, {shown} is refused: {reason}.",
        hint="Nothing was unpacked.",
        details={"name": shown},
    )


def too_large(message: str, **details: int) -> DownloadError:
    """Make the error for an archive that unpacks to too much."""
    return DownloadError("DOWNLOAD_ARCHIVE_TOO_LARGE", message, details=dict(details))


def _too_many(count: int) -> DownloadError:
    return too_large(
        f"The archive has {count} entries; {ENTRIES_MAX} are the most.", entries=count, most=ENTRIES_MAX
    )


def _check_directory(file: BinaryIO) -> None:
    """Find the end record as zipfile does, and bound what zipfile is about to read."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 65536 - _END.size))
    tail = file.read()
    at = len(tail) - _END.size
    if at < 0 or tail[at : at + 4] != b"PK\x05\x06" or tail[-2:] != b"\x00\x00":
        at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        raise damaged("it ends before its directory")
    end = _END.unpack_from(tail, at)
    count, length = end[4], end[5]
    at += size - len(tail) - 20 - _END64.size
    if at >= 0:
        file.seek(at)
        record = file.read(_END64.size + 4)
        if record[:4] == b"PK\x06\x06" and record[-4:] == b"PK\x06\x07":
            end64 = _END64.unpack(record[:-4])
            count, length = end64[7], end64[8]
    if count > ENTRIES_MAX:
        raise _too_many(count)
    if length > DIRECTORY_MAX:
        raise too_large(
            f"The archive's directory takes {length} bytes.", directory=length, most=DIRECTORY_MAX
        )
    file.seek(0)


def _parts(info: zipfile.ZipInfo) -> tuple[str, ...]:
    name = info.orig_filename
    if not info.flag_bits & _UTF8:  # then it was read as cp437, which some tools' UTF-8 is taken for
        try:
            name = name.encode("cp437").decode()
        except UnicodeError:
            name = info.orig_filename
    name = unicodedata.normalize("NFC", name)  # macOS takes accents apart
    parts = tuple(name.split("/"))
    return parts[:-1] if parts[-1] == "" else parts


def _is_litter(entry: Entry) -> bool:
    return entry.parts[-1] in SKIPPED or entry.parts[0] == "__MACOSX"


def _check_entry(entry: Entry) -> None:
    info = entry.info
    if info.flag_bits & _ENCRYPTED:
        raise unsafe(entry.name, "it is encrypted")
    if info.compress_type not in _METHODS:
        raise unsafe(entry.name, "it is packed in a way that is not read")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if (
        kind not in {0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG}
        or info.external_attr & _REPARSE_POINT
    ):
        raise unsafe(entry.name, "it is a link, or no ordinary file")
    if len(entry.parts) > DEPTH_MAX + 1 or len(entry.name.encode(errors="replace")) > PATH_MAX:
        raise unsafe(entry.name, "its path is too long")
    if _is_litter(entry):
        return
    for part in entry.parts:
        try:
            names.check_name(part)
        except BadName as error:
            raise unsafe(entry.name, f"of {names.shown(part)}, {error.reason}") from None


def _check_names(found: list[Entry]) -> None:
    """Refuse names that are one name on some system, and files with a folder's name."""
    files: set[str] = set()
    folders: set[str] = set()
    for entry in found:
        folded = [unicodedata.normalize("NFC", part.casefold()) for part in entry.parts]
        paths = ["/".join(folded[: count + 1]) for count in range(len(folded))]
        folders.update(paths if entry.info.is_dir() else paths[:-1])
        if not entry.info.is_dir():
            if paths[-1] in files:
                raise unsafe(entry.name, "another file of it has this name, upper and lower case set aside")
            files.add(paths[-1])
    for entry in found:
        if not entry.info.is_dir() and unicodedata.normalize("NFC", entry.name.casefold()) in folders:
            raise unsafe(entry.name, "a folder of it has this name")


def _check_format(entry: Entry, *, allow_pickle: bool, takes: Callable[[str], bool] | None) -> None:
    suffix = names.suffix_of(entry.parts[-1])
    known = formats.FORMATS.get(suffix)
    if known is None:
        raise unsafe(entry.name, f"{suffix or 'a file without a suffix'} is no format of model files")
    if known.kind == "archive":
        raise unsafe(entry.name, "it is an archive itself")
    if known.pickle and not allow_pickle:
        raise DownloadError(
            "DOWNLOAD_UNSAFE_FORMAT",
            f"The archive holds {names.shown(entry.name)}, and a {suffix} can run code when it is loaded.",
            hint="Look for a .safetensors of the same model; the setting allow_pickle lets such files in.",
            details={"name": names.shown(entry.name), "suffix": suffix},
        )
    if takes is not None and not takes(suffix):
        raise unsafe(entry.name, f"ComfyUI reads no {suffix} files from this model folder")


def _check_sizes(found: list[Entry], max_bytes: int) -> None:
    total = sum(entry.info.file_size for entry in found)
    if total > max_bytes:
        raise too_large(
            f"The archive unpacks to {total} bytes; {max_bytes} are the most.", size=total, most=max_bytes
        )
    for entry in found:
        info = entry.info
        if info.file_size > RATIO_FROM and info.file_size > RATIO_MAX * info.compress_size:
            raise too_large(
                f"Of the archive, {names.shown(entry.name)} unpacks to more than {RATIO_MAX} times its size.",
                size=info.file_size,
                packed=info.compress_size,
            )


def _check_headers(archive: zipfile.ZipFile) -> None:
    """Compare each entry's own header with the directory, and see that none share bytes."""
    file = archive.fp
    if file is None:  # closed: never, as opened() holds it
        raise damaged("it was closed")
    limit = archive.start_dir
    for info in sorted(archive.infolist(), key=lambda each: each.header_offset, reverse=True):
        file.seek(max(0, info.header_offset))
        raw = file.read(_LOCAL.size)
        if info.header_offset < 0 or len(raw) < _LOCAL.size or raw[:4] != b"PK\x03\x04":
            raise damaged("a file's own header is missing")
        _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(raw)
        if method != info.compress_type or (flags ^ info.flag_bits) & (_ENCRYPTED | _SIZES_FOLLOW):
            raise damaged("a file's own header and the directory disagree")
        told = not flags & _SIZES_FOLLOW and _UNKNOWN not in {packed, size}
        if told and (crc, packed, size) != (info.CRC, info.compress_size, info.file_size):
            raise damaged("a file's own header and the directory disagree")
        if info.header_offset + _LOCAL.size + name_length + extra_length + info.compress_size > limit:
            raise too_large(
                "In the archive, files share their bytes: it is made to unpack to more than it has."
            )
        limit = info.header_offset
