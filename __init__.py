"""Backplane turns a running ComfyUI server into a complete API server.

ComfyUI's entry point: it only wires. The routes are in ``routes/``, the door to ComfyUI in ``host/``.
"""

from __future__ import annotations

import sys

NODE_CLASS_MAPPINGS: dict[str, type] = {}
"""No nodes of its own; ComfyUI takes a package without this name for a broken one."""

WEB_DIRECTORY = "web/extension"
"""What ComfyUI's own page loads: a tab that leads to the phone app, which ``routes/app.py`` serves."""

if "server" in sys.modules:  # ComfyUI imports it before any custom node; nothing else does
    from .host import comfyui

    comfyui.install()
