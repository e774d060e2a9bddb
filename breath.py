"""How threads leave the interpreter to the event loop, which they share with ComfyUI's."""

from __future__ import annotations

import gc
import time
from collections.abc import Generator
from contextlib import contextmanager

_WORK_S, _REST_S = 0.001, 0.0002


class Breath:
    """Makes a busy thread give the interpreter away in time.

    Left alone, CPython lets others in every 5 ms only. A sleep of nothing does not do: the same thread may
    take the interpreter back before another has woken.
    """

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def take(self) -> None:
        """Rest, if enough has been done since the last rest."""
        if time.perf_counter() - self._since > _WORK_S:
            time.sleep(_REST_S)
            self._since = time.perf_counter()


@contextmanager
def full_collections_put_off() -> Generator[None]:
    """Keep Python from walking all objects of the process meanwhile.

    Such a walk takes half a second in a ComfyUI (700,000 objects), nothing else runs during it, and a start
    leaves it about to happen. Young objects are collected as ever; the walk comes when ComfyUI next needs it.
    """
    before = gc.get_threshold()
    meanwhile = (*before[:2], 1_000_000)
    gc.set_threshold(*meanwhile)
    try:
        yield
    finally:
        if gc.get_threshold() == meanwhile:  # else somebody has set it for himself
            gc.set_threshold(*before)
