"""Puts LoRAs into a workflow. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, cast

from ..errors import JSON, InvalidRequest, InvalidWorkflow, close_matches
from ..graph import links_of
from ..nodespec import NodeSpec
from .addresses import with_input

BOTH = "LoraLoader"
MODEL_ONLY = "LoraLoaderModelOnly"

MOST_LORAS = 50


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA to put in. *clip_weight* None means the same as *weight*."""

    name: str
    weight: float = 1.0
    clip_weight: float | None = None


@dataclass(frozen=True, slots=True)
class Inserted:
    """A loader node that was put in."""

    node_id: str
    class_type: str
    name: str
    after: str

    def to_json(self) -> JSON:
        """Give it as the reply shows it."""
        return {
            "param": "loras",
            "node_id": self.node_id,
            "class_type": self.class_type,
            "value": self.name,
            "after": self.after,
        }


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a chain of LoRAs begins: the outputs that it takes over."""

    model: tuple[str, int]
    clip: tuple[str, int] | None


def read_loras(value: Any) -> tuple[Lora, ...]:
    """Read a request's ``loras``: ``[{"name", "weight"?, "clip_weight"?}]``.

    Raises ApiError INVALID_REQUEST.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or len(cast("list[Any]", value)) > MOST_LORAS:
        raise _bad("loras", f"loras must be a list of at most {MOST_LORAS} objects.")
    return tuple(_read(place, entry) for place, entry in enumerate(cast("list[Any]", value)))


def _read(place: int, entry: Any) -> Lora:
    field = f"loras.{place}"
    if not isinstance(entry, dict):
        raise _bad(field, "Each of loras must be an object with a name.")
    about = cast("JSON", entry)
    name = about.get("name")
    unknown = about.keys() - {"name", "weight", "clip_weight"}
    if unknown or not isinstance(name, str) or not name:
        raise _bad(field, "Each of loras has a name, and may have weight and clip_weight.")
    weights = [about.get("weight", 1.0), about.get("clip_weight")]
    for weight in weights:
        if weight is not None and (
            isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight)
        ):
            raise _bad(field, "weight and clip_weight must be numbers.")
    weight = 1.0 if weights[0] is None else weights[0]
    return Lora(name, weight, weights[1])


def _bad(field: str, message: str) -> InvalidRequest:
    return InvalidRequest("INVALID_REQUEST", message, details={"fields": {field: message}})


def insert_loras(
    graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec], loras: Sequence[Lora]
) -> tuple[dict[str, JSON], list[Inserted]]:
    """Give *graph* with the LoRAs loaded, in their order, right after each loader of a model.

    A loader is a node that gives a MODEL and gets none. With it go the CLIP it gives too or, where the
    workflow has one loader of each, that of the CLIP loader; if nothing uses that CLIP, or which one belongs
    to which model would be a guess, only the model is changed. Whatever was linked to the loaders is then
    linked to the last LoRA. Raises ApiError LORA_NOT_FOUND, PARAM_NOT_FOUND if no model is loaded, or
    UNKNOWN_NODE_CLASS if the server has no LoRA loader.
    """
    if not loras:
        return dict(graph), []
    starts = _starts(graph, specs)
    if not starts:
        raise InvalidWorkflow(
            "PARAM_NOT_FOUND",
            "The workflow loads no model that a LoRA could change.",
            details={"param": "loras"},
        )
    added: dict[str, JSON] = {}
    inserted: list[Inserted] = []
    ends: dict[tuple[str, int], list[Any]] = {}
    ids = (name for number in itertools.count(1) if (name := f"lora_{number}") not in graph)
    for start in starts:
        loader = _loader(specs, with_clip=start.clip is not None)
        with_clip = loader.name == BOTH
        model, clip = list(start.model), None if start.clip is None else list(start.clip)
        for lora in loras:
            node_id = next(ids)
            name = file_of(lora.name, _options(loader))
            inputs: JSON = {"model": model, "lora_name": name, "strength_model": lora.weight}
            if with_clip and clip is not None:
                inputs["clip"] = clip
                inputs["strength_clip"] = lora.weight if lora.clip_weight is None else lora.clip_weight
                clip = [node_id, 1]
            model = [node_id, 0]
            added[node_id] = {
                "class_type": loader.name,
                "inputs": inputs,
                "_meta": {"title": f"LoRA {PurePosixPath(name.replace(chr(92), '/')).stem}"},
            }
            inserted.append(Inserted(node_id, loader.name, name, start.model[0]))
        ends[start.model] = model
        if start.clip is not None and with_clip and clip is not None:
            ends[start.clip] = clip
    rewired: dict[tuple[str, str], object] = {
        (node_id, link.name): list(ends[link.source, link.slot])
        for node_id, node in graph.items()
        for link in links_of(node_id, node)
        if (link.source, link.slot) in ends
    }
    return {**with_input(graph, rewired), **added}, inserted


def _starts(graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec]) -> list[_Start]:
    used = {(link.source, link.slot) for node_id, node in graph.items() for link in links_of(node_id, node)}
    models = [output for output in _sources(graph, specs, "MODEL") if output in used]
    clips = [output for output in _sources(graph, specs, "CLIP") if output in used]
    own = {output[0]: output for output in clips}
    apart = [output for output in clips if output[0] not in {model[0] for model in models}]
    return [
        _Start(
            model,
            own.get(model[0]) or (apart[0] if len(models) == 1 and len(apart) == 1 else None),
        )
        for model in models
    ]


def _sources(
    graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec], type_: str
) -> Iterator[tuple[str, int]]:
    """Give the outputs of this type of nodes that get none of it: the first of each node."""
    types = {
        node_id: [output.type for output in spec.outputs]
        for node_id, node in graph.items()
        if (spec := specs.get(str(node.get("class_type")))) is not None
    }
    for node_id, gives in types.items():
        gets = {
            types[link.source][link.slot]
            for link in links_of(node_id, graph[node_id])
            if 0 <= link.slot < len(types.get(link.source, ()))
        }
        if type_ in gives and type_ not in gets:
            yield node_id, gives.index(type_)


def _loader(specs: Mapping[str, NodeSpec], *, with_clip: bool) -> NodeSpec:
    wanted = (BOTH, MODEL_ONLY) if with_clip else (MODEL_ONLY,)
    for name in wanted:
        if name in specs:
            return specs[name]
    raise InvalidWorkflow(
        "UNKNOWN_NODE_CLASS",
        f"This server has no node class {' or '.join(wanted)}.",
        details={"param": "loras"},
    )


def _options(loader: NodeSpec) -> tuple[str, ...] | None:
    for param in loader.params:
        if param.name == "lora_name" and param.options is not None:
            return tuple(option for option in param.options if isinstance(option, str))
    return None


def file_of(name: str, options: Sequence[str] | None) -> str:
    """Give the file that *name* means: itself, or the one whose name without folder and ending it is.

    *options* None means that they are not known: any name is taken. Raises ApiError LORA_NOT_FOUND.
    """
    if options is None or name in options:
        return name
    wanted = _plain(name)
    found = [
        option
        for option in options
        if _plain(option) == wanted or _plain(option).rpartition("/")[2] == wanted
    ]
    if len(found) == 1:
        return found[0]
    by_stem = {_plain(option).rpartition("/")[2]: option for option in options}
    near = close_matches(wanted.rpartition("/")[2], by_stem)
    matches = found or [by_stem[stem] for stem in near]
    raise InvalidWorkflow(
        "LORA_NOT_FOUND",
        f"{len(found)} LoRAs are called {name!r}." if found else f"This server has no LoRA {name!r}.",
        hint=f"Did you mean {matches[0]!r}?" if matches else None,
        details={"param": "loras", "name": name, "close_matches": matches[:10]},
    )


def _plain(name: str) -> str:
    """Give a file's name in lower case, with forward slashes, without what a model file ends in."""
    plain = name.replace("\\", "/").casefold()
    for ending in (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin"):
        plain = plain.removesuffix(ending)
    return plain
