"""What a workflow's App mode shows, as places in API format. Pure.

The ComfyUI page (front end 1.49.6) keeps it as ``extra.linearData``: ``{"inputs": [[id, widget name]],
"outputs": [node id]}``, an input with a third entry of how high it is drawn. The id of an input is one of
these:

* ``"<graph id>:<node id>:<widget name>"``, the last two percent-encoded; the node is one of the root;
* before that a node's id; the widget is one of it, or if it is a node within a subgraph, one that some node
  using the subgraph shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from ..nodespec import NodeSpec
from .values import Place

if TYPE_CHECKING:
    from ..conversion.model import Level, Node

_DEEPEST = 100
_MOST = 200


@dataclass(frozen=True, slots=True)
class Shown:
    """An input that App mode shows: what the page calls it, and where its value goes."""

    name: str
    places: tuple[Place, ...]
    title: str | None = None


@dataclass(frozen=True, slots=True)
class AppMode:
    """What App mode shows; *lost* are inputs that lead to nothing in the workflow."""

    inputs: tuple[Shown, ...] = ()
    outputs: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def has_app_mode(document: Any) -> bool:
    """Say whether a workflow in UI format says what App mode shows."""
    inputs, outputs = _linear_data(document)
    return bool(inputs or outputs)


def app_mode(document: Any, specs: Mapping[str, NodeSpec]) -> AppMode:
    """Read what App mode shows of a workflow in UI format. Raises ApiError as converting does."""
    from ..conversion.build import Builder  # noqa: PLC0415 - not at the start
    from ..conversion.document import read_document  # noqa: PLC0415

    inputs, outputs = _linear_data(document)
    if not inputs and not outputs:
        return AppMode()
    root = Builder(read_document(document), specs).root()
    found: list[Shown] = []
    lost: list[str] = []
    for entry in inputs:
        shown = _shown(root, entry[0], entry[1])
        if shown is None:
            lost.append(f"{entry[0]}.{entry[1]}")
        else:
            found.append(shown)
    by_ui_id = {node.ui_id: node.id for node in root.nodes.values()}
    return AppMode(tuple(found), tuple(by_ui_id.get(str(each), str(each)) for each in outputs), tuple(lost))


def _linear_data(document: Any) -> tuple[list[tuple[str, str]], list[Any]]:
    extra = document.get("extra") if isinstance(document, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    data = cast("Any", extra).get("linearData") if isinstance(extra, dict) else None
    if not isinstance(data, dict):
        return [], []
    about = cast("dict[str, Any]", data)
    inputs: list[tuple[str, str]] = []
    for entry in _listed(about.get("inputs")):
        parts = _listed(entry)
        if len(parts) >= 2 and _is_id(parts[0]) and isinstance(parts[1], str):
            inputs.append((str(parts[0]), parts[1]))
    return inputs, [each for each in _listed(about.get("outputs")) if _is_id(each)]


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value)[:_MOST] if isinstance(value, list) else []


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _shown(root: Level, node_id: str, widget: str) -> Shown | None:
    parts = node_id.split(":")
    if len(parts) == 3:
        node = _of(root, unquote(parts[1]))
        name = unquote(parts[2])
        return None if node is None else _of_node(root, node, name) or _of_node(root, node, widget)
    node = _of(root, parts[-1] if len(parts) == 2 else node_id)
    if node is not None:
        found = _of_node(root, node, widget)
        if found is not None:
            return found
    within = [
        shown
        for host in root.nodes.values()
        if host.subgraph is not None
        for shown in _promoted(root, host, parts[-1], widget)
    ]
    return within[0] if len(within) == 1 else None


def _of(level: Level, ui_id: str) -> Node | None:
    return next((node for node in level.nodes.values() if node.ui_id == ui_id), None)


def _of_node(level: Level, node: Node, widget: str) -> Shown | None:
    """Follow a widget that a node of the root has."""
    places = tuple(dict.fromkeys(_places(level, node, widget, (), 0)))
    if not places:
        return None
    return Shown(widget, places, _label(node, widget))


def _places(level: Level, node: Node, widget: str, path: tuple[str, ...], depth: int) -> Iterator[Place]:
    """Give the places in API format that a widget of a node is for; *path* leads to its level."""
    if depth > _DEEPEST:
        return
    if node.type == "PrimitiveNode":  # the page writes its value into what it is linked to
        for each, name in _widgets_behind(level, level.links_from(node.id)):
            yield from _places(level, each, name, path, depth + 1)
    elif node.subgraph is not None:
        for slot, border in zip(node.inputs, node.subgraph.inputs, strict=False):
            if slot.name == widget:
                for each, name in _widgets_behind(node.subgraph, border.links):
                    yield from _places(node.subgraph, each, name, (*path, node.id), depth + 1)
    elif node.widgets is not None and node.widgets.find(widget) is not None:
        yield ":".join((*path, node.id)), widget


def _widgets_behind(level: Level, links: Sequence[str]) -> Iterator[tuple[Node, str]]:
    for end in map(level.end, links):
        if end is not None and end[1].widget is not None:
            yield end[0], end[1].widget


def _promoted(level: Level, host: Node, inner_id: str, widget: str) -> Sequence[Shown]:
    """Give the inputs of a node using a subgraph that show this widget of a node within."""
    if host.subgraph is None:
        return ()
    found: list[Shown] = []
    for slot, border in zip(host.inputs, host.subgraph.inputs, strict=False):
        ends = _widgets_behind(host.subgraph, border.links)
        if any(node.ui_id == inner_id and name == widget for node, name in ends):
            places = tuple(dict.fromkeys(_places(level, host, slot.name, (), 0)))
            found.append(Shown(widget, places, _label(host, slot.name)))
    if found:
        return found
    inner = _of(host.subgraph, inner_id)
    if inner is None:
        return ()
    places = tuple(dict.fromkeys(_places(host.subgraph, inner, widget, (host.id,), 0)))
    return [Shown(widget, places)] if places else ()


def _label(node: Node, name: str) -> str | None:
    """Give what a person called an input of a node; or the node itself, if it has no other."""
    for port in _listed(node.raw.get("inputs")):
        about = cast("dict[str, Any]", port) if isinstance(port, dict) else {}
        if about.get("name") == name and isinstance(about.get("label"), str) and about["label"]:
            return about["label"]
    title, widgets = node.raw.get("title"), node.widgets
    alone = widgets is not None and sum(widget.sent for widget in widgets) == 1
    return title if isinstance(title, str) and title and alone else None
