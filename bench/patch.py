"""How fast a workflow is patched, beside jsonpatch and ``comfy workflow apply`` on the same change.

Usage::

    python bench/patch.py [--comfy …/bin/comfy]

The workflow has 1,000 nodes of ComfyUI 0.33 (tests/data). jsonpatch is measured if it is installed
(``pip install jsonpatch``); it knows nothing of nodes, so it is given every single change. comfy-cli is
measured if ``--comfy`` or COMFY_CLI names it; it edits the page's format, in a process of its own.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import importlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from _table import ROOT, load_package, median_s, milliseconds, show

load_package()
parse: Any = importlib.import_module("backplane.nodespec").parse
apply: Any = importlib.import_module("backplane.patch_engine").apply

UNITS = 100
"""Of ten nodes each."""
FIXTURE = ROOT / "tests" / "data" / "object_info-0.33.0.json.gz"

JSON = dict[str, Any]


def infos() -> JSON:
    """Give the node definitions of ComfyUI 0.33."""
    return json.loads(gzip.decompress(FIXTURE.read_bytes()))


def node(class_type: str, **inputs: Any) -> JSON:
    """Give a node."""
    return {"class_type": class_type, "inputs": inputs}


def unit(first: int) -> JSON:
    """Give an image-to-image run of ten nodes, which begins with the image that the one before ends with."""
    ids = [str(first + number) for number in range(10)]
    model, good, bad, latent, sampler, image, larger, inverted, saved, shown = ids
    start = (
        node("VAEEncode", pixels=[str(first - 3), 0], vae=[model, 2])
        if first > 1
        else node("EmptyLatentImage", width=512, height=512, batch_size=1)
    )
    return {
        model: node("CheckpointLoaderSimple", ckpt_name="a.safetensors"),
        good: node("CLIPTextEncode", text="a cat", clip=[model, 1]),
        bad: node("CLIPTextEncode", text="ugly", clip=[model, 1]),
        latent: start,
        sampler: {
            "class_type": "KSampler",
            "inputs": {
                "seed": 1,
                "steps": 20,
                "cfg": 7.0,
                "sampler_name": "euler",
                "scheduler": "simple",
                "denoise": 1.0,
                "model": [model, 0],
                "positive": [good, 0],
                "negative": [bad, 0],
                "latent_image": [latent, 0],
            },
        },
        image: node("VAEDecode", samples=[sampler, 0], vae=[model, 2]),
        larger: node("ImageScaleBy", image=[image, 0], upscale_method="bicubic", scale_by=2.0),
        inverted: node("ImageInvert", image=[larger, 0]),
        saved: node("SaveImage", images=[inverted, 0], filename_prefix="bench"),
        shown: node("PreviewImage", images=[image, 0]),
    }


def thousand() -> JSON:
    """Give a workflow of 1,000 nodes."""
    return {node_id: made for k in range(UNITS) for node_id, made in unit(10 * k + 1).items()}


SET_STEPS = {"op": "set_param", "node_id": "505", "param": "steps", "value": 30}
LORA = {"op": "insert_node", "class_type": "LoraLoader", "target_node_id": "505", "input": "model"}
SINGLE: Mapping[str, JSON] = {
    "set_param": SET_STEPS,
    "set_title": {"op": "set_title", "node_id": "505", "title": "Sampler"},
    "add_node": {"op": "add_node", "class_type": "KSampler", "inputs": {"model": ["501", 0]}},
    "connect": {
        "op": "connect",
        "source_node_id": "11",
        "output": "MODEL",
        "target_node_id": "995",
        "input": "model",
    },
    "disconnect": {"op": "disconnect", "target_node_id": "505", "input": "model"},
    "remove_node, bridging": {"op": "remove_node", "node_id": "507", "bridge": True},
    "replace_node": {"op": "replace_node", "node_id": "505", "class_type": "KSamplerAdvanced"},
    "insert_node: a LoRA": LORA,
    "parallel": {"op": "parallel", "class_type": "PreviewImage", "node_id": "509"},
    "bypass": {"op": "bypass", "node_id": "507"},
    "duplicate": {"op": "duplicate", "node_ids": ["505", "506"]},
}


def mixed() -> list[JSON]:
    """Give 1,000 operations of ten kinds, spread over the workflow."""
    ops: list[JSON] = []
    for k in range(UNITS):
        sampler, image, larger = (str(10 * k + number) for number in (5, 6, 7))
        ops += [
            {"op": "set_param", "node_id": sampler, "param": "steps", "value": 30},
            {**LORA, "target_node_id": sampler},
            {
                "op": "add_node",
                "class_type": "ImageInvert",
                "alias": f"a{k}",
                "inputs": {"image": [image, 0]},
            },
            {"op": "add_node", "class_type": "SaveImage", "inputs": {"images": [f"$a{k}", 0]}},
            {"op": "connect", "source_node_id": f"$a{k}", "target_node_id": str(10 * k + 10)},
            {"op": "set_title", "node_id": sampler, "title": "Sampler"},
            {"op": "bypass", "node_id": larger},
            {"op": "remove_node", "node_id": str(10 * k + 8), "bridge": True},
            {"op": "replace_node", "node_id": sampler, "class_type": "KSamplerAdvanced"},
            {"op": "duplicate", "node_id": sampler},
        ]
    return ops


def as_json_patch(changes: Any) -> list[JSON]:
    """Give the same changes as RFC 6902 operations."""
    found: list[JSON] = []
    for change in (change.to_json() for change in changes):
        path = f"/{change['node_id']}"
        if change["kind"] == "node_added":
            found.append({"op": "add", "path": path, "value": change["new"]})
        elif change["kind"] == "node_removed":
            found.append({"op": "remove", "path": path})
        elif change["kind"] == "input_set":
            found.append({"op": "add", "path": f"{path}/inputs/{change['input']}", "value": change["new"]})
        else:
            raise SystemExit(f"no JSON Patch is made of {change['kind']}")
    return found


def measure(graph: JSON, specs: Mapping[str, Any]) -> None:
    """Print how long one operation and a thousand take."""
    rows: list[tuple[str, str, str]] = []
    many = {
        "1,000 set_param": [
            {**SET_STEPS, "node_id": str(10 * k + 5), "value": n} for k in range(100) for n in range(10)
        ],
        "1,000 of ten kinds": mixed(),
    }
    for name, ops in [*((name, [op]) for name, op in SINGLE.items()), *many.items()]:
        times = 200 if len(ops) == 1 else 20

        def patch(validate: bool = False, ops: list[JSON] = ops) -> object:
            return apply(graph, ops, specs, validate=validate)

        plain = median_s(patch, times=times)
        checked = median_s(lambda patch=patch: patch(validate=True), times=20)
        rows.append((name, milliseconds(plain), milliseconds(checked)))
    show("A workflow of 1,000 nodes", ("operations", "patched", "validation included"), rows)


def beside_jsonpatch(graph: JSON, specs: Mapping[str, Any]) -> None:
    """Print how long jsonpatch takes for the same changes."""
    try:
        jsonpatch: Any = importlib.import_module("jsonpatch")
    except ImportError:
        print("\njsonpatch is not installed: it is left out.")
        return
    rows: list[tuple[str, str, str, str]] = []
    steps = [{**SET_STEPS, "node_id": str(10 * k + 5), "value": n} for k in range(100) for n in range(10)]
    for name, ops, times in (
        ("set_param", [SET_STEPS], 50),
        ("a LoRA", [LORA], 50),
        ("1,000 set_param", steps, 10),
    ):
        result = apply(graph, ops, specs)
        patch = jsonpatch.JsonPatch(as_json_patch(result.changes))
        if patch.apply(graph) != result.graph:
            raise SystemExit("jsonpatch comes to another workflow")

        def theirs(patch: Any = patch) -> object:
            return patch.apply(graph)

        def ours(ops: list[JSON] = ops) -> object:
            return apply(graph, ops, specs)

        fast, slow = median_s(ours, times=times), median_s(theirs, times=times)
        rows.append((name, milliseconds(fast), milliseconds(slow), f"{slow / fast:.2g}"))
    show(
        "Beside jsonpatch, which copies the workflow and checks nothing",
        ("change", "here", "jsonpatch", "ratio"),
        rows,
    )
    copied = median_s(lambda: copy.deepcopy(graph), times=10)
    print(f"\nOf that, copying the workflow takes {milliseconds(copied)}.")


def page_format() -> JSON:
    """Give a workflow of 1,000 nodes as the page saves it."""
    nodes: list[JSON] = []
    links: list[list[Any]] = []
    for number in range(1, 1000, 2):
        links.append([number, number, 0, number + 1, 0, "IMAGE"])
        about: JSON = {
            "pos": [0, 0],
            "size": [200, 100],
            "flags": {},
            "order": number,
            "mode": 0,
            "properties": {},
        }
        output = {"name": "IMAGE", "type": "IMAGE", "links": [number]}
        values = [512, 512, 1, 0]
        nodes.append(
            {
                **about,
                "id": number,
                "type": "EmptyImage",
                "inputs": [],
                "outputs": [output],
                "widgets_values": values,
            }
        )
        taken = {"name": "images", "type": "IMAGE", "link": number}
        nodes.append({**about, "id": number + 1, "type": "PreviewImage", "inputs": [taken], "outputs": []})
    about: JSON = {
        "last_node_id": 1000,
        "last_link_id": 999,
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }
    return {**about, "nodes": nodes, "links": links}


def beside_comfy(comfy: str, graph: JSON, specs: Mapping[str, Any]) -> None:
    """Print how long comfy-cli takes to set one param and a thousand, as a process."""
    rows: list[tuple[str, str, str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{name}.json" for name in ("workflow", "definitions", "ops")}
        paths["workflow"].write_text(json.dumps(page_format()), encoding="utf-8")
        paths["definitions"].write_bytes(gzip.decompress(FIXTURE.read_bytes()))
        command = [comfy, "workflow", "apply", str(paths["workflow"]), "--ops", str(paths["ops"])]
        command += ["--stdout", "--ack", "summary", "--input", str(paths["definitions"])]

        def theirs() -> None:
            answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            if not answer["ok"]:
                raise SystemExit(f"comfy refuses: {answer}")

        for count in (1, 1000):
            asked = [
                {"op": "set_widget", "node": 2 * (number % 500) + 1, "widget": "width", "value": 64 + number}
                for number in range(count)
            ]
            paths["ops"].write_text(json.dumps(asked), encoding="utf-8")
            steps = [{**SET_STEPS, "node_id": str(10 * (n % 100) + 5), "value": n} for n in range(count)]

            def ours(steps: list[JSON] = steps) -> object:
                return apply(graph, steps, specs)

            fast, slow = median_s(ours, times=20), median_s(theirs, times=5, warm=1)
            rows.append((f"{count:,}", milliseconds(fast), milliseconds(slow), f"{slow / fast:,.0f}"))
    show("Beside `comfy workflow apply`, a process", ("params set", "here", "comfy", "ratio"), rows)


def main() -> None:
    """Measure all that there is."""
    options = argparse.ArgumentParser(description="How fast workflows are patched.")
    options.add_argument("--comfy", default=os.environ.get("COMFY_CLI"), help="comfy-cli's command")
    comfy: str | None = options.parse_args().comfy
    read: Callable[..., Any] = parse
    specs = {name: read(info, name=name) for name, info in infos().items()}
    graph = thousand()
    measure(graph, specs)
    beside_jsonpatch(graph, specs)
    if comfy:
        beside_comfy(comfy, graph, specs)
    else:
        print("\nNo comfy-cli was named: it is left out.")


if __name__ == "__main__":
    main()
