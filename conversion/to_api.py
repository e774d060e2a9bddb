"""A workflow in UI format -> API format, as the page's ``graphToPrompt`` makes it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from ..errors import JSON, InvalidWorkflow, close_matches
from ..graph import topological
from ..nodespec import NodeSpec
from .build import Builder, first_output_links
from .document import MOST_NODES, read_document, too_large
from .follow import Follower, Frame
from .model import Level, Node, Promoted, Slot
from .phrases import Choose, chosen_text, filled
from .plain import ASIDE, UNSET, Room, as_page_sends, items, member
from .widgets import Widget, default_of

_MOST_NOTES = 100


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know of a conversion; *node_id* and *input* are those of API format."""

    code: str
    """``BAD_NODE``, ``DANGLING_LINK``, ``WORKFLOW_CYCLE``, ``PAGE_ONLY_VALUE`` or ``CHOICE_TAKEN``."""
    message: str
    node_id: str | None = None
    input: str | None = None
    class_type: str | None = None

    def to_json(self) -> JSON:
        """Give it as replies carry it."""
        return {
            "code": self.code,
            "message": self.message,
            "node_id": self.node_id,
            "input": self.input,
            "class_type": self.class_type,
        }


@dataclass(frozen=True, slots=True)
class UnknownClass:
    """A node whose class this server does not have."""

    node_id: str
    class_type: str
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Converted:
    """A workflow in API format, and which of its nodes is which of the document."""

    graph: dict[str, JSON]
    ids: Mapping[str, tuple[str, ...]]
    """API id -> ids in the document, from the root inwards: ``"12:3"`` is node 3 of what node 12 uses."""
    notes: tuple[Note, ...] = ()
    unknown: tuple[UnknownClass, ...] = ()
    """Nodes of unknown classes, in the graph with their links only (with *partial*)."""


def to_api(
    document: Any,
    specs: Mapping[str, NodeSpec],
    *,
    partial: bool = False,
    choose: Choose = random.choice,
    now: datetime | None = None,
) -> Converted:
    """Convert what the ComfyUI page saves (litegraph JSON 0.4 or 1.0) to API format. Changes nothing given.

    *choose* takes one of the texts of ``{a|b}``, *now* (by default the server's local time) fills in
    ``%date:…%``. With *partial* a node of an unknown class is kept with its links and without its values.

    Raises ApiError WORKFLOW_MISSING, INVALID_REQUEST, UNKNOWN_NODE_CLASS, or WORKFLOW_INVALID for a workflow
    of too many nodes, or one whose subgraphs contain themselves.
    """
    read = read_document(document)
    builder = Builder(read, specs)
    root = builder.root()
    run = _Conversion(root, specs, choose, now or datetime.now().astimezone())
    run.notes.extend(Note("BAD_NODE", words) for words in read.damaged[:_MOST_NOTES])
    for level in (root, *builder.levels.values()):
        for node in level.nodes.values():
            _settle(node)
    run.apply_primitives(root)
    for level in builder.levels.values():
        run.apply_primitives(level)
    run.emit()
    if run.unknown and not partial:
        raise _unknown_classes(run.unknown)
    order, stuck = topological(run.graph)
    graph = {
        node_id: run.graph[node_id] for node_id in (*order, *(each for each in run.graph if each in stuck))
    }
    return Converted(
        graph, {node_id: run.ids[node_id] for node_id in graph}, tuple(run.notes), tuple(run.unknown)
    )


def _settle(node: Node) -> None:
    if node.widgets is not None:
        node.widgets.settle()
    for slot in node.inputs:
        shown = slot.promoted
        if shown is not None and shown.kind == "COMBO" and shown.value is None and shown.param is not None:
            shown.value = shown.param.options[0] if shown.param.options else None
    if node.subgraph is not None and node.subgraph.id.startswith("group:"):
        for inner in node.subgraph.nodes.values():
            _settle(inner)


class _Conversion:
    """One conversion under way."""

    def __init__(self, root: Level, specs: Mapping[str, NodeSpec], choose: Choose, now: datetime) -> None:
        self.graph: dict[str, JSON] = {}
        self.ids: dict[str, tuple[str, ...]] = {}
        self.notes: list[Note] = []
        self.unknown: list[UnknownClass] = []
        self._root = root
        self._specs = specs
        self._choose = choose
        self._now = now
        self._follower = Follower(self._broken)
        self._by_alias: dict[str, Node] | None = None
        self._suggested: dict[str, tuple[str, ...]] = {}

    def apply_primitives(self, level: Level) -> None:
        """Write the values of primitive nodes into the widgets they drive."""
        for node in list(level.nodes.values()):
            if node.subgraph is not None and node.subgraph.id.startswith("group:"):
                self.apply_primitives(node.subgraph)
            if node.type != "PrimitiveNode" or not node.virtual:
                continue
            links = first_output_links(node, level)
            values = items(node.raw.get("widgets_values"))
            if not links or not values:
                continue  # without a saved value it shows that of the first widget, and changes none
            value = values[0]
            if (
                value
                and member(node.raw.get("properties"), "Run widget replace on values")
                and isinstance(value, str)
            ):
                value = filled(value, self._value_of, self._now)
            for link_id in links:
                end = level.end(link_id)
                widget = None if end is None else end[0].widget_of(end[1])
                if isinstance(widget, Promoted):
                    widget.value = value
                elif widget is not None and end is not None and end[0].widgets is not None:
                    end[0].widgets.put(widget, value)

    def emit(self) -> None:
        """Write every node that the page would send."""
        waiting = [Frame(self._root)]
        room = Room(MOST_NODES, too_large)
        while waiting:
            frame = waiting.pop()
            for node in frame.level.nodes.values():
                # a muted or bypassed subgraph inside another one is sent nevertheless: the page looks at the
                # modes of such nodes in the root only
                if node.subgraph is not None and (node.active or frame.host is not None):
                    inner = frame.enter(node)
                    room.take(1)
                    if inner is not None:
                        waiting.append(inner)
                elif node.subgraph is None and node.active and not node.virtual:
                    self._emit(frame, node)
        gone = [
            (inputs, name)
            for inputs in (node["inputs"] for node in self.graph.values())
            for name, value in inputs.items()
            if isinstance(value, list) and value[0] not in self.graph
        ]
        for inputs, name in gone:
            del inputs[name]

    def _emit(self, frame: Frame, node: Node) -> None:
        node_id = frame.prefix + node.id
        if len(self.graph) >= MOST_NODES:
            raise too_large()
        if node.spec is None:
            self.unknown.append(UnknownClass(node_id, node.type, self._suggest(node.type)))
        inputs: JSON = {}
        for widget in node.widgets or ():
            if widget.sent and widget.value is not UNSET:
                inputs[widget.name] = _wrapped(self._sent(widget, node, node_id), widget.kind)
                if widget.page_only:
                    words = "Only the ComfyUI page makes this value; what the workflow holds is sent instead."
                    self._note("PAGE_ONLY_VALUE", words, node_id, widget.name, node.type)
        _take_back(inputs, node)
        for slot in node.inputs:
            source = self._follower.source(frame, node, slot)
            if source is None or source.slot < 0:
                continue
            if source.node_id is not None:
                inputs[slot.name] = [source.node_id, source.slot]
            elif source.value is UNSET:
                inputs.pop(slot.name, None)
            else:
                inputs[slot.name] = _wrapped(source.value)
        self.graph[node_id] = {"inputs": inputs, "class_type": node.type, "_meta": {"title": node.title}}
        self.ids[node_id] = (*frame.path, node.ui_id)

    def _sent(self, widget: Widget, node: Node, node_id: str) -> Any:
        value = widget.value
        if not isinstance(value, str):
            return value
        if widget.prefix:
            return filled(value, self._value_of, self._now)
        if widget.dynamic:
            taken: list[str] = []

            def choose(options: Sequence[str]) -> str:
                taken.append(self._choose(options))
                return taken[-1]

            value = chosen_text(value, choose)
            if taken:
                words = f"Of {len(taken)} choice(s) like {{a|b}} one each was taken."
                self._note("CHOICE_TAKEN", words, node_id, widget.name, node.type)
        return value

    def _value_of(self, alias: str, name: str) -> object:
        """Give the value of a widget for ``%alias.name%``: by the node's alias, else by its title."""
        if self._by_alias is None:
            self._by_alias = {}
            nodes = list(_every_node(self._root))
            for node in nodes:
                own = member(node.raw.get("properties"), "Node name for S&R")
                if isinstance(own, str):
                    self._by_alias.setdefault(own, node)
            titled: dict[str, Node] = {}
            for node in nodes:
                titled.setdefault(node.title, node)
            self._by_alias = {**titled, **self._by_alias}
        node = self._by_alias.get(alias)
        if node is None:
            return None
        shown = next((slot.promoted for slot in node.inputs if slot.name == name and slot.promoted), None)
        widget = shown or (None if node.widgets is None else node.widgets.find(name))
        if widget is None:
            return None
        return "" if widget.value is UNSET or widget.value is None else widget.value

    def _suggest(self, class_type: str) -> tuple[str, ...]:
        if class_type not in self._suggested:
            room = len(self._suggested) < 20  # each takes milliseconds
            near = close_matches(class_type[:200], self._specs, limit=3) if room else []
            self._suggested[class_type] = tuple(near)
        return self._suggested[class_type]

    def _broken(self, code: str, message: str, frame: Frame, node: Node, slot: Slot) -> None:
        self._note(code, message, frame.prefix + node.id, slot.name, node.type)

    def _note(self, code: str, message: str, node_id: str, name: str, class_type: str) -> None:
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(Note(code, message, node_id, name, class_type))


def _take_back(inputs: JSON, node: Node) -> None:
    """Give back what :func:`~.to_ui.to_ui` put aside."""
    aside = member(member(node.raw.get("properties"), ASIDE), "inputs")
    if isinstance(aside, Mapping) and node.widgets is not None:
        for name, value in cast("Mapping[str, Any]", aside).items():
            held = node.widgets.find(name)
            if held is None or not held.saved:
                inputs[name] = as_page_sends(value) if isinstance(value, dict) else _wrapped(value)
    for name in items(member(member(node.raw.get("properties"), ASIDE), "unset")):
        held = None if node.widgets is None or not isinstance(name, str) else node.widgets.find(name)
        if held is not None and held.param is not None:
            usual = default_of(held)
            untouched = held.value == (None if usual is UNSET else usual)
        else:
            untouched = True
        if held is not None and untouched:  # nobody has set it since
            inputs.pop(held.name, None)


def _wrapped(value: Any, kind: str = "") -> Any:
    """Make an array a value: as it is, it would be a link."""
    value = as_page_sends(value)
    if not isinstance(value, list):
        return value
    wrapped: JSON = {"__value__": value}
    return {"__type__": "CURVE", **wrapped} if kind == "CURVE" else wrapped


def _every_node(root: Level) -> Iterator[Node]:
    waiting, seen = [root], {id(root)}
    while waiting:
        level = waiting.pop()
        for node in level.nodes.values():
            yield node
            if node.subgraph is not None and id(node.subgraph) not in seen:
                seen.add(id(node.subgraph))
                waiting.append(node.subgraph)


def _unknown_classes(unknown: Sequence[UnknownClass]) -> InvalidWorkflow:
    names = list(dict.fromkeys(each.class_type for each in unknown))
    told = ", ".join(name[:100] for name in names[:5]) + (
        f" and {len(names) - 5} more" if len(names) > 5 else ""
    )
    findings = [
        {
            "code": "UNKNOWN_NODE_CLASS",
            "message": f"Node {each.node_id} is of class {each.class_type}, which this server does not have.",
            "node_id": each.node_id,
            "input": None,
            "class_type": each.class_type,
            "hint": None,
            "details": {"suggestions": list(each.suggestions)},
        }
        for each in unknown[:_MOST_NOTES]
    ]
    return InvalidWorkflow(
        "UNKNOWN_NODE_CLASS",
        f"This server lacks node classes: {told}.",
        hint="Install the packs they come from; POST /ext/workflow/requirements says which.",
        details={"classes": names[:_MOST_NOTES], "findings": findings},
    )
