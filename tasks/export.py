"""Finished prompts as lines of JSON, for datasets: what was asked, what came of it, how it was rated.

Tasks are read a page at a time and described in a thread; nothing holds more than a page, but for pairs,
which hold the rated outputs.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..breath import Breath
from ..errors import JSON
from ..graph import inputs_of, is_link
from ..nodespec import NodeSpec
from ..wire import dumps, rfc3339
from .engine import Query, StoredTask
from .params import held
from .ports import NodeClasses
from .reading import Reading
from .tracing import SEEDS
from .views import about_template, addressed

log = logging.getLogger("backplane")

PAGE = 100
"""Tasks that are described at once: some 50 ms of a thread."""

MOST_LINES = 500
"""Pairs in one piece of the answer."""


class Export:
    """Reads *tasks* for export; *classes* say where a workflow's prompt is."""

    def __init__(self, tasks: Reading, classes: NodeClasses) -> None:
        self._tasks = tasks
        self._classes = classes

    async def lines(self, query: Query) -> AsyncGenerator[bytes, None]:
        """Give a line of JSON for each task, some in each piece; the newest first."""
        async for tasks, specs in self._pages(query):
            yield await asyncio.to_thread(_encoded, (described(task, specs) for task in tasks))

    async def pairs(self, query: Query) -> AsyncGenerator[bytes, None]:
        """Give a line for each pair of a chosen and a rejected output of the same workflow, seeds apart."""
        groups: dict[str, _Group] = {}
        for rating in ("chosen", "rejected"):
            async for tasks, specs in self._pages(replace(query, rating=rating)):
                await asyncio.to_thread(_sort_in, groups, tasks, specs, rating)
        pairs = (pair for group in groups.values() for pair in group.pairs())
        while piece := await asyncio.to_thread(lambda: _encoded(itertools.islice(pairs, MOST_LINES))):
            yield piece

    async def _pages(self, query: Query) -> AsyncIterator[tuple[list[StoredTask], Mapping[str, NodeSpec]]]:
        engine = await self._tasks.engine()
        specs = await self._classes.specs(fresh=False)
        before: int | None = None
        while True:
            listed, before = await engine.list(replace(query, limit=PAGE, before=before))
            whole = [await engine.get(task.id, graph=True) for task in listed]
            yield [task for task in whole if task is not None], specs
            if before is None:
                return


def described(task: StoredTask, specs: Mapping[str, NodeSpec]) -> JSON:
    """Give a finished prompt, with its graph, as a line of the export has it."""
    graph = task.graph or {}
    return {
        "id": task.id,
        "status": task.status,
        "created_at": rfc3339(task.created_at),
        "finished_at": rfc3339(task.finished_at),
        "template": about_template(task.request.get("template")),
        "inputs": dict(task.request.get("inputs") or {}),
        "changes": list(task.request.get("changes") or ()),
        "prompt": _text(graph, specs, "prompt"),
        "negative_prompt": _text(graph, specs, "negative_prompt"),
        "seeds": seeds_of(graph, specs),
        "workflow_sha256": digest(graph) if graph else None,
        "outputs": _outputs(task),
        "metadata": dict(task.metadata),
    }


def seeds_of(graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec]) -> dict[str, Any]:
    """Give every seed of a workflow by its place, ``"3.seed"``, also those that others only hold."""
    places = {
        (node_id, name): value
        for node_id, node in graph.items()
        for name, value in inputs_of(node).items()
        if name in SEEDS and not is_link(value)
    }
    places |= dict(_held(graph, specs, "seed"))
    return {f"{node_id}.{name}": value for (node_id, name), value in places.items()}


def digest(graph: Mapping[str, JSON], without: Iterable[str] = ()) -> str:
    """Give the SHA-256 of a workflow, whatever its order and titles; *without* these places' values."""
    left = set(without)
    plain = {
        node_id: {
            "class_type": node.get("class_type"),
            "inputs": {
                name: None if f"{node_id}.{name}" in left else value
                for name, value in inputs_of(node).items()
            },
        }
        for node_id, node in graph.items()
    }
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(slots=True)
class _Group:
    """Rated outputs of runs of one workflow that differ in nothing but seeds."""

    about: JSON
    rated: dict[str, list[JSON]] = field(default_factory=lambda: {"chosen": [], "rejected": []})

    def pairs(self) -> Iterator[JSON]:
        for chosen, rejected in itertools.product(self.rated["chosen"], self.rated["rejected"]):
            yield {**self.about, "chosen": chosen, "rejected": rejected}


def _sort_in(
    groups: dict[str, _Group], tasks: Iterable[StoredTask], specs: Mapping[str, NodeSpec], rating: str
) -> None:
    breath = Breath()
    for task in tasks:
        breath.take()
        if task.graph is None:
            continue
        line = described(task, specs)
        key = digest(task.graph, line["seeds"])
        about = {name: line[name] for name in ("template", "prompt", "negative_prompt")}
        group = groups.setdefault(key, _Group({"workflow_sha256": key, **about}))
        group.rated[rating] += [
            {"task_id": task.id, "seeds": line["seeds"], "inputs": line["inputs"], **output}
            for output in line["outputs"]
            if output["rating"] == rating and not output["deleted"]
        ]


def _outputs(task: StoredTask) -> list[JSON]:
    names = ("node_id", "output", "kind", "media_type", "url", "sha256", "size", "width", "height")
    noted = ("favourite", "rating", "deleted")
    return [
        {
            "n": place,
            **{name: output.get(name) for name in (*names, *noted)},
            **({"value": output["value"]} if "value" in output else {}),
        }
        for place, output in enumerate(addressed(task, task.result.get("outputs", ())))
    ]


def _text(graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec], key: str) -> str | None:
    """Give a text of the workflow, several one below the other; None where there is none to be found."""
    found = dict.fromkeys(value for _, value in _held(graph, specs, key) if isinstance(value, str))
    return "\n".join(found) if found else None


def _held(
    graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec], key: str
) -> list[tuple[tuple[str, str], Any]]:
    try:
        return held(graph, specs, key)
    except Exception:  # a prompt of another client can be anything: it costs only this value
        log.debug("%s of a workflow cannot be told", key, exc_info=True)
        return []


def _encoded(lines: Iterable[JSON]) -> bytes:
    breath, encoded = Breath(), bytearray()
    for line in lines:
        breath.take()
        encoded += dumps(line).encode("utf-8", "replace") + b"\n"
    return bytes(encoded)
