"""Draws the shipped templates for ComfyUI's page: example_workflows/*.json, each with a picture of its nodes.

Usage::

    python data/make_examples.py ../shared/fixtures/object_info-0.33.0.json.gz

The argument is what ``GET /object_info`` of a ComfyUI answers, as JSON, gzipped or not: the page's format
needs the order of the widgets. The templates in data/templates/ are in API format and are the ones to edit.
ComfyUI serves the folder as templates of this pack. The nodes that load models say where these may be had,
from known_models.json and :data:`MORE`; the page offers to download what is missing. Pictures need Pillow.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

DATA = Path(__file__).resolve().parent
ROOT = DATA.parent
EXAMPLES = ROOT / "example_workflows"

HUB = "https://huggingface.co/{}/resolve/main"
MORE = {
    "control_v11p_sd15_canny_fp16.safetensors": HUB.format("comfyanonymous/ControlNet-v1-1_fp16_safetensors"),
    "control-lora-canny-rank256.safetensors": HUB.format("stabilityai/control-lora")
    + "/control-LoRAs-rank256",
}
"""Name -> address of the folder of models that known_models.json does not have."""
FOLDERS = {
    "CheckpointLoaderSimple": "checkpoints",
    "ControlNetLoader": "controlnet",
    "DualCLIPLoader": "text_encoders",
    "UNETLoader": "diffusion_models",
    "UpscaleModelLoader": "upscale_models",
    "VAELoader": "vae",
}
"""Which folder a class loads from; one name may be known in several."""

JSON = dict[str, Any]


def load_package() -> None:
    """Make this checkout importable as ``backplane``."""
    if "backplane" in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        "backplane", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    if spec is None or spec.loader is None:
        raise FileNotFoundError(ROOT / "__init__.py")
    package = sys.modules["backplane"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)


def examples(infos: Mapping[str, JSON]) -> Iterator[tuple[str, JSON]]:
    """Give the name of each complete template, and it as the page would save it, by node definitions."""
    load_package()
    parse: Any = importlib.import_module("backplane.nodespec").parse
    to_ui: Any = importlib.import_module("backplane.conversion").to_ui
    specs = {name: parse(info, name=name) for name, info in infos.items()}
    known: JSON = json.loads((DATA / "known_models.json").read_text(encoding="utf-8"))["models"]
    for path in sorted((DATA / "templates").glob("*.json")):
        template: JSON = json.loads(path.read_text(encoding="utf-8"))
        if template["kind"] != "template":
            continue
        drawn = to_ui(template["workflow"], specs)
        if drawn.notes:
            raise ValueError(f"{path.name}: {drawn.notes[0]}")
        for node in drawn.document["nodes"]:
            if node["type"] in FOLDERS:
                values: JSON = template["workflow"][str(node["id"])]["inputs"]
                node["properties"]["models"] = list(models(FOLDERS[node["type"]], values, known))
        yield template["name"], drawn.document


def models(folder: str, values: JSON, known: JSON) -> Iterator[JSON]:
    """Give the ``models`` entries of a node. Raises KeyError for a model that nothing is known of."""
    for name in values.values():
        if not isinstance(name, str) or "." not in name:
            continue
        if name in MORE:
            url = f"{MORE[name]}/{name}"
        else:
            url = next(row[1] for row in known[name] if row[0] == folder)
        yield {"name": name, "url": url, "directory": folder}


def written(document: JSON) -> str:
    """Give the JSON with one node or link a line: short, and a change is a readable diff."""

    def compact(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def lines(value: Any) -> str:
        rows = cast("list[Any]", value) if isinstance(value, list) else []
        return "[\n" + ",\n".join(map(compact, rows)) + "\n]" if rows else compact(value)

    return "{\n" + ",\n".join(f"{compact(key)}: {lines(value)}" for key, value in document.items()) + "\n}\n"


PICTURE = (384, 256)
"""Width and height in pixels."""
MARGIN = 24
TITLE = 30
"""How far a node's title stands above its position, in the page's units."""
COLOURS = {
    "MODEL": "#b39ddb",
    "CLIP": "#ffd500",
    "VAE": "#ff6e6e",
    "CONDITIONING": "#ffa931",
    "LATENT": "#ff9cf9",
    "IMAGE": "#64b5f6",
    "MASK": "#81c784",
    "CONTROL_NET": "#00d78d",
}
"""Of links, as the page has them."""


def picture(document: JSON) -> Any:
    """Draw the nodes and links of a workflow as a Pillow image, without words."""
    image_module: Any = importlib.import_module("PIL.Image")
    draw_module: Any = importlib.import_module("PIL.ImageDraw")
    nodes: dict[int, JSON] = {node["id"]: node for node in document["nodes"]}
    left = min(node["pos"][0] for node in nodes.values())
    top = min(node["pos"][1] for node in nodes.values()) - TITLE
    right = max(node["pos"][0] + node["size"][0] for node in nodes.values())
    bottom = max(node["pos"][1] + node["size"][1] for node in nodes.values())
    fine = 3  # drawn larger, then scaled down: smooth lines
    width, height = (fine * side for side in PICTURE)
    room = fine * 2 * MARGIN
    scale = min((width - room) / (right - left), (height - room) / (bottom - top))
    shift = ((width - scale * (right - left)) / 2, (height - scale * (bottom - top)) / 2)

    def at(x: float, y: float) -> tuple[float, float]:
        return shift[0] + scale * (x - left), shift[1] + scale * (y - top)

    def port(node: JSON, slot: int, side: int) -> tuple[float, float]:
        return at(node["pos"][0] + side * node["size"][0], node["pos"][1] + 14 + 20 * slot)

    canvas = image_module.new("RGB", (width, height), "#1d1f24")
    pen = draw_module.Draw(canvas)
    for _, source, slot, target, place, kind in document["links"]:
        sockets = [each for each in nodes[target]["inputs"][:place] if "widget" not in each]
        start, end = port(nodes[source], slot, 1), port(nodes[target], len(sockets), 0)
        pen.line(list(curve(start, end)), fill=COLOURS.get(kind, "#9a9fa8"), width=2 * fine, joint="curve")
    for node in nodes.values():
        (x, y), (w, h) = node["pos"], node["size"]
        radius = scale * 10
        pen.rounded_rectangle([at(x, y - TITLE), at(x + w, y + h)], radius, fill="#3a3e47")
        pen.rounded_rectangle([at(x, y - TITLE), at(x + w, y)], radius, fill="#555b67")
    return canvas.resize(PICTURE, image_module.Resampling.LANCZOS)


def curve(start: tuple[float, float], end: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Give points of the curve that the page draws a link as."""
    bend = max(abs(end[0] - start[0]) / 2, 20)
    for step in range(25):
        t = step / 24
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
        xs = (start[0], start[0] + bend, end[0] - bend, end[0])
        ys = (start[1], start[1], end[1], end[1])
        yield sum(map(float.__mul__, weights, xs)), sum(map(float.__mul__, weights, ys))


def main() -> None:
    """Write the examples, and take away those that have no template any more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("object_info", type=Path)
    parser.add_argument("--out", type=Path, default=EXAMPLES)
    arguments = parser.parse_args()
    raw: bytes = arguments.object_info.read_bytes()
    infos: dict[str, JSON] = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    out: Path = arguments.out
    out.mkdir(exist_ok=True)
    made: set[str] = set()
    for name, document in examples(infos):
        (out / f"{name}.json").write_text(written(document), encoding="utf-8")
        picture(document).save(out / f"{name}.jpg", quality=75, optimize=True)
        made |= {f"{name}.json", f"{name}.jpg"}
    for path in sorted(out.iterdir()):
        if path.suffix in {".json", ".jpg"} and path.name not in made:
            path.unlink()
    print(f"{len(made) // 2} examples -> {out}")


if __name__ == "__main__":
    main()
