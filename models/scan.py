"""Which files a model folder has. Looks at every directory each time, and reads again those that changed.

Links are followed as ComfyUI does, except into a directory from below itself. Hidden files, hidden
directories and unfinished downloads (``.part``) are left out, and so are names that are no Unicode.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ..breath import Breath
from .values import settled

log = logging.getLogger("backplane")

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MOST_DIRECTORIES = 50_000
"""Of one root. Links that lead back and forth could make endless many."""
LEFTOVER = re.compile(r"\.backplane-move-[0-9a-f]{16}\.part")
"""Copies that a move was at when the process died."""


@dataclass(frozen=True, slots=True)
class Where:
    """A directory as its files see it."""

    path: str
    """As ComfyUI would name it: the root's path and what follows."""
    real: str
    """With all links followed."""
    images: frozenset[str]
    """Names of the files that may be previews."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model file. Nothing of it was read but its name."""

    name: str
    """Relative to its root, with ``/``."""
    key: str
    """What lists are sorted by."""
    root: int
    """Which of the folder's roots it lies under."""
    file: str
    """The last part of the name."""
    link: bool
    where: Where

    @property
    def path(self) -> str:
        """Absolute."""
        return f"{self.where.path}{os.sep}{self.file}"  # ten thousand times: nothing slower

    @property
    def real(self) -> str:
        """The path with all links followed."""
        if self.link:
            return os.path.realpath(self.path)
        return f"{self.where.real}{os.sep}{self.file}"


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory as it was last read."""

    ident: tuple[int, int, int]
    """Device, inode and time of change: while they are the same, so is what was read."""
    settled: bool
    """False: it may have changed since without another time."""
    where: Where
    entries: tuple[Entry, ...]
    subdirs: tuple[str, ...]
    links: tuple[str, ...]
    """Names of the files that are links: what they lead to may go without a trace here."""
    leftovers: tuple[str, ...]


def walk(
    root: str,
    number: int,
    suffixes: frozenset[str],
    known: Mapping[str, Directory],
    *,
    clock: Callable[[], float],
    breath: Breath,
) -> dict[str, Directory]:
    """Give the directories below *root*, itself included, by path. *known* is the last answer.

    What did not change is the same object as before; and where a directory was read again and has the same
    files, its *entries* are.
    """
    found: dict[str, Directory] = {}
    waiting: list[tuple[str, str, tuple[tuple[int, int], ...]]] = [(root, "", ())]
    while waiting:
        path, prefix, above = waiting.pop()
        breath.take()
        try:
            looked = os.stat(path)  # noqa: PTH116 - at each request, for each directory: no Path objects
        except OSError:
            continue
        here = (looked.st_dev, looked.st_ino)
        if not stat.S_ISDIR(looked.st_mode) or here in above:
            continue
        if len(found) >= MOST_DIRECTORIES:
            log.warning("A model folder has more than %d directories: the rest is left out", MOST_DIRECTORIES)
            break
        ident = (*here, looked.st_mtime_ns)
        before = known.get(path)
        if before is None or not _stands(before, ident):
            try:
                after = _read(path, prefix, number, suffixes, ident, clock, breath)
            except OSError:
                continue
            before = after if before is None else _same(before, after)
        found[path] = before
        # st_ino 0: the file system has no numbers, so nothing can be told
        inside = (*above, here) if looked.st_ino else above
        waiting += [
            (os.path.join(path, name), f"{prefix}{name}/", inside)  # noqa: PTH118
            for name in reversed(before.subdirs)
        ]
    return found


def _stands(before: Directory, ident: tuple[int, int, int]) -> bool:
    return (
        before.settled
        and before.ident == ident
        and all(os.path.isfile(os.path.join(before.where.path, name)) for name in before.links)  # noqa: PTH113, PTH118
    )


def _same(before: Directory, after: Directory) -> Directory:
    """Give *after*, with the entries of *before* where they say the same."""
    if before.where == after.where and before.entries == after.entries:
        return replace(after, where=before.where, entries=before.entries)
    return after


def _read(
    path: str,
    prefix: str,
    number: int,
    suffixes: frozenset[str],
    ident: tuple[int, int, int],
    clock: Callable[[], float],
    breath: Breath,
) -> Directory:
    now = clock()  # before it is read: what changes meanwhile is newer than this
    names = _Names()
    with os.scandir(path) as entries:
        for entry in entries:
            breath.take()
            if not _is_hidden(entry.name):
                names.add(entry, suffixes)
            elif LEFTOVER.fullmatch(entry.name):
                names.leftovers.append(entry.name)
    where = Where(path, os.path.realpath(path), frozenset(names.images))
    return Directory(
        ident,
        settled(ident[2], now) and not names.broken,
        where,
        tuple(
            Entry(prefix + name, _key(prefix + name), number, name, is_link, where)
            for name, is_link in sorted(names.files)
        ),
        tuple(sorted(names.subdirs)),
        tuple(name for name, is_link in names.files if is_link),
        tuple(names.leftovers),
    )


class _Names:
    """What is found in a directory."""

    def __init__(self) -> None:
        self.files: list[tuple[str, bool]] = []
        self.images: list[str] = []
        self.subdirs: list[str] = []
        self.leftovers: list[str] = []
        self.broken = False
        """Whether there is a link that leads nowhere: if that comes back, nothing changes here."""

    def add(self, entry: os.DirEntry[str], suffixes: frozenset[str]) -> None:
        """Take note of what may be seen."""
        kind = _kind(entry)
        if kind == "directory":
            self.subdirs.append(entry.name)
        elif kind == "broken":
            self.broken = True
        elif kind == "file":
            suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122
            if suffix in IMAGE_SUFFIXES:
                self.images.append(entry.name)
            if not suffixes or suffix in suffixes:
                self.files.append((entry.name, entry.is_symlink()))


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_dir():
            return "directory"
        if entry.is_file():
            return "file"
        return "broken" if entry.is_symlink() else "other"
    except OSError:  # a link to itself
        return "broken"


def _key(name: str) -> str:
    """Give what sorts without regard to case, and then by the name itself."""
    return f"{name.casefold()}\0{name}"


def _is_hidden(name: str) -> bool:
    """Say whether a name is not shown: hidden, unfinished, or no Unicode, which no client could ask for."""
    if name.startswith(".") or name.lower().endswith(".part"):
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False
