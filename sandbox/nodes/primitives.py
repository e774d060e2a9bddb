"""Values as nodes, and a node that shows one."""

from __future__ import annotations

import json
from typing import Any

from ...errors import JSON
from .base import Node, inputs

MAX_INT = 2**63 - 1


class PrimitiveInt(Node):
    """A whole number."""

    V3 = True
    DISPLAY_NAME = "Int"
    CATEGORY = "utilities/primitive"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_primitive"
    INPUTS = inputs({"value": ("INT", {"min": -MAX_INT, "max": MAX_INT, "control_after_generate": "fixed"})})
    RETURN_TYPES = ("INT",)

    def execute(self, value: int) -> tuple[int]:
        """Give it."""
        return (value,)


class PrimitiveFloat(Node):
    """A number."""

    V3 = True
    DISPLAY_NAME = "Float"
    CATEGORY = "utilities/primitive"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_primitive"
    INPUTS = inputs({"value": ("FLOAT", {"min": -MAX_INT, "max": MAX_INT, "step": 0.1})})
    RETURN_TYPES = ("FLOAT",)

    def execute(self, value: float) -> tuple[float]:
        """Give it."""
        return (value,)


class PrimitiveString(Node):
    """A text."""

    V3 = True
    DISPLAY_NAME = "Text"
    CATEGORY = "utilities/primitive"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_primitive"
    INPUTS = inputs({"value": ("STRING", {"multiline": False})})
    RETURN_TYPES = ("STRING",)
    SEARCH_ALIASES = ("text", "string", "text box", "prompt")

    def execute(self, value: str) -> tuple[str]:
        """Give it."""
        return (value,)


class PrimitiveBoolean(Node):
    """Yes or no."""

    V3 = True
    DISPLAY_NAME = "Boolean"
    CATEGORY = "utilities/primitive"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_primitive"
    INPUTS = inputs({"value": ("BOOLEAN", {})})
    RETURN_TYPES = ("BOOLEAN",)

    def execute(self, value: bool) -> tuple[bool]:
        """Give it."""
        return (value,)


class PreviewAny(Node):
    """Shows anything as text."""

    DISPLAY_NAME = "Preview as Text"
    DESCRIPTION = "Shows any value as text."
    CATEGORY = "utilities"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_preview_any"
    INPUTS = inputs({"source": ("*", {})})
    RETURN_TYPES = ("STRING",)
    OUTPUT_NODE = True
    SEARCH_ALIASES = ("show output", "inspect", "debug", "print value", "show text")

    def execute(self, source: Any = None) -> JSON:
        """Give the value as text: texts and numbers as they are, the rest as JSON if it can be."""
        if isinstance(source, str):
            text = source
        elif source is None or isinstance(source, bool | int | float):
            text = str(source)
        else:
            try:
                text = json.dumps(source, indent=4)
            except (TypeError, ValueError):
                text = str(source)
        return {"ui": {"text": (text,)}, "result": (text,)}


CLASSES = (PrimitiveInt, PrimitiveFloat, PrimitiveString, PrimitiveBoolean, PreviewAny)
