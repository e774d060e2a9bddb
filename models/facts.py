"""What a model file says of itself: its header read into :class:`~.values.Facts`.

Keys of the metadata are those of sd-scripts (``ss_*``) and of the ModelSpec of Stability AI
(``modelspec.*``), GGUF's are in ggml's docs/gguf.md.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from ..breath import Breath
from ..errors import JSON
from ..modelfiles import gguf, safetensors
from ..modelfiles.formats import format_of
from ..modelfiles.names import suffix_of
from ..modelfiles.trouble import FormatError
from .base_models import by_tensors, by_words
from .values import Facts, Origin

VERSION = 1
"""Goes up when more is read of headers than before: facts of another version are read again."""

MOST_WORDS = 10
MOST_TAGS = 50
LONGEST_TEXT = 200
LARGEST_TAGS = 4 * 1024**2
"""Characters of ``ss_tag_frequency`` that are read; more is not worth the time."""
METADATA_VALUE_MAX = 64 * 1024
METADATA_MAX = 512 * 1024
"""Characters of metadata that one reply holds: of one value, and of all."""

_PRECISIONS = {
    "F64": "fp64",
    "F32": "fp32",
    "F16": "fp16",
    "BF16": "bf16",
    "F8_E4M3": "fp8_e4m3",
    "F8_E5M2": "fp8_e5m2",
    "I8": "int8",
}
_NUMBER = re.compile(r"\d{2,5}")


def format_name(name: str) -> str:
    """Give the format of a file by its name, ``safetensors`` or ``gguf``; else its suffix."""
    known = format_of(name)
    return known.name if known is not None else suffix_of(name).removeprefix(".") or "unknown"


def has_header(name: str) -> bool:
    """Say whether :func:`read_facts` reads files of this name."""
    return format_name(name) in {"safetensors", "gguf"}


def read_facts(path: Path) -> Facts:
    """Read a file's header. Raises OSError. Blocks, for a millisecond or as long as the disk needs."""
    try:
        if format_name(path.name) == "gguf":
            return _of_gguf(gguf.read_file(path))
        return _of_safetensors(safetensors.read_file(path))
    except FormatError as error:
        return Facts(damaged=error.reason)


def read_metadata(path: Path) -> tuple[JSON, list[str]]:
    """Give the header's metadata and the keys left out for their length. Raises FormatError, OSError."""
    found: Mapping[str, Any] = (
        gguf.read_file(path).metadata
        if format_name(path.name) == "gguf"
        else safetensors.read_file(path).metadata
    )
    kept: JSON = {}
    left_out: list[str] = []
    room = METADATA_MAX
    for key, value in found.items():
        length = len(key) + (len(value) if isinstance(value, str) else 24)
        if length > METADATA_VALUE_MAX or length > room:
            left_out.append(key[:LONGEST_TEXT])
        else:
            room -= length
            kept[key] = value
    return kept, left_out[:1000]


def _of_safetensors(header: safetensors.Header) -> Facts:
    said = header.metadata
    named = _first(said, "modelspec.architecture", "ss_base_model_version")
    family = None if named is None else by_words(named)
    source = None if family is None else "metadata"
    if family is None:
        family = by_tensors({name: tensor.shape for name, tensor in header.tensors.items()})
        source = None if family is None else "tensors"
    if family is None and named is not None:
        family, source = named, "metadata"
    dtypes = header.dtypes()
    first = next(iter(dtypes), None)
    tags = _tags(said.get("ss_tag_frequency"))
    return Facts(
        base_model=family,
        base_model_from=source,
        title=_first(said, "modelspec.title", "ss_output_name"),
        trigger_words=_phrases(said.get("modelspec.trigger_phrase")) or tuple(tags)[:MOST_WORDS],
        tags=tags,
        resolution=_resolution(_first(said, "modelspec.resolution", "ss_resolution")),
        precision=None if first is None else _PRECISIONS.get(first, first.lower()),
        dtypes=dtypes,
        tensors=len(header.tensors),
        parameters=sum(math.prod(tensor.shape) for tensor in header.tensors.values()),
        network_dim=_first(said, "ss_network_dim"),
        network_alpha=_first(said, "ss_network_alpha"),
        prediction_type=_first(said, "modelspec.prediction_type"),
    )


def _of_gguf(header: gguf.Header) -> Facts:
    named = header.architecture
    family = None if named is None else by_words(named) or named[:LONGEST_TEXT]
    title = header.name
    return Facts(
        base_model=family,
        base_model_from=None if family is None else "metadata",
        title=None if title is None else title[:LONGEST_TEXT],
        precision=header.quantisation,
        dtypes=header.types,
        tensors=header.tensors,
    )


def _first(said: Mapping[str, str], *keys: str) -> str | None:
    """Give the first of these that says anything; sd-scripts writes ``None`` as a word."""
    for key in keys:
        text = said.get(key, "").strip()
        if text and text != "None":
            return text[:LONGEST_TEXT]
    return None


def _phrases(text: str | None) -> tuple[str, ...]:
    words = [word.strip()[:LONGEST_TEXT] for word in (text or "").split(",")]
    return tuple(dict.fromkeys(word for word in words if word))[:MOST_WORDS]


def _tags(text: str | None) -> dict[str, int]:
    """Read ``ss_tag_frequency``: ``{folder of images: {tag: count}}``."""
    if text is None or len(text) > LARGEST_TAGS:
        return {}
    breath = Breath()

    def paused(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        breath.take()
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=paused)
    except (ValueError, RecursionError):
        return {}
    counts: Counter[str] = Counter()
    for tags in _dicts(found):
        for tag, count in tags.items():
            if type(count) is int and tag.strip():
                counts[tag.strip()[:LONGEST_TEXT]] += count
            breath.take()
    return dict(counts.most_common(MOST_TAGS))


def _dicts(found: Any) -> list[dict[str, Any]]:
    values = cast("dict[str, Any]", found).values() if isinstance(found, dict) else ()
    return [cast("dict[str, Any]", value) for value in values if isinstance(value, dict)]


def _resolution(text: str | None) -> str | None:
    """Read ``1024x1024``, ``(512, 512)`` or ``768``."""
    numbers = _NUMBER.findall(text or "")
    return f"{numbers[0]}x{numbers[1] if len(numbers) > 1 else numbers[0]}" if numbers else None


# As the store keeps them

_FACTS = tuple(each.name for each in fields(Facts))
_ORIGIN = tuple(each.name for each in fields(Origin))


def facts_to_text(facts: Facts) -> str:
    """Encode for the store; what is empty is left out."""
    kept = {key: value for key in _FACTS if (value := getattr(facts, key)) not in (None, (), {})}
    return json.dumps({"version": VERSION, **kept}, separators=(",", ":"))


def facts_from_text(text: str | None) -> Facts | None:
    """Decode; None if they are of another version, or damaged."""
    values = _decoded(text)
    if values is None or values.pop("version", None) != VERSION:
        return None
    return _made(Facts, _FACTS, values)


def origin_to_text(origin: Origin) -> str:
    """Encode for the store."""
    return json.dumps({key: getattr(origin, key) for key in _ORIGIN}, separators=(",", ":"))


def origin_from_text(text: str | None) -> Origin | None:
    """Decode; None if there is none."""
    values = _decoded(text)
    return None if values is None else _made(Origin, _ORIGIN, values)


def _decoded(text: str | None) -> dict[str, Any] | None:
    try:
        found = json.loads(text or "null")
    except ValueError:
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def _made(kind: Any, known: Sequence[str], values: dict[str, Any]) -> Any:
    kept = {key: value for key, value in values.items() if key in known}
    if "trigger_words" in kept:
        kept["trigger_words"] = tuple(kept["trigger_words"])
    return kind(**kept)
