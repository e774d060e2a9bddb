"""How long a run will take, learned from those before. Pure.

A node's time is that of earlier runs of the same class at the same *size*: a coarse text made of what the
node's own inputs and the nodes it is linked to say about steps, pixels, frames and the model.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeVar, cast

from ..errors import JSON
from ..graph import inputs_of, is_link
from .tracing import through_switches

KEPT = 25
"""Of how many runs the median is taken."""

MOST_KEYS = 5000
"""How many (class, size) are remembered: those last learned or asked for. About 2 MB."""

TRIVIAL_S = 0.1
TRIVIAL_RUNS = 3
"""A class that ran so often, at any size, and never longer than this, takes no time at unknown sizes."""

_PICTURES = ("latent", "samples", "image", "pixels", "video", "frames", "mask")
"""Parts of the names of inputs through which a picture comes, and its size with it."""
_FRAMES = ("batch_size", "length", "video_frames", "num_frames", "frames", "amount")
_FACTORS = ("scale_by", "upscale_by")
_FILES = ("_name", "_path", "_name1")
_NO_FILES = ("sampler", "lora", "image")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Key:
    """What nodes that take equally long have in common."""

    class_type: str
    size: str


@dataclass(frozen=True, slots=True)
class Running:
    """How far a node is: *fraction* by its own count, 0..1, and since when."""

    fraction: float = 0.0
    elapsed_s: float = 0.0


def keys_of(graph: Mapping[str, JSON], node_ids: Iterable[str]) -> dict[str, Key]:
    """Give the keys of these nodes; ids that the graph does not have are left out."""
    sizes = _Sizes(graph)
    return {
        node_id: Key(str(graph[node_id].get("class_type")), sizes.of(node_id))
        for node_id in node_ids
        if node_id in graph
    }


def size_of(graph: Mapping[str, JSON], node_id: str) -> str:
    """Give the coarse size of a node's work, such as ``"steps=17 px=36 n=0 model=flux.safetensors"``.

    Pixels and frames are in half powers of two, steps in quarter ones, so that little changes share a size.
    """
    return _Sizes(graph).of(node_id)


class _Sizes:
    """The sizes of one graph's nodes; what is behind a node is looked at once."""

    def __init__(self, graph: Mapping[str, JSON]) -> None:
        self._graph = graph
        self._steps: dict[str, float | None] = {}
        self._models: dict[str, str | None] = {}
        self._pictures: dict[str, tuple[float | None, float | None]] = {}

    def of(self, node_id: str) -> str:
        steps = self._along(node_id, self._steps, self._own_steps, ("sigmas",))
        model = self._along(node_id, self._models, self._own_model, ("model", "guider", "unet"))
        pixels, frames = self._picture(node_id)
        parts = [
            None if steps is None else f"steps={round(4 * math.log2(steps))}",
            None if pixels is None else f"px={round(2 * math.log2(pixels))}",
            None if frames is None else f"n={round(2 * math.log2(frames))}",
            None if model is None else f"model={model}",
        ]
        return " ".join(part for part in parts if part is not None)

    def _number(self, node_id: str, name: str) -> float | None:
        """Read a positive number of a node, also through a link to a node whose ``value`` it is."""
        value: Any = through_switches(self._graph, inputs_of(self._graph[node_id]).get(name))
        if is_link(value) and value[0] in self._graph:
            source = inputs_of(self._graph[value[0]])
            value = source.get("value", next(iter(source.values())) if len(source) == 1 else None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if 1e-6 <= number <= 1e12 else None

    def _linked(self, node_id: str, parts: Iterable[str]) -> list[str]:
        """Give the nodes behind the inputs in whose name one of *parts* occurs."""
        found: list[str] = []
        for name, linked in inputs_of(self._graph[node_id]).items():
            if is_link(linked) and any(part in name.lower() for part in parts):
                source = through_switches(self._graph, linked)[0]
                if source in self._graph:
                    found.append(source)
        return found

    def _along(
        self, node_id: str, known: dict[str, _T | None], own: Callable[[str], _T | None], parts: Iterable[str]
    ) -> _T | None:
        """Follow one chain of links to the first node that says it."""
        walked: list[str] = []
        here: str | None = node_id
        found: _T | None = None
        while here is not None:
            if here in known:
                found = known[here]
                break
            known[here] = None  # should the chain come back to it
            walked.append(here)
            found = own(here)
            if found is not None:
                break
            here = next(iter(self._linked(here, parts)), None)
        known.update(dict.fromkeys(walked, found))
        return found

    def _own_steps(self, node_id: str) -> float | None:
        steps = self._number(node_id, "steps")
        if steps is None:
            return None
        first = self._number(node_id, "start_at_step") or 0.0
        last = self._number(node_id, "end_at_step") or steps
        return max(min(last, steps) - first, 1.0)

    def _own_model(self, node_id: str) -> str | None:
        for name, value in inputs_of(self._graph[node_id]).items():
            if isinstance(value, str) and name.endswith(_FILES) and not name.startswith(_NO_FILES):
                file = value.replace("\\", "/").rpartition("/")[2]
                if "." in file:
                    return file[-60:]
        return None

    def _own_picture(self, node_id: str) -> tuple[float | None, float | None]:
        width, height = self._number(node_id, "width"), self._number(node_id, "height")
        counts = [count for name in _FRAMES if (count := self._number(node_id, name)) is not None]
        pixels = None if width is None or height is None else max(width * height, 1.0)
        return pixels, max(math.prod(counts), 1.0) if counts else None

    def _picture(self, node_id: str) -> tuple[float | None, float | None]:
        """Give pixels and frames of what the node works on: its own, or those of the first node behind."""
        known = self._pictures
        stack, begun = [node_id], set[str]()
        while stack:
            here = stack[-1]
            pixels, frames = self._own_picture(here)
            behind = [] if pixels is not None or here in known else self._linked(here, _PICTURES)
            waiting = [source for source in behind if source not in known and source not in begun]
            begun.add(here)
            if waiting:
                stack.extend(reversed(waiting))
                continue
            stack.pop()
            if here in known:
                continue
            sources = [known.get(source, (None, None)) for source in behind]
            said = next((each for each in sources if each[0] is not None), None)
            if said is not None and said[0] is not None:
                pixels = said[0] * self._factor(here)
                frames = said[1] if frames is None else frames
            known[here] = pixels, frames
        return known[node_id]

    def _factor(self, node_id: str) -> float:
        scales = [scale for name in _FACTORS if (scale := self._number(node_id, name)) is not None]
        return min(math.prod(scales), 64.0) ** 2


class Estimates:
    """Remembers how long nodes took. Nothing here is slow; use it from one thread at a time."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Key, deque[float]] = OrderedDict()
        self._classes: OrderedDict[str, deque[float]] = OrderedDict()

    def learn(self, keys: Mapping[str, Key], durations: Mapping[str, float]) -> None:
        """Take in a run: seconds by node id. Leave out nodes that came from the cache or failed.

        *keys* are those of :func:`keys_of`; nodes without one, such as expanded ones, are ignored.
        """
        for node_id, seconds in durations.items():
            key = keys.get(node_id)
            if key is not None and math.isfinite(seconds) and seconds >= 0:
                _add(self._seen, key, seconds)
                _add(self._classes, key.class_type, seconds)

    def expected(self, key: Key) -> float | None:
        """Give the seconds that a node takes, or None if that is not known."""
        times = self._seen.get(key)
        if times:
            self._seen.move_to_end(key)
            return median(times)
        any_size = self._classes.get(key.class_type, ())
        return 0.0 if len(any_size) >= TRIVIAL_RUNS and max(any_size) <= TRIVIAL_S else None

    def estimate(
        self,
        keys: Mapping[str, Key],
        *,
        done: Container[str] = (),
        running: Mapping[str, Running] | None = None,
    ) -> float | None:
        """Give the seconds that a run still takes, or None while one of its nodes is not known.

        *keys* are those of all nodes that the run needs, *done* the nodes that are settled.
        """
        left = 0.0
        for node_id, key in keys.items():
            if node_id in done:
                continue
            seconds = self.expected(key)
            if seconds is None:
                return None
            now = running.get(node_id) if running else None
            if now is None:
                left += seconds
            elif now.fraction > 0:
                left += seconds * (1.0 - min(now.fraction, 1.0))
            else:
                left += max(seconds - now.elapsed_s, 0.0)
        return left

    def to_json(self) -> JSON:
        """Give all that was learned, for the store."""
        return {
            "version": 1,
            "nodes": [
                [key.class_type, key.size, [round(each, 4) for each in times]]
                for key, times in self._seen.items()
            ],
            "classes": [
                [class_type, [round(each, 4) for each in times]]
                for class_type, times in self._classes.items()
            ],
        }

    @classmethod
    def from_json(cls, document: Any) -> Estimates:
        """Read what :meth:`to_json` gave; what cannot be read is left out, as it can be learned again."""
        made = cls()
        if not isinstance(document, dict):
            return made
        fields = cast("JSON", document)
        if fields.get("version") != 1:
            return made
        for entry in _lists(fields.get("nodes"), 3):
            if isinstance(entry[0], str) and isinstance(entry[1], str):
                for seconds in _times(entry[2]):
                    _add(made._seen, Key(entry[0], entry[1]), seconds)
        for entry in _lists(fields.get("classes"), 2):
            if isinstance(entry[0], str):
                for seconds in _times(entry[1]):
                    _add(made._classes, entry[0], seconds)
        return made


def _add(seen: OrderedDict[Any, deque[float]], key: Any, seconds: float) -> None:
    times = seen.get(key)
    if times is None:
        times = seen[key] = deque(maxlen=KEPT)
        while len(seen) > MOST_KEYS:
            seen.popitem(last=False)
    times.append(seconds)
    seen.move_to_end(key)


def _lists(value: Any, length: int) -> list[list[Any]]:
    rows: list[Any] = cast("list[Any]", value) if isinstance(value, list) else []
    return [row for row in rows if isinstance(row, list) and len(cast("list[Any]", row)) == length]


def _times(value: Any) -> list[float]:
    times: list[Any] = cast("list[Any]", value) if isinstance(value, list) else []
    return [
        float(each)
        for each in times
        if isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each) and each >= 0
    ]
