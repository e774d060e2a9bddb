"""How often an output of one node class feeds an input of another: shipped, and learned from own runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..graph import links_of

log = logging.getLogger("backplane")

SHIPPED: Final = Path(__file__).resolve().parents[1] / "data" / "node_pairs.json"
"""The table that comes with the package; data/count_pairs.py makes it and says its shape."""

LEARNED_WEIGHT = 20
"""One run of this server says as much as twenty public templates."""
_MOST_LEARNED = 5_000
_LONGEST_NAME = 200
_NUMBER = re.compile(r"[0-9]+$")


class Pair(NamedTuple):
    """Output *slot* of class *source* feeds an input of class *target*; *name* is its :func:`pair_key`."""

    source: str
    slot: int
    target: str
    name: str


def pair_key(name: str) -> str:
    """Cut the number off a nested input's name: all inputs that grow from one are counted as one."""
    return _NUMBER.sub("", name) if "." in name else name


class PairCounts:
    """The counts. Looking them up and saving touch the disk: not for the event loop; :meth:`learn` may.

    *learned* is the file this server's own counts are kept in; None: nothing is learned. It is written
    *save_after_s* seconds after something was learned, and by :meth:`close`.
    """

    def __init__(
        self, learned: Path | None = None, *, shipped: Path | None = SHIPPED, save_after_s: float = 30.0
    ) -> None:
        self._shipped_path = shipped
        self._path = learned
        self._save_after_s = save_after_s
        self._lock = threading.Lock()  # for whoever changes the counters
        self._saving = threading.Lock()
        self._loading = threading.Lock()
        self._fresh: Counter[Pair] = Counter()
        self._learned: Counter[Pair] = Counter()
        self._shipped: Mapping[Pair, int] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._save_task: asyncio.Task[None] | None = None

    def count(self, pair: Pair) -> int:
        """Give how often the pair was seen, shipped and learned together."""
        shipped, learned = self._both(pair)
        return shipped + learned

    def weight(self, pair: Pair) -> int:
        """Give ``shipped + LEARNED_WEIGHT * learned``, by which suggestions are ranked."""
        shipped, learned = self._both(pair)
        return shipped + LEARNED_WEIGHT * learned

    def _both(self, pair: Pair) -> tuple[int, int]:
        shipped = self._loaded()
        # no lock, for there are thousands of these: a count may be seen twice while it is being saved
        return shipped.get(pair, 0), self._learned.get(pair, 0) + self._fresh.get(pair, 0)

    def learn(self, graph: Mapping[str, Any]) -> None:
        """Count the links of an API-format workflow that ran to its end. Touches no disk.

        On the event loop this also sees to it that the counts are saved in a while.
        """
        found = [] if self._path is None else list(_pairs_of(graph))
        if not found:
            return
        with self._lock:
            self._fresh.update(found)
        if self._timer is not None:
            return
        with contextlib.suppress(RuntimeError):  # no loop here: whoever learns elsewhere saves elsewhere
            self._timer = asyncio.get_running_loop().call_later(self._save_after_s, self._save_soon)

    def _save_soon(self) -> None:
        self._timer = None
        self._save_task = asyncio.get_running_loop().create_task(asyncio.to_thread(self.save))

    async def close(self) -> None:
        """Save what was learned since the last time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._save_task is not None:
            await self._save_task
        await asyncio.to_thread(self.save)

    def save(self) -> None:
        """Write what was learned, if there is anything new. A file that cannot be written is logged."""
        if self._path is None:
            return
        with self._saving:
            self._loaded()
            with self._lock:
                if not self._fresh:
                    return
                self._learned.update(self._fresh)
                self._fresh.clear()
                if len(self._learned) > _MOST_LEARNED:
                    self._learned = Counter(dict(self._learned.most_common(_MOST_LEARNED)))
                kept = dict(self._learned)
            try:
                _write(self._path, json.dumps({"format": 1, "pairs": _nested(kept)}))
            except OSError as error:
                log.warning("What nodes are connected to cannot be saved: %s", error)

    def _loaded(self) -> Mapping[Pair, int]:
        if self._shipped is not None:
            return self._shipped
        with self._loading:
            if self._shipped is None:
                if self._path is not None:
                    own = _read(self._path, own=True)
                    with self._lock:
                        self._learned.update(own)
                self._shipped = {} if self._shipped_path is None else _read(self._shipped_path)
            return self._shipped


def _pairs_of(graph: Mapping[str, Any]) -> Iterator[Pair]:
    for node_id, node in graph.items():
        if not isinstance(node, Mapping):
            continue
        for link in links_of(node_id, node):  # pyright: ignore[reportUnknownArgumentType]
            origin = graph.get(link.source)
            source = origin.get("class_type") if isinstance(origin, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            target = node.get("class_type")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            if isinstance(source, str) and isinstance(target, str) and link.slot >= 0:
                pair = Pair(source, link.slot, target, pair_key(link.name))
                if all(len(name) <= _LONGEST_NAME for name in (pair.source, pair.target, pair.name)):
                    yield pair


def _nested(pairs: Mapping[Pair, int]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for (source, slot, target, name), seen in pairs.items():
        nested.setdefault(source, {}).setdefault(str(slot), {}).setdefault(target, {})[name] = seen
    return nested


def _flat(nested: Mapping[str, Any]) -> Iterable[tuple[Pair, int]]:
    for source, slots in nested.items():
        for slot, targets in slots.items():
            for target, names in targets.items():
                for name, seen in names.items():
                    yield Pair(source, int(slot), target, name), max(0, int(seen))


def _read(path: Path, *, own: bool = False) -> dict[Pair, int]:
    """Read a table. This server's *own*, if damaged, is moved aside, and counting starts anew."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return dict(_flat(document["pairs"]))
    except FileNotFoundError:
        return {}
    except OSError as error:
        log.warning("%s cannot be read: %s", path.name, error.strerror)
    except Exception as error:  # whatever shape it has, it is not ours
        log.warning("%s is damaged and not used (%s: %s)", path.name, type(error).__name__, error)
        if own:
            with contextlib.suppress(OSError):
                path.replace(path.with_name(path.name + ".damaged"))
    return {}


def _write(path: Path, text: str) -> None:
    """Replace a file in one step: a crash leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
