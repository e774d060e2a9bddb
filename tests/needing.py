"""Node classes of a real ComfyUI 0.33, a few models, and workflows that need them."""

import gzip
import json
from functools import cache
from pathlib import Path

from backplane.needs.assess import requirements
from backplane.needs.known import KnownModel
from backplane.nodespec import parse

FIXTURE = Path(__file__).parent / "data" / "object_info-0.33.0.json.gz"

FOLDERS = {
    "CheckpointLoaderSimple": {"ckpt_name": "checkpoints"},
    "CLIPLoader": {"clip_name": "text_encoders"},
    "DualCLIPLoader": {"clip_name1": "text_encoders", "clip_name2": "text_encoders"},
    "LoraLoader": {"lora_name": "loras"},
    "LoraLoaderModelOnly": {"lora_name": "loras"},
    "UNETLoader": {"unet_name": "diffusion_models"},
    "VAELoader": {"vae_name": "vae"},
}
"""As host/definitions.py reads them off the classes' code."""

ALIASES = {"unet": "diffusion_models", "clip": "text_encoders"}
SHA = "ab" * 32
ELSEWHERE = "https://huggingface.co/some/where/resolve/main/"

KNOWN = {
    "known.safetensors": (KnownModel("known.safetensors", "vae", ELSEWHERE + "known.safetensors", SHA),),
    "EasyNegative.safetensors": (
        KnownModel("EasyNegative.safetensors", "embeddings", ELSEWHERE + "EasyNegative.safetensors", None),
    ),
}

MODELS = {
    "checkpoints": ["base.safetensors", "sdxl/fine.safetensors", "sd_xl_refiner_1.0.safetensors"],
    "diffusion_models": [],
    "embeddings": ["here.pt", "styles/ink.safetensors"],
    "loras": ["detail.safetensors", "old/model.safetensors"],
    "text_encoders": ["clip_l.safetensors"],
    "vae": ["ae.safetensors"],
}


@cache
def infos():
    return json.loads(gzip.decompress(FIXTURE.read_bytes()))


@cache
def specs():
    """The classes, file COMBOs listing what MODELS has."""
    found = {}
    for name, info in infos().items():
        folders = FOLDERS.get(name, {})
        found[name] = parse(_with_options(info, folders) if folders else info, folders=folders, name=name)
    return found


def _with_options(info, folders):
    changed = json.loads(json.dumps(info))
    for section in changed["input"].values():
        for param, folder in folders.items():
            if param in section:
                extra = ["pixel_space"] if param == "vae_name" else []
                section[param] = [[*MODELS[folder], *extra], *section[param][1:]]
    return changed


def assess(workflow, models=MODELS, known=KNOWN):
    return requirements(workflow, specs(), models, ALIASES, known)


def api(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def ui(*nodes, **document):
    return {"nodes": list(nodes), "links": [], "version": 0.4, **document}


def node(id_, type_, values=(), *, mode=0, models=None, inputs=(), pack=None, **properties):
    if models is not None:
        properties["models"] = models
    if pack is not None:
        properties |= {"cnr_id": pack, "ver": "1.2.3"}
    return {
        "id": id_,
        "type": type_,
        "mode": mode,
        "inputs": list(inputs),
        "widgets_values": values if isinstance(values, dict) else list(values),
        "properties": {"Node name for S&R": type_, **properties},
    }


def entry(name, directory, **more):
    return {"name": name, "directory": directory, "url": ELSEWHERE + name, **more}


def widget(name, link=None):
    return {"name": name, "type": "COMBO", "widget": {"name": name}, "link": link}


def named(found):
    """{(folder, name): status} of the models."""
    return {(model.folder, model.name): model.status for model in found.models}


def model(found, name):
    [only] = [each for each in found.models if each.name == name]
    return only
