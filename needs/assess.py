"""Compares what a workflow names with what a server has. Pure: every input is a value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast
from urllib.parse import urlsplit

from ..errors import InvalidRequest
from ..nodespec import NodeSpec
from .classes import Classes
from .finding import Finder, Named
from .known import Known, KnownModel
from .lookalikes import Lookalikes
from .reading import Entry, Reading, SeenNode, read_api, read_ui
from .shelf import Shelf
from .text import EMBEDDING_SUFFIXES, base, has_suffix, is_file, normal, stem
from .values import (
    FolderFrom,
    ModelNeed,
    Models,
    NodeNeed,
    NodeStatus,
    Pack,
    PackNeed,
    Place,
    Requirements,
    Source,
    Use,
)

_MOST_SUGGESTED = 20
"""For how many missing classes, and models, close names are looked up: that takes 1 ms each."""
_MOST_CLOSE = 5
_MOST_SOURCES = 10


def requirements(
    workflow: Any,
    specs: Mapping[str, NodeSpec],
    models: Models,
    aliases: Mapping[str, str],
    known: Known,
) -> Requirements:
    """Say what a workflow, in API or UI format, needs of a server, and what of it is missing there.

    *specs*: the server's node classes by name; *models*: its model folders with their files; *aliases*: old
    names of folders; *known*: where files of that name may be had. A few milliseconds for 1,000 nodes; for
    threads, for a hostile workflow takes up to some seconds. Raises InvalidRequest WORKFLOW_MISSING,
    INVALID_REQUEST; whatever else is wrong with the workflow is told in the answer.
    """
    document = _document(workflow)
    classes, shelf = Classes(specs), Shelf(models, aliases)
    in_ui_format = isinstance(document.get("nodes"), list)
    reading = read_ui(document, classes) if in_ui_format else read_api(document, classes)
    named = list(Finder(reading, classes).found())
    nodes = _nodes(reading.nodes, classes)
    return Requirements(
        nodes=nodes,
        packs=_packs(nodes, reading.nodes),
        models=_models(named, reading, shelf, known),
        unknown=tuple(reading.unknown),
        readable=reading.readable,
    )


def _document(workflow: Any) -> Mapping[str, Any]:
    if workflow is None or workflow == {} or (isinstance(workflow, dict) and workflow.get("nodes") == []):  # pyright: ignore[reportUnknownMemberType]
        raise InvalidRequest(
            "WORKFLOW_MISSING",
            "The request has no workflow, or an empty one.",
            hint='Send {"workflow": …} with what ComfyUI saves or exports.',
        )
    if not isinstance(workflow, dict):
        raise InvalidRequest(
            "INVALID_REQUEST",
            "workflow must be an object.",
            details={"fields": {"workflow": "not an object"}},
        )
    return cast("Mapping[str, Any]", workflow)


# Nodes


def _nodes(seen: Iterable[SeenNode], classes: Classes) -> tuple[NodeNeed, ...]:
    by_class: dict[tuple[str, bool], list[SeenNode]] = defaultdict(list)
    for node in seen:
        by_class[node.class_type, node.frontend].append(node)
    suggested = 0
    lookalikes: Lookalikes | None = None
    found: list[NodeNeed] = []
    for (class_type, frontend), nodes in by_class.items():
        spec = classes.specs.get(class_type)
        status: NodeStatus = "frontend" if frontend else "missing" if spec is None else "present"
        close: tuple[str, ...] = ()
        if status == "missing" and suggested < _MOST_SUGGESTED:
            suggested += 1
            lookalikes = lookalikes or Lookalikes(classes.specs)
            close = lookalikes.of(class_type, limit=_MOST_CLOSE)
        found.append(
            NodeNeed(
                class_type,
                status,
                any(node.needed for node in nodes),
                tuple(node.node_id for node in nodes),
                next((node.pack for node in nodes if node.pack is not None), None),
                None if spec is None else spec.pack,
                close,
            )
        )
    return tuple(found)


@dataclass(slots=True)
class _Gathered:
    """The missing nodes of one pack."""

    packs: list[Pack] = field(default_factory=list[Pack])
    classes: dict[str, None] = field(default_factory=dict[str, None])
    node_ids: list[str] = field(default_factory=list[str])
    needed: bool = False


def _packs(needs: Iterable[NodeNeed], seen: Iterable[SeenNode]) -> tuple[PackNeed, ...]:
    missing = {need.class_type for need in needs if need.status == "missing"}
    by_pack: dict[str, _Gathered] = defaultdict(_Gathered)
    for node in seen:
        if node.pack is not None and node.class_type in missing:
            gathered = by_pack[node.pack.id]
            gathered.packs.append(node.pack)
            gathered.classes[node.class_type] = None
            gathered.node_ids.append(node.node_id)
            gathered.needed = gathered.needed or node.needed
    return tuple(
        PackNeed(
            max(gathered.packs, key=lambda pack: pack.repository is not None),
            tuple(dict.fromkeys(pack.version for pack in gathered.packs if pack.version is not None)),
            tuple(gathered.classes),
            tuple(gathered.node_ids),
            gathered.needed,
        )
        for gathered in by_pack.values()
    )


# Models


def _models(named: Sequence[Named], reading: Reading, shelf: Shelf, known: Known) -> tuple[ModelNeed, ...]:
    entries = _Entries(reading.entries, shelf)
    groups: dict[tuple[str | None, str], list[Named]] = defaultdict(list)
    origins: dict[tuple[str | None, str], FolderFrom | None] = {}
    for each in named:
        folder, origin = _folder(each, entries, shelf, known)
        groups[folder, each.name].append(each)
        origins.setdefault((folder, each.name), origin)
    _join_unplaced(groups)
    for folder, name in groups:
        entries.claim(folder, name)
    assessor = _Assessor(shelf, known)
    needs: list[ModelNeed] = []
    for (folder, name), group in groups.items():
        place = shelf.find_anywhere(name) if folder is None else shelf.find(folder, name)
        offered = any(each.offered for each in group)
        if offered and place is None and not is_file(name):
            continue  # a choice that is no file, such as "pixel_space"
        need = ModelNeed(
            folder,
            origins[folder, name],
            name,
            "present" if offered else "missing",
            any(each.needed for each in group),
            tuple(dict.fromkeys(Use(each.node_id, each.param) for each in group)),
        )
        needs.append(assessor.assessed(need, place, entries.taken(folder, name)))
    for (folder, name), left in entries.left().items():
        place = shelf.find_anywhere(name) if folder is None else shelf.find(folder, name)
        origin: FolderFrom | None = None if folder is None else "workflow"
        needs.append(assessor.assessed(ModelNeed(folder, origin, name, "missing", False, ()), place, left))
    return tuple(needs)


class _Entries:
    """The ``models`` entries of a workflow, and which of them belong to what the nodes name."""

    def __init__(self, entries: Iterable[Entry], shelf: Shelf) -> None:
        self._shelf = shelf
        self._all: dict[str, list[Entry]] = defaultdict(list)
        self._used: set[Entry] = set()
        self._claimed: dict[str, set[str | None]] = defaultdict(set)
        for entry in entries:
            self._all[stem(base(normal(entry.name)))].append(entry)

    def of(self, name: str) -> list[Entry]:
        """Give the entries for a name; a prompt names an embedding without its suffix."""
        last = base(name)
        found = self._all.get(stem(last), [])
        return [entry for entry in found if base(normal(entry.name)) == last or not has_suffix(last)]

    def claim(self, folder: str | None, name: str) -> None:
        """Say that a node names this."""
        self._claimed[stem(base(name))].add(folder)

    def taken(self, folder: str | None, name: str) -> list[Entry]:
        """Give the entries for a name in a folder: not those that belong to the same name in another."""
        others = self._claimed[stem(base(name))]
        found: list[Entry] = []
        for entry in self.of(name):
            place = self._shelf.folder(entry.folder)
            if place is None or place == folder or place not in others:
                found.append(entry)
        self._used.update(found)
        return found

    def left(self) -> dict[tuple[str | None, str], list[Entry]]:
        """Give the entries that no node names, by folder and name."""
        found: dict[tuple[str | None, str], list[Entry]] = defaultdict(list)
        for entry in (entry for group in self._all.values() for entry in group if entry not in self._used):
            found[self._shelf.folder(entry.folder), normal(entry.name)].append(entry)
        return found


def _folder(
    named: Named, entries: _Entries, shelf: Shelf, known: Known
) -> tuple[str | None, FolderFrom | None]:
    """Give the folder that a name belongs in: whoever knows best decides."""
    if named.folder is not None and named.folder_from == "node":
        return named.folder, "node"
    for entry in entries.of(named.name):
        if entry.folder is not None:
            return shelf.folder(entry.folder), "workflow"
    if named.folder is not None and shelf.find(named.folder, named.name) is not None:
        return named.folder, named.folder_from
    here = shelf.find_anywhere(named.name)
    if here is not None:
        return here.folder, "here"
    if named.folder is not None:
        return named.folder, named.folder_from
    folders = {row.folder for row in known.get(base(named.name), ())}
    return (folders.pop(), "known") if len(folders) == 1 else (None, None)


def _join_unplaced(groups: dict[tuple[str | None, str], list[Named]]) -> None:
    """Count a name without a folder as the same name in a folder, if there is one."""
    placed = {name: folder for folder, name in groups if folder is not None}
    for folder, name in list(groups):
        if folder is None and name in placed:
            groups[placed[name], name].extend(groups.pop((None, name)))


class _Assessor:
    """Says how it stands with one file after the other."""

    def __init__(self, shelf: Shelf, known: Known) -> None:
        self._shelf = shelf
        self._known = known
        self._suggested = 0

    def assessed(self, need: ModelNeed, place: Place | None, entries: Sequence[Entry]) -> ModelNeed:
        """Complete a need: *place* is where the file lies, if it does, *entries* say where it may be had."""
        sources = self._sources(need.folder, need.name, entries)
        if place is not None:
            return replace(need, status="present", here=(place,), sources=sources)
        if need.status == "present":
            return replace(need, sources=sources)
        here = self._shelf.elsewhere(need.folder, need.name)
        if here:
            return replace(need, status="elsewhere", here=here, sources=sources)
        close: tuple[str, ...] = ()
        if self._suggested < _MOST_SUGGESTED:
            self._suggested += 1
            close = self._shelf.close(need.folder, need.name)
        return replace(need, close_matches=close, sources=sources)

    def _sources(self, folder: str | None, name: str, entries: Sequence[Entry]) -> tuple[Source, ...]:
        found: dict[str, Source] = {}
        for entry in entries:
            if entry.url is None:
                continue
            source = Source(
                entry.url, normal(entry.name), self._shelf.folder(entry.folder), entry.sha256, "workflow"
            )
            address = _address(entry.url)
            if address not in found or (found[address].sha256 is None and entry.sha256 is not None):
                found[address] = source
        for row in self._known_rows(name):
            if folder is None or row.folder == folder:
                source = Source(row.url, row.name, row.folder, row.sha256, "known")
                found.setdefault(_address(row.url), source)
        return tuple(list(found.values())[:_MOST_SOURCES])

    def _known_rows(self, name: str) -> Iterable[KnownModel]:
        last = base(name)
        suffixes = ("",) if has_suffix(last) else EMBEDDING_SUFFIXES
        return next((rows for suffix in suffixes if (rows := self._known.get(last + suffix))), ())


def _address(url: str) -> str:
    """Give what two links to one file have in common."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if (parts.hostname or "").lower() not in {"huggingface.co", "hf.co"}:
        return url
    return "huggingface.co" + parts.path.replace("/blob/", "/resolve/", 1)
