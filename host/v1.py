"""Describes a V1 node class as ``/object_info`` does. Imports no ComfyUI: it reads class attributes.

The keys and their defaults are those of ComfyUI's ``/object_info`` (server.py, ``node_info``), which is a
closure and cannot be called. Broken attributes are passed on as they are; ``nodespec`` mends them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import JSON


def node_info_v1(class_type: str, node_class: Any, display_name: str) -> JSON:
    """Give the ``/object_info`` entry of *node_class*; raises whatever its ``INPUT_TYPES`` raises."""
    inputs: Mapping[str, Mapping[str, Any]] = node_class.INPUT_TYPES()
    outputs = node_class.RETURN_TYPES
    return {
        "input": inputs,
        "input_order": {section: list(entries) for section, entries in inputs.items()},
        "is_input_list": getattr(node_class, "INPUT_IS_LIST", False),
        "output": outputs,
        "output_is_list": getattr(node_class, "OUTPUT_IS_LIST", None) or [False] * len(outputs or ()),
        "output_name": getattr(node_class, "RETURN_NAMES", None) or outputs,
        "output_tooltips": getattr(node_class, "OUTPUT_TOOLTIPS", None),
        "name": class_type,
        "display_name": display_name,
        "description": getattr(node_class, "DESCRIPTION", ""),
        "python_module": getattr(node_class, "RELATIVE_PYTHON_MODULE", "nodes"),
        "category": getattr(node_class, "CATEGORY", "sd"),
        "output_node": getattr(node_class, "OUTPUT_NODE", False) is True,
        "deprecated": bool(getattr(node_class, "DEPRECATED", False)),
        "experimental": bool(getattr(node_class, "EXPERIMENTAL", False)),
        "dev_only": bool(getattr(node_class, "DEV_ONLY", False)),
        "api_node": bool(getattr(node_class, "API_NODE", False)),
        "search_aliases": getattr(node_class, "SEARCH_ALIASES", []),
    }
