"""Inputs from anywhere: which file of a request goes to which input of the workflow. Pure.

The order of things: :func:`read_files`, :func:`plan`, then :meth:`.intake.Intake.store`, then :func:`apply`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..errors import JSON, InvalidRequest, InvalidWorkflow, close_matches
from ..graph import inputs_of
from ..nodespec import NodeSpec, Param, live_ports
from .addresses import by_title, split, with_input

MOST_FILES = 50
"""How many files one request may bring."""


@dataclass(frozen=True, slots=True)
class FromUrl:
    """To be fetched."""

    url: str


@dataclass(frozen=True, slots=True)
class FromBase64:
    """Sent within the request: base64, or a ``data:`` URL."""

    text: str


@dataclass(frozen=True, slots=True)
class FromUpload:
    """A part of a multipart request."""

    part: str


Source = FromUrl | FromBase64 | FromUpload


@dataclass(frozen=True, slots=True)
class Placement:
    """A file of the request and the input it goes to. *key* is how the request calls it."""

    key: str
    node_id: str
    name: str
    upload: str
    """What the param takes: ``image``, ``video``, ``audio`` or ``file``."""
    source: Source
    suffix: str = ""
    """Written after the file name, where the param would look into another folder."""


def read_files(value: Any) -> dict[str, Source]:
    """Read a request's ``files``: ``{key: url | {"url"} | {"base64", "filename"?} | {"upload": part}}``.

    Raises ApiError INVALID_REQUEST.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_field("files", "files must be an object.")
    files = cast("dict[str, Any]", value)
    if len(files) > MOST_FILES:
        raise bad_field("files", f"files has {len(files)} entries; at most {MOST_FILES} are taken.")
    return {key: _read_source(key, entry) for key, entry in files.items()}


def _read_source(key: str, entry: Any) -> Source:
    about: JSON = {"url": entry} if isinstance(entry, str) else entry
    if isinstance(about, dict) and all(isinstance(value, str) for value in about.values()):  # pyright: ignore[reportUnnecessaryIsInstance]
        match about:
            case {"url": text, **rest} if not rest and text.lower().startswith("data:"):
                return FromBase64(text)
            case {"url": text, **rest} if not rest and text:
                return FromUrl(text)
            case {"upload": text, **rest} if not rest and text:
                return FromUpload(text)
            case {"base64": text, **rest} if rest.keys() <= {"filename"}:
                return FromBase64(text)
            case _:
                pass
    raise bad_field(
        f"files.{key}",
        f"files[{key!r}] must be a URL, or an object with url, base64 (and filename) or upload.",
    )


def bad_field(field: str, message: str) -> InvalidRequest:
    """Make the error for one field of a request."""
    return InvalidRequest("INVALID_REQUEST", message, details={"fields": {field: message}})


def plan(
    graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec], files: Mapping[str, Source]
) -> list[Placement]:
    """Find the input that each of *files* goes to; *graph* is an API-format workflow. Pure.

    A key is ``"<node id>.<input>"``, ``"<title>.<input>"``, or an input's name, a node's title or a node's id
    that only one file input of the workflow has. Raises ApiError INPUT_NOT_FOUND, INPUT_AMBIGUOUS, or
    INVALID_REQUEST if two keys name the same input.
    """
    if not files:
        return []
    places = list(_file_inputs(graph, specs))
    placements: list[Placement] = []
    taken: dict[tuple[str, str], str] = {}
    for key, source in files.items():
        node_id, param = _find(graph, places, key)
        earlier = taken.setdefault((node_id, param.name), key)
        if earlier != key:
            raise bad_field(f"files.{key}", f"{earlier!r} and {key!r} are the same input of node {node_id}.")
        elsewhere = param.hints.get("image_folder") not in {None, "input"}
        suffix = " [input]" if elsewhere else ""
        placements.append(Placement(key, node_id, param.name, param.upload or "file", source, suffix))
    return placements


def _file_inputs(graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec]) -> list[tuple[str, Param]]:
    return [
        (node_id, param)
        for node_id, node in graph.items()
        if (spec := specs.get(str(node.get("class_type")))) is not None
        for param in live_ports(spec, inputs_of(node)).params
        if param.upload is not None
    ]


def _find(graph: Mapping[str, JSON], places: Sequence[tuple[str, Param]], key: str) -> tuple[str, Param]:
    address = split(graph, key)
    found = [place for place in places if address is not None and (place[0], place[1].name) == address]
    if not found and address is None:
        nodes = [key] if key in graph else by_title(graph, key)
        found = [(node_id, param) for node_id, param in places if param.name == key or node_id in nodes]
    if len(found) == 1:
        return found[0]
    listed = [
        {"key": f"{node_id}.{param.name}", "node_id": node_id, "input": param.name, "takes": param.upload}
        for node_id, param in found or places
    ]
    names = ", ".join(entry["key"] or "" for entry in listed[:10])
    if found:
        raise InvalidWorkflow(
            "INPUT_AMBIGUOUS",
            f"{len(found)} inputs of the workflow are meant by {key!r}.",
            hint=f"Say which: {names}.",
            details={"file": key, "candidates": listed},
        )
    matches = close_matches(key, [entry["key"] or "" for entry in listed])
    raise InvalidWorkflow(
        "INPUT_NOT_FOUND",
        f"The workflow has no file input {key!r}.",
        hint=f"File inputs here: {names}." if listed else "Add a node that loads a file, such as LoadImage.",
        details={"file": key, "candidates": listed, "close_matches": matches},
    )


def apply(
    graph: Mapping[str, JSON], placements: Sequence[Placement], stored: Mapping[str, str]
) -> dict[str, JSON]:
    """Give *graph* with the files' names written in; *stored* is what :meth:`Intake.store` gave. Pure."""
    return with_input(
        graph,
        {
            (placement.node_id, placement.name): f"{stored[placement.key]}{placement.suffix}"
            for placement in placements
        },
    )
