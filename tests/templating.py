"""Node classes and documents for tests of templates, and the few rules of JSON Schema that theirs use."""

import json
import re
from dataclasses import replace

from backplane.access import AllowList
from backplane.templates import Templates
from fakes import FakeClasses, spec

SEED = ("INT", {"default": 0, "min": 0, "max": 2**64 - 1, "control_after_generate": True})
NUMBERS = {"width": ("INT", {"default": 512, "min": 16, "max": 4096, "step": 8})}


def classes():
    """The classes by name."""
    made = [
        spec("Loader", {"name": (["a.safetensors", "b.safetensors"], {})}, ("MODEL", "CLIP", "VAE")),
        spec(
            "Text",
            {"text": ("STRING", {"multiline": True, "default": ""}), "clip": ("CLIP", {})},
            ("CONDITIONING",),
        ),
        spec("Latent", NUMBERS, ("LATENT",)),
        spec("Number", {"value": ("INT", {"default": 1})}, ("INT",)),
        spec(
            "Sampler",
            {
                "model": ("MODEL", {}),
                "positive": ("CONDITIONING", {}),
                "negative": ("CONDITIONING", {}),
                "latent_image": ("LATENT", {}),
                "seed": SEED,
                "steps": ("INT", {"default": 20, "min": 1, "max": 10_000}),
                "cfg": ("FLOAT", {"default": 8.0, "min": 0.0, "max": 100.0, "step": 0.1}),
                "mode": (["fast", "good"], {}),
                "tiled": ("BOOLEAN", {"default": False}),
            },
            ("LATENT",),
        ),
        spec("Decode", {"samples": ("LATENT", {}), "vae": ("VAE", {})}, ("IMAGE",)),
        spec("Load", {"image": (["here.png"], {"image_upload": True})}, ("IMAGE",)),
        spec("Show", {"images": ("IMAGE", {})}, (), output_node=True),
        spec(
            "Patch",
            {"model": ("MODEL", {}), "strength": ("FLOAT", {"default": 1.0, "min": -2, "max": 2})},
            ("MODEL",),
        ),
        spec(
            "Resize",
            {
                "image": ("IMAGE", {}),
                "how": (
                    "COMFY_DYNAMICCOMBO_V3",
                    {
                        "options": [
                            {"key": "by", "inputs": {"required": {"factor": ("FLOAT", {"default": 2.0})}}},
                            {
                                "key": "to",
                                "inputs": {"required": {"width": ("INT", {"default": 64, "min": 1})}},
                            },
                        ]
                    },
                ),
            },
            ("IMAGE",),
        ),
    ]
    return {each.name: each for each in made}


def text_to_image():
    """A workflow of these classes."""
    return {
        "1": {"class_type": "Loader", "inputs": {"name": "a.safetensors"}},
        "2": {"class_type": "Text", "inputs": {"text": "a cat", "clip": ["1", 1]}},
        "3": {"class_type": "Text", "inputs": {"text": "ugly", "clip": ["1", 1]}},
        "4": {"class_type": "Latent", "inputs": {"width": 512}},
        "5": {
            "class_type": "Sampler",
            "inputs": {
                "model": ["1", 0],
                "positive": ["2", 0],
                "negative": ["3", 0],
                "latent_image": ["4", 0],
                "seed": 7,
                "steps": 20,
                "cfg": 8.0,
                "mode": "fast",
                "tiled": False,
            },
        },
        "6": {"class_type": "Decode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "Show", "inputs": {"images": ["6", 0]}},
    }


def at(node, field, kind, **more):
    return {"node": node, "field": field, "type": kind, **more}


def poster(**inputs):
    """A document; *inputs* in place of the usual ones."""
    declared = inputs or {
        "prompt": at("2", "text", "string"),
        "seed": at("5", "seed", "seed"),
        "steps": at("5", "steps", "integer", max=50),
        "cfg": at("5", "cfg", "number"),
        "model": at("1", "name", "model"),
    }
    return {
        "kind": "template",
        "title": "Poster",
        "workflow": text_to_image(),
        "inputs": declared,
        "outputs": {"image": {"node": "7"}},
    }


def patch_fragment(**more):
    """A fragment that goes between a loader and a sampler."""
    return {
        "kind": "fragment",
        "workflow": {"p": {"class_type": "Patch", "inputs": {"strength": 1.0}}},
        "inputs": {"strength": at("p", "strength", "number", max=1.5)},
        "ports": {"model": {"node": "p", "field": "model"}},
        "outputs": {"model": {"node": "p", "output": "MODEL"}},
        "place": [{"class_type": "Sampler", "input": "model"}],
        **more,
    }


def kept(tmp_path, *read_only, made=None, **more):
    """Templates in a folder; *made* are the node classes by name."""
    found = FakeClasses(*(classes() if made is None else made).values())
    return Templates(
        tmp_path / "templates", read_only, found, allowed=more.pop("allowed", AllowList()), **more
    )


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")


def judging(made, name, *fields):
    """The classes, one of which judges *fields* itself."""
    return {**made, name: replace(made[name], own_checks=frozenset(fields))}


def valid(schema, value):
    """Say whether a JSON Schema, of the words that are used here, accepts *value*."""
    known = {"type", "enum", "const", "anyOf", "minimum", "maximum", "minLength", "maxLength", "pattern"}
    known |= {"properties", "required", "additionalProperties"}
    notes = {"$schema", "title", "description", "default", "x-backplane"}
    assert schema.keys() <= known | notes, schema.keys()
    return all(_RULES[word](schema[word], value, schema) for word in schema.keys() & known)


def _is(kind, value):
    if isinstance(value, bool):
        return kind == "boolean"
    return {
        "integer": isinstance(value, int) or (isinstance(value, float) and value.is_integer()),
        "number": isinstance(value, int | float),
        "string": isinstance(value, str),
        "object": isinstance(value, dict),
        "boolean": False,
    }[kind]


def _number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(one, other):
    return one == other and isinstance(one, bool) == isinstance(other, bool)


_RULES = {
    "type": lambda kind, value, _: _is(kind, value),
    "enum": lambda options, value, _: any(_same(option, value) for option in options),
    "const": lambda const, value, _: _same(const, value),
    "anyOf": lambda each, value, _: any(valid(one, value) for one in each),
    "minimum": lambda least, value, _: not _number(value) or value >= least,
    "maximum": lambda most, value, _: not _number(value) or value <= most,
    "minLength": lambda least, value, _: not isinstance(value, str) or len(value) >= least,
    "maxLength": lambda most, value, _: not isinstance(value, str) or len(value) <= most,
    "pattern": lambda pattern, value, _: not isinstance(value, str) or bool(_ecma(pattern).search(value)),
    "required": lambda names, value, _: not isinstance(value, dict) or value.keys() >= set(names),
    "properties": lambda parts, value, _: (
        not isinstance(value, dict)
        or all(valid(parts[name], each) for name, each in value.items() if name in parts)
    ),
    "additionalProperties": lambda allowed, value, schema: (
        allowed or not isinstance(value, dict) or value.keys() <= schema["properties"].keys()
    ),
}


def _ecma(pattern):
    return re.compile(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern)
