"""Nodes for the differential test of validation: every kind of input that a V1 class can declare.

Loaded into a real ComfyUI and into the sandbox alike. Nothing runs them.
"""

CATEGORY = "checks"
NUMBERS = ("INT", {"default": 5, "min": 0, "max": 10})


class Anything(str):
    """A type that fits every other, as many packs define it."""

    __slots__ = ()

    def __ne__(self, other):
        return False

    __hash__ = str.__hash__


class Node:
    CATEGORY = CATEGORY
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    def run(self, **_inputs):
        return (0,) * len(self.RETURN_TYPES)


class CheckSources(Node):
    """An output of every type that a link can have."""

    RETURN_TYPES = ("INT", "FLOAT", "STRING", "IMAGE", "IMAGE,MASK", "*", ["a", "b"], "COMBO", "BOOLEAN")
    RETURN_NAMES = ("int", "float", "string", "image", "union", "any", "listed", "combo", "boolean")

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}, "hidden": {"unique_id": "UNIQUE_ID"}}


class CheckValues(Node):
    """One of each widget."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "whole": NUMBERS,
                "real": ("FLOAT", {"default": 0.5, "min": -1.0, "max": 1.0, "step": 0.1}),
                "words": ("STRING", {"default": "", "multiline": True}),
                "flag": ("BOOLEAN", {"default": False}),
                "listed": (["a", "b", "c"], {"default": "b"}),
            },
            "optional": {
                "free": ("INT", {}),
                "numbers": ([1, 2, 3],),
                "mixed": (["auto", 1, 2.5, True, None],),
                "combo": ("COMBO", {"options": ["x", "y"]}),
                "several": ("COMBO", {"options": ["x", "y", "z"], "multiselect": True}),
                "nothing": ([],),
                "long": ([f"option {number}" for number in range(30)],),
            },
        }


class CheckLinks(Node):
    """One of each socket."""

    RETURN_TYPES = ("IMAGE", "INT")

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"image": ("IMAGE",)},
            "optional": {
                "either": ("IMAGE,MASK", {}),
                "anything": ("*", {}),
                "odd": (Anything("*"), {}),
                "number": ("INT", {"forceInput": True, "min": 0, "max": 10}),
                "word": ("STRING", {"forceInput": True}),
                "special": ("SPECIAL", {"min": 2}),
                "lazy": ("IMAGE", {"lazy": True}),
            },
        }


class CheckOwn(CheckValues):
    """Judges two of its inputs itself, and likes all that it sees."""

    @classmethod
    def VALIDATE_INPUTS(cls, whole, listed):
        return True


class CheckEvery(CheckValues):
    """Judges every input itself."""

    @classmethod
    def VALIDATE_INPUTS(cls, **kwargs):
        return True


class CheckTypes(CheckLinks):
    """Judges the types of its links itself, and no value."""

    @classmethod
    def VALIDATE_INPUTS(cls, input_types):
        return True


class CheckPicky(Node):
    """Has its own opinion, which nothing but asking it tells."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"number": NUMBERS, "other": NUMBERS}}

    @classmethod
    def VALIDATE_INPUTS(cls, number):
        return True if number in {1, 2, 5} else f"{number} is not to my taste"


class CheckShow(Node):
    """Where a workflow ends; everything is optional."""

    OUTPUT_NODE = True
    RETURN_TYPES = ()

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}, "optional": {"first": ("*", {}), "second": ("INT", {}), "image": ("IMAGE",)}}


class CheckSave(Node):
    """Another end, which wants an image."""

    OUTPUT_NODE = True
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "name": ("STRING", {"default": "x"})}}


NODE_CLASS_MAPPINGS = {
    made.__name__: made
    for made in [
        *(CheckSources, CheckValues, CheckLinks, CheckOwn, CheckEvery, CheckTypes, CheckPicky),
        *(CheckShow, CheckSave),
    ]
}
