"""What every benchmark needs: the package by its name, timings, and a table."""

from __future__ import annotations

import importlib.util
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]


def load_package() -> None:
    """Make the repository root importable as ``backplane``, whatever its folder is called."""
    spec = importlib.util.spec_from_file_location(
        "backplane", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    if spec is None or spec.loader is None:
        raise SystemExit(f"{ROOT} is not a package")
    package = importlib.util.module_from_spec(spec)
    sys.modules["backplane"] = package
    spec.loader.exec_module(package)


def median_s(work: Callable[[], object], *, times: int, warm: int = 3) -> float:
    """Give the median seconds of *work* over so many *times*, after some unmeasured ones."""
    for _ in range(warm):
        work()
    taken: list[float] = []
    for _ in range(times):
        begun = perf_counter()
        work()
        taken.append(perf_counter() - begun)
    return statistics.median(taken)


def milliseconds(seconds: float) -> str:
    """Give seconds as milliseconds to three digits."""
    return f"{seconds * 1000:.3g} ms"


def show(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table."""
    lines = [list(head), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    print(f"\n### {title}\n")
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("| " + " | ".join(cells) + " |")
