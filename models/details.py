"""What is shown of each file: size and time as they are now, header and hash as far as they are known."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from ..breath import Breath, full_collections_put_off
from ..errors import JSON
from ..wire import dumps, rfc3339
from .facts import format_name, has_header, read_facts
from .index import Look, View
from .previews import previews_of
from .scan import Entry, Where
from .store import Row, Store
from .values import Change, Facts, HeaderState, Known, Origin, Stamp, settled

WRITE_EVERY = 500
"""Headers read between two writes to the store."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file as it is shown."""

    entry: Entry
    real: str
    inside: bool
    """Whether it lies in the model folders, links followed."""
    known: Known
    body: bytes
    """The JSON object of lists."""
    words: str
    """What a search looks in, case folded."""

    @property
    def header(self) -> HeaderState:
        """Whether its header was read."""
        return _header(self.entry, self.known, inside=self.inside)


class Details:
    """Keeps what is known of the files that were looked at. Blocks: for threads, any number of them."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._turn = threading.Lock()
        self._known: dict[str, Known] = {}
        self._items: dict[tuple[str, str], Item] = {}

    def items(
        self, look: Look, view: View, entries: Iterable[Entry], *, read_until: float | None = None
    ) -> tuple[list[Item], list[Change]]:
        """Give the files as they are now, those that went meanwhile left out, and which of them changed.

        Headers that are not known are read until ``time.monotonic()`` reaches *read_until*; None: none is.
        """
        with self._turn, full_collections_put_off():
            breath = Breath()
            inside: dict[str, bool] = {}
            seen: list[tuple[Entry, str, bool, Stamp]] = []
            for entry in entries:
                breath.take()
                stamp = _stamp(entry.path)
                if stamp is not None:
                    real = entry.real
                    seen.append((entry, real, _inside(look, entry, real, inside), stamp))
            self._load([real for _, real, _, _ in seen if real not in self._known])
            found: list[Item] = []
            changes: list[Change] = []
            new: list[Row] = []
            for entry, real, within, stamp in seen:
                breath.take()
                known = self._known.get(real)
                if known is None or known.stamp != stamp:
                    known = Known(stamp)
                if within and known.facts is None and has_header(entry.name) and _more(read_until):
                    facts = _facts(real)
                    if facts is not None:
                        known = replace(known, facts=facts)
                        new.append(Row(real, known))
                        if len(new) >= WRITE_EVERY:
                            self._keep(new)
                            new = []
                self._known[real] = known
                item, change = self._item(view, entry, real, within, known)
                found.append(item)
                if change is not None:
                    changes.append(change)
            self._keep(new)
            return found, changes

    def learn(
        self, real: str, stamp: Stamp, *, sha256: str | None = None, origin: Origin | None = None
    ) -> None:
        """Keep what was found out of the file that had this stamp."""
        with self._turn:
            known = self._known.get(real)
            if known is None or known.stamp != stamp:
                known = Known(stamp)
            known = replace(known, sha256=sha256 or known.sha256, origin=origin or known.origin)
            self._known[real] = known
            self._store.put([Row(real, known)])

    def sha256(self, real: str) -> tuple[str, Stamp] | None:
        """Give the hash that the file has now, if it is known, and its stamp."""
        with self._turn:
            stamp = _stamp(real)
            known = self._known.get(real)
            if stamp is None or (known is not None and known.stamp == stamp and known.sha256):
                return None if stamp is None or known is None or not known.sha256 else (known.sha256, stamp)
            kept = self._store.get([real]).get(real)  # another process may have worked it out
            if kept is None or kept.stamp != stamp or not kept.sha256:
                return None
            if known is None or known.stamp != stamp:
                known = kept
            self._known[real] = replace(known, sha256=kept.sha256)
            return kept.sha256, stamp

    def moved(self, real: str, new_real: str, stamp: Stamp, sha256: str | None) -> None:
        """Keep what is known of a file under its new path, where it has this stamp."""
        with self._turn:
            self._load([path for path in (real,) if path not in self._known])
            known = self._known.pop(real, None)
            known = Known(stamp) if known is None else replace(known, stamp=stamp)
            known = replace(known, sha256=sha256 or known.sha256)
            self._known[new_real] = known
            self._store.put([Row(new_real, known)])
            if real != new_real:  # a link that was moved leads where it led
                self._store.forget(real)

    def forget(self, look: Look) -> None:
        """Drop the items of files that are gone. Their hashes stay on the disk: a disk may come back."""
        with self._turn:
            for folder, name in list(self._items):
                view = look.views.get(folder)
                if view is None or name not in view.by_name:
                    self._known.pop(self._items.pop((folder, name)).real, None)

    def with_sha256(self, sha256: str) -> list[str]:
        """Give the real paths of files that have this hash now."""
        with self._turn:
            found = {row.path: row.known for row in self._store.with_sha256(sha256)}
            found |= {real: known for real, known in list(self._known.items()) if known.sha256 == sha256}
            return sorted(real for real, known in found.items() if _stamp(real) == known.stamp)

    def _load(self, reals: Sequence[str]) -> None:
        """Ask the store for files that were not looked at before."""
        self._known.update(self._store.get(reals) if reals else {})

    def _keep(self, rows: Sequence[Row]) -> None:
        # what may still change without a trace is read again after a restart
        now = self._clock()
        self._store.put(row for row in rows if settled(row.known.stamp.mtime_ns, now))

    def _item(
        self, view: View, entry: Entry, real: str, inside: bool, known: Known
    ) -> tuple[Item, Change | None]:
        key = (view.name, entry.name)
        before = self._items.get(key)
        if before is not None and before.known is known and before.entry is entry:
            return before, None
        changed = before is not None and before.known.stamp != known.stamp
        shown = listed(view.name, entry, known, inside=inside)
        words = [view.name, entry.name, shown["base_model"], shown["title"], *shown["trigger_words"]]
        item = Item(
            entry,
            real,
            inside,
            known,
            dumps(shown).encode(),
            "\n".join(word for word in words if word).casefold(),
        )
        self._items[key] = item
        return item, Change(view.name, entry.name, "changed") if changed else None


def listed(folder: str, entry: Entry, known: Known, *, inside: bool) -> JSON:
    """Give a model object as lists show it."""
    facts = known.facts or Facts()
    origin = known.origin or Origin()
    has_preview = bool(entry.where.images) and bool(previews_of(entry.file, entry.where.images))
    return {
        "name": entry.name,
        "size": known.stamp.size,
        "modified": rfc3339(known.stamp.mtime_ns / 1e9),
        "format": format_name(entry.name),
        "sha256": known.sha256,
        "base_model": origin.base_model or facts.base_model,
        "title": facts.title,
        "trigger_words": list(origin.trigger_words or facts.trigger_words),
        "resolution": facts.resolution,
        "precision": facts.precision,
        "header": _header(entry, known, inside=inside),
        "preview": f"/ext/models/{quote(folder, safe='')}/{quote(entry.name)}/preview"
        if has_preview
        else None,
        "root": entry.root,
    }


def full(folder: str, item: Item) -> JSON:
    """Give a model object as its own route shows it, without the metadata."""
    facts = item.known.facts or Facts()
    origin = item.known.origin
    return {
        "folder": folder,
        **listed(folder, item.entry, item.known, inside=item.inside),
        "base_model_from": "source" if origin and origin.base_model else facts.base_model_from,
        "tags": dict(facts.tags),
        "dtypes": dict(facts.dtypes),
        "tensors": facts.tensors,
        "parameters": facts.parameters,
        "network_dim": facts.network_dim,
        "network_alpha": facts.network_alpha,
        "prediction_type": facts.prediction_type,
        "damaged": facts.damaged,
        "page": origin.page if origin else None,
        "licence": origin.licence if origin else None,
    }


def _header(entry: Entry, known: Known, *, inside: bool) -> HeaderState:
    if not inside:
        return "outside"
    if known.facts is not None:
        return "ok" if known.facts.damaged is None else "damaged"
    return "pending" if has_header(entry.name) else "none"


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - ten thousand times
    except (OSError, ValueError):
        return None
    return Stamp.of(found) if stat.S_ISREG(found.st_mode) else None


def _inside(look: Look, entry: Entry, real: str, known: dict[str, bool]) -> bool:
    """Say whether a file lies in the model folders; all of one directory do, or none, links apart."""
    if entry.link:
        return look.inside(real)
    where: Where = entry.where
    found = known.get(where.real)
    if found is None:
        found = known[where.real] = look.inside(os.path.join(where.real, ""))  # noqa: PTH118
    return found


def _facts(real: str) -> Facts | None:
    try:
        return read_facts(Path(real))
    except OSError:
        return None  # it went, or may not be read: pending


def _more(read_until: float | None) -> bool:
    return read_until is not None and time.monotonic() < read_until
