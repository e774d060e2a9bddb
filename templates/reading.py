"""Reads the fields of a template's document, and notes everything that is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..errors import JSON, close_matches
from ..graph import inputs_of, is_link, looks_like_ui_format
from .files import Unfit
from .kinds import NUMBERS, TYPES, fits, is_number
from .values import UNSET, Declared, Output, Place

CONTENT = ("kind", "workflow", "inputs", "outputs", "ports", "place")
"""The fields that decide what runs: the digest is of these."""
EMPTY: Mapping[str, Any] = {"kind": "template", "inputs": {}, "outputs": {}, "ports": {}, "place": []}
"""What they are where they are left out."""

MOST_INPUTS = 200
MOST_OUTPUTS = 200
_MOST_OPTIONS = 10_000
_INPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_BAD_NAME = "names begin with a letter or _, and have letters, digits, _ and -, at most 64"
_OF_INPUT = frozenset(
    {
        *("node", "field", "type", "title", "description", "default", "min", "max", "step", "enum"),
        *("required", "multiline", "also"),
    }
)
_PLACE = frozenset({"node", "field"})
_KEY = re.compile(r"[^\x00-\x1f]{1,200}")


def is_input_name(text: str) -> bool:
    """Say whether an input, an output or a port may have this name."""
    return _INPUT_NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Fields:
    """What a document's fields hold; if there are *faults*, the rest does not count."""

    content: JSON
    inputs: dict[str, Declared]
    outputs: dict[str, Output]
    faults: dict[str, str]


def read_fields(document: JSON) -> Fields:
    """Read the fields of a document that are about the workflow, and its words."""
    reader = _Reader()
    content = reader.content(document)
    return Fields(content, reader.inputs, reader.outputs, reader.faults)


class _Reader:
    """Reads one document, and notes what is wrong with it."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}
        self.inputs: dict[str, Declared] = {}
        self.outputs: dict[str, Output] = {}
        self.graph: JSON = {}
        self.fragment = False

    def fault(self, where: str, words: str) -> None:
        self.faults.setdefault(where[:300], words)

    def object(self, value: Any, where: str) -> JSON | None:
        if isinstance(value, dict):
            return cast("JSON", value)
        self.fault(where, "must be an object")
        return None

    def content(self, about: JSON) -> JSON:
        kind = about.get("kind", "template")
        if kind not in ("template", "fragment"):
            self.fault("kind", "must be template or fragment")
        self.fragment = kind == "fragment"
        self.texts(about)
        self.workflow(about.get("workflow"))
        self.each(about, "inputs", MOST_INPUTS, self.input)
        self.shared_places()
        self.each(about, "outputs", MOST_OUTPUTS, self.output)
        for name in ("ports", "place"):
            if not self.fragment and about.get(name):
                self.fault(name, "only a fragment has it")
        fed = self.ports(about) if self.fragment else set[Place]()
        if self.fragment:
            self.place(about.get("place"))
            self.open_links(fed)
        return {
            "kind": kind,
            **{key: about.get(key) or EMPTY.get(key) for key in CONTENT[1:]},
        }

    def texts(self, about: JSON) -> None:
        self.words(about, "")
        for key in ("tags", "base_models"):
            value = about.get(key)
            if value is None:
                continue
            texts = cast("list[Any]", value) if isinstance(value, list) else [None]
            if len(texts) > 50 or any(not isinstance(each, str) or not 0 < len(each) <= 64 for each in texts):
                self.fault(key, "must be a list of at most 50 texts of 1 to 64 characters")
        if about.get("ui") is not None and not isinstance(about["ui"], dict):
            self.fault("ui", "must be a workflow in UI format")

    def workflow(self, value: Any) -> None:
        graph = self.object(value, "workflow")
        if graph is None:
            return
        if looks_like_ui_format(graph):
            self.fault("workflow", "is in UI format; API format is needed (PUT converts it)")
            return
        if not graph:
            self.fault("workflow", "has no nodes")
        for node_id, node in graph.items():
            fields = cast("JSON", node) if isinstance(node, dict) else {}
            if not isinstance(fields.get("class_type"), str) or not isinstance(
                fields.get("inputs", {}), dict
            ):
                self.fault(f"workflow.{node_id}", "must be an object with class_type and inputs")
        if not self.faults:
            self.graph = graph

    def each(self, about: JSON, key: str, most: int, read: Callable[[str, JSON, str], None]) -> None:
        """Read an object of named objects."""
        value = about.get(key)
        if value is None:
            return
        held = self.object(value, key)
        if held is None:
            return
        if len(held) > most:
            self.fault(key, f"has {len(held)} entries; {most} are the most")
            return
        for name, document in held.items():
            where = f"{key}.{name}"
            if not is_input_name(name):
                self.fault(where, _BAD_NAME)
            entry = self.object(document, where)
            if entry is not None:
                read(name, entry, where)

    def unknown(self, entry: JSON, known: frozenset[str], where: str) -> None:
        for key in entry.keys() - known:
            matches = close_matches(key, known)
            self.fault(f"{where}.{key}", f"unknown; did you mean {matches[0]}?" if matches else "unknown")

    def node(self, entry: JSON, where: str) -> str | None:
        node = entry.get("node")
        if not isinstance(node, str):
            self.fault(f"{where}.node", "must be the id of a node")
            return None
        if self.graph and node not in self.graph:
            matches = close_matches(node, self.graph)
            hint = f"; did you mean {matches[0]!r}?" if matches else ""
            self.fault(f"{where}.node", f"the workflow has no node {node[:100]!r}{hint}")
        return node

    def spot(self, entry: JSON, where: str) -> Place | None:
        """Read ``{"node", "field"}``."""
        node, name = self.node(entry, where), entry.get("field")
        if not isinstance(name, str) or not _KEY.fullmatch(name):
            self.fault(f"{where}.field", "must be the name of an input of the node")
            return None
        return None if node is None else (node, name)

    def input(self, name: str, entry: JSON, where: str) -> None:
        before = len(self.faults)
        self.unknown(entry, _OF_INPUT, where)
        places = self.input_places(entry, where)
        self.words(entry, where)
        kind = entry.get("type")
        if kind not in TYPES:
            self.fault(f"{where}.type", f"must be one of {', '.join(TYPES)}")
            return
        self.limits(entry, kind, where)
        self.options(entry, kind, where)
        if len(self.faults) > before or not places:
            return
        declared = self.inputs[name] = _declared(name, kind, places, entry)
        if declared.default is not UNSET:
            self.fitting(kind, declared.default, f"{where}.default")

    def input_places(self, entry: JSON, where: str) -> tuple[Place, ...]:
        places = [self.spot(entry, where)]
        also = entry.get("also")
        if also is not None and not isinstance(also, list):
            self.fault(f"{where}.also", "must be a list of places")
            also = None
        for index, each in enumerate(cast("list[Any]", also or [])):
            at = f"{where}.also.{index}"
            inner = self.object(each, at)
            if inner is not None:
                self.unknown(inner, _PLACE, at)
                places.append(self.spot(inner, at))
        found = tuple(place for place in places if place is not None)
        for node, field in found:
            if node in self.graph and is_link(inputs_of(self.graph[node]).get(field)):
                words = f"{field} of node {node} is linked: declare what it is linked to"
                self.fault(f"{where}.field", words)
        return found

    def words(self, entry: JSON, where: str) -> None:
        prefix = f"{where}." if where else ""
        for key, most in (("title", 200), ("description", 4000)):
            value = entry.get(key)
            if value is not None and (not isinstance(value, str) or len(value) > most):
                self.fault(f"{prefix}{key}", f"must be a text of at most {most} characters")
        for key in ("required", "multiline"):
            if where and entry.get(key) is not None and not isinstance(entry[key], bool):
                self.fault(f"{prefix}{key}", "must be true or false")

    def fitting(self, kind: str, value: Any, where: str) -> None:
        try:
            fits(kind, value)
        except Unfit as unfit:
            self.fault(where, str(unfit))

    def limits(self, entry: JSON, kind: str, where: str) -> None:
        given = {key: entry[key] for key in ("min", "max", "step") if entry.get(key) is not None}
        for key, value in given.items():
            if kind not in NUMBERS:
                self.fault(f"{where}.{key}", f"only numbers have it, not {kind}")
            elif not is_number(value) or (key == "step" and value <= 0):
                self.fault(f"{where}.{key}", "must be a number" + (" above 0" if key == "step" else ""))
        least, most = given.get("min"), given.get("max")
        if is_number(least) and is_number(most) and cast("float", least) > cast("float", most):
            self.fault(f"{where}.min", "is above max")

    def options(self, entry: JSON, kind: str, where: str) -> None:
        options = entry.get("enum")
        if options is None:
            return
        if kind not in {"string", "model", "integer", "number"}:
            self.fault(f"{where}.enum", f"is not for {kind}")
        elif not isinstance(options, list) or not 0 < len(cast("list[Any]", options)) <= _MOST_OPTIONS:
            self.fault(f"{where}.enum", "must be a list of values, with at least one")
        else:
            for index, option in enumerate(cast("list[Any]", options)):
                self.fitting(kind, option, f"{where}.enum.{index}")

    def shared_places(self) -> None:
        taken: dict[Place, str] = {}
        for name, declared in self.inputs.items():
            for place in declared.places:
                other = taken.setdefault(place, name)
                if other != name:
                    self.fault(f"inputs.{name}.field", f"is the same place as that of {other}")
            if len(set(declared.places)) < len(declared.places):
                self.fault(f"inputs.{name}.also", "names a place twice")

    def output(self, name: str, entry: JSON, where: str) -> None:
        own = {"node", "title", "output"} if self.fragment else {"node", "title"}
        self.unknown(entry, frozenset(own), where)
        node, slot = self.node(entry, where), entry.get("output")
        if self.fragment and (isinstance(slot, bool) or not isinstance(slot, int | str) or slot == ""):
            self.fault(f"{where}.output", "must be the name or the number of an output")
        title = entry.get("title")
        if title is not None and not isinstance(title, str):
            self.fault(f"{where}.title", "must be a text")
        if node is not None:
            self.outputs[name] = Output(node, slot if self.fragment else None, title)

    def ports(self, about: JSON) -> set[Place]:
        fed: set[Place] = set()

        def listed(_name: str, places: list[Any], where: str) -> None:
            if not places:
                self.fault(where, "must be a place, or a list of places")
            for index, each in enumerate(places):
                at = where if len(places) == 1 else f"{where}.{index}"
                entry = self.object(each, at)
                if entry is not None:
                    self.unknown(entry, _PLACE, at)
                    place = self.spot(entry, at)
                    if place is not None:
                        fed.add(place)

        value = about.get("ports")
        held = {} if value is None else self.object(value, "ports") or {}
        for name, document in held.items():
            where = f"ports.{name}"
            if not is_input_name(name):
                self.fault(where, _BAD_NAME)
            listed(name, cast("list[Any]", document) if isinstance(document, list) else [document], where)
        return fed

    def place(self, value: Any) -> None:
        if value is None:
            return
        if not isinstance(value, list):
            self.fault("place", "must be a list of {class_type, input}")
            return
        for index, each in enumerate(cast("list[Any]", value)):
            entry = self.object(each, f"place.{index}")
            if entry is not None and (
                entry.keys() != {"class_type", "input"}
                or not all(isinstance(text, str) and text for text in entry.values())
            ):
                self.fault(f"place.{index}", "must be {class_type, input}, both texts")

    def open_links(self, fed: set[Place]) -> None:
        for node_id, node in self.graph.items():
            for name, value in inputs_of(node).items():
                if is_link(value) and value[0] not in self.graph and (node_id, name) not in fed:
                    self.fault(
                        f"workflow.{node_id}",
                        f"{name} is linked to {value[0]!r}, which is not in the fragment",
                    )


def _declared(name: str, kind: str, places: tuple[Place, ...], entry: JSON) -> Declared:
    options = entry.get("enum")
    return Declared(
        name=name,
        type=kind,
        places=places,
        title=entry.get("title"),
        description=entry.get("description"),
        default=UNSET if entry.get("default") is None else entry["default"],
        min=entry.get("min"),
        max=entry.get("max"),
        step=entry.get("step"),
        enum=None if options is None else tuple(options),
        required=entry.get("required"),
        multiline=entry.get("multiline"),
    )
