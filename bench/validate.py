"""How fast a workflow of 1,000 nodes is judged, beside ComfyUI's own ``validate_prompt``.

Usage::

    COMFYUI_PATH=… COMFYUI_PYTHON=… python bench/validate.py

The workflow is put together of the public templates (``pip install comfyui-workflow-templates-json``), with
the node definitions of ComfyUI 0.33 (tests/data), on a server that has every file they name. Without
COMFYUI_PATH, ComfyUI is left out. It runs in an interpreter of its own, with empty files by the same names.
"""

from __future__ import annotations

import copy
import gzip
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from _table import ROOT, load_package, median_s, milliseconds, show

load_package()
parse: Any = importlib.import_module("backplane.nodespec").parse
judge: Any = importlib.import_module("backplane.validation").judge
to_api: Any = importlib.import_module("backplane.conversion").to_api

JSON = dict[str, Any]
NODES = 1_000
TEMPLATES = "comfyui_workflow_templates_json"
DATA = ROOT / "tests" / "data"
PEER = Path(__file__).with_name("_validate_peer.py")


def definitions() -> JSON:
    """Give the definitions of the classes that the templates use."""
    return json.loads(gzip.decompress((DATA / "conversion_specs-0.33.0.json.gz").read_bytes()))


def templates(specs: Mapping[str, Any]) -> list[JSON]:
    """Give those templates whose classes are known, in API format."""
    found = importlib.util.find_spec(TEMPLATES)
    if found is None or not found.submodule_search_locations:
        raise SystemExit(
            f"{TEMPLATES} is not installed (pip install comfyui-workflow-templates-json==0.1.50)"
        )
    folder = Path(found.submodule_search_locations[0]) / "templates"
    names: Iterable[str] = json.loads((DATA / "ui_to_api_digests.json").read_text(encoding="utf-8"))
    return [
        to_api(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")), specs).graph
        for name in names
    ]


def joined(graphs: list[JSON], most: int) -> JSON:
    """Put workflows side by side, again and again, until there are *most* nodes."""
    made: JSON = {}
    count = 0
    while len(made) < most:
        for graph in graphs:
            count += 1
            for node_id, node in graph.items():
                inputs: JSON = {
                    name: [f"{count}_{value[0]}", value[1]] if isinstance(value, list) else value
                    for name, value in node["inputs"].items()
                }
                made[f"{count}_{node_id}"] = {**node, "inputs": inputs}
            if len(made) >= most:
                break
    return made


def stocked(infos: JSON, graph: JSON) -> tuple[JSON, set[str]]:
    """Give the definitions of a server that has all files that *graph* names, and those names."""
    infos = copy.deepcopy(infos)
    files: set[str] = set()
    short: dict[tuple[str, str], list[Any]] = {}
    for class_type, info in infos.items():
        for section in ("required", "optional"):
            fields: JSON = info["input"].get(section) or {}
            for name, declared in fields.items():
                options = _options(declared)
                if options is not None and len(options) < 2:
                    short[class_type, name] = options
    for node in graph.values():
        for name, value in node["inputs"].items():
            options = short.get((node["class_type"], name))
            if options is not None and isinstance(value, str) and value not in options:
                options.append(value)
                files.add(value)
    return infos, {name for name in files if "." in name}


def _options(declared: Any) -> list[Any] | None:
    if isinstance(declared[0], list):
        return declared[0]
    found: Any = declared[1].get("options") if declared[0] == "COMBO" and len(declared) > 1 else None
    return cast("list[Any]", found) if isinstance(found, list) else None


def faulty(graph: JSON, change: Callable[[JSON, str], None]) -> JSON:
    """Give a copy in which every link was changed."""
    made = copy.deepcopy(graph)
    for node in made.values():
        for name in [each for each, value in node["inputs"].items() if isinstance(value, list)]:
            change(node["inputs"], name)
    return made


def here(graph: JSON, specs: Mapping[str, Any]) -> None:
    """Print how long judging takes, of the workflow as it is and of worse ones."""
    worse = {
        "as it is": graph,
        "every slot 99": faulty(graph, lambda inputs, name: inputs.update({name: [inputs[name][0], 99]})),
        "every link taken out": faulty(graph, lambda inputs, name: inputs.pop(name)),
        "every link led to no node": faulty(graph, lambda inputs, name: inputs.update({name: ["gone", 0]})),
    }
    rows: list[tuple[str, str, str]] = []
    for name, made in worse.items():
        taken = median_s(lambda made=made: judge(made, specs), times=20 if name == "as it is" else 5)
        rows.append((name, str(len(judge(made, specs).findings)), milliseconds(taken)))
    classes = len({node["class_type"] for node in graph.values()})
    title = f"A workflow of {len(graph):,} nodes of {classes} classes, judged with a fix for each finding"
    show(title, ("workflow", "findings", "time"), rows)


def beside_comfyui(comfyui: Path, graphs: list[JSON], files: set[str]) -> None:
    """Print how long ComfyUI takes for the same workflows, and that it comes to the same."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        for place in [base / "input", *_model_folders(comfyui, base)]:
            for name in files:
                path = place / name.replace("\\", "/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        question = {
            "graphs": graphs,
            "times": 5,
            "own_checks": str(ROOT / "host" / "own_checks.py"),
            "definitions": True,
        }
        asked, told = base / "question.json", base / "answer.json"
        asked.write_text(json.dumps(question), encoding="utf-8")
        command = [os.environ.get("COMFYUI_PYTHON", sys.executable), str(PEER), str(asked), str(told)]
        command += ["--cpu", "--base-directory", folder]
        done = subprocess.run(command, cwd=comfyui, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"ComfyUI's interpreter failed:\n{done.stderr[-2000:]}")
        answer = json.loads(told.read_text(encoding="utf-8"))
    specs = {name: parse(info, name=name) for name, info in answer["definitions"].items()}
    rows: list[tuple[str, ...]] = []
    for graph, result in zip(graphs, answer["results"], strict=True):
        report = judge(graph, specs)
        if sorted(report.outputs) != result["outputs"]:
            raise SystemExit(
                f"ComfyUI would run {len(result['outputs'])} outputs, here {len(report.outputs)}"
            )
        taken = median_s(lambda graph=graph: judge(graph, specs), times=20)
        theirs: float = result["seconds"]
        row = (f"{len(graph):,}", str(len(report.outputs)), milliseconds(taken), milliseconds(theirs))
        rows.append((*row, f"{theirs / taken:.2g}"))
    title = "Beside ComfyUI's own validate_prompt, which gives no fixes and looks at less"
    show(title, ("nodes", "outputs that would run", "here", "ComfyUI", "ratio"), rows)


def _model_folders(comfyui: Path, base: Path) -> list[Path]:
    """Give where each kind of model would be below *base*, as ComfyUI's own checkout has them."""
    return [base / "models" / each.name for each in sorted((comfyui / "models").iterdir()) if each.is_dir()]


def main() -> None:
    """Measure here, and beside the ComfyUI that the environment names."""
    infos = definitions()
    whole = templates({name: parse(info, name=name) for name, info in infos.items()})
    graph = joined(whole, NODES)
    infos, files = stocked(infos, graph)
    specs = {name: parse(info, name=name) for name, info in infos.items()}
    here(graph, specs)
    named = os.environ.get("COMFYUI_PATH")
    if not named:
        print("\nNo ComfyUI was named: it is left out.")
        return
    small = joined(whole, 10)
    beside_comfyui(Path(named), [small, graph], files)


if __name__ == "__main__":
    main()
