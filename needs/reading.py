"""Reads the nodes of a workflow, in API or UI format, with the values that may name models.

Whatever is wrong with it, reading goes on: what cannot be read is told in :attr:`Reading.unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ..graph import inputs_of, is_link
from .classes import Classes, saved_values, tells_files
from .levels import DEEPEST, Definition, Follow, Level
from .text import ident, items, member, sha256_of, text
from .values import Pack, Unknown

MOST_NODES = 20_000
"""Nodes that are read of one workflow, those of subgraphs counted each time they are used."""
MOST_ENTRIES = 5_000
"""``models`` entries that are read."""
MOST_UNKNOWN = 100
REPEATED_CHARACTERS = 20_000_000
"""How much of subgraphs is read again where they are used again, as characters of JSON: a few lines that nest
subgraphs in one another would else unfold to any size."""

_LONGEST_TYPE = 300
_OFF = (2, 4)
"""litegraph's modes of a muted ("never") and a bypassed node."""

FRONTEND = frozenset(
    {
        *("Reroute", "PrimitiveNode", "Note", "MarkdownNote"),
        # packs' own, of which no server class exists either
        *("GetNode", "SetNode", "Note Plus (mtb)"),
        *("Bookmark (rgthree)", "Fast Actions Button (rgthree)", "Fast Bypasser (rgthree)"),
        *("Fast Groups Bypasser (rgthree)", "Fast Groups Muter (rgthree)", "Fast Muter (rgthree)"),
        *("Label (rgthree)", "Mute / Bypass Relay (rgthree)", "Mute / Bypass Repeater (rgthree)"),
        *("Node Collector (rgthree)", "Random Unmuter (rgthree)", "Reroute (rgthree)"),
    }
)
"""Nodes that the ComfyUI page resolves itself; in UI format only, for no prompt may hold them."""

_REGISTRY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.)[A-Za-z0-9._-]{1,100}")
CORE = "comfy-core"
"""What the page writes as the pack of ComfyUI's own nodes."""


@dataclass(frozen=True, slots=True)
class SeenNode:
    """A node of the workflow, once for each time its subgraph is used."""

    node_id: str
    class_type: str
    needed: bool = True
    frontend: bool = False
    pack: Pack | None = None
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Values by the name of the param; links are left out or are values of API format."""
    loose: tuple[Any, ...] = ()
    """Widget values whose names are not known."""
    linked: Mapping[str, Follow] = field(default_factory=dict[str, Follow])
    """Params whose value another node gives."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A ``models`` entry of the workflow, as it stands there."""

    name: str
    folder: str | None
    url: str | None
    sha256: str | None


@dataclass(slots=True)
class Reading:
    """What was read."""

    nodes: list[SeenNode] = field(default_factory=list[SeenNode])
    entries: dict[Entry, None] = field(default_factory=dict[Entry, None])
    """In order, each once."""
    unknown: list[Unknown] = field(default_factory=list[Unknown])
    readable: bool = True

    def note(
        self,
        reason: str,
        node_id: str | None = None,
        class_type: str | None = None,
        param: str | None = None,
    ) -> None:
        """Say that something cannot be told."""
        if len(self.unknown) < MOST_UNKNOWN:
            self.unknown.append(Unknown(reason, node_id, class_type, param))

    def cut(self) -> None:
        """Say that the rest was not read."""
        self.readable = False
        self.note(f"Only the first {MOST_NODES} nodes were read.")

    def damaged(self, node_id: str | None) -> None:
        """Say that something is no node."""
        self.readable = False
        self.note("This is no node: it has no id or no class.", node_id)

    def add_entries(self, listed: Any) -> None:
        """Take up the ``models`` entries of a workflow or a node."""
        for entry in items(listed)[:MOST_ENTRIES]:
            name = text(member(entry, "name"))
            if name is None or len(self.entries) >= MOST_ENTRIES:
                continue
            url = text(member(entry, "url"), 8192)
            found = Entry(
                name,
                text(member(entry, "directory"), 200),
                url if url is not None and url.startswith(("https://", "http://")) else None,
                sha256_of(member(entry, "hash"), member(entry, "hash_type")),
            )
            self.entries.setdefault(found)


def read_api(document: Mapping[str, Any], classes: Classes) -> Reading:
    """Read a workflow in API format."""
    found = Reading()
    for number, (key, node) in enumerate(document.items()):
        if number >= MOST_NODES:
            found.cut()
            break
        node_id, class_type = ident(key), text(member(node, "class_type"), _LONGEST_TYPE)
        if node_id is None or class_type is None:
            found.damaged(node_id)
            continue
        inputs = inputs_of(node)
        facts = classes.of(class_type)
        linked: dict[str, Follow] = {}
        if facts is not None and facts.takes_files:
            for name, value in inputs.items():
                if is_link(value) and facts.is_file(name):
                    origin = member(document.get(value[0]), "inputs")
                    linked[name] = Follow("node", ident(value[0]) or "", (origin,))
        found.nodes.append(SeenNode(node_id, class_type, values=inputs, linked=linked))
    return found


def read_ui(document: Mapping[str, Any], classes: Classes) -> Reading:
    """Read a workflow as the ComfyUI page saves it (litegraph 0.4 or 1.0), with what its subgraphs hold."""
    found = Reading()
    found.add_entries(document.get("models"))
    definitions = _definitions(document)
    room = REPEATED_CHARACTERS
    waiting: list[tuple[Definition, Level | None, Mapping[str, Any] | None, bool]] = [
        (Definition(document), None, None, True)
    ]
    while waiting:
        definition, parent, instance, needed = waiting.pop()
        level = Level(definition, parent=parent, instance=instance, needed=needed)
        if definition.uses:
            room -= definition.size() or room
        definition.uses += 1
        if room <= 0 or len(level.within) > DEEPEST or definition in level.within[:-1]:
            found.note("This subgraph contains itself, or too much.", level.prefix[:-1])
            found.readable = False
            continue
        for node in level.nodes:
            node_id, class_type = ident(member(node, "id")), text(member(node, "type"), _LONGEST_TYPE)
            if node_id is None or class_type is None:
                found.damaged(None if node_id is None else level.prefix + node_id)
                continue
            inner = definitions.get(class_type)
            if inner is not None:
                waiting.append((inner, level, node, level.needed and not _off(node)))
            elif len(found.nodes) >= MOST_NODES:
                found.cut()
                return found
            else:
                found.add_entries(member(node.get("properties"), "models"))
                found.nodes.append(_seen(node, level, level.prefix + node_id, class_type, classes, found))
        if not level.fits:
            found.note(
                "Which of its values is whose cannot be told; those inside it are used.", level.prefix[:-1]
            )
    return found


def _definitions(document: Mapping[str, Any]) -> dict[str, Definition]:
    """Give what stands for several nodes, by the type of the node that uses it."""
    found: dict[str, Definition] = {}
    for raw in items(member(document.get("definitions"), "subgraphs")):
        if (name := text(member(raw, "id"))) is not None:
            found[name] = Definition(raw)
    groups = member(document.get("extra"), "groupNodes")
    for name, raw in cast("Mapping[str, Any]", groups).items() if isinstance(groups, Mapping) else ():
        if isinstance(raw, Mapping):
            group = Definition(cast("Mapping[str, Any]", raw), group=True)
            found[f"workflow>{name}"] = found[f"workflow/{name}"] = group
    return found


def _off(node: Mapping[str, Any]) -> bool:
    mode = node.get("mode")
    return isinstance(mode, int) and mode in _OFF


def _seen(
    node: Mapping[str, Any],
    level: Level,
    node_id: str,
    class_type: str,
    classes: Classes,
    found: Reading,
) -> SeenNode:
    pack = _pack(node.get("properties"))
    if class_type in FRONTEND and class_type not in classes.specs:
        return SeenNode(node_id, class_type, needed=False, frontend=True, pack=pack)
    needed = level.needed and not _off(node)
    facts = classes.of(class_type)
    linked_widgets = list(_linked_widgets(node))
    saved = node.get("widgets_values")
    telling = isinstance(saved, Mapping) or any(map(tells_files, items(saved)))
    if not telling and not linked_widgets and (facts is None or not facts.takes_files):
        return SeenNode(node_id, class_type, needed=needed, pack=pack)
    values, loose, fits = saved_values(node, facts)
    if not fits:
        found.note("Its saved values do not fit this server's definition of it.", node_id, class_type)
    linked: dict[str, Follow] = {}
    for name, link in linked_widgets:
        follow = level.follow(link)
        if follow.kind == "value":
            values[name] = follow.values[0]
        elif follow.kind == "node":
            values.pop(name, None)
            linked[name] = follow
    return SeenNode(node_id, class_type, needed, False, pack, values, tuple(loose), linked)


def _linked_widgets(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give (param, link id) of each widget that is linked."""
    for port in items(node.get("inputs")):
        link = member(port, "link")
        if link is not None and (name := text(member(member(port, "widget"), "name"))) is not None:
            yield name, link


def _pack(properties: Any) -> Pack | None:
    """Read which pack a node comes from, as the page notes it in its properties."""
    registry, repository = member(properties, "cnr_id"), member(properties, "aux_id")
    if not isinstance(registry, str) or _REGISTRY_ID.fullmatch(registry) is None:
        registry = None
    if not isinstance(repository, str) or _REPOSITORY.fullmatch(repository) is None:
        repository = None
    name = registry or repository
    if name is None:
        return None
    return Pack(
        name,
        text(member(properties, "ver"), 100),
        None if registry in {None, CORE} else f"https://registry.comfy.org/nodes/{registry}",
        None if repository is None else f"https://github.com/{repository}",
    )
