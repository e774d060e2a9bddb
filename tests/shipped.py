"""The templates and fragments that ship, and node classes on a server that has all their files."""

import copy
import gzip
import json
from functools import cache
from pathlib import Path

from backplane.nodespec import parse
from backplane.templates.document import read_document

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "data" / "templates"
EXAMPLES = ROOT / "example_workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
IMAGE = "example.png"
FILES = {
    ("CheckpointLoaderSimple", "ckpt_name"): "checkpoints",
    ("ControlNetLoader", "control_net_name"): "controlnet",
    ("DualCLIPLoader", "clip_name1"): "text_encoders",
    ("DualCLIPLoader", "clip_name2"): "text_encoders",
    ("LoraLoader", "lora_name"): "loras",
    ("LoraLoaderModelOnly", "lora_name"): "loras",
    ("UNETLoader", "unet_name"): "diffusion_models",
    ("UpscaleModelLoader", "model_name"): "upscale_models",
    ("VAELoader", "vae_name"): "vae",
}
"""Where params name model files, and the folder of each."""


@cache
def document(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@cache
def read(name):
    """The template as the package reads it."""
    return read_document(document(name), name, 1, read_only=True)


def of_kind(kind, base_model=None):
    return [
        name
        for name in NAMES
        if document(name)["kind"] == kind and base_model in {None, *document(name)["base_models"]}
    ]


def workflow(name):
    return copy.deepcopy(document(name)["workflow"])


def fragment(name):
    """The document that add_fragment takes."""
    held = document(name)
    outputs = {key: {"node": out["node"], "output": out["output"]} for key, out in held["outputs"].items()}
    shipped = {"workflow": held["workflow"], "inputs": held["ports"], "outputs": outputs}
    return {**shipped, "place": held["place"]} if "place" in held else shipped


@cache
def infos():
    """The definitions of ComfyUI 0.33, on a server without files."""
    path = ROOT / "tests" / "data" / "object_info-0.33.0.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


@cache
def specs():
    return {name: parse(info, name=name) for name, info in infos().items()}


@cache
def models():
    """{folder: the model files that templates and fragments name}."""
    found = {}
    for name in NAMES:
        for node in document(name)["workflow"].values():
            for (class_type, param), folder in FILES.items():
                if node["class_type"] == class_type:
                    found.setdefault(folder, set()).add(node["inputs"][param])
    return found


@cache
def specs_with_files():
    """The same classes on a server that has every file which is named."""
    made = copy.deepcopy({name: infos()[name] for name, _ in FILES} | {"LoadImage": infos()["LoadImage"]})
    for (class_type, param), folder in FILES.items():
        declared = made[class_type]["input"]["required"][param]
        options = declared[1]["options"] if declared[0] == "COMBO" else declared[0]
        options.extend(sorted(models()[folder]))
    return {**specs(), **{name: parse(info, name=name) for name, info in made.items()}}
