"""The inputs of a node as they stand for given values: V3's dynamic inputs written out, flat.

In a workflow, dynamic inputs have dotted names (``"images.image0"``, ``"resize_type.width"``); the
function of the node gets them as one dict per dynamic input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ..errors import JSON

AUTOGROW = "COMFY_AUTOGROW_V3"
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input. *type* is a type name, or the list of options of a V1 combo."""

    name: str
    type: Any
    options: Mapping[str, Any]
    required: bool

    @property
    def lazy(self) -> bool:
        """Whether it is computed only if the node asks for it."""
        return self.options.get("lazy") is True

    @property
    def raw_link(self) -> bool:
        """Whether the function gets the link itself, not what it leads to."""
        return self.options.get("rawLink") is True

    @property
    def choices(self) -> list[Any] | None:
        """The values that a combo takes; None if it is no combo."""
        kind: object = self.type
        if isinstance(kind, list):
            return list(cast("list[Any]", kind))
        if self.type == "COMBO":
            return list(self.options.get("options", []))
        return None

    def config(self) -> list[Any]:
        """Give the input as definitions write it, for error messages."""
        return [self.type, dict(self.options)]


@dataclass(slots=True)
class Schema:
    """The inputs of one node, written out for its present values."""

    inputs: dict[str, InputSpec] = field(default_factory=dict[str, InputSpec])
    hidden: dict[str, str] = field(default_factory=dict[str, str])
    paths: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Flat name → where the function finds it, for dynamic inputs."""
    groups: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    """Dicts that the function gets even if nothing is in them."""

    def nest(self, values: Mapping[str, Any]) -> JSON:
        """Arrange flat *values* as the function takes them."""
        nested: JSON = {}
        for group in self.groups:
            _dict_at(nested, group)
        for name, value in values.items():
            path = self.paths.get(name, (name,))
            _dict_at(nested, path[:-1])[path[-1]] = value
        return nested


def schema_of(node_class: type[Any], live: Mapping[str, Any]) -> Schema:
    """Write out the inputs of *node_class* for the values *live*. Runs the pack's code: may raise."""
    types: Mapping[str, Any] = node_class.INPUT_TYPES()
    schema = Schema()
    for section in ("required", "optional"):
        _write_out(schema, types.get(section) or {}, live, "", (), required=section == "required")
    schema.hidden.update(types.get("hidden") or {})
    return schema


def _write_out(
    schema: Schema,
    section: Mapping[str, Any],
    live: Mapping[str, Any],
    prefix: str,
    path: tuple[str, ...],
    *,
    required: bool,
) -> None:
    for name, raw in section.items():
        full, here = prefix + name, (*path, name)
        kind: Any = raw[0]
        options: Mapping[str, Any] = raw[1] if len(raw) > 1 and raw[1] else {}
        if kind == AUTOGROW:
            _autogrow(schema, full, here, options["template"], required=required)
        elif kind == DYNAMIC_COMBO:
            chosen = next((o for o in options["options"] if o["key"] == live.get(full)), None)
            if chosen is None:
                continue  # ComfyUI drops the input without a word; Backplane's own validation objects
            schema.inputs[full] = InputSpec(full, kind, options, required)
            schema.paths[full] = (*here, name)
            for inner in ("required", "optional"):
                _write_out(
                    schema,
                    chosen["inputs"].get(inner) or {},
                    live,
                    full + ".",
                    here,
                    required=required and inner == "required",
                )
        else:
            schema.inputs[full] = InputSpec(full, kind, options, required)
            if path:
                schema.paths[full] = here


def _autogrow(
    schema: Schema, full: str, here: tuple[str, ...], template: Mapping[str, Any], *, required: bool
) -> None:
    schema.groups.append(here)
    inputs = template["input"]
    must = bool(inputs.get("required"))
    raw = next(iter((inputs.get("required") or inputs.get("optional")).values()))
    names = template.get("names") or [f"{template['prefix']}{number}" for number in range(template["max"])]
    for number, name in enumerate(names):
        child = f"{full}.{name}"
        schema.inputs[child] = InputSpec(
            child,
            raw[0],
            raw[1] if len(raw) > 1 else {},
            required and must and number < template.get("min", 1),
        )
        schema.paths[child] = (*here, name)


def _dict_at(root: JSON, path: tuple[str, ...]) -> JSON:
    for name in path:
        root = root.setdefault(name, {})
    return root
