"""The model library: what there is, what it is, and changes to it.

:class:`Library` is what routes and downloads call. Every request looks at the disk first, in a thread, so
that a file which was dropped in, changed or deleted by hand is seen; parts that did not change are ready.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from ..breath import Breath
from ..errors import ApiError, NotFound
from ..host.protocol import ModelFiles
from ..modelfiles.trouble import FormatError
from ..wire import dumps
from . import changes
from .background import Background
from .details import Details, Item, full
from .facts import has_header, read_metadata
from .hashing import sha256_of
from .index import Index, Look, View
from .jobs import Jobs
from .listing import found_names, page_of, whole
from .moves import in_use, told
from .previews import Preview
from .ready import Ready
from .scan import Entry
from .store import Store
from .values import FRESH_S, Change, Origin, Stamp, settled

HEADERS_S = 2.0
"""How long a request reads headers that are not known yet; the rest is read in the background, or by the
next request."""
MOST_CHANGES = 100
"""Changes that are told one by one; more become one event for each folder."""

Tell = Callable[[str, dict[str, Any]], None]
"""(name of the event, its data)."""
Result = TypeVar("Result")


class Library:
    """The models of *host*. All methods are called on the event loop, and do what takes long in threads.

    *tell* is called on the event loop with ``model.changed`` events. *state_dir* is where ``models.sqlite3``
    lies. *busy* says whether a run is on (from any thread): hashing in the background rests then.
    """

    def __init__(
        self,
        host: ModelFiles,
        tell: Tell,
        state_dir: Path,
        *,
        busy: Callable[[], bool] = lambda: False,
        hash_models: bool = True,
        clock: Callable[[], float] = time.time,
        delay_s: float = 10.0,
    ) -> None:
        self._host = host
        self._tell = tell
        self._clock = clock
        self._index = Index(host, clock)
        self._store = Store(state_dir / "models.sqlite3", clock)
        self._details = Details(self._store, clock)
        self._jobs = Jobs()
        self._background = (
            Background(self._index, self._details, self._tell_later, busy=busy, clock=clock, delay_s=delay_s)
            if hash_models
            else None
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._next_look: asyncio.Task[Look] | None = None
        self._detailed: Ready | None = None
        self._changing: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Begin to read headers and work out hashes, some seconds from now. On the event loop."""
        self._loop = asyncio.get_running_loop()
        if self._background is not None:
            self._background.start()

    async def stop(self) -> None:
        """End all work; no thread and no open file is left."""
        self._loop = None
        await self._jobs.stop()
        for task in [*self._tasks, *([self._next_look] if self._next_look else [])]:
            with suppress(Exception):
                await asyncio.shield(task)
        if self._background is not None:
            await asyncio.to_thread(self._background.stop)
        await asyncio.to_thread(self._store.close)

    # What there is

    async def index(self, q: str | None = None, *, detail: bool = False) -> Ready:
        """Give ``{folder: [names]}``, or with *detail* ``{folder: [model objects]}``.

        With *q* only what it finds, and only folders in which it finds something.
        """
        look = await self._look()
        if not detail and not q:
            return look.body
        until = time.monotonic() + HEADERS_S if detail else None
        found = {
            view.name: await self._items(look, view, view.entries, until) for view in look.views.values()
        }
        body = await asyncio.to_thread(whole, found, q, detail, None if q else self._detailed)
        if not q:
            self._detailed = body
        return body

    async def folder(
        self,
        folder: str,
        *,
        q: str | None = None,
        detail: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Ready:
        """Give one page of a folder: ``{"folder", "items", "next_cursor"}``.

        Raises NotFound MODEL_FOLDER_NOT_FOUND, InvalidRequest for a cursor that is none.
        """
        look = await self._look()
        view = look.view(folder)
        names = None
        if q:
            items = await self._items(look, view, view.entries, None)
            names = await asyncio.to_thread(found_names, items, q)
        page = await asyncio.to_thread(page_of, view.entries, names, limit, cursor)
        shown = await self._items(look, view, page.entries, time.monotonic() + HEADERS_S) if detail else None
        return await asyncio.to_thread(page.body, view.name, shown)

    async def file(self, folder: str, name: str, *, hashed: bool = False) -> Ready:
        """Give a model object with all that its header says; *hashed*: work out its hash if it is not known.

        Raises NotFound MODEL_FOLDER_NOT_FOUND, MODEL_NOT_FOUND, ApiError MODEL_REFUSED, MODEL_IN_USE.
        """
        look, view, entry = await self._entry(folder, name)
        item = await self._item(look, view, entry)
        sha256 = item.known.sha256
        if hashed and sha256 is None:
            real = item.real
            sha256, stamp = await self._jobs.run(("hash", real), lambda: self._hash(real, name))
            item = await self._item(look, view, entry)
            if item.known.stamp != stamp:
                raise in_use(name)
        return await asyncio.to_thread(_document, view.name, item, sha256)

    async def preview(self, folder: str, name: str) -> Preview:
        """Give a model's picture. Raises NotFound PREVIEW_IMAGE_NOT_FOUND and as :meth:`file`."""
        look, view, entry = await self._entry(folder, name)
        return await asyncio.to_thread(changes.preview_of, look, view, entry)

    async def names(self) -> Mapping[str, Sequence[str]]:
        """Give the names of all models by folder, sorted, as they are now."""
        look = await self._look()
        return {name: view.listed for name, view in look.views.items()}

    async def by_sha256(self, sha256: str) -> tuple[str, str] | None:
        """Give (folder, name) of a file that is known to have this hash and has not changed since."""
        look = await self._look()
        return await asyncio.to_thread(_place_of, look, self._details, sha256.lower())

    async def known_sha256(self, folder: str, name: str) -> str | None:
        """Give a file's SHA-256 if it is known already; None too where there is no such file."""
        try:
            look, view, entry = await self._entry(folder, name)
            return (await self._item(look, view, entry)).known.sha256
        except ApiError:
            return None

    # Changes

    async def changed(
        self, folder: str, name: str, *, sha256: str | None = None, origin: Origin | None = None
    ) -> None:
        """Take note that a file was written: list it, tell of it, keep its hash and where it came from.

        Raises NotFound MODEL_FOLDER_NOT_FOUND.
        """
        await self._finished(self._changed(folder, name, sha256, origin))

    async def delete(self, folder: str, name: str) -> None:
        """Delete a model and its previews; of a link only the link.

        Raises NotFound MODEL_FOLDER_NOT_FOUND, MODEL_NOT_FOUND, ApiError MODEL_REFUSED, MODEL_IN_USE.
        """
        look, view, entry = await self._entry(folder, name)
        await self._finished(self._delete(look, view, entry))

    async def move(
        self, folder: str, name: str, *, to_folder: str | None = None, to_name: str | None = None
    ) -> Ready:
        """Move a model and its previews to another folder or name; give it as :meth:`file` does.

        Within its folder it stays below its root, else it goes below the new folder's first. Raises as
        :meth:`delete`, InvalidRequest for a name that cannot be used, ApiError MODEL_EXISTS,
        DOWNLOAD_DISK_FULL.
        """
        look, view, entry = await self._entry(folder, name)
        target_view = view if to_folder is None else look.view(to_folder)
        target_name = name if to_name is None else to_name
        if (target_view.name, target_name) != (view.name, name):
            changes.check_target(target_view, name, target_name)
            target = await asyncio.to_thread(changes.target_of, look, view, entry, target_view, target_name)
            await self._finished(self._move(look, view, entry, target, target_view))
        return await self.file(target_view.name, target_name)

    async def _changed(self, folder: str, name: str, sha256: str | None, origin: Origin | None) -> None:
        before = self._index.last
        look = await self._look()
        view = look.view(folder)
        await asyncio.to_thread(self._host.models_changed, view.name)
        entry = view.by_name.get(name)
        if entry is None:
            return  # no file that ComfyUI would list
        await asyncio.to_thread(self._learn, look, view, entry, sha256, origin)
        old = None if before is None else before.views.get(view.name)
        if old is None:
            self._tell_all([Change(view.name, name, "added")])
        elif name in old.by_name:  # else the look has told that it was added
            self._tell_all([Change(view.name, name, "changed")])
        self._wake()

    async def _delete(self, look: Look, view: View, entry: Entry) -> None:
        with self._alone(entry):
            await asyncio.to_thread(changes.delete, look, view, entry)
        await self._after(view.name)

    async def _move(self, look: Look, view: View, entry: Entry, target: str, target_view: View) -> None:
        def work() -> None:
            real = entry.real
            moved = changes.relocate(look, view, entry, target, self._jobs.go_on)
            self._details.moved(real, os.path.realpath(target), moved.stamp, moved.sha256)

        with self._alone(entry):
            await self._jobs.run(("move", entry.path), work)
        await self._after(view.name, target_view.name)

    async def _after(self, *folders: str) -> None:
        """Have the host see a change of ours, and everybody else."""
        look = await self._look()
        # what changed there too: folders may share their roots
        also = {change.folder for change in look.changes}
        for folder in sorted({*folders, *also} & look.views.keys()):
            await asyncio.to_thread(self._host.models_changed, folder)
        self._wake()

    async def _finished(self, work: Coroutine[Any, Any, Result]) -> Result:
        """See *work* through, also where the client leaves."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # the client may have left: it counts as seen

    @contextmanager
    def _alone(self, entry: Entry) -> Generator[None]:
        if entry.path in self._changing:
            raise in_use(entry.name)
        self._changing.add(entry.path)
        try:
            yield
        finally:
            self._changing.discard(entry.path)

    # Looking

    async def _look(self) -> Look:
        """Look at the disk, in a thread. Callers share one look, unless it began before they asked."""
        look = self._next_look
        if look is None:
            look = self._next_look = asyncio.get_running_loop().create_task(self._looked())
            look.add_done_callback(self._look_over)
        return await asyncio.shield(look)  # a client that leaves must not take it from the others

    async def _looked(self) -> Look:
        async with self._turn:
            self._next_look = None  # who asks from here on needs another look
            look = await asyncio.to_thread(self._index.look)
        if look.changes:
            await asyncio.to_thread(self._details.forget, look)
        self._note(look.changes)
        return look

    def _look_over(self, look: asyncio.Task[Look]) -> None:
        if self._next_look is look:  # cancelled before its turn
            self._next_look = None
        if not look.cancelled():
            look.exception()  # all who waited may have left: it counts as seen

    async def _entry(self, folder: str, name: str) -> tuple[Look, View, Entry]:
        """Find a file that may be read and changed."""
        look = await self._look()
        view = look.view(folder)
        entry = view.entry(name)
        await asyncio.to_thread(changes.check_inside, look, view, entry)
        return look, view, entry

    async def _items(
        self, look: Look, view: View, entries: Sequence[Entry], until: float | None
    ) -> list[Item]:
        async with self._reading:  # one at a time, for there are few threads and others need them too
            found, changed = await asyncio.to_thread(
                self._details.items, look, view, entries, read_until=until
            )
        self._note(changed)
        return found

    async def _item(self, look: Look, view: View, entry: Entry) -> Item:
        found = await self._items(look, view, [entry], time.monotonic() + HEADERS_S)
        if not found:
            raise NotFound("MODEL_NOT_FOUND", f"The model {entry.name!r} is gone.")
        return found[0]

    # Telling

    def _note(self, found: Sequence[Change]) -> None:
        if found:
            self._tell_all(found)
            self._wake()

    def _tell_all(self, found: Sequence[Change]) -> None:
        if len(found) <= MOST_CHANGES:
            for change in found:
                self._tell("model.changed", change.to_json())
            return
        counts = Counter((change.folder, change.change) for change in found)
        for folder in sorted({change.folder for change in found}):
            kinds = {kind: counts[folder, kind] for kind in ("added", "changed", "removed")}
            self._tell("model.changed", {"folder": folder, "name": None, "change": "many", **kinds})

    def _tell_later(self, look: Look, found: Sequence[Change]) -> None:
        """Tell what the background thread saw."""
        loop = self._loop
        if found and loop is not None:
            self._details.forget(look)
            with suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(self._tell_all, found)

    def _wake(self) -> None:
        if self._background is not None:
            self._background.wake()

    # In threads

    def _learn(self, look: Look, view: View, entry: Entry, sha256: str | None, origin: Origin | None) -> None:
        """Keep what is known of a new file; see it now, so that it is not told of again."""
        found, _ = self._details.items(look, view, [entry])
        if found and found[0].inside and (sha256 or origin):
            self._details.learn(found[0].real, found[0].known.stamp, sha256=sha256, origin=origin)

    def _hash(self, real: str, name: str) -> tuple[str, Stamp]:
        """Work out a hash and keep it. Raises ApiError MODEL_IN_USE, Halted."""
        with told(name):
            for _ in range(2):
                known = self._details.sha256(real)
                if known is not None:
                    return known
                self._settle(real)
                found = sha256_of(real, self._jobs.go_on)
                if found is not None:
                    if settled(found[1].mtime_ns, self._clock()):
                        self._details.learn(real, found[1], sha256=found[0])
                    return found
        raise in_use(name)  # it changes while it is read

    def _settle(self, real: str) -> None:
        """Wait until a new file can no longer change without being noticed."""
        if not settled(Path(real).stat().st_mtime_ns, self._clock()):
            self._jobs.wait(FRESH_S)


def _document(folder: str, item: Item, sha256: str | None) -> Ready:
    shown = full(folder, item)
    shown["sha256"] = sha256
    metadata: dict[str, Any] | None = None
    left_out: list[str] = []
    if item.inside and has_header(item.entry.name):
        with suppress(FormatError, OSError):
            metadata, left_out = read_metadata(Path(item.real))
    return Ready(dumps({**shown, "metadata": metadata, "metadata_left_out": left_out}).encode())


def _place_of(look: Look, details: Details, sha256: str) -> tuple[str, str] | None:
    breath = Breath()
    for real in details.with_sha256(sha256):
        if not look.inside(real):
            continue
        file = Path(real).name
        for view in look.views.values():
            for entry in view.entries:
                breath.take()
                if (entry.link or entry.file == file) and entry.real == real:
                    return view.name, entry.name
    return None
