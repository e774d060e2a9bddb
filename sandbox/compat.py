"""Stand-ins for the few ComfyUI modules that a simple node pack imports.

A module name is global by nature, so this is the one place that touches ``sys.modules``; the modules hold
no state of their own, everything goes through the call that runs (see progress.py).
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from .expansion import ExecutionBlocker, GraphBuilder
from .progress import InterruptProcessing, ProgressBar, check_interrupt, interrupted


def install() -> bool:
    """Offer ``comfy`` and ``comfy_execution`` to packs, unless the real ones can be imported.

    Says whether the names are (now) ours.
    """
    present = sys.modules.get("comfy")
    if present is not None:
        return getattr(present, "BACKPLANE_SANDBOX", False) is True
    if importlib.util.find_spec("comfy") is not None:
        return False
    for module in _modules():
        sys.modules[module.__name__] = module
        parent, _, name = module.__name__.rpartition(".")
        if parent:
            setattr(sys.modules[parent], name, module)
    return True


def _modules() -> list[ModuleType]:
    def module(name: str, **contents: object) -> ModuleType:
        made = ModuleType(name, "A stand-in by Backplane's sandbox.")
        vars(made).update(contents)
        return made

    return [
        module("comfy", __path__=[], BACKPLANE_SANDBOX=True),
        module("comfy.utils", ProgressBar=ProgressBar, PROGRESS_BAR_ENABLED=True),
        module(
            "comfy.model_management",
            InterruptProcessingException=InterruptProcessing,
            throw_exception_if_processing_interrupted=check_interrupt,
            processing_interrupted=interrupted,
        ),
        module("comfy_execution", __path__=[]),
        module("comfy_execution.graph_utils", GraphBuilder=GraphBuilder, ExecutionBlocker=ExecutionBlocker),
        module("comfy_execution.graph", ExecutionBlocker=ExecutionBlocker),
    ]
