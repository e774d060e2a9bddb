"""Node classes and workflows to patch, and ways to look at what a patch did."""

import json

import pytest
from backplane.errors import ApiError
from backplane.graph import is_link
from backplane.nodespec import accepts, parse
from backplane.operations.draft import Draft
from backplane.operations.ports import named_socket, output, output_type
from backplane.patch_engine import apply


def spec(name, inputs, outputs, **info):
    """Make a node class as the catalogue reads it; *info* is what else its definition says."""
    about = {"name": name, "input": {"required": inputs}, "output": outputs, "output_name": outputs}
    return parse({**about, **info})


def match(template, allowed="*"):
    return "COMFY_MATCHTYPE_V3", {"template": {"template_id": template, "allowed_types": allowed}}


GROWS = {"template": {"input": {"required": {"image": ("IMAGE", {})}}, "prefix": "image", "min": 2, "max": 4}}
SIZES = {
    "options": [
        {
            "key": "by size",
            "inputs": {"required": {"width": ("INT", {"default": 512}), "crop": (["a", "b"],)}},
        },
        {"key": "by factor", "inputs": {"required": {"factor": ("FLOAT", {"default": 2.0})}}},
        {"key": "like", "inputs": {"required": {"image": ("IMAGE", {}), "crop": (["a", "b"],)}}},
    ]
}
MODELS = ["a.safetensors", "b.safetensors"]
SPECS = {
    made.name: made
    for made in [
        spec("Checkpoint", {"ckpt_name": (MODELS, {})}, ("MODEL", "CLIP", "VAE")),
        spec("Unet", {"unet_name": (MODELS, {})}, ("MODEL",)),
        spec("ClipLoader", {"clip_name": (MODELS, {})}, ("CLIP",)),
        spec(
            "Lora",
            {
                "model": ("MODEL",),
                "clip": ("CLIP",),
                "lora_name": (MODELS,),
                "strength": ("FLOAT", {"default": 1.0}),
            },
            ("MODEL", "CLIP"),
        ),
        spec("ModelSampling", {"model": ("MODEL",), "shift": ("FLOAT", {"default": 3.0})}, ("MODEL",)),
        spec("Encode", {"clip": ("CLIP",), "text": ("STRING", {"multiline": True})}, ("CONDITIONING",)),
        spec("Combine", {"one": ("CONDITIONING",), "two": ("CONDITIONING",)}, ("CONDITIONING",)),
        spec(
            "ControlNet",
            {"positive": ("CONDITIONING",), "negative": ("CONDITIONING",), "image": ("IMAGE",)},
            ("CONDITIONING", "CONDITIONING"),
            output_name=("positive", "negative"),
        ),
        spec("Latent", {"width": ("INT", {"default": 512, "min": 16, "max": 4096})}, ("LATENT",)),
        spec(
            "Sampler",
            {
                "model": ("MODEL",),
                "positive": ("CONDITIONING",),
                "negative": ("CONDITIONING",),
                "latent": ("LATENT",),
                "seed": ("INT", {"default": 0, "min": 0}),
                "steps": ("INT", {"default": 20, "min": 1, "max": 100}),
                "sampler_name": (["euler", "heun"],),
            },
            ("LATENT",),
        ),
        spec("Decode", {"samples": ("LATENT",), "vae": ("VAE",)}, ("IMAGE",)),
        spec("Load", {"image": (["a.png", "b.png"], {"image_upload": True})}, ("IMAGE", "MASK")),
        spec(
            "Blend",
            {"image1": ("IMAGE",), "image2": ("IMAGE",), "factor": ("FLOAT", {"default": 0.5})},
            ("IMAGE",),
        ),
        spec("Invert", {"image": ("IMAGE",)}, ("IMAGE",)),
        spec("Resize", {"image": ("IMAGE",), "mode": ("COMFY_DYNAMICCOMBO_V3", SIZES)}, ("IMAGE",)),
        spec("Batch", {"images": ("COMFY_AUTOGROW_V3", GROWS)}, ("IMAGE",)),
        spec("ToMask", {"pixels": ("IMAGE,MASK",), "list": ("STRING", {"default": ""})}, ("MASK",)),
        spec("Twins", {"image": ("IMAGE",)}, ("IMAGE", "IMAGE"), output_name=("out", "out")),
        spec("Number", {"value": ("INT", {"default": 7})}, ("INT",)),
        spec("Switch", {"on_true": match("T"), "on_false": match("T")}, ("*",), output_matchtypes=("T",)),
        spec("Any", {"anything": ("*",)}, ("*",)),
        spec(
            "Save",
            {"images": ("IMAGE",), "filename_prefix": ("STRING", {"default": "x"})},
            (),
            output_node=True,
        ),
        spec("Show", {"images": ("IMAGE",)}, (), output_node=True),
    ]
}


def node(class_type, title=None, /, **inputs):
    made = {"class_type": class_type, "inputs": inputs}
    return made if title is None else {**made, "_meta": {"title": title}}


def text_to_image():
    """1 Checkpoint → 2, 3 Encode; 4 Latent → 5 Sampler → 6 Decode → 7 Save."""
    return {
        "1": node("Checkpoint", ckpt_name=MODELS[0]),
        "2": node("Encode", "Prompt", text="a cat", clip=["1", 1]),
        "3": node("Encode", text="ugly", clip=["1", 1]),
        "4": node("Latent", width=512),
        "5": node(
            "Sampler",
            seed=1,
            steps=20,
            sampler_name="euler",
            model=["1", 0],
            positive=["2", 0],
            negative=["3", 0],
            latent=["4", 0],
        ),
        "6": node("Decode", samples=["5", 0], vae=["1", 2]),
        "7": node("Save", images=["6", 0], filename_prefix="x"),
    }


LORA = {
    "workflow": {"a": node("Lora", lora_name=MODELS[1], strength=0.5)},
    "inputs": {"model": {"node": "a", "field": "model"}, "clip": {"node": "a", "field": "clip"}},
    "outputs": {"model": {"node": "a", "output": 0}, "clip": {"node": "a", "output": "CLIP"}},
}
AGAIN = {
    "workflow": {
        "s": node("Sampler", "Again", seed=0, steps=10, sampler_name="heun"),
        "d": node("Decode", samples=["s", 0]),
    },
    "inputs": {
        "model": {"node": "s", "field": "model"},
        "positive": {"node": "s", "field": "positive"},
        "negative": {"node": "s", "field": "negative"},
        "latent": {"node": "s", "field": "latent"},
        "vae": [{"node": "d", "field": "vae"}],
    },
    "outputs": {"latent": {"node": "s", "output": 0}, "image": {"node": "d", "output": 0}},
}


def exactly(document):
    """Everything of it, the order of keys included."""
    return json.dumps(document)


def replayed(graph, changes):
    """What becomes of *graph* by the changes alone, read as docs/patching.md says."""
    made = json.loads(exactly(graph))  # nodes may share parts, which a deep copy would keep
    for change in (change.to_json() for change in changes):
        node_id, kind = change["node_id"], change["kind"]
        if kind in {"node_added", "node_restored"}:
            made[node_id] = json.loads(exactly(change["new"]))
        elif kind == "node_removed":
            assert made.pop(node_id) == change["old"]
        elif kind == "class_changed":
            assert made[node_id]["class_type"] == change["old"]
            made[node_id]["class_type"] = change["new"]
        else:
            key, section = ("key", "_meta") if kind == "meta_set" else ("input", "inputs")
            held = made[node_id].setdefault(section, {})
            assert held.get(change[key]) == change.get("old")
            held.pop(change[key], None)
            if "new" in change:
                held[change[key]] = json.loads(exactly(change["new"]))
            if section == "_meta" and not held:
                del made[node_id]["_meta"]
    return made


def links(graph, specs=SPECS):
    """Every link as (target, input, source, slot)."""
    draft = Draft(graph, specs)
    return {
        (target, name, link.source, link.slot)
        for target in graph
        for name in draft.inputs(target)
        if (link := draft.link(target, name)) is not None
    }


def unfit_links(graph, of, specs=SPECS):
    """Those of the links *of* whose output does not fit the input; match types are left out."""
    draft = Draft(graph, specs)
    found = []
    for target, name, source, slot in of:
        spec_ = draft.known(target)
        port = named_socket(spec_, draft.inputs(target), name) if spec_ is not None else None
        given = output_type(draft, source, slot)
        declared = output(draft, source, slot)
        if declared is not None and declared.match is not None:
            continue  # in a workflow that mixed types before, one link can turn another
        if port is not None and given is not None and accepts(port.type, given) is None:
            found.append((target, name, source, slot))
    return found


def patched(graph, *ops, **options):
    """What becomes of it; what it was is asserted to stay, and to come back."""
    before = exactly(graph)
    result = apply(graph, list(ops), SPECS, **options)
    assert exactly(graph) == before
    assert exactly(apply(result.graph, list(result.inverse), SPECS).graph) == before
    return result


def refused(graph, *ops):
    """The error that it is refused with."""
    with pytest.raises(ApiError) as error:
        patched(graph, *ops)
    return error.value


def wired(graph):
    """The links alone: {target: {input: "source.slot"}}."""
    return {
        target: {name: f"{value[0]}.{value[1]}" for name, value in made["inputs"].items() if is_link(value)}
        for target, made in graph.items()
        if any(map(is_link, made["inputs"].values()))
    }


def rewired(graph, result):
    """The links that are otherwise than before, as "input of target" → "source.slot" or None."""
    before, after = wired(graph), wired(result.graph)
    return {
        f"{target}.{name}": after.get(target, {}).get(name)
        for target in {**before, **after}
        for name in {**before.get(target, {}), **after.get(target, {})}
        if before.get(target, {}).get(name) != after.get(target, {}).get(name) and target in result.graph
    }


def dropped(result):
    """What was taken out though nobody asked for it."""
    return [(change.node_id, change.name) for change in result.changes if change.kind == "input_dropped"]
