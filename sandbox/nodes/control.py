"""The sandbox's own nodes: every state that a run can be in, on demand."""

from __future__ import annotations

import asyncio
from typing import Any

from ...errors import JSON
from ..expansion import GraphBuilder
from ..progress import ProgressBar, pause
from .base import Node, inputs, integer, number

PACK = "custom_nodes.backplane_sandbox"
_SECONDS = number(1.0, 0.0, 3600.0, 0.1)


class SandboxFail(Node):
    """Fails with the message it is told."""

    DISPLAY_NAME = "Fail (sandbox)"
    DESCRIPTION = "Fails with the message it is told."
    RELATIVE_PYTHON_MODULE = PACK
    INPUTS = inputs({"message": ("STRING", {"default": "This node fails."})}, {"value": ("*", {})})
    RETURN_TYPES = ("*",)
    RETURN_NAMES = ("value",)

    def execute(self, message: str, value: Any = None) -> tuple[Any]:
        """Fail. Raises RuntimeError."""
        del value
        raise RuntimeError(message)


class SandboxSleep(Node):
    """Takes as long as it is told, and passes a value through."""

    DISPLAY_NAME = "Sleep (sandbox)"
    DESCRIPTION = "Takes as long as it is told, step by step, and passes a value through."
    RELATIVE_PYTHON_MODULE = PACK
    INPUTS = inputs({"value": ("*", {}), "seconds": _SECONDS, "steps": integer(10, 1, 10000)})
    RETURN_TYPES = ("*",)
    RETURN_NAMES = ("value",)

    def execute(self, value: Any, seconds: float, steps: int) -> tuple[Any]:
        """Wait."""
        bar = ProgressBar(steps)
        for _ in range(steps):
            pause(seconds / steps)
            bar.update(1)
        return (value,)


class SandboxAsyncSleep(Node):
    """Waits without holding up other nodes, and passes a value through."""

    DISPLAY_NAME = "Async sleep (sandbox)"
    DESCRIPTION = "Waits while other nodes run, and passes a value through."
    RELATIVE_PYTHON_MODULE = PACK
    INPUTS = inputs({"value": ("*", {}), "seconds": _SECONDS})
    RETURN_TYPES = ("*",)
    RETURN_NAMES = ("value",)

    async def execute(self, value: Any, seconds: float) -> tuple[Any]:
        """Wait."""
        await asyncio.sleep(seconds)
        return (value,)


class SandboxSwitch(Node):
    """Passes one of two values; the other is not even computed."""

    DISPLAY_NAME = "Switch (sandbox)"
    DESCRIPTION = "Passes one of two values; the other is not even computed."
    RELATIVE_PYTHON_MODULE = PACK
    INPUTS = inputs(
        {"switch": ("BOOLEAN", {"default": True})},
        {"on_true": ("*", {"lazy": True}), "on_false": ("*", {"lazy": True})},
    )
    RETURN_TYPES = ("*",)
    RETURN_NAMES = ("value",)

    def check_lazy_status(self, switch: bool, on_true: Any = None, on_false: Any = None) -> list[str]:
        """Ask for the one that is passed on."""
        wanted = "on_true" if switch else "on_false"
        return [wanted] if (on_true if switch else on_false) is None else []

    def execute(self, switch: bool, on_true: Any = None, on_false: Any = None) -> tuple[Any]:
        """Pass it on."""
        return (on_true if switch else on_false,)


class SandboxRepeat(Node):
    """Expands into a chain of Sleep nodes."""

    DISPLAY_NAME = "Repeat sleep (sandbox)"
    DESCRIPTION = "Expands into as many Sleep nodes as it is told, and passes a value through."
    RELATIVE_PYTHON_MODULE = PACK
    INPUTS = inputs({"value": ("*", {"rawLink": True}), "times": integer(3, 1, 100), "seconds": _SECONDS})
    RETURN_TYPES = ("*",)
    RETURN_NAMES = ("value",)

    def execute(self, value: Any, times: int, seconds: float) -> JSON:
        """Expand."""
        graph = GraphBuilder()
        link: Any = value
        for _ in range(times):
            link = graph.node("SandboxSleep", value=link, seconds=seconds, steps=2).out(0)
        return {"result": (link,), "expand": graph.finalize()}


class SandboxLines(Node):
    """Gives the lines of a text as a list, which maps the nodes behind it."""

    DISPLAY_NAME = "Lines (sandbox)"
    DESCRIPTION = "Gives the lines of a text one by one: nodes behind it run once per line."
    RELATIVE_PYTHON_MODULE = PACK
    INPUTS = inputs({"text": ("STRING", {"multiline": True, "default": "one\ntwo\nthree"})})
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("line",)
    OUTPUT_IS_LIST = (True,)

    def execute(self, text: str) -> tuple[list[str]]:
        """Split."""
        return (text.splitlines(),)


class SandboxJoin(Node):
    """Puts a list of texts back together."""

    DISPLAY_NAME = "Join lines (sandbox)"
    DESCRIPTION = "Puts a list of texts back together."
    RELATIVE_PYTHON_MODULE = PACK
    INPUTS = inputs({"line": ("STRING", {"forceInput": True}), "separator": ("STRING", {"default": ", "})})
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("text",)
    INPUT_IS_LIST = True

    def execute(self, line: list[str], separator: list[str]) -> tuple[str]:
        """Join."""
        return (separator[0].join(line),)


CLASSES = (
    SandboxFail,
    SandboxSleep,
    SandboxAsyncSleep,
    SandboxSwitch,
    SandboxRepeat,
    SandboxLines,
    SandboxJoin,
)
