"""The node classes of one sandbox, and their definitions as ``/object_info`` gives them."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import JSON

log = logging.getLogger("backplane")


@dataclass(frozen=True, slots=True)
class Pack:
    """The node classes of one pack folder."""

    name: str
    classes: Mapping[str, type[Any]]
    display_names: Mapping[str, str]


class Registry:
    """All node classes by class_type. *builtin* names cannot be replaced by packs, as in ComfyUI."""

    def __init__(self, builtin: Mapping[str, type[Any]], packs: tuple[Pack, ...] = ()) -> None:
        self._classes: dict[str, type[Any]] = {}
        self._titles: dict[str, str] = {}
        for pack in packs:
            self._classes.update(pack.classes)
            self._titles.update(pack.display_names)
        for class_type, node_class in builtin.items():
            self._classes[class_type] = node_class
            self._titles[class_type] = node_class.DISPLAY_NAME

    def get(self, class_type: object) -> type[Any] | None:
        """Give the class of that name, or None; takes any value that stands for a name."""
        return self._classes.get(class_type) if isinstance(class_type, str) else None

    def class_types(self) -> list[str]:
        """Names of all node classes."""
        return list(self._classes)

    def token(self, class_type: str) -> Hashable:
        """A value that changes when the class behind the name is replaced."""
        return id(self._classes.get(class_type))

    def node_info(self, class_type: str) -> JSON:
        """One entry of ``/object_info``. Runs the pack's own code: may raise anything."""
        node_class = self._classes[class_type]
        title = self._titles.get(class_type, class_type)
        return (_v3 if getattr(node_class, "V3", False) else _v1)(class_type, title, node_class)

    def object_info(self) -> JSON:
        """All entries; a class that cannot be described costs that class and a line in the log."""
        entries: JSON = {}
        for class_type in self.class_types():
            try:
                entries[class_type] = self.node_info(class_type)
            except Exception:
                log.exception("The definition of node class %s cannot be read", class_type)
        return entries


def _common(class_type: str, title: str, node_class: type[Any]) -> JSON:
    inputs: Mapping[str, Mapping[str, Any]] = node_class.INPUT_TYPES()
    outputs = list(node_class.RETURN_TYPES)
    return {
        "input": {section: dict(entries) for section, entries in inputs.items()},
        "input_order": {section: list(entries) for section, entries in inputs.items()},
        "is_input_list": getattr(node_class, "INPUT_IS_LIST", False),
        "output": outputs,
        "output_is_list": list(getattr(node_class, "OUTPUT_IS_LIST", [False] * len(outputs))),
        "output_name": list(getattr(node_class, "RETURN_NAMES", outputs)),
        "name": class_type,
        "display_name": title,
        "description": getattr(node_class, "DESCRIPTION", ""),
        "python_module": getattr(node_class, "RELATIVE_PYTHON_MODULE", "nodes"),
        "category": getattr(node_class, "CATEGORY", "sd"),
        "output_node": getattr(node_class, "OUTPUT_NODE", False) is True,
        "has_intermediate_output": getattr(node_class, "HAS_INTERMEDIATE_OUTPUT", False) is True,
    }


def _v1(class_type: str, title: str, node_class: type[Any]) -> JSON:
    """A V1 entry: some keys are there only if the class has them."""
    info = _common(class_type, title, node_class)
    for key in ("deprecated", "experimental", "dev_only"):
        if getattr(node_class, key.upper(), False):
            info[key] = True
    for key in ("output_tooltips", "api_node", "essentials_category"):
        if hasattr(node_class, key.upper()):
            info[key] = getattr(node_class, key.upper())
    info["search_aliases"] = list(getattr(node_class, "SEARCH_ALIASES", ()))
    return info


def _v3(class_type: str, title: str, node_class: type[Any]) -> JSON:
    """A V3 entry: all keys are there, many null."""
    info = _common(class_type, title, node_class)
    matches = getattr(node_class, "OUTPUT_MATCHTYPES", None)
    tooltips = getattr(node_class, "OUTPUT_TOOLTIPS", None)
    return info | {
        "output_tooltips": [None] * len(info["output"]) if tooltips is None else list(tooltips),
        "output_matchtypes": None if matches is None else list(matches),
        "deprecated": getattr(node_class, "DEPRECATED", False),
        "experimental": getattr(node_class, "EXPERIMENTAL", False),
        "dev_only": False,
        "api_node": False,
        "price_badge": None,
        "search_aliases": list(getattr(node_class, "SEARCH_ALIASES", ())) or None,
        "essentials_category": getattr(node_class, "ESSENTIALS_CATEGORY", None),
    }
