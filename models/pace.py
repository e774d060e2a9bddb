"""How threads of the library leave the interpreter to the event loop."""

from __future__ import annotations

import gc
import time
from collections.abc import Generator
from contextlib import contextmanager

_WORK_S, _REST_S = 0.001, 0.0002


class Breath:
    """Makes a busy thread give the interpreter away every millisecond.

    Left alone, CPython lets others in every 5 ms only.
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
    """Keep Python from walking all objects of the process meanwhile, as ``catalog.py`` does.

    That takes half a second in a ComfyUI, and is likely while ten thousand files are first described.
    """
    before = gc.get_threshold()
    meanwhile = (*before[:2], 1_000_000)
    gc.set_threshold(*meanwhile)
    try:
        yield
    finally:
        if gc.get_threshold() == meanwhile:  # else somebody has set it for himself
            gc.set_threshold(*before)
