"""Runs one prompt: from its output nodes backwards, only what they need, each node at most once.

Results are kept between runs under a signature of the node and everything before it (see run_graph.py).
Lazy inputs are computed when a node asks for them, expanded nodes run in the place of the node that
expanded, coroutines of several nodes overlap, and a list given to a node that takes one thing runs the
node once per item. For the worker's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..errors import JSON
from ..graph import is_link
from .calls import Calls, Result, Returned, absorb, merge
from .failures import Stopped, describe
from .progress import InterruptProcessing
from .prompt_queue import Item, Outcome
from .registry import Registry
from .reporter import Reporter
from .result_cache import ResultCache
from .run_graph import RunGraph
from .run_nodes import RunNodes

LOOK_S = 0.05
"""Seconds between two looks for an interrupt while only coroutines run."""


class CycleError(Exception):
    """The nodes left to run wait for each other."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A node whose coroutine runs."""

    task: asyncio.Task[list[Any]]
    values: Mapping[str, list[Any]]


@dataclass(frozen=True, slots=True)
class _Expanded:
    """A node that waits for those it expanded into."""

    returned: list[Returned]
    ui: JSON | None


class Run:
    """One run of one prompt."""

    def __init__(
        self, item: Item, graph: RunGraph, registry: Registry, cache: ResultCache, reporter: Reporter
    ) -> None:
        self._item = item
        self._graph = graph
        self._registry = registry
        self._cache = cache
        self._reporter = reporter
        self._calls = Calls(item, reporter)
        self._results: dict[str, Result] = {}
        self._nodes = RunNodes(item, graph, registry, self._results)
        self._waiting: dict[str, set[str]] = {}
        self._users: dict[str, set[str]] = {}
        self._ready: list[str] = []
        self._tasks: dict[str, _Task] = {}
        self._expanded: dict[str, _Expanded] = {}
        self._outputs: dict[str, JSON] = {}
        self._meta: dict[str, JSON] = {}

    async def go(self) -> Outcome:
        """Run it. What a node raises ends up in the outcome."""
        try:
            self._reporter.run_started()
            await self._nodes.sign(list(self._graph.get_original_prompt()))
            self._reporter.cached([n for n, key in self._nodes.signatures.items() if self._cache.has(key)])
            for target in reversed(self._item.prompt.targets):
                self._want_output(target)
            await self._work()
        except Stopped as stop:
            return self._stopped(stop)
        finally:
            for running in self._tasks.values():
                running.task.cancel()
        self._reporter.succeeded()
        return Outcome("succeeded", self._reporter.messages, self._outputs, self._meta)

    def _stopped(self, stop: Stopped) -> Outcome:
        failure = describe(stop, self._graph, executed=list(self._results), outputs=list(self._outputs))
        if isinstance(stop.cause, InterruptProcessing):
            self._reporter.interrupted(failure.short)
            return Outcome("interrupted", self._reporter.messages, self._outputs, self._meta)
        self._reporter.failed(failure.full)
        return Outcome("failed", self._reporter.messages, self._outputs, self._meta, failure.error)

    # What has to run

    def _want_output(self, node_id: str) -> None:
        """Have an output node run, or show again what it showed."""
        hit = self._cache.get(self._nodes.signatures.get(node_id))
        if hit is not None:
            self._take_cached(node_id, hit)
        else:
            self._want(node_id)

    def _want(self, node_id: str) -> None:
        """Have a node run, after everything that it needs."""
        ready: list[str] = []
        stack = [node_id]
        while stack:
            current = stack.pop()
            if current in self._waiting or current in self._results:
                continue
            sources = self._strong_sources(current)
            needs = [source for source in sources if not self._available(source)]
            self._wait_for(current, needs)
            stack.extend(needs)
            if not needs:
                ready.append(current)
        self._ready.extend(reversed(ready))

    def _wait_for(self, node_id: str, needs: list[str]) -> None:
        self._waiting[node_id] = set(needs)
        for source in needs:
            self._users.setdefault(source, set()).add(node_id)

    def _strong_sources(self, node_id: str) -> list[str]:
        """Ids of the nodes that must run before this one in any case."""
        if not self._graph.has_node(node_id):
            raise Stopped(KeyError(f"There is no node {node_id} to take an input from."), None)
        inputs = self._nodes.inputs(node_id)
        try:
            schema = self._nodes.schema(node_id)
        except Exception as cause:
            raise Stopped(cause, node_id) from cause
        return [
            inputs[name][0]
            for name, spec in schema.inputs.items()
            if is_link(inputs.get(name)) and not spec.lazy and not spec.raw_link
        ]

    def _available(self, node_id: str) -> bool:
        if node_id not in self._results and node_id not in self._waiting:
            hit = self._cache.get(self._nodes.signatures.get(node_id))
            if hit is not None:
                self._results[node_id] = hit
        return node_id in self._results

    # The loop

    async def _work(self) -> None:
        while self._waiting:
            if self._item.interrupt.is_set():
                raise Stopped(InterruptProcessing(), next(iter(self._tasks), None))
            await self._collect()
            node_id = self._next()
            if node_id is not None:
                await self._visit(node_id)
                if self._tasks:
                    await asyncio.sleep(0)
            elif self._tasks:
                tasks = [running.task for running in self._tasks.values()]
                await asyncio.wait(tasks, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            elif self._waiting:
                left = sorted(self._waiting)
                cause = CycleError(f"These nodes wait for each other: {', '.join(left)}")
                raise Stopped(cause, left[0])

    def _next(self) -> str | None:
        """Coroutines first, so that they overlap with the rest, and outputs, so that they are seen early."""
        for index, node_id in enumerate(self._ready):
            if self._nodes.is_async(node_id) or self._nodes.is_output(node_id):
                return self._ready.pop(index)
        return self._ready.pop() if self._ready else None

    async def _collect(self) -> None:
        """Take what finished coroutines returned."""
        for node_id, running in list(self._tasks.items()):
            if running.task.done():
                del self._tasks[node_id]
                try:
                    returns = running.task.result()
                except BaseException as cause:
                    raise Stopped(cause, node_id, running.values) from cause
                await self._accept(node_id, returns, running.values)

    async def _visit(self, node_id: str) -> None:
        expanded = self._expanded.get(node_id)
        if expanded is not None:
            self._merge(node_id, expanded)
            return
        hit = self._cache.get(self._nodes.signatures.get(node_id))  # an equal node may have run meanwhile
        if hit is not None:
            self._take_cached(node_id, hit)
            return
        self._reporter.node_started(node_id)
        values, missing = self._nodes.gather(node_id)
        try:
            node = self._nodes.instance(node_id)
            asked = await self._ask_lazy(node_id, node, values, missing)
            if asked:
                self._postpone(node_id, asked)
                return
            work = self._calls.run(node_id, node, node.FUNCTION, values, self._nodes.schema(node_id))
            if self._nodes.is_async(node_id):
                self._tasks[node_id] = _Task(asyncio.create_task(work), values)
                return
            returns = await work
        except BaseException as cause:
            raise Stopped(cause, node_id, values) from cause
        await self._accept(node_id, returns, values)

    # Lazy inputs

    async def _ask_lazy(
        self, node_id: str, node: Any, values: dict[str, list[Any]], missing: set[str]
    ) -> list[str]:
        """Ask a node which of the inputs that it can do without it needs; answers their sources."""
        if not missing or not hasattr(node, "check_lazy_status"):
            return []
        answers = await self._calls.run(
            node_id, node, "check_lazy_status", values, self._nodes.schema(node_id)
        )
        asked: dict[str, None] = {}
        for answer in answers:
            if isinstance(answer, list | tuple | set):
                asked.update((name, None) for name in cast("list[Any]", answer) if name in missing)
        return list(dict.fromkeys(self._nodes.inputs(node_id)[name][0] for name in asked))

    def _postpone(self, node_id: str, sources: list[str]) -> None:
        """Visit a node again once *sources* are there."""
        needs = [source for source in sources if not self._available(source)]
        self._wait_for(node_id, needs)
        for source in needs:
            self._want(source)
        if not needs:
            self._ready.append(node_id)

    # Results

    async def _accept(self, node_id: str, returns: list[Any], values: Mapping[str, list[Any]]) -> None:
        try:
            returned, ui = absorb(self._nodes.class_of(node_id), returns)
            if ui is not None:
                self._show(node_id, ui)
            if any(call.graph is not None for call in returned):
                await self._expand(node_id, _Expanded(returned, ui))
            else:
                self._merge(node_id, _Expanded(returned, ui))
        except Stopped:
            raise
        except BaseException as cause:
            raise Stopped(cause, node_id, values) from cause

    async def _expand(self, node_id: str, expanded: _Expanded) -> None:
        """Add the nodes that a node expanded into, and have it wait for those it needs."""
        added: list[str] = []
        needs: dict[str, None] = {}
        for call in expanded.returned:
            for child_id, child in (call.graph or {}).items():
                if self._registry.get(child.get("class_type")) is None:
                    raise ValueError(f"Expanded into an unknown node class: {child.get('class_type')}")
                self._graph.add(child_id, child, node_id)
                added.append(child_id)
            if call.graph is not None:
                needs.update((value[0], None) for value in call.outputs or () if is_link(value))
        await self._nodes.sign(added)
        self._expanded[node_id] = expanded
        for child_id in added:
            if self._nodes.is_output(child_id):
                self._want_output(child_id)
                needs[child_id] = None
        self._postpone(node_id, list(needs))

    def _merge(self, node_id: str, expanded: _Expanded) -> None:
        try:
            outputs = merge(self._nodes.class_of(node_id), expanded.returned, self._results)
        except Exception as cause:
            raise Stopped(cause, node_id) from cause
        result = Result(outputs, expanded.ui)
        self._cache.put(self._nodes.signatures[node_id], result)
        self._done(node_id, result)

    def _take_cached(self, node_id: str, result: Result) -> None:
        if result.ui is not None:
            self._show(node_id, result.ui)
        self._done(node_id, result)

    def _done(self, node_id: str, result: Result) -> None:
        self._results[node_id] = result
        self._waiting.pop(node_id, None)
        self._reporter.node_finished(node_id)
        for user in sorted(self._users.pop(node_id, ()), reverse=True):  # the last one goes first
            left = self._waiting[user]
            left.discard(node_id)
            if not left:
                self._ready.append(user)

    def _show(self, node_id: str, ui: JSON) -> None:
        self._outputs[node_id] = ui
        self._meta[node_id] = {
            "node_id": node_id,
            "display_node": self._graph.get_display_node_id(node_id),
            "parent_node": self._graph.get_parent_node_id(node_id),
            "real_node_id": self._graph.get_real_node_id(node_id),
        }
        self._reporter.output(node_id, ui)
