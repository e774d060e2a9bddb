"""What the measurements of /ext/tasks share: workflows, repeated requests, percentiles."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import uuid
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any

from _sandbox import Wire
from _table import ROOT, milliseconds

MEGABYTE = 2**20
TERMINAL = frozenset({"succeeded", "failed", "cancelled", "canceled", "expired"})
"""Of Backplane and of comfy-api-proxy."""


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """Give one node of a workflow."""
    return {"class_type": class_type, "inputs": inputs}


def quick() -> dict[str, Any]:
    """Give the smallest workflow that no cache knows."""
    salt = uuid.uuid4().hex
    return {"1": node("ContractInt", value=1, salt=salt), "2": node("ContractShow", value=["1", 0])}


def picture() -> dict[str, Any]:
    """Give a tiny workflow that saves a file."""
    return {
        "1": node("EmptyImage", width=16, height=16, batch_size=1, color=0x336699),
        "2": node("SaveImage", images=["1", 0], filename_prefix=f"bench_{uuid.uuid4().hex}"),
    }


TEXT_TO_IMAGE = json.loads((ROOT / "docs" / "requests" / "text_to_image.json").read_text())["workflow"]


def text_to_image() -> dict[str, Any]:
    """Give ComfyUI's default workflow with another seed."""
    made: dict[str, Any] = json.loads(json.dumps(TEXT_TO_IMAGE))
    for one in made.values():
        if "seed" in one["inputs"]:
            one["inputs"]["seed"] = random.getrandbits(48)
    return made


def p(taken: Sequence[float], percent: int) -> str:
    """Give a percentile of seconds, as text."""
    if len(taken) < 2:
        return milliseconds(taken[0]) if taken else "-"
    return milliseconds(statistics.quantiles(taken, n=100)[percent - 1])


def pair(taken: Sequence[float]) -> list[str]:
    """Give the cells p50 and p99."""
    return [p(taken, 50), p(taken, 99)]


Work = Callable[[Wire], Awaitable[object]]


async def timed(port: int, work: Work, *, seconds: float, clients: int = 1) -> tuple[list[float], float]:
    """Let so many clients repeat *work* for so long; give the seconds of each call and of all."""
    taken: list[float] = []
    start = perf_counter()

    async def client() -> None:
        async with Wire(port) as wire:
            await work(wire)  # connects and warms up
            while (begun := perf_counter()) - start < seconds:
                await work(wire)
                taken.append(perf_counter() - begun)

    await asyncio.gather(*(client() for _ in range(clients)))
    return taken, perf_counter() - start
