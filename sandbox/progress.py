"""What a node can say and ask while it runs: progress, previews, and whether it should stop.

The executor sets :data:`current_call` around every call of a node's function; everything here works
through it. Called where no node runs, progress goes nowhere and nothing is ever interrupted.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ..host.protocol import Preview


class InterruptProcessing(BaseException):
    """Someone asked for the running prompt to stop. Not an Exception: nodes must not swallow it."""


@dataclass(frozen=True, slots=True)
class NodeCall:
    """One call of a node's function."""

    prompt_id: str
    node_id: str
    index: int
    """Position in the list that the node is mapped over; 0 if it is not."""
    interrupt: threading.Event
    """Set when the prompt should stop."""
    progressed: Callable[[str, float, float, Preview | None], None]
    """Takes node id, value, max, preview. Thread-safe, never blocks."""
    graphs: Iterator[int] = field(default_factory=itertools.count)
    """Numbers the graphs that this call expands into."""


current_call: ContextVar[NodeCall | None] = ContextVar("backplane_sandbox_call", default=None)


def interrupted() -> bool:
    """Say whether the running prompt should stop."""
    call = current_call.get()
    return call is not None and call.interrupt.is_set()


def check_interrupt() -> None:
    """Raise :class:`InterruptProcessing` if the running prompt should stop."""
    if interrupted():
        raise InterruptProcessing


def pause(seconds: float) -> None:
    """Wait, but not a moment longer than until someone interrupts. Raises InterruptProcessing."""
    call = current_call.get()
    stop = call.interrupt if call is not None else threading.Event()
    if stop.wait(max(0.0, seconds)):
        raise InterruptProcessing


class ProgressBar:
    """Reports steps done of *total*, for the node that runs or for *node_id*.

    May be made in the node's function and used from threads of its own.
    """

    def __init__(self, total: float, node_id: str | None = None) -> None:
        self.total = total
        self.current: float = 0
        self._call = current_call.get()
        self._node_id = node_id

    def update(self, value: float) -> None:
        """Add *value* steps to those done."""
        self.update_absolute(self.current + value)

    def update_absolute(
        self, value: float, total: float | None = None, preview: tuple[str, Any, int | None] | None = None
    ) -> None:
        """Set the steps done; *preview* is ``("JPEG"|"PNG", PIL image, longest side or None)``."""
        if total is not None:
            self.total = total
        self.current = min(value, self.total)
        if self._call is None:
            return
        frame = None if preview is None else Preview(preview[1], preview[0], preview[2])
        self._call.progressed(
            self._node_id or self._call.node_id, _number(self.current), _number(self.total), frame
        )


def _number(value: Any) -> float:
    # A pack may count in anything that looks like a number; what goes out must be one.
    try:
        return value if type(value) is int else float(value) if math.isfinite(value) else 0.0
    except (TypeError, ValueError):
        return 0.0
