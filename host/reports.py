"""What a progress handler of ours reports about one prompt. Imports no ComfyUI.

Its methods run on the prompt worker's thread, or on one that a node made. ComfyUI calls handlers
unguarded (comfy_execution/progress.py): an exception in one can end the worker for good. So nothing here
raises, waits or takes a lock.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Container
from typing import Any

from .feed import Throttle
from .meters import Meters, Peaks
from .protocol import NodeFinished, NodeProgressed, NodeStarted, Preview, RunEvent

log = logging.getLogger("backplane")

NO_PEAKS = Peaks(None, None)


class Reporter:
    """The methods of a ``ProgressHandler`` for the prompt whose nodes *nodes* knows.

    *nodes* is the executor's ``DynamicPrompt``. If a prompt's id is in *cancelled*, *interrupt* is called
    at every node and every step: ComfyUI forgets an interrupt that comes as a prompt begins.
    """

    def __init__(
        self,
        nodes: Any,
        put: Callable[[RunEvent], None],
        cancelled: Container[str],
        interrupt: Callable[[], None],
        meters: Meters | None = None,
    ) -> None:
        self._nodes = nodes
        self._put = put
        self._cancelled = cancelled
        self._interrupt = interrupt
        self._meters = meters
        self._throttle = Throttle()

    def start_handler(self, node_id: str, _state: Any, prompt_id: str) -> None:
        """A node begins, or begins again after its lazy inputs."""
        try:
            if self._meters is not None:
                self._meters.start(node_id)
            nodes = self._nodes
            self._put(
                NodeStarted(
                    prompt_id,
                    time.time(),
                    node_id,
                    nodes.get_display_node_id(node_id),
                    nodes.get_parent_node_id(node_id),
                    nodes.get_node(node_id).get("class_type"),
                )
            )
            if prompt_id in self._cancelled:
                self._interrupt()
        except Exception:
            log.debug("progress hook", exc_info=True)

    def update_handler(
        self,
        node_id: str | None,
        value: float,
        max_value: float,
        _state: Any,
        prompt_id: str,
        image: Any = None,
    ) -> None:
        """A node reports a step; *image* is ``(format, PIL image, longest side or None)``."""
        try:
            if prompt_id in self._cancelled:
                self._interrupt()
            if node_id is None or not (image is not None or self._throttle.passes(node_id, value, max_value)):
                return
            preview = None if image is None else Preview(image[1], image[0], image[2])
            self._put(
                NodeProgressed(prompt_id, time.time(), node_id, float(value), float(max_value), preview)
            )
        except Exception:
            log.debug("progress hook", exc_info=True)

    def finish_handler(self, node_id: str, _state: Any, prompt_id: str) -> None:
        """A node is done, or its result came from the cache."""
        try:
            display = self._nodes.get_display_node_id(node_id)
            peaks = NO_PEAKS if self._meters is None else self._meters.finish(node_id)
            self._put(
                NodeFinished(prompt_id, time.time(), node_id, display, peaks.vram_bytes, peaks.ram_bytes)
            )
        except Exception:
            log.debug("progress hook", exc_info=True)

    def set_registry(self, registry: Any) -> None:
        """Part of ComfyUI's interface; this handler was made for its registry."""

    def reset(self) -> None:
        """Part of ComfyUI's interface; called when the *next* prompt begins."""
