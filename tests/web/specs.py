"""Prints {class_type: NodeSpec} of ComfyUI 0.33's node classes as JSON: all of them, or those that are named.

``python tests/web/specs.py $(cat tests/web/data/specs.txt) > tests/web/data/specs.json`` makes the fixture.
"""

import gzip
import json
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

import conftest  # noqa: E402, F401  # makes the repository importable as backplane
from backplane.nodespec import encoded, parse, to_json  # noqa: E402

FOLDERS = {
    "CheckpointLoaderSimple": {"ckpt_name": "checkpoints"},
    "LoraLoader": {"lora_name": "loras"},
    "VAELoader": {"vae_name": "vae"},
}
"""What a host adds to definitions."""

infos = json.loads(gzip.decompress((TESTS / "data" / "object_info-0.33.0.json.gz").read_bytes()))
names = sys.argv[1:] or list(infos)
specs = {name: to_json(parse(infos[name], folders=FOLDERS.get(name, {}), name=name)) for name in names}
sys.stdout.buffer.write(encoded(specs) + b"\n")
