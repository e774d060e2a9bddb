"""What Backplane adds to ComfyUI's start: the time of its import, by the interpreter's own clock.

    COMFYUI_PATH=… [COMFYUI_PYTHON=…] python bench/startup.py [--runs 5]

Each run starts that ComfyUI with ``-X importtime`` and ``--quick-test-for-ci``, which ends it once the custom
nodes are loaded. The clock itself slows imports down, so the figures are upper bounds.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from _table import ROOT, milliseconds, show

ENTRY = re.compile(r"import time:\s*\d+ \|\s*(\d+) \| {1,3}\S*custom_nodes\S*backplane\.host\.comfyui$")


def start(path: Path, python: str) -> tuple[float, float, bool]:
    """Give (seconds of Backplane's import, seconds of the whole start, did it import torch)."""
    with tempfile.TemporaryDirectory() as folder:
        packs = Path(folder, "custom_nodes")
        packs.mkdir()
        (packs / "backplane").symlink_to(ROOT, target_is_directory=True)
        options = ["--cpu", "--base-directory", folder, "--database-url", "sqlite:///:memory:"]
        command = [python, "-X", "importtime", "main.py", *options, "--quick-test-for-ci"]
        begun = perf_counter()
        done = subprocess.run(command, cwd=path, capture_output=True, text=True, check=True)
        whole = perf_counter() - begun
    lines = done.stderr.splitlines()
    ours = [(number, found) for number, line in enumerate(lines) if (found := ENTRY.search(line))]
    if not ours:
        raise SystemExit("Backplane was not imported:\n" + done.stderr[-3000:])
    number, found = ours[0]
    torch = any(re.search(r"\| +torch$", line) for line in lines[number:])
    return int(found.group(1)) / 1e6, whole, torch


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    if "COMFYUI_PATH" not in os.environ:
        raise SystemExit("Set COMFYUI_PATH (and COMFYUI_PYTHON): this measures a real ComfyUI.")
    path = Path(os.environ["COMFYUI_PATH"])
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    runs = [start(path, python) for _ in range(options.runs)]
    imports, starts = [run[0] for run in runs], [run[1] for run in runs]
    show(
        f"ComfyUI's start in {path.name}, median of {options.runs}",
        ["", "median", "least … most", "share"],
        [
            ["the whole start", milliseconds(statistics.median(starts)), spread(starts), "1"],
            [
                "importing Backplane",
                milliseconds(statistics.median(imports)),
                spread(imports),
                f"{statistics.median(imports) / statistics.median(starts):.4f}",
            ],
        ],
    )


def spread(values: list[float]) -> str:
    """Give the least and the most."""
    return f"{milliseconds(min(values))} … {milliseconds(max(values))}"


if __name__ == "__main__":
    main()
