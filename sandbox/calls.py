"""Calling a node's function: over lists, with the context that progress needs, and reading what it returns.

Inside the executor every value is a list: most have one item, an output declared OUTPUT_IS_LIST has many.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..errors import JSON
from ..graph import is_link
from .expansion import ExecutionBlocker
from .plain import plain
from .progress import NodeCall, check_interrupt, current_call
from .prompt_queue import Item
from .reporter import Reporter
from .schema import Schema


@dataclass(frozen=True, slots=True)
class Result:
    """What a node gave: one list per output, and what it shows to the user."""

    outputs: list[list[Any]]
    ui: JSON | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """What one call of a node's function returned; *outputs* may link into *graph*."""

    outputs: tuple[Any, ...] | None
    graph: Mapping[str, JSON] | None = None


class Escaped(Exception):
    """A coroutine raised what would end an event loop: *cause* is a SystemExit or KeyboardInterrupt."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Calls:
    """Makes the calls of one run."""

    def __init__(self, item: Item, reporter: Reporter) -> None:
        self._item = item
        self._reporter = reporter

    async def run(
        self, node_id: str, node: Any, function: str, values: Mapping[str, list[Any]], schema: Schema
    ) -> list[Any]:
        """Call *function* of the instance *node*, once per item of the longest list of *values*.

        Shorter lists repeat their last item; a node with INPUT_IS_LIST gets the lists themselves. Raises
        whatever the function raises.
        """
        whole = getattr(node, "INPUT_IS_LIST", False) is True
        results: list[Any] = []
        tasks: dict[int, asyncio.Task[Any]] = {}
        for index, arguments in enumerate([dict(values)] if whole else _slices(values)):
            blocker = _blocker(arguments, whole)
            if blocker is not None:
                results.append(self._block(node_id, blocker))
                continue
            call = NodeCall(
                self._item.prompt.prompt_id,
                node_id,
                index,
                self._item.interrupt,
                self._reporter.progressed,
            )
            token = current_call.set(call)
            try:
                check_interrupt()
                method = getattr(node, function)
                if inspect.iscoroutinefunction(method):
                    tasks[index] = asyncio.create_task(_guarded(method, schema.nest(arguments)))
                    results.append(None)
                else:
                    results.append(method(**schema.nest(arguments)))
            finally:
                current_call.reset(token)
        for index, result in zip(tasks, await asyncio.gather(*tasks.values()), strict=True):
            results[index] = result
        return results

    def _block(self, node_id: str, blocker: ExecutionBlocker) -> ExecutionBlocker:
        """Pass a block on; its message is told once."""
        if blocker.message is not None:
            self._reporter.blocked(node_id, blocker.message)
            return ExecutionBlocker()
        return blocker


async def _guarded(method: Callable[..., Any], arguments: JSON) -> Any:
    try:
        return await method(**arguments)
    except (KeyboardInterrupt, SystemExit) as cause:
        raise Escaped(cause) from cause


def _slices(values: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    if not values:
        yield {}
        return
    if any(not items for items in values.values()):
        return  # nothing to run for
    for index in range(max(map(len, values.values()))):
        yield {name: items[min(index, len(items) - 1)] for name, items in values.items()}


def _blocker(arguments: Mapping[str, Any], whole: bool) -> ExecutionBlocker | None:
    for value in arguments.values():
        for item in value if whole else (value,):
            if isinstance(item, ExecutionBlocker):
                return item
    return None


def absorb(node_class: type[Any], returns: list[Any]) -> tuple[list[Returned], JSON | None]:
    """Read what the calls of a node returned: their outputs or graphs, and the ui of all together.

    Raises TypeError for what no node may return.
    """
    count = len(node_class.RETURN_TYPES)
    returned: list[Returned] = []
    uis: list[Mapping[str, Any]] = []
    for value in returns:
        outputs: Any = value
        graph: Any = None
        if isinstance(value, Mapping):
            answer = cast("Mapping[str, Any]", value)
            outputs, graph = answer.get("result"), answer.get("expand")
            if answer.get("ui") is not None:
                uis.append(answer["ui"])
        if isinstance(outputs, ExecutionBlocker):
            outputs = (outputs,) * count
        if outputs is not None and not isinstance(outputs, list | tuple):
            raise TypeError(f"A node must return a tuple of its outputs, not {type(outputs).__name__}.")
        items = None if outputs is None else tuple(cast("list[Any]", outputs))
        returned.append(Returned(items, graph))
    if not uis:
        return returned, None
    return returned, {name: [item for ui in uis for item in plain(ui.get(name, []))] for name in uis[0]}


def merge(node_class: type[Any], returned: list[Returned], results: Mapping[str, Result]) -> list[list[Any]]:
    """Put the outputs of all calls together, one list per output.

    Links into an expanded graph become what the nodes there gave (*results*).
    """
    lists = cast("Sequence[bool]", getattr(node_class, "OUTPUT_IS_LIST", ()))
    count = max((len(call.outputs or ()) for call in returned), default=len(node_class.RETURN_TYPES))
    merged: list[list[Any]] = [[] for _ in range(count)]
    for call in returned:
        if call.outputs is None:
            continue
        for slot, value in enumerate(call.outputs):
            if call.graph is not None and is_link(value):
                merged[slot].extend(results[value[0]].outputs[int(value[1])])
            elif slot < len(lists) and lists[slot] and not isinstance(value, ExecutionBlocker):
                merged[slot].extend(value)
            else:
                merged[slot].append(value)
    return merged
