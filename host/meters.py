"""How much memory nodes take at their peak. Imports no ComfyUI and no torch: what to ask is passed in.

``start`` and ``finish`` run on the prompt worker's thread: they take no lock, wait for nothing and never
raise. A thread samples 20 times a second what has no peak counter, and sleeps while no node runs.

Memory belongs to the process, not to a node. Where nodes overlap (asynchronous ones, or one that expands
into others), each gets the peak of its own time, whatever caused it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger("backplane")

INTERVAL_S = 0.05
_MOST_OPEN = 1000
_FAILURES = 3
"""After so many failures in a row a counter is asked no more."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """The most memory that the process held while a node ran, in bytes; None where it is not known."""

    vram_bytes: int | None = None
    ram_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class VramProbe:
    """How the memory of the device is asked, in bytes."""

    reset_peak: Callable[[], None]
    """Begin to look for a new peak: ``torch.cuda.reset_peak_memory_stats``."""
    peak: Callable[[], int]
    """The peak since then: ``torch.cuda.max_memory_allocated``."""
    extra: Callable[[], int] | None = None
    """What is held now beside torch's allocator: ``comfy_aimdo``'s DynamicVRAM. Its peak is sampled and
    added to torch's, so the sum can be higher than what was ever held at one moment."""


@dataclass(slots=True)
class _Open:
    """What is known of a node that runs."""

    vram: int | None = None
    extra: int = 0
    ram: int | None = None


class _Counter:
    """Asks one number and gives None once it keeps failing."""

    def __init__(self, ask: Callable[[], int] | None) -> None:
        self._ask = ask
        self._failed = 0

    def read(self) -> int | None:
        if self._ask is None or self._failed >= _FAILURES:
            return None
        try:
            value = int(self._ask())
        except Exception:
            self._failed += 1
            log.debug("memory counter", exc_info=True)
            return None
        self._failed = 0
        return value


class Meters:
    """Keeps the peaks of the nodes that run. *rss* gives the process's memory (``psutil``).

    Whoever ends a prompt calls :meth:`clear`: a node that fails never finishes.
    """

    def __init__(
        self,
        vram: VramProbe | None = None,
        rss: Callable[[], int] | None = None,
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._reset = _Counter(None if vram is None else lambda: vram.reset_peak() or 0)
        self._peak = _Counter(None if vram is None else vram.peak)
        self._extra = _Counter(None if vram is None else vram.extra)
        self._rss = _Counter(rss)
        self._samples = rss is not None or (vram is not None and vram.extra is not None)
        self._interval_s = interval_s
        self._open: dict[str, _Open] = {}
        self._fresh = False
        self._busy = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, node_id: str) -> None:
        """A node begins, or goes on after its lazy inputs (its peak so far then counts)."""
        try:
            if len(self._open) >= _MOST_OPEN:
                self._open.clear()  # nobody calls clear(): keep nothing rather than everything
            self._fold_vram()
            self._fresh = self._reset.read() is not None
            self._open.setdefault(node_id, _Open())
            self._sample()
            if self._samples:
                self._busy.set()
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="backplane-meters", daemon=True)
                    self._thread.start()
        except Exception:
            log.debug("meters", exc_info=True)

    def finish(self, node_id: str) -> Peaks:
        """A node is done; nothing is known of one that never began (it came from the cache)."""
        try:
            if node_id not in self._open:
                return Peaks()
            self._fold_vram()
            self._sample()
            found = self._open.pop(node_id)
            if not self._open:
                self._busy.clear()
            vram = None if found.vram is None else found.vram + found.extra
            return Peaks(vram, found.ram)
        except Exception:
            log.debug("meters", exc_info=True)
            return Peaks()

    def clear(self) -> None:
        """A prompt is over: forget the nodes that did not finish."""
        self._open.clear()
        self._busy.clear()

    def stop(self) -> None:
        """End the sampling thread; for tests and hosts that end before their process does."""
        self.clear()
        self._stopped.set()
        self._busy.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _fold_vram(self) -> None:
        """Give torch's peak since the last reset to every node that ran meanwhile."""
        if not self._open or not self._fresh:
            return  # without a reset it would be the peak of another time
        peak = self._peak.read()
        if peak is not None:
            for found in tuple(self._open.values()):
                found.vram = max(found.vram or 0, peak)

    def _sample(self) -> None:
        ram, extra = self._rss.read(), self._extra.read()
        for found in tuple(self._open.values()):
            if ram is not None:
                found.ram = max(found.ram or 0, ram)
            if extra is not None:
                found.extra = max(found.extra, extra)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._busy.wait()
            # The worker may change the dict meanwhile, which only costs this sample.
            try:
                self._sample()
            except Exception:
                log.debug("meters", exc_info=True)
            self._stopped.wait(self._interval_s)
