"""A host that has model folders and nothing else, and files to put into them."""

import asyncio
import itertools
import json
import os
import struct
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from backplane.errors import ApiError
from backplane.host.protocol import ModelFolder
from backplane.models import Library

SUFFIXES = frozenset({".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf"})
OLD = time.time() - 3600


class FakeModels:
    """Implements ``ModelFiles``: folders below *base*; more roots and folders may be added."""

    def __init__(self, base, names=("checkpoints", "diffusion_models", "loras")):
        self.base = Path(base)
        self.folders = {}
        self.aliases = {"unet": "diffusion_models"}
        self.told = []
        for name in names:
            self.add(name)

    def add(self, name, *roots, suffixes=SUFFIXES):
        """Have a folder; without *roots*, one of its own below the base."""
        roots = roots or (self.base / name,)
        for root in roots:
            root.mkdir(parents=True, exist_ok=True)
            os.utime(root, (OLD, OLD))
        self.folders[name] = ModelFolder(name, tuple(roots), frozenset(suffixes))
        return roots[0]

    def model_folders(self):
        return dict(self.folders)

    def model_folder_aliases(self):
        return dict(self.aliases)

    def models_changed(self, folder):
        self.told.append(folder)

    def put(self, folder, name, content=b"model", *, root=0, at=None):
        """Write a file that is an hour old, and so is its directory then; or *at* a time, now for example."""
        path = self.folders[folder].roots[root] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if at is None:
            age(path)
        else:
            os.utime(path, (at, at))
        return path


_ticks = itertools.count()


def age(path):
    """Make a file, and the directories it lies in, look as if they changed an hour ago, each time later."""
    at = OLD + next(_ticks) / 100
    os.utime(path, (at, at))
    for directory in list(path.parents)[:3]:
        os.utime(directory, (at, at))


def safetensors(metadata=None, entries=None):
    """Make a safetensors file whose tensors are zeros."""
    header, at = {}, 0
    if metadata is not None:
        header["__metadata__"] = metadata
    sizes = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I8": 1}
    for name, (dtype, shape) in (entries or {"a": ("F16", [2])}).items():
        size = sizes[dtype]
        for side in shape:
            size *= side
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def gguf(**pairs):
    """Make a GGUF file of one F16 tensor with these metadata entries, texts or numbers."""
    out = b"GGUF" + struct.pack("<IQQ", 3, 1, len(pairs))
    for key, value in pairs.items():
        out += _text(key.replace("__", "."))
        out += struct.pack("<I", 8) + _text(value) if isinstance(value, str) else struct.pack("<II", 4, value)
    out += _text("t") + struct.pack("<IQIQ", 1, 32, 1, 0)
    out += bytes(-len(out) % 32)
    return out + bytes(64)


def _text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


async def until(condition, limit_s=20.0):
    """Wait until *condition* (plain or async) gives something true, and give that."""
    deadline = time.monotonic() + limit_s
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError("it did not come to pass")
        await asyncio.sleep(0.01)


class Told(list):
    """Events that were told; they must be, on the event loop."""

    def __call__(self, name, data):
        asyncio.get_running_loop()
        assert name == "model.changed"
        self.append(data)

    def take(self):
        """Give what was told since the last time."""
        taken, self[:] = list(self), []
        return taken


@asynccontextmanager
async def opened(host, folder, **options):
    """Give a library that has been started, and what it tells; it must leave no thread."""
    told = Told()
    found = Library(host, told, folder / "state", **{"hash_models": False, "delay_s": 0, **options})
    found.start()
    yield found, told
    await found.stop()
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("backplane-models")]
    assert left == []


def of(ready):
    """Decode a document of the library."""
    return json.loads(ready.body)


async def code_of(work):
    """Give the code of the error that *work* must end in."""
    with pytest.raises(ApiError) as caught:
        await work
    return caught.value.code
