"""Nodes that misbehave, for the tests of faults and for benchmarks. V1 style, no torch.

``FaultCount`` writes into the file that BACKPLANE_FAULT_FILE names, so that runs can be counted from outside,
also over the death of the process.
"""

import logging
import os
import sys
import threading
import time

import comfy.utils

CATEGORY = "fault"
SALT = ("STRING", {"default": ""})


class Unusual(BaseException):
    """Not an Exception: what catches those lets it through."""


RAISED = {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt, "Unusual": Unusual}


class Opaque:
    """Has no JSON and no good text."""

    def __str__(self):
        raise ValueError("no text either")

    __repr__ = __str__


class Node:
    CATEGORY = CATEGORY
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {name: (kind, {}) for name, kind in cls.INPUTS} | {"salt": SALT}}


class Shown(Node):
    RETURN_TYPES = ()
    OUTPUT_NODE = True


class FaultCount(Node):
    """Writes a line with *salt* each time it runs."""

    INPUTS = (("value", "INT"),)

    def run(self, value, salt):
        # One write to a file opened for appending: what was begun is there whole, also after a kill.
        file = os.open(os.environ["BACKPLANE_FAULT_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, f"{salt}\n".encode())
        finally:
            os.close(file)
        return (value,)


class FaultRaise(Node):
    """Raises what is no Exception."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"kind": (list(RAISED),), "salt": SALT}}

    def run(self, kind, salt):
        raise RAISED[kind](f"raised {kind}")


class FaultLog(Node):
    """Logs so many megabytes, in lines of a kilobyte and at last in one."""

    INPUTS = (("megabytes", "INT"),)

    def run(self, megabytes, salt):
        log = logging.getLogger("fault_pack")
        for _ in range(megabytes * 512):
            log.info("x" * 1024)
        log.info("y" * (megabytes * 512 * 1024))
        sys.stdout.write("z" * (1024 * 1024) + "\n")
        return (megabytes,)


class FaultNumbers(Shown):
    """Shows numbers that JSON has no words for."""

    INPUTS = ()

    def run(self, salt):
        odd = [float("nan"), float("inf"), float("-inf")]
        return {"ui": {"number": odd, "nested": [{"a": odd, "b": {"c": odd[0]}}], "text": ["after"]}}


class FaultProgress(Node):
    """Reports progress that makes no sense."""

    INPUTS = ()

    def run(self, salt):
        bar = comfy.utils.ProgressBar(10)
        for value, total in [(float("nan"), 10), (5, 0), (-3, 10), (float("inf"), float("inf")), (99, 10)]:
            bar.update_absolute(value, total)
        return (1,)


class FaultDeaf(Node):
    """Never asks whether it should stop."""

    INPUTS = (("seconds", "FLOAT"),)

    def run(self, seconds, salt):
        time.sleep(seconds)
        return (1,)


class FaultGhost(Node):
    """Leaves a thread behind that reports progress when the run is long over."""

    INPUTS = (("seconds", "FLOAT"),)

    def run(self, seconds, salt):
        bar = comfy.utils.ProgressBar(1000)

        def haunt():
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                bar.update(1)
                time.sleep(0.001)

        threading.Thread(target=haunt, daemon=True).start()
        return (1,)


class FaultOpaque(Shown):
    """Shows what is no JSON: bytes, objects, keys that are no text, a value within itself."""

    @classmethod
    def INPUT_TYPES(cls):
        kinds = ["bytes", "object", "set", "keys", "no_list", "opaque", "endless"]
        return {"required": {"kind": (kinds,), "salt": SALT}}

    def run(self, kind, salt):
        endless = []
        endless.append(endless)
        values = {
            "bytes": [b"\xff\x00"],
            "object": [object()],
            "set": [{1, 2}],
            "keys": [{1: {(2, 3): None}}],
            "no_list": "just text",
            "opaque": [Opaque()],
            "endless": endless,
        }
        return {"ui": {"odd": values[kind]}}


class FaultMany(Shown):
    """Shows so many texts."""

    INPUTS = (("count", "INT"),)

    def run(self, count, salt):
        return {"ui": {"text": [f"text {number}" for number in range(count)]}}


class FaultLong(Shown):
    """Shows one text of so many megabytes."""

    INPUTS = (("megabytes", "INT"),)

    def run(self, megabytes, salt):
        return {"ui": {"text": ["é" * (megabytes * 1024 * 1024 // 2)]}}


class FaultTicks(Node):
    """Reports the time (Unix seconds) as its progress, so often and so far apart."""

    INPUTS = (("ticks", "INT"), ("seconds", "FLOAT"))

    def run(self, ticks, seconds, salt):
        bar = comfy.utils.ProgressBar(1e12)
        for _ in range(ticks):
            time.sleep(seconds)
            bar.update_absolute(time.time())
        return (ticks,)


NODE_CLASS_MAPPINGS = {
    made.__name__: made
    for made in [
        FaultCount,
        FaultRaise,
        FaultLog,
        FaultNumbers,
        FaultProgress,
        FaultDeaf,
        FaultGhost,
        FaultOpaque,
        FaultMany,
        FaultLong,
        FaultTicks,
    ]
}
