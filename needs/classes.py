"""The node classes of the server, as far as model files go; and which widget a saved value belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ..graph import is_link
from ..nodespec import NodeSpec, Param, Ports, every_port, live_ports
from .text import has_suffix, is_file, items, member, text

_CONTROLS = frozenset({"fixed", "increment", "decrement", "randomize", "increment-wrap"})
"""Values of the widget that the page adds behind a seed."""
_SEEDS = frozenset({"seed", "noise_seed"})
"""Integers behind which the page adds that widget unasked."""


class ClassFacts:
    """What one node class says of its params."""

    def __init__(self, spec: NodeSpec) -> None:
        self.spec = spec
        self.params: dict[str, Param] = {}
        self.varies = False
        """Whether which params a node has depends on its values."""
        for port in every_port(spec.ports):
            self.varies = self.varies or port.variants is not None
            if isinstance(port, Param) and (port.name not in self.params or port.folder is not None):
                self.params[port.name] = port
        self.takes_files = any(param.folder is not None for param in self.params.values())
        self._options: dict[str, frozenset[str]] = {}

    def is_file(self, name: str) -> bool:
        """Say whether a param takes the name of a model file."""
        param = self.params.get(name)
        return param is not None and param.folder is not None

    def params_with(self, values: Mapping[str, Any]) -> Mapping[str, Param]:
        """Give the params of a node with these values, by name."""
        if not (self.varies and self.takes_files):
            return self.params
        return {**self.params, **{param.name: param for param in live_ports(self.spec, values).params}}

    def offers(self, param: Param, value: str) -> bool:
        """Say whether a value is among the options of a COMBO."""
        known = self._options.get(param.name)
        if known is None:
            known = frozenset(option for option in param.options or () if isinstance(option, str))
            self._options[param.name] = known
        return value in known


class Classes:
    """The facts of all classes of *specs*, worked out as they are asked for."""

    def __init__(self, specs: Mapping[str, NodeSpec]) -> None:
        self.specs = specs
        self._facts: dict[str, ClassFacts] = {}
        self._folders: dict[str, str | None] | None = None

    def of(self, class_type: str) -> ClassFacts | None:
        """Give the facts of a class, or None where the server has it not."""
        facts = self._facts.get(class_type)
        if facts is None and class_type in self.specs:
            facts = self._facts[class_type] = ClassFacts(self.specs[class_type])
        return facts

    def folder_of_param(self, name: str) -> str | None:
        """Give the folder that all classes with a file param of that name take, if it is one and the same.

        So ``ckpt_name`` of a class that is not here is still a checkpoint; ``lora`` and ``lora_2`` count as
        ``lora_name``.
        """
        if self._folders is None:
            self._folders = {}
            for spec in self.specs.values():
                for port in every_port(spec.ports):
                    if isinstance(port, Param) and port.folder is not None:
                        folder = self._folders.setdefault(port.name, port.folder)
                        if folder != port.folder:
                            self._folders[port.name] = None
        plain = name.rstrip("_0123456789")
        for each in (name, plain, f"{plain}_name"):
            if self._folders.get(each) is not None:
                return self._folders[each]
        return None


def saved_values(node: Mapping[str, Any], facts: ClassFacts | None) -> tuple[dict[str, Any], list[Any], bool]:
    """Give a UI node's widget values: by name, those without a name, and whether the definition fits them.

    The page saves them as a list in the order of the widgets, some packs as an object.
    """
    saved = node.get("widgets_values")
    if isinstance(saved, Mapping):
        return dict(cast("Mapping[str, Any]", saved)), [], True
    values = items(saved)
    if facts is None:
        widgets = [text(member(member(port, "widget"), "name")) for port in items(node.get("inputs"))]
        names = [name for name in widgets if name is not None]
        if len(names) != len(values):
            return {}, values, True
        return dict(zip(names, values, strict=True)), [], True
    pairs, taken = _in_order(facts.spec.ports, values)
    named = {param.name: value for param, value in pairs}
    files = [param for param, _ in pairs if param.folder is not None]
    like_files = [value for value in values if isinstance(value, str) and is_file(value)]
    if not like_files or all(_plausible(facts, param, named[param.name]) for param in files):
        return named, values[taken:], True
    # the class has changed since, or the page added widgets: then what looks like a file's name is one
    if len(like_files) == len(files):
        return {param.name: value for param, value in zip(files, like_files, strict=True)}, values, True
    return {}, values, False


def _in_order(ports: Ports, values: list[Any]) -> tuple[list[tuple[Param, Any]], int]:
    """Pair the widgets with the saved values, minding those that the page adds and that a choice brings.

    Also gives how many of the values were used.
    """
    pairs: list[tuple[Param, Any]] = []
    waiting = list(reversed(ports.params))
    at = 0
    while waiting and at < len(values):
        param, value = waiting.pop(), values[at]
        at += 1
        pairs.append((param, value))
        following = values[at] if at < len(values) else None
        seed = param.type == "INT" and param.name.rpartition(".")[2] in _SEEDS
        if isinstance(following, str) and (
            ((param.control_after_generate or seed) and following in _CONTROLS)
            or (param.upload is not None and following == param.upload)
        ):
            at += 1
        if param.variants is not None and isinstance(value, str | int | float):
            variant = param.variants.get(str(value))
            waiting.extend(reversed(variant.params if variant is not None else ()))
    return pairs, at


def _plausible(facts: ClassFacts, param: Param, value: Any) -> bool:
    """Say whether a value can be that of a file param."""
    return value is None or (isinstance(value, str) and (has_suffix(value) or facts.offers(param, value)))


def tells_files(value: Any) -> bool:
    """Say whether a widget value may name a model: in a list or object, as a file's name, or in a prompt."""
    if isinstance(value, str):
        return has_suffix(value) or "embedding:" in value
    return isinstance(value, dict) or (isinstance(value, list) and not is_link(value))  # pyright: ignore[reportUnknownArgumentType]
