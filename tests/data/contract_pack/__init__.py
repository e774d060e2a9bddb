"""Nodes for the contract suite, loaded into a real ComfyUI and into the sandbox alike.

Each shows one way in which a node can behave. V1 style, no torch: values are ints and strings.
"""

import asyncio
import logging
import time

import comfy.model_management
import comfy.utils
from comfy_execution.graph_utils import GraphBuilder
from PIL import Image

CATEGORY = "contract"


class Anything(str):
    """A type that fits every other, as many packs define it."""

    __slots__ = ()

    def __ne__(self, other):
        return False

    __hash__ = str.__hash__


ANY = Anything("*")


class ContractInt:
    """A number. *salt* is there to make a run of its own of it: it keeps results out of the cache."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"value": ("INT", {"default": 1, "min": 0, "max": 1000})},
            "optional": {"salt": ("STRING", {"default": ""})},
        }

    def run(self, value, salt=""):
        return (value,)


class ContractSeed:
    """Gives its seed, so that runs differ in nothing else."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"seed": ("INT", {"default": 0, "min": 0, "max": 2**64 - 1})},
            "optional": {"salt": ("STRING", {"default": ""})},
        }

    def run(self, seed, salt=""):
        return (seed,)


class ContractAdd:
    CATEGORY = CATEGORY
    RETURN_TYPES = ("INT",)
    RETURN_NAMES = ("sum",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"a": ("INT", {"forceInput": True}), "b": ("INT", {"default": 0})}}

    def run(self, a, b):
        return (a + b,)


class ContractShow:
    """Shows any value as text, and numbers as numbers too."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": (ANY, {})}}

    def run(self, value):
        ui = {"text": [str(value)]}
        if isinstance(value, int | float):
            ui["number"] = [value]
        return {"ui": ui}


class ContractSleep:
    """Takes *seconds*, reports *steps* and lets itself be interrupted at each."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "value": ("INT", {"default": 1}),
                "seconds": ("FLOAT", {"default": 0.5, "min": 0.0, "max": 600.0}),
                "steps": ("INT", {"default": 10, "min": 1, "max": 100000}),
            },
            "optional": {"salt": ("STRING", {"default": ""})},
        }

    def run(self, value, seconds, steps, salt=""):
        bar = comfy.utils.ProgressBar(steps)
        for _ in range(steps):
            comfy.model_management.throw_exception_if_processing_interrupted()
            time.sleep(seconds / steps)
            bar.update(1)
        return (value,)


class ContractPreview:
    """Reports a frame with each step."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "frames": ("INT", {"default": 5}),
                "seconds": ("FLOAT", {"default": 0.5}),
                "salt": ("STRING", {"default": ""}),
            }
        }

    def run(self, frames, seconds, salt):
        bar = comfy.utils.ProgressBar(frames)
        for frame in range(frames):
            comfy.model_management.throw_exception_if_processing_interrupted()
            image = Image.new("RGB", (640, 320), (200, 30, frame % 256))
            bar.update_absolute(frame + 1, frames, ("JPEG", image, 256))
            time.sleep(seconds / frames)
        return (frames,)


class ContractSwitch:
    """Asks for one of two lazy inputs."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "second": ("BOOLEAN", {"default": False}),
                "a": ("INT", {"lazy": True, "forceInput": True}),
                "b": ("INT", {"lazy": True, "forceInput": True}),
            }
        }

    def check_lazy_status(self, second, a=None, b=None):
        wanted, value = ("b", b) if second else ("a", a)
        return [wanted] if value is None else []

    def run(self, second, a=None, b=None):
        return (b if second else a,)


class ContractExpand:
    """Expands into two sleeping nodes and an addition."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "value": ("INT", {"default": 1}),
                "seconds": ("FLOAT", {"default": 0.2}),
                "fail": ("BOOLEAN", {"default": False}),
                "salt": ("STRING", {"default": ""}),
            }
        }

    def run(self, value, seconds, fail, salt):
        graph = GraphBuilder()
        first = graph.node("ContractSleep", value=value, seconds=seconds, steps=4, salt=salt)
        second = graph.node("ContractSleep", value=value, seconds=seconds, steps=4, salt=salt + "2")
        total = graph.node("ContractAdd", a=first.out(0), b=second.out(0))
        if fail:
            total = graph.node("ContractFail", value=total.out(0), message="inside")
        return {"result": (total.out(0),), "expand": graph.finalize()}


class ContractList:
    """Gives a list: what takes it runs once for each item."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("INT",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"count": ("INT", {"default": 3}), "salt": ("STRING", {"default": ""})}}

    def run(self, count, salt):
        return (list(range(count)),)


class ContractAsync:
    CATEGORY = CATEGORY
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "value": ("INT", {"default": 1}),
                "seconds": ("FLOAT", {"default": 0.3}),
                "salt": ("STRING", {"default": ""}),
            }
        }

    async def run(self, value, seconds, salt):
        await asyncio.sleep(seconds)
        return (value,)


class ContractFail:
    CATEGORY = CATEGORY
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "value": ("INT", {"default": 1}),
                "message": ("STRING", {"default": "told to fail"}),
            }
        }

    def run(self, value, message):
        raise ValueError(message)


class OutOfMemoryError(RuntimeError):
    """By its name what torch raises."""


FAULTS = {"connection": ConnectionResetError, "memory": OutOfMemoryError, "value": ValueError}
FAILED: dict[str, int] = {}


class ContractFlaky:
    """Fails *times* times with one kind of fault, then works."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "fault": (list(FAULTS),),
                "times": ("INT", {"default": 1}),
                "salt": ("STRING", {"default": ""}),
            }
        }

    def run(self, fault, times, salt):
        FAILED[salt] = FAILED.get(salt, 0) + 1
        if FAILED[salt] <= times:
            raise FAULTS[fault](f"failure {FAILED[salt]}")
        return (FAILED[salt],)


class ContractLog:
    """Logs, and a secret with it."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"lines": ("INT", {"default": 1}), "salt": ("STRING", {"default": ""})}}

    def run(self, lines, salt):
        for line in range(lines):
            logging.getLogger("contract").warning("line %d Bearer abcdefghijklmnop1234", line)
        return (lines,)


class ContractOdd:
    """Hands out what JSON has no word for, and says more than one kind of thing."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("INT", {"default": 1})}}

    def run(self, value):
        return {"ui": {"text": ["好"], "score": [float("nan"), 0.5], "boxes": [{"x": value}], "ok": [True]}}


NODE_CLASS_MAPPINGS = {
    "ContractInt": ContractInt,
    "ContractSeed": ContractSeed,
    "ContractAdd": ContractAdd,
    "ContractShow": ContractShow,
    "ContractSleep": ContractSleep,
    "ContractPreview": ContractPreview,
    "ContractSwitch": ContractSwitch,
    "ContractExpand": ContractExpand,
    "ContractList": ContractList,
    "ContractAsync": ContractAsync,
    "ContractFail": ContractFail,
    "ContractFlaky": ContractFlaky,
    "ContractLog": ContractLog,
    "ContractOdd": ContractOdd,
}
