"""Asks ComfyUI's own ``validate_prompt``, in ComfyUI's interpreter and folder; bench/validate.py runs it.

``python _validate_peer.py question.json answer.json --cpu --base-directory …`` with
``{"graphs": […], "times": n, "own_checks": path of host/own_checks.py, "definitions": true}``. The answer
has, for each graph, whether it is valid, the outputs that would run, the errors by node and the median
seconds; and the definitions of the node classes as ``/object_info`` gives them, with their own checks.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import importlib.util
import json
import logging
import statistics
import sys
from pathlib import Path
from time import perf_counter
from typing import Any


def definition(nodes: Any, own: Any, name: str) -> dict[str, Any]:
    """Give a class as ``/object_info`` does."""
    node_class = nodes.NODE_CLASS_MAPPINGS[name]
    if hasattr(node_class, "GET_NODE_INFO_V1"):
        return {**node_class.GET_NODE_INFO_V1(), "own_checks": sorted(own.v3_own_checks(node_class))}
    inputs = node_class.INPUT_TYPES()
    return {
        "name": name,
        "input": inputs,
        "input_order": {key: list(value) for key, value in inputs.items()},
        "output": node_class.RETURN_TYPES,
        "output_name": getattr(node_class, "RETURN_NAMES", node_class.RETURN_TYPES),
        "output_node": getattr(node_class, "OUTPUT_NODE", False) is True,
        "python_module": getattr(node_class, "RELATIVE_PYTHON_MODULE", "nodes"),
        "own_checks": sorted(own.v1_own_checks(node_class)),
    }


async def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Validate every graph, often enough for a median."""
    nodes, execution = importlib.import_module("nodes"), importlib.import_module("execution")
    await nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=True)
    logging.disable(logging.CRITICAL)  # it logs every fault
    results: list[dict[str, Any]] = []
    for graph in question["graphs"]:
        taken: list[float] = []
        told: Any = None
        for _ in range(question["times"]):
            copied = copy.deepcopy(graph)  # it converts values in place
            begun = perf_counter()
            told = await execution.validate_prompt("bench", copied, None)
            taken.append(perf_counter() - begun)
        valid, error, outputs, errors = told
        results.append(
            {
                "valid": valid,
                "outputs": sorted(outputs),
                "error": error and error["type"],
                "errors": {
                    node_id: [
                        [each["type"], each["extra_info"].get("input_name"), each["details"]]
                        for each in about["errors"]
                    ]
                    for node_id, about in errors.items()
                },
                "seconds": statistics.median(taken),
            }
        )
    spec = importlib.util.spec_from_file_location("own_checks", question["own_checks"])
    if spec is None or spec.loader is None:
        raise SystemExit("own_checks cannot be read")
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    definitions = {name: definition(nodes, own, name) for name in nodes.NODE_CLASS_MAPPINGS}
    return {"results": results, "definitions": definitions if question["definitions"] else {}}


if __name__ == "__main__":
    asked, told_in = map(Path, sys.argv[1:3])
    sys.argv = ["main.py", *sys.argv[3:]]
    sys.path[0] = str(Path.cwd())  # ComfyUI's folder, instead of this one
    importlib.import_module("comfy.options").enable_args_parsing()
    found = asyncio.run(answer(json.loads(asked.read_text(encoding="utf-8"))))
    told_in.write_text(json.dumps(found, default=str), encoding="utf-8")
