"""The thread that runs prompts, one after the other."""

from __future__ import annotations

import asyncio
import copy
import logging
import threading
from collections.abc import Callable

import psutil

from ..host.meters import Meters
from ..host.protocol import RunError, RunEvent
from .executor import Run
from .failures import text_of, type_name
from .prompt_queue import Item, Outcome, PromptQueue
from .registry import Registry
from .reporter import Reporter
from .result_cache import ResultCache
from .run_graph import RunGraph
from .ws import Audience

log = logging.getLogger("backplane")

STOP_S = 5.0
"""Seconds that a node gets to end when the server stops; the thread is a daemon, so it cannot hold it up."""


class Worker:
    """Takes prompts from *queue* and runs them. Nothing that a node does ends the thread."""

    def __init__(
        self, queue: PromptQueue, registry: Registry, post: Callable[[RunEvent], None], audience: Audience
    ) -> None:
        self._queue = queue
        self._registry = registry
        self._post = post
        self._audience = audience
        self._cache = ResultCache()
        process = psutil.Process()
        self._meters = Meters(None, lambda: process.memory_info().rss)
        self._forget = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sandbox prompt worker", daemon=True)

    def start(self) -> None:
        """Begin to take prompts."""
        self._thread.start()

    def stop(self) -> None:
        """Interrupt what runs and end the thread. Blocks for up to STOP_S seconds."""
        self._queue.close()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def alive(self) -> bool:
        """Say whether prompts are taken."""
        return self._thread.is_alive()

    def free(self) -> None:
        """Drop kept results, before the next prompt at the latest."""
        self._forget.set()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._forget.is_set():
                self._forget.clear()
                self._cache.clear()
            try:
                outcome = self._run(item)
            except BaseException as cause:
                log.exception("The sandbox could not run prompt %s", item.prompt.prompt_id)
                outcome = Outcome("failed", error=RunError(text_of(cause), exception_type=type_name(cause)))
            self._meters.clear()
            self._queue.finish(item, outcome)
            self._audience.at(item.prompt.client_id, None)
            if item.prompt.client_id is not None:
                self._audience.tell(
                    item.prompt.client_id,
                    "executing",
                    {"node": None, "prompt_id": item.prompt.prompt_id},
                )

    def _run(self, item: Item) -> Outcome:
        # A copy: nodes may change what they are shown, and the history keeps what was submitted.
        graph = RunGraph(copy.deepcopy(dict(item.prompt.graph)))
        reporter = Reporter(item.prompt, graph, self._post, self._audience, self._meters)
        run = Run(item, graph, self._registry, self._cache, reporter)
        try:
            return asyncio.run(run.go())
        finally:
            reporter.close()
