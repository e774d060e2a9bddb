"""Templates on the disk: one file per version, plain JSON that Git can keep.

``<folder>/<name>/<version>.json``; ``<folder>/<name>.json`` is version 1. The invariant: a version's file
is whole from the moment it has its name, and its number is never given to another. A new file is written
beside its place and then linked to its name, which fails if another process was faster; a deleted version
leaves a file that says so. Whatever else is done to the files, by hand or by Git, is taken as it is: every
look is at the disk, and a file is read again if its size, time or inode have changed. Blocks: for threads.
No message holds a path.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import secrets
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ..breath import Breath
from ..errors import JSON, ApiError, Conflict
from .document import FORMAT, MOST_BYTES, parse_file, read_document
from .files import Unfit
from .values import Template, is_name, version_of

log = logging.getLogger("backplane")

_PART = ".part-"
_STALE_S = 3600.0
_MOST_OPEN = 64
_LARGEST_OPEN = 1024 * 1024
"""How many whole templates are kept in memory, and of how large files."""
_SUFFIX = ".json"
_NO_LINKS = frozenset(
    {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL, errno.EACCES}
)
"""What file systems without hard links answer."""

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One version as lists show it. One of *document*, *fault* and *deleted* says what its file is."""

    name: str
    version: int
    path: Path
    read_only: bool
    about: JSON | None = None
    fault: str | None = None
    deleted: bool = False

    def to_json(self) -> JSON:
        """Give it as replies carry it."""
        place: JSON = {"name": self.name, "version": self.version, "read_only": self.read_only}
        return {**place, **(_NOTHING if self.about is None else self.about), "fault": self.fault}


_NOTHING: JSON = {
    **dict.fromkeys(("kind", "title", "description", "digest", "created_at"), None),
    **dict.fromkeys(("tags", "base_models", "inputs", "outputs"), ()),
    "edited": False,
}


class Shelf:
    """The templates in *own*, which can be changed, and in the folders *read_only*."""

    def __init__(self, own: Path, read_only: Sequence[Path]) -> None:
        self._own = own
        self._folders = [(own, False), *((folder, True) for folder in read_only)]
        self._lock = threading.RLock()
        self._rows: dict[Path, tuple[Stamp, Row]] = {}
        self._open: OrderedDict[Path, tuple[Stamp, Template]] = OrderedDict()

    # Looking

    def names(self) -> list[str]:
        """Give the names of all templates, in order."""
        return sorted({name for folder, _ in self._folders for name in _names_in(folder)})

    def rows(self, name: str, breath: Breath | None = None) -> list[Row]:
        """Give the versions of a template, the newest first, deleted ones too; empty if there is none of it.

        The first folder that has the name counts, this server's own before the others.
        """
        left: list[Row] = []
        for folder, read_only in self._folders:
            found: list[Row] = []
            for version, path in _files_of(folder, name).items():
                row = self._row(name, version, path, read_only=read_only)
                if row is not None:
                    found.append(row)
                if breath is not None:
                    breath.take()
            found.sort(key=lambda row: -row.version)
            if any(not row.deleted for row in found):
                return found
            left = left or found
        return left

    def newest(self) -> Iterator[tuple[Row, int]]:
        """Give the newest version of each template, and how many there are."""
        breath = Breath()
        for name in self.names():
            rows = [row for row in self.rows(name, breath) if not row.deleted]
            if rows:
                yield rows[0], len(rows)

    def open(self, row: Row) -> Template:
        """Give the template of a row. Raises ApiError TEMPLATE_INVALID for a file that is none."""
        with self._lock:
            known = self._open.get(row.path)
            try:
                raw, stamp = _read(row.path, None if known is None else known[0])
            except FileNotFoundError:
                raise _unreadable(row, "it was removed just now") from None
            except (OSError, Unfit) as error:
                raise _unreadable(row, _said(error)) from None
            if known is not None and raw is None:
                self._open.move_to_end(row.path)
                return known[1]
            try:
                document = parse_file(raw or b"")
                template = read_document(document, row.name, row.version, read_only=row.read_only)
            except Unfit as unfit:
                raise _unreadable(row, str(unfit)) from None
            if len(raw or b"") <= _LARGEST_OPEN:
                self._open[row.path] = stamp, template
            while len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
            return template

    def _row(self, name: str, version: int, path: Path, *, read_only: bool) -> Row | None:
        with self._lock:
            known = self._rows.get(path)
        row = Row(name, version, path, read_only)
        try:
            raw, stamp = _read(path, None if known is None else known[0])
        except FileNotFoundError:
            return None
        except (OSError, Unfit) as error:
            return replace(row, fault=_said(error))
        if known is not None and raw is None:
            return known[1]
        row = _judged(row, raw or b"")
        with self._lock:
            self._rows[path] = stamp, row
            if len(self._rows) > 10_000:
                self._rows = {each: kept for each, kept in self._rows.items() if each.exists()}
        return row

    # Changing

    def following(self, name: str) -> int:
        """Give the number that the next version will have."""
        return 1 + max(_files_of(self._own, name), default=0)

    def put(self, name: str, raw: bytes, wanted: int | None = None) -> int:
        """Write a new version and return its number.

        Raises ApiError TEMPLATE_VERSION_CONFLICT if *wanted* is not the next number, TEMPLATE_IO_ERROR.
        """
        folder = self._own / name
        with self._lock, _translated():
            folder.mkdir(parents=True, exist_ok=True)
            _sweep(folder)
            part = _written(folder, raw)
            try:
                while True:
                    version = self.following(name)
                    if wanted not in (None, version):
                        raise _conflict(name, wanted, version)
                    if _claim(part, folder / f"{version}{_SUFFIX}"):
                        _sync_folder(folder)
                        _sync_folder(self._own)
                        return version
            finally:
                part.unlink(missing_ok=True)

    def delete(self, row: Row, at: str | None) -> None:
        """Take a version away: its file then says that it was deleted, at *at*. Raises TEMPLATE_IO_ERROR."""
        document = {"format": FORMAT, "name": row.name, "deleted_at": at}
        with self._lock, _translated():
            part = _written(row.path.parent, (json.dumps(document) + "\n").encode())
            try:
                part.replace(row.path)
            finally:
                part.unlink(missing_ok=True)
            _sync_folder(row.path.parent)


def _names_in(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name.removesuffix(_SUFFIX)
                if is_name(name) and (name != entry.name or entry.is_dir()):
                    yield name
    except OSError:  # a folder of the settings that is not there has no templates
        return


def _files_of(folder: Path, name: str) -> dict[int, Path]:
    """Give the file of each version, also of what is no template."""
    found: dict[int, Path] = {}
    alone = folder / f"{name}{_SUFFIX}"
    if os.path.lexists(alone):
        found[1] = alone
    try:
        with os.scandir(folder / name) as entries:
            for entry in entries:
                version = version_of(entry.name.removesuffix(_SUFFIX))
                if version is not None and entry.name.endswith(_SUFFIX):
                    found[version] = folder / name / entry.name
    except OSError:
        pass
    return found


def _read(path: Path, known: Stamp | None) -> tuple[bytes | None, Stamp]:
    """Read a file; None in place of its bytes if it is as *known* says. Raises OSError, Unfit.

    Only regular files are read: to open a pipe would wait for ever.
    """
    before = path.stat()
    stamp = (before.st_mtime_ns, before.st_size, before.st_ino)
    if stamp == known:
        return None, stamp
    if not stat.S_ISREG(before.st_mode):
        raise Unfit("is no file")
    if before.st_size > MOST_BYTES:
        raise Unfit(f"has {before.st_size} bytes; {MOST_BYTES} are the most")
    with path.open("rb") as file:
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise Unfit(f"has more than {MOST_BYTES} bytes")
    return raw, stamp


def _judged(row: Row, raw: bytes) -> Row:
    try:
        document = parse_file(raw)
        if isinstance(document, dict) and "deleted_at" in document and "workflow" not in document:
            return replace(row, deleted=True)
        template = read_document(document, row.name, row.version, read_only=row.read_only)
    except Unfit as unfit:
        return replace(row, fault=str(unfit))
    except ApiError as error:
        return replace(row, fault=error.message)
    return replace(row, about=about(template))


def about(template: Template) -> JSON:
    """Give what lists say of a template."""
    document = template.document
    return {
        "kind": template.kind,
        "title": document.get("title"),
        "description": document.get("description"),
        "tags": document.get("tags", []),
        "base_models": document.get("base_models", []),
        "inputs": list(template.inputs),
        "outputs": list(template.outputs),
        "digest": template.digest,
        "created_at": template.created_at,
        "edited": template.edited,
    }


def _written(folder: Path, raw: bytes) -> Path:
    part = folder / f"{_PART}{secrets.token_hex(8)}"
    try:
        with part.open("xb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _claim(part: Path, target: Path) -> bool:
    """Give a whole file its name; False if there is a file of that name."""
    try:
        os.link(part, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        return True
    try:  # no links here: the name is taken with an empty file, which the whole one then replaces
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    part.replace(target)
    return True


def _sweep(folder: Path) -> None:
    """Remove what a killed process left half written."""
    before = time.time() - _STALE_S
    with contextlib.suppress(OSError):
        for part in folder.glob(f"{_PART}*"):
            with contextlib.suppress(OSError):
                if part.stat().st_mtime < before:
                    part.unlink()


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # folders cannot be opened there
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except OSError as error:
        log.warning("A template could not be written: %s", error)
        reason = error.strerror or type(error).__name__
        raise ApiError(
            "TEMPLATE_IO_ERROR", f"The template could not be written: {reason}.", details={"reason": reason}
        ) from error


def _said(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or type(error).__name__}"
    return str(error)


def _unreadable(row: Row, words: str) -> ApiError:
    return ApiError(
        "TEMPLATE_INVALID",
        f"The file of {row.name}@{row.version} is no template: {words}.",
        details={"fields": {"body": words}},
    )


def _conflict(name: str, wanted: Any, version: int) -> Conflict:
    return Conflict(
        "TEMPLATE_VERSION_CONFLICT",
        f"The next version of {name} is {version}, not {cast('int', wanted)}.",
        hint="Versions never change. PUT without a version makes the next one.",
        details={"next": version},
    )
