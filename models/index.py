"""What is in all model folders, looked at anew for each request, and what changed since the last look."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from ..breath import Breath, full_collections_put_off
from ..errors import NotFound, close_matches
from ..host.protocol import ModelFiles, ModelFolder
from ..wire import dumps
from .ready import Ready
from .scan import Directory, Entry, walk
from .values import Change

LEFTOVER_S = 3600.0
"""An unfinished copy that nobody has written to for so long is removed: its process died."""


@dataclass(frozen=True, slots=True)
class View:
    """One model folder at one moment."""

    name: str
    roots: tuple[str, ...]
    suffixes: frozenset[str]
    directories: tuple[dict[str, Directory], ...]
    """Of each root, by path."""
    entries: tuple[Entry, ...]
    """The files, sorted; of those with one name, the first root's."""
    by_name: Mapping[str, Entry]
    listed: tuple[str, ...]
    """Their names."""
    names: bytes
    """Their names as a JSON list."""

    def entry(self, name: str) -> Entry:
        """Give a file by its exact name. Raises NotFound MODEL_NOT_FOUND."""
        found = self.by_name.get(name)
        if found is None:
            matches = close_matches(name, self.by_name)
            raise NotFound(
                "MODEL_NOT_FOUND",
                f"The folder {self.name} has no model {name!r}.",
                hint=f"Did you mean {matches[0]}?"
                if matches
                else f"GET /ext/models/{self.name} lists its models.",
                details={"folder": self.name, "name": name, "close_matches": matches},
            )
        return found


@dataclass(frozen=True, slots=True)
class Look:
    """All model folders at one moment."""

    views: Mapping[str, View]
    aliases: Mapping[str, str]
    body: Ready
    """``{folder: [names]}``."""
    real_roots: tuple[str, ...]
    """The roots of all folders, links followed, each with a separator behind it."""
    changes: tuple[Change, ...]
    """Since the look before; nothing of a folder that is seen for the first time."""

    def view(self, folder: str) -> View:
        """Give a folder by its name or an old one. Raises NotFound MODEL_FOLDER_NOT_FOUND."""
        found = self.views.get(folder) or self.views.get(self.aliases.get(folder, ""))
        if found is None:
            matches = close_matches(folder, self.views)
            raise NotFound(
                "MODEL_FOLDER_NOT_FOUND",
                f"There is no model folder {folder!r}.",
                hint=f"Did you mean {matches[0]}?" if matches else "GET /ext/models lists the folders.",
                details={"folder": folder, "close_matches": matches},
            )
        return found

    def inside(self, real: str) -> bool:
        """Say whether a path without links lies below a root of any folder."""
        return os.path.normcase(real).startswith(self.real_roots)


class Index:
    """Looks at the folders of *host*. Blocks: for threads, any number of them."""

    def __init__(self, host: ModelFiles, clock: Callable[[], float] = time.time) -> None:
        self._host = host
        self._clock = clock
        self._turn = threading.Lock()
        self._last: Look | None = None

    @property
    def last(self) -> Look | None:
        """The last look; None before the first."""
        return self._last

    def look(self) -> Look:
        """Look at all folders. Costs an ``os.stat`` for each directory, and reading those that changed."""
        with self._turn, full_collections_put_off():
            breath = Breath()
            before = self._last
            old: Mapping[str, View] = {} if before is None else before.views
            views = {
                name: self._view(folder, old.get(name), breath)
                for name, folder in sorted(self._host.model_folders().items())
            }
            changes = tuple(_changes(old, views, breath))
            same = (
                before is not None
                and list(before.views) == list(views)
                and all(view.names is old[name].names for name, view in views.items())
            )
            body = before.body if before is not None and same else Ready(_body(views))
            roots = _real_roots(views)
            self._last = Look(views, dict(self._host.model_folder_aliases()), body, roots, changes)
            return self._last

    def _view(self, folder: ModelFolder, old: View | None, breath: Breath) -> View:
        roots = tuple(map(str, folder.roots))
        if old is not None and (old.roots, old.suffixes) != (roots, folder.suffixes):
            old = None
        directories = tuple(
            walk(
                root,
                number,
                folder.suffixes,
                {} if old is None else old.directories[number],
                clock=self._clock,
                breath=breath,
            )
            for number, root in enumerate(roots)
        )
        if old is not None and _contents(old.directories) == _contents(directories):
            # as the directories may have settled meanwhile
            return replace(old, directories=directories)
        self._clear(directories)
        by_name: dict[str, Entry] = {}
        for directory in _all(directories):
            breath.take()
            for entry in directory.entries:
                by_name.setdefault(entry.name, entry)
        entries = tuple(sorted(by_name.values(), key=attrgetter("key")))
        breath.take()
        listed = tuple(entry.name for entry in entries)
        names = dumps(listed).encode()
        if old is not None and old.names == names:
            names = old.names
        return View(folder.name, roots, folder.suffixes, directories, entries, by_name, listed, names)

    def _clear(self, directories: Sequence[Mapping[str, Directory]]) -> None:
        """Remove the copies that moves left which were cut off."""
        for directory in _all(directories):
            for name in directory.leftovers:
                path = os.path.join(directory.where.path, name)  # noqa: PTH118
                try:
                    if self._clock() - os.lstat(path).st_mtime > LEFTOVER_S:
                        os.unlink(path)  # noqa: PTH108
                except OSError:
                    continue


def _all(directories: Sequence[Mapping[str, Directory]]) -> Iterator[Directory]:
    for below in directories:
        yield from below.values()


def _contents(directories: Sequence[Mapping[str, Directory]]) -> list[tuple[int, int]]:
    """Give what differs as soon as a file or a preview comes or goes."""
    return [(id(directory.where), id(directory.entries)) for directory in _all(directories)]


def _real_roots(views: Mapping[str, View]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for view in views.values():
        for root, below in zip(view.roots, view.directories, strict=True):
            if root in below:
                found[os.path.join(os.path.normcase(below[root].where.real), "")] = None  # noqa: PTH118
    return tuple(found)


def _body(views: Mapping[str, View]) -> bytes:
    return (
        b"{"
        + b",".join(dumps(name).encode() + b":" + view.names for name, view in sorted(views.items()))
        + b"}"
    )


def _changes(old: Mapping[str, View], new: Mapping[str, View], breath: Breath) -> Iterator[Change]:
    for name, view in new.items():
        before = old.get(name)
        if before is None or before.names is view.names:
            continue
        for gone in sorted(before.by_name.keys() - view.by_name.keys()):
            breath.take()
            yield Change(name, gone, "removed")
        for come in sorted(view.by_name.keys() - before.by_name.keys()):
            breath.take()
            yield Change(name, come, "added")
    for name in old.keys() - new.keys():
        for gone in old[name].by_name:
            breath.take()
            yield Change(name, gone, "removed")
