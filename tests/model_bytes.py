"""Model files of a few bytes, right and wrong ones."""

import io
import json
import pickle
import struct
import zipfile

HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in to go on</title></head><body>Please log in</body></html>"


def framed(header, body=b""):
    """A safetensors file with this header: bytes, or what becomes JSON."""
    if not isinstance(header, bytes):
        header = json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + body


def safetensors(count=2, *, side=8, metadata=None, fill=b"\x07"):
    """A whole file of *count* F32 tensors."""
    header, at = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for number in range(count):
        header[f"blocks.{number}.weight"] = {
            "dtype": "F32",
            "shape": [side, side],
            "data_offsets": [at, at + 4 * side * side],
        }
        at += 4 * side * side
    return framed(header, fill * at)


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(value)) + value


def gguf(*, version=3, pairs=None, tensors=None, counts=None, body=None, alignment=32):
    """A GGUF file. *pairs*: (key, type number, packed value), *tensors*: (name, shape, type, offset)."""
    if pairs is None:
        pairs = [("general.architecture", 8, text("flux")), ("general.file_type", 4, struct.pack("<I", 15))]
    if tensors is None:
        tensors = [("a.weight", (32, 2), 0, 0), ("b.weight", (256, 2), 12, 256)]
    told = counts or (len(tensors), len(pairs))
    out = b"GGUF" + struct.pack("<IQQ", version, *told)
    for key, kind, value in pairs:
        out += text(key) + struct.pack("<I", kind) + value
    for name, shape, kind, offset in tensors:
        out += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
    out += bytes(-len(out) % alignment)
    return out + (bytes(256 + 2 * 144) if body is None else body)


def pickled():
    return pickle.dumps({"weights": list(range(300))}, protocol=2)


def zipped(files, *, method=zipfile.ZIP_DEFLATED):
    """A zip archive: {name or ZipInfo: bytes}, or a list of such pairs where names repeat."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, data)
    return out.getvalue()
