"""Workflows from UI format (what the ComfyUI page saves) to API format and back, and out of files. Pure."""

from __future__ import annotations

from .extract import Extracted, extract, format_of, unwrapped
from .to_api import Converted, Note, UnknownClass, to_api
from .to_ui import Drawn, to_ui

__all__ = [
    "Converted",
    "Drawn",
    "Extracted",
    "Note",
    "UnknownClass",
    "extract",
    "format_of",
    "to_api",
    "to_ui",
    "unwrapped",
]
