"""A V1 node pack for the tests of the sandbox: every way in which a node can behave."""
# ruff: noqa: TID251 (the names that the sandbox stands in for)

import asyncio
import threading
from pathlib import Path

import comfy.utils
from comfy.model_management import InterruptProcessingException, throw_exception_if_processing_interrupted
from comfy_execution.graph import ExecutionBlocker
from comfy_execution.graph_utils import GraphBuilder
from PIL import Image

ANY = ("*", {})
STRING = ("STRING", {"default": ""})


class Value:
    """What a node of the pack is made of."""

    RETURN_TYPES = ("*",)
    FUNCTION = "run"
    CATEGORY = "pack"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ANY}}


class Show(Value):
    OUTPUT_NODE = True

    def run(self, value):
        return {"ui": {"value": [value]}, "result": (value,)}


class Count(Value):
    """Says how often the class ran, so that a test sees what was cached."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"counts": STRING}, "optional": {"value": ANY}}

    def run(self, counts, value=None):
        with Path(counts).open("a") as file:
            file.write("x")
        return (value,)


class Changing(Count):
    """Runs again whenever the file it names has changed."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"counts": STRING, "watched": STRING}}

    @classmethod
    def IS_CHANGED(cls, counts, watched):
        return Path(watched).read_text() or float("nan")

    def run(self, counts, watched):
        return super().run(counts, watched)


class Meet(Value):
    """Two of these with different values wait for each other: they end only if they overlap."""

    PRESENT: set = set()  # noqa: RUF012

    async def run(self, value):
        self.PRESENT.add(value)
        while len(self.PRESENT) < 2:
            await asyncio.sleep(0.001)
        return (value,)


class AsyncFail(Value):
    async def run(self, value):
        raise LookupError(value)


class Raise(Value):
    """Raises what it is named after."""

    def run(self, value):
        raise {"exit": SystemExit, "keyboard": KeyboardInterrupt, "generator": GeneratorExit}[value](
            "told to"
        )


class AsyncExit(Value):
    async def run(self, value):
        raise SystemExit(value)


class Block(Value):
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"message": STRING}}

    def run(self, message):
        return (ExecutionBlocker(message or None),)


class Expand(Value):
    """Expands into a node per item, and an output node."""

    RETURN_TYPES = ("*", "*")

    def run(self, value):
        graph = GraphBuilder()
        copy = graph.node("PackValue", value=value)
        graph.node("PackShow", id="shown", value=copy.out(0))
        return {"result": (copy.out(0), "beside"), "expand": graph.finalize()}


class Pass(Value):
    def run(self, value):
        return (value,)


class Numbers(Value):
    RETURN_TYPES = ("INT",)
    OUTPUT_IS_LIST = (True,)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"count": ("INT", {"min": 0})}}

    def run(self, count):
        return (list(range(count)),)


class Together(Value):
    INPUT_IS_LIST = True

    def run(self, value):
        return (list(value),)


class Odd(Value):
    """Shows things that JSON does not have."""

    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def run(self):
        return {"ui": {"odd": [float("nan"), {1: {2}}, object]}}


class Steps(Value):
    """Reports steps with previews, and can be stopped at each."""

    def run(self, value):
        bar = comfy.utils.ProgressBar(value)
        for _ in range(value):
            throw_exception_if_processing_interrupted()
            bar.update(1)
        bar.update_absolute(value, value, ("PNG", Image.new("RGB", (64, 32), "red"), 16))
        return (value,)


class Linger(Value):
    """Leaves a thread behind that reports progress when it is told to."""

    LEFT: dict = {}  # noqa: RUF012

    def run(self, value):
        bar, go = comfy.utils.ProgressBar(3), threading.Event()

        def report():
            go.wait(20)
            bar.update(1)

        thread = threading.Thread(target=report)
        thread.start()
        self.LEFT.update(go=go, thread=thread)
        return (value,)


class SelfInterrupt(Value):
    def run(self, value):
        raise InterruptProcessingException


class Strict(Value):
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("INT", {"min": 0, "max": 10})}}

    @classmethod
    def VALIDATE_INPUTS(cls, value):
        return True if value == 42 else f"{value} is not the answer"

    def run(self, value):
        return (value,)


class Hidden(Value):
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {},
            "hidden": {
                "prompt": "PROMPT",
                "unique_id": "UNIQUE_ID",
                "extra": "EXTRA_PNGINFO",
                "key": "API_KEY_COMFY_ORG",
                "dynprompt": "DYNPROMPT",
            },
        }

    def run(self, prompt, unique_id, extra, key, dynprompt):
        known = dynprompt.get_node(unique_id)["class_type"]
        return {"ui": {"hidden": [sorted(prompt), unique_id, extra, key, known]}}


class Broken(Value):
    @classmethod
    def INPUT_TYPES(cls):
        raise OSError("no such folder")


class Wrong(Value):
    """Returns what no node may return."""

    def run(self, value):
        return value


CLASSES = (
    *(Show, Count, Changing, Meet, AsyncFail, Raise, AsyncExit, Block, Expand, Numbers, Together, Odd),
    *(Steps, Linger, SelfInterrupt, Strict, Hidden, Broken, Wrong),
)
NODE_CLASS_MAPPINGS = {f"Pack{cls.__name__}": cls for cls in CLASSES} | {"PackValue": Pass, "SaveImage": Pass}
NODE_DISPLAY_NAME_MAPPINGS = {"PackShow": "Show a value"}
