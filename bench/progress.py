"""What watching costs: a chain of 500 nodes on a real ComfyUI, with and without Backplane.

    COMFYUI_PATH=… [COMFYUI_PYTHON=…] python bench/progress.py [--nodes 500] [--runs 10]

Two servers run side by side and take turns, so that both see the same noise; the time of a run is that of
the executor's own timestamps. Bytes are what a client receives that follows one run: over ComfyUI's
websocket, and by polling ``/ext/tasks/{id}`` with ETag twice a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import uuid
from pathlib import Path
from typing import Any

import aiohttp
from _comfyui import comfyui
from _table import ROOT, show

PACK = ROOT / "tests" / "data" / "contract_pack"


def chain(nodes: int) -> dict[str, Any]:
    """Give a chain of *nodes* cheap nodes that no cache knows."""
    graph: dict[str, Any] = {
        "0": {"class_type": "ContractInt", "inputs": {"value": 1, "salt": uuid.uuid4().hex}}
    }
    for number in range(1, nodes - 1):
        inputs = {"a": [str(number - 1), 0], "b": 1}
        graph[str(number)] = {"class_type": "ContractAdd", "inputs": inputs}
    graph[str(nodes - 1)] = {"class_type": "ContractShow", "inputs": {"value": [str(nodes - 2), 0]}}
    return graph


async def run(session: aiohttp.ClientSession, nodes: int, client_id: str | None) -> float:
    """Run a chain through ``POST /prompt``; give the executor's own seconds for it."""
    body: dict[str, Any] = {"prompt": chain(nodes)} | ({"client_id": client_id} if client_id else {})
    async with session.post("/prompt", json=body) as reply:
        prompt_id = (await reply.json())["prompt_id"]
    while True:
        async with session.get(f"/history/{prompt_id}") as reply:
            entry = (await reply.json()).get(prompt_id)
        if entry:
            break
        await asyncio.sleep(0.2)
    messages = dict(entry["status"]["messages"])
    started, ended = messages["execution_start"], messages["execution_success"]
    return (ended["timestamp"] - started["timestamp"]) / 1000


async def websocket_bytes(session: aiohttp.ClientSession, nodes: int) -> int:
    """Count what ComfyUI's websocket sends to the client of one run."""
    client_id = uuid.uuid4().hex
    total = 0
    async with session.ws_connect(f"/ws?clientId={client_id}", max_msg_size=0) as socket:

        async def count() -> None:
            nonlocal total
            async for message in socket:
                total += len(message.data)
                if message.type == aiohttp.WSMsgType.TEXT:
                    event = json.loads(message.data)
                    if event["type"] == "executing" and event["data"]["node"] is None:
                        return

        counting = asyncio.create_task(count())
        await run(session, nodes, client_id)
        await asyncio.wait_for(counting, 120)
    return total


async def polled_bytes(session: aiohttp.ClientSession, nodes: int) -> int:
    """Count the bodies that a client gets which polls the task of one run, as sent (compressed)."""
    total = 0

    async with session.post("/ext/tasks", json={"workflow": chain(nodes)}) as reply:
        task = await reply.json()
    etag = ""
    while task["status"] not in {"succeeded", "failed", "cancelled"}:
        headers = {"If-None-Match": etag, "Accept-Encoding": "gzip"}
        async with session.get(f"/ext/tasks/{task['id']}", headers=headers) as reply:
            if reply.status == 200:
                etag = reply.headers["ETag"]
                total += int(reply.headers["Content-Length"])
                task = await reply.json()
        await asyncio.sleep(0.5)
    assert task["status"] == "succeeded", task["error"]
    return total


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args()
    if "COMFYUI_PATH" not in os.environ:
        raise SystemExit("Set COMFYUI_PATH (and COMFYUI_PYTHON): this measures a real ComfyUI.")
    path, packs = Path(os.environ["COMFYUI_PATH"]), {"contract_pack": PACK}
    with (
        comfyui(path, packs=packs) as ours,
        comfyui(path, packs=packs, with_backplane=False) as plain,
    ):
        async with (
            aiohttp.ClientSession(f"http://127.0.0.1:{ours}") as with_it,
            aiohttp.ClientSession(f"http://127.0.0.1:{plain}") as without,
        ):
            times: dict[str, list[float]] = {"with": [], "without": []}
            for turn in range(options.runs + 1):
                pair = [("with", with_it), ("without", without)]
                for name, session in pair if turn % 2 else reversed(pair):
                    seconds = await run(session, options.nodes, "bench")
                    if turn:  # the first one warms up
                        times[name].append(seconds)
            socket = await websocket_bytes(without, options.nodes)
            polled = await polled_bytes(with_it, options.nodes)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratios = [a / b for a, b in zip(times["with"], times["without"], strict=True)]
    show(
        f"A chain of {options.nodes} nodes, median of {options.runs} runs, seconds",
        ["", "seconds", "min … max", "ratio, median of pairs"],
        [
            ["ComfyUI alone", f"{medians['without']:.3f}", spread(times["without"]), "1"],
            [
                "with Backplane",
                f"{medians['with']:.3f}",
                spread(times["with"]),
                f"{statistics.median(ratios):.3f}",
            ],
        ],
    )
    show(
        "Bytes that a client gets which follows that run",
        ["", "bytes", "ratio"],
        [
            ["ComfyUI's websocket", f"{socket:,}", "1"],
            ["polling /ext/tasks/{id} twice a second", f"{polled:,}", f"1/{socket / polled:.0f}"],
        ],
    )


def spread(values: list[float]) -> str:
    """Give the least and the most."""
    return f"{min(values):.3f} … {max(values):.3f}"


if __name__ == "__main__":
    asyncio.run(main())
