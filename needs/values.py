"""What a workflow needs of a server, as values and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import JSON

NodeStatus = Literal["present", "missing", "frontend"]
"""``frontend``: a node of the ComfyUI page alone, which no server has."""
ModelStatus = Literal["present", "missing", "elsewhere"]
"""``elsewhere``: not where the workflow looks for it, but a file of that name is in another place."""
SourceFrom = Literal["workflow", "known", "search"]
FolderFrom = Literal["node", "workflow", "param", "here", "known"]
"""Who says in which folder a model belongs: the node class; the workflow's ``models`` entry; other classes
with a param of that name; a file of that name that is here; the table of known models."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A node pack, as the workflow names it."""

    id: str
    """Its id in the registry, else ``owner/name`` of its repository; ``comfy-core`` is ComfyUI itself."""
    version: str | None = None
    registry: str | None = None
    """Its page in the registry."""
    repository: str | None = None

    def to_json(self) -> JSON:
        """Give it as the API does."""
        return {
            "id": self.id,
            "version": self.version,
            "registry": self.registry,
            "repository": self.repository,
        }


@dataclass(frozen=True, slots=True)
class NodeNeed:
    """A node class and where the workflow uses it."""

    class_type: str
    status: NodeStatus
    needed: bool
    """False where each of its nodes is muted, bypassed or of the page alone."""
    node_ids: tuple[str, ...]
    """Those inside a subgraph are named as in API format: ``"12:3"``."""
    pack: Pack | None = None
    """As the workflow says; None: it says nothing."""
    provided_by: str | None = None
    """``core``, ``extras``, ``api`` or the folder of the pack that has it here; None where it is missing."""
    close_matches: tuple[str, ...] = ()

    def to_json(self) -> JSON:
        """Give it as the API does."""
        return {
            "class_type": self.class_type,
            "status": self.status,
            "needed": self.needed,
            "count": len(self.node_ids),
            "node_ids": list(self.node_ids),
            "pack": None if self.pack is None else self.pack.to_json(),
            "provided_by": self.provided_by,
            "close_matches": list(self.close_matches),
        }


@dataclass(frozen=True, slots=True)
class PackNeed:
    """A pack that missing node classes come from."""

    pack: Pack
    versions: tuple[str, ...]
    """All that the workflow names: one node may have been saved with another version than the next."""
    class_types: tuple[str, ...]
    node_ids: tuple[str, ...]
    needed: bool

    def to_json(self) -> JSON:
        """Give it as the API does."""
        return {
            "id": self.pack.id,
            "versions": list(self.versions),
            "registry": self.pack.registry,
            "repository": self.pack.repository,
            "needed": self.needed,
            "class_types": list(self.class_types),
            "node_ids": list(self.node_ids),
        }


@dataclass(frozen=True, slots=True)
class Use:
    """A node that names a model. *param* is None where only its value is known, not its name."""

    node_id: str
    param: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """A model file of this server."""

    folder: str
    name: str
    """As a workflow is to name it here."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model may be had. From a workflow or a search, all of it is somebody's word: check it."""

    url: str
    name: str
    """The file's name there."""
    folder: str | None
    sha256: str | None
    """64 lower-case hexadecimal digits."""
    origin: SourceFrom
    size: int | None = None
    """Bytes, exact."""

    def to_json(self) -> JSON:
        """Give it as the API does."""
        return {
            "url": self.url,
            "name": self.name,
            "folder": self.folder,
            "sha256": self.sha256,
            "size": self.size,
            "from": self.origin,
        }


@dataclass(frozen=True, slots=True)
class ModelNeed:
    """A model file that the workflow names."""

    folder: str | None
    """The model folder it belongs in; None: nothing tells."""
    folder_from: FolderFrom | None
    name: str
    """Relative to the folder, ``/`` between parts."""
    status: ModelStatus
    needed: bool
    """False where only muted or bypassed nodes name it, or only the workflow's ``models`` entries do."""
    uses: tuple[Use, ...]
    here: tuple[Place, ...] = ()
    """Where it lies if present (its name may be spelled otherwise), or the files of that name elsewhere."""
    close_matches: tuple[str, ...] = ()
    """Names in the folder that look like it, if it is missing."""
    sources: tuple[Source, ...] = ()

    def to_json(self) -> JSON:
        """Give it as the API does."""
        return {
            "folder": self.folder,
            "folder_from": self.folder_from,
            "name": self.name,
            "status": self.status,
            "needed": self.needed,
            "nodes": [{"node_id": use.node_id, "param": use.param} for use in self.uses],
            "here": [{"folder": place.folder, "name": place.name} for place in self.here],
            "close_matches": list(self.close_matches),
            "sources": [source.to_json() for source in self.sources],
        }


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that could not be told."""

    reason: str
    node_id: str | None = None
    class_type: str | None = None
    param: str | None = None

    def to_json(self) -> JSON:
        """Give it as the API does."""
        return {
            "node_id": self.node_id,
            "class_type": self.class_type,
            "param": self.param,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class SearchReport:
    """What a search did. *failed* holds site → error code."""

    sites: tuple[str, ...]
    models: int
    """How many were searched for."""
    failed: Mapping[str, str]

    def to_json(self) -> JSON:
        """Give it as the API does."""
        return {"sites": list(self.sites), "models": self.models, "failed": dict(self.failed)}


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a workflow needs, what of it is here, and where to get the rest."""

    nodes: tuple[NodeNeed, ...]
    packs: tuple[PackNeed, ...]
    models: tuple[ModelNeed, ...]
    unknown: tuple[Unknown, ...]
    readable: bool
    """False where something in the workflow is no node, or not all of it was read."""
    search: SearchReport | None = None

    @property
    def ready(self) -> bool:
        """Whether nothing that is needed is known to be missing."""
        return (
            self.readable
            and not any(node.needed and node.status == "missing" for node in self.nodes)
            and not any(model.needed and model.status != "present" for model in self.models)
        )

    def to_json(self) -> JSON:
        """Give it as the API does."""
        return {
            "ready": self.ready,
            "nodes": [node.to_json() for node in self.nodes],
            "packs": [pack.to_json() for pack in self.packs],
            "models": [model.to_json() for model in self.models],
            "unknown": [unknown.to_json() for unknown in self.unknown],
            "search": None if self.search is None else self.search.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Download:
    """A file to fetch. Name and folders may come from the workflow and are not checked yet."""

    url: str
    folder: str
    """The model folder, as this server or the workflow names it."""
    filename: str
    target_dir: str | None
    """Relative to the folder, ``/`` between parts."""
    sha256: str | None
    need: ModelNeed


@dataclass(frozen=True, slots=True)
class Downloads:
    """What :func:`~.downloads.missing_downloads` finds."""

    items: tuple[Download, ...]
    without: tuple[ModelNeed, ...]
    """Missing, and nothing says where to get them; what a search found does not count."""
    elsewhere: tuple[ModelNeed, ...]
    """Here, but not where the workflow looks: to be moved or renamed rather than fetched."""


Models = Mapping[str, Sequence[str]]
"""Model folder → the names of its files."""
