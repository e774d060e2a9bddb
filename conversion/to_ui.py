"""A workflow in API format -> UI format (litegraph 0.4), laid out so that it opens well on the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, cast

from ..errors import JSON, InvalidWorkflow
from ..graph import inputs_of, is_link, links_of, title_of, topological
from ..nodespec import Input, NodeSpec
from .document import MOST_NODES, too_large
from .layout import Size, places
from .phrases import chosen_text, filled
from .plain import ASIDE, UNSET
from .to_api import Note
from .widgets import Widget, Widgets

_ROW, _WIDGET, _TEXT, _IMAGE = 20, 24, 120, 220
"""Heights in the page's pixels: a row of sockets, a widget, a text of several lines, a picture."""
_NARROW, _WIDE = 260, 400
_MOST_OUTPUTS = 100
_OPTIONAL, _LIST = 7, 6
"""litegraph's shapes of an input that may stay empty, and of an output that gives a list."""
_SOME_DAY = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
_SLASH = re.compile("/(?=[/*])")
_PICTURES = frozenset({"LoadImage", "LoadImageMask", "LoadImageOutput", "PreviewImage", "SaveImage"})


@dataclass(frozen=True, slots=True)
class Drawn:
    """A workflow in UI format, and what it cannot say."""

    document: JSON
    notes: tuple[Note, ...] = ()
    """``INPUT_LEFT_OUT``, ``DANGLING_LINK``, ``VALUE_CHANGES`` or ``UNKNOWN_NODE_CLASS``."""


def to_ui(graph: Mapping[str, Any], specs: Mapping[str, NodeSpec]) -> Drawn:
    """Draw an API-format workflow (nodes with class_type and inputs) as the ComfyUI page would save it.

    Ids stay, and :func:`to_api` gives the same graph back. What UI format cannot say (a value for a socket,
    an input the class does not have) is told in the notes and put aside in the node's properties: the page
    keeps it but does not send it, and sends defaults for inputs that were not set.

    Raises ApiError BAD_NODE or WORKFLOW_INVALID (too many nodes).
    """
    if len(graph) > MOST_NODES:
        raise too_large()
    for node_id, node in graph.items():
        if not isinstance(node, Mapping) or not isinstance(cast("JSON", node).get("class_type"), str):
            raise InvalidWorkflow(
                "BAD_NODE", f"Node {node_id!r} must be an object with a class_type and inputs."
            )
    drawing = _Drawing(graph, specs)
    return Drawn(drawing.document(), tuple(drawing.notes))


class _Drawing:
    """One drawing under way."""

    def __init__(self, graph: Mapping[str, Any], specs: Mapping[str, NodeSpec]) -> None:
        self.notes: list[Note] = []
        self._graph = graph
        self._specs = specs
        self._links: list[list[Any]] = []
        self._outgoing: dict[tuple[str, int], list[int]] = {}
        self._used: dict[str, int] = {}
        """How many outputs of a node links need."""
        for node_id, node in graph.items():
            for link in links_of(node_id, node):
                self._used[link.source] = max(self._used.get(link.source, 0), link.slot + 1)

    def document(self) -> JSON:
        order, stuck = topological(self._graph)
        order = [*order, *(node_id for node_id in self._graph if node_id in stuck)]
        nodes = {node_id: self._node(node_id, self._graph[node_id]) for node_id in order}
        for node_id, node in nodes.items():
            for slot, output in enumerate(node["outputs"]):
                output["links"] = self._outgoing.get((node_id, slot)) or None
        sources = {
            node_id: [
                value[0]
                for value in inputs_of(self._graph[node_id]).values()
                if is_link(value) and value[0] in nodes
            ]
            for node_id in order
        }
        sizes = {node_id: (node["size"][0], node["size"][1]) for node_id, node in nodes.items()}
        for node_id, place in places(order, sources, sizes).items():
            nodes[node_id]["pos"] = list(place)
        for index, node in enumerate(nodes.values()):
            node["order"] = index
        numbers = [node["id"] for node in nodes.values() if isinstance(node["id"], int)]
        return {
            "revision": 0,
            "last_node_id": max(numbers, default=0),
            "last_link_id": len(self._links),
            "nodes": list(nodes.values()),
            "links": self._links,
            "groups": [],
            "config": {},
            "extra": {},
            "version": 0.4,
        }

    def _node(self, node_id: str, node: Mapping[str, Any]) -> JSON:
        class_type: str = node["class_type"]
        spec = self._specs.get(class_type)
        inputs = inputs_of(node)
        widgets = None if spec is None else Widgets(spec)
        if widgets is None:
            self._note(
                "UNKNOWN_NODE_CLASS", "This server does not have its class.", node_id, None, class_type
            )
        else:
            self._fill(widgets, node_id, inputs)
        ports = list(self._inputs(widgets, node_id, inputs, class_type))
        aside = self._aside(widgets, inputs)
        drawn: JSON = {
            "id": int(node_id) if _is_number(node_id) else node_id,
            "type": class_type,
            "pos": [0, 0],
            "size": list(_size(widgets, ports)),
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": ports,
            "outputs": list(_outputs(spec, self._used.get(node_id, 0))),
            "properties": {"Node name for S&R": class_type, **({ASIDE: aside} if aside else {})},
            "widgets_values": [
                None if widget.value is UNSET else widget.value for widget in widgets if widget.saved
            ]
            if widgets is not None
            else [value for value in inputs.values() if not is_link(value)],
        }
        if widgets is not None:
            drawn["widgets_values_named"] = {
                widget.name: None if widget.value is UNSET else widget.value
                for widget in widgets
                if widget.saved
            }
        title = title_of(node)
        if title is not None and title != (class_type if spec is None else spec.display_name):
            drawn["title"] = title
        return drawn

    def _fill(self, widgets: Widgets, node_id: str, inputs: Mapping[str, Any]) -> None:
        """Write the values of a node into its widgets; those that bring others come first by their order."""
        class_type = widgets.spec.name
        index = 0
        while index < len(widgets.listed):
            widget = widgets.listed[index]
            index += 1
            if not widget.sent or widget.name not in inputs or is_link(inputs[widget.name]):
                continue
            value = _plain(inputs[widget.name], widget.kind)
            widgets.put(widget, _escaped(value) if widget.dynamic and isinstance(value, str) else value)
            lost = widget.prefix and isinstance(value, str) and filled(value, _nothing, _SOME_DAY) != value
            if widget.dynamic and isinstance(value, str):
                lost = chosen_text(widget.value, _first) != value
            if lost or (not widget.saved and widget.value != value):
                words = "The page reads this value as something else when it sends the workflow."
                self._note("VALUE_CHANGES", words, node_id, widget.name, class_type)
        widgets.settle()

    def _aside(self, widgets: Widgets | None, inputs: Mapping[str, Any]) -> JSON:
        """Put aside, for the way back, what the page would lose or add."""
        if widgets is None:
            return {}
        held = {widget.name: widget for widget in widgets if widget.sent}
        lost = {
            name: value
            for name, value in inputs.items()
            if not is_link(value) and (name not in held or not held[name].saved)
        }
        unset = [name for name in held if name not in inputs]
        return {**({"inputs": lost} if lost else {}), **({"unset": unset} if unset else {})}

    def _inputs(
        self, widgets: Widgets | None, node_id: str, inputs: Mapping[str, Any], class_type: str
    ) -> Iterator[JSON]:
        place = 0
        drawn: set[str] = set()
        for name, kind, widget, optional in () if widgets is None else _sockets(widgets, inputs):
            port: JSON = {"name": name, "type": kind}
            if widget:
                port["widget"] = {"name": name}
            if optional:
                port["shape"] = _OPTIONAL
            port["link"] = self._link(node_id, name, inputs.get(name), place, kind, class_type)
            drawn.add(name)
            place += 1
            yield port
        shown = {widget.name for widget in widgets or () if widget.sent}
        for name, value in inputs.items():
            if name in drawn:
                if not is_link(value) and name not in shown:
                    self._note("INPUT_LEFT_OUT", "It takes a link only.", node_id, name, class_type)
            elif is_link(value):
                yield {
                    "name": name,
                    "type": "*",
                    "link": self._link(node_id, name, value, place, "*", class_type),
                }
                place += 1
            elif name not in shown and widgets is not None:
                self._note("INPUT_LEFT_OUT", "The class has no such input.", node_id, name, class_type)

    def _link(
        self, node_id: str, name: str, value: Any, place: int, kind: str, class_type: str
    ) -> int | None:
        if not is_link(value):
            return None
        origin, slot = cast("tuple[str, int]", value)
        if origin not in self._graph or slot < 0:
            self._note(
                "DANGLING_LINK", "Its link leads to a node that is not there.", node_id, name, class_type
            )
            return None
        number = len(self._links) + 1
        source = self._specs.get(str(self._graph[origin]["class_type"]))
        given = source.outputs[slot].type if source is not None and slot < len(source.outputs) else kind
        ends = [int(each) if _is_number(each) else each for each in (origin, node_id)]
        self._links.append([number, ends[0], slot, ends[1], place, given])
        self._outgoing.setdefault((origin, slot), []).append(number)
        return number

    def _note(self, code: str, message: str, node_id: str, name: str | None, class_type: str) -> None:
        if len(self.notes) < 100:
            self.notes.append(Note(code, message, node_id, name, class_type))


def _sockets(widgets: Widgets, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str, bool, bool]]:
    """Give (name, type, whether a widget has it, whether it may stay empty) of each socket."""
    for port, kind in widgets.ports():
        if not isinstance(port, Input):
            yield port.name, kind, True, not port.required
        elif port.grows is None:
            yield port.name, kind, False, not port.required
        else:
            names = port.grows.names()
            last = max((index for index, name in enumerate(names) if name in inputs), default=-1)
            for index, name in enumerate(names[: max(last + 2, port.grows.least + 1)]):
                yield name, kind, False, not (port.required and index < port.grows.least)


def _outputs(spec: NodeSpec | None, used: int) -> Iterator[JSON]:
    """Give the outputs of a node; those of an unknown class as far as they are *used*."""
    if spec is None:
        yield from ({"name": f"output {slot}", "type": "*"} for slot in range(min(used, _MOST_OUTPUTS)))
        return
    for output in spec.outputs:
        port: JSON = {"name": output.name, "type": "*" if output.match is not None else output.type}
        if output.list:
            port["shape"] = _LIST
        yield port


def _size(widgets: Widgets | None, ports: Sequence[JSON]) -> Size:
    listed: Sequence[Widget] = () if widgets is None else widgets.listed
    sockets = sum("widget" not in port for port in ports)
    outputs = 0 if widgets is None else len(widgets.spec.outputs)
    height = max(sockets, outputs, 1) * _ROW + 16
    width = _NARROW
    for widget in listed:
        if widget.param is not None and widget.param.multiline:
            height, width = height + _TEXT, _WIDE
        else:
            height += _WIDGET
    if widgets is not None and widgets.spec.name in _PICTURES:
        height, width = height + _IMAGE, max(width, 320)
    return width, height


def _is_number(node_id: str) -> bool:
    """Say whether the page writes this id as a number."""
    return (
        node_id.isascii() and node_id.isdecimal() and str(int(node_id[:20])) == node_id and len(node_id) < 16
    )


def _plain(value: Any, kind: str) -> Any:
    """Unwrap an array."""
    if isinstance(value, Mapping):
        wrapped = cast("JSON", value)
        inner = wrapped.get("__value__")
        usual = wrapped.keys() == {"__value__"} if kind != "CURVE" else wrapped.get("__type__") == "CURVE"
        if isinstance(inner, list) and usual:
            return cast("list[Any]", inner)
    return cast("Any", value)


def _escaped(text: str) -> str:
    """Write a text so that the page reads no choices and no comments in it."""
    if "{" not in text and "//" not in text and "/*" not in text:
        return text
    return _SLASH.sub("{/}", text.replace("{", "\\{"))


def _first(options: Sequence[str]) -> str:
    return options[0]


def _nothing(_alias: str, _name: str) -> object:
    return None
