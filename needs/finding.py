"""Which models the nodes of a workflow name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..nodespec import COMBO, Param
from .classes import Classes, ClassFacts, tells_files
from .levels import Follow
from .reading import Reading, SeenNode
from .text import base, embeddings_in, file_names, is_file, normal, text
from .values import FolderFrom

EMBEDDINGS = "embeddings"
NOTHING = frozenset({"", "none", "[none]", "default", "auto", "automatic", "disabled", "off", "baked vae"})
"""What file params are set to, in small letters, where they name no file."""
_MOST_FOLLOWED = 10
"""Names that are taken from one node that gives a param its value."""


@dataclass(frozen=True, slots=True)
class Named:
    """A model that a node names."""

    name: str
    """As it stands there, ``\\`` turned into ``/``."""
    folder: str | None
    folder_from: FolderFrom | None
    node_id: str
    param: str | None
    needed: bool
    offered: bool = False
    """Whether the server's own definition of the class lists it."""


class Finder:
    """Finds the models that *reading* names."""

    def __init__(self, reading: Reading, classes: Classes) -> None:
        self._reading = reading
        self._classes = classes
        self._listed = {base(normal(entry.name)) for entry in reading.entries}
        self._followed: dict[str, list[str]] = {}

    def found(self) -> Iterator[Named]:
        """Give every name, in the order of the nodes."""
        for node in self._reading.nodes:
            if not node.frontend:
                yield from self._in_node(node)

    def _in_node(self, node: SeenNode) -> Iterator[Named]:
        facts = self._classes.of(node.class_type)
        params: Mapping[str, Param] = {} if facts is None else facts.params_with(node.values)
        for name, value in node.values.items():
            param = params.get(name)
            if not tells_files(value) and (param is None or param.folder is None):
                continue
            if facts is not None and param is not None and param.folder is not None:
                yield from self._in_file_param(node, facts, param, param.folder, value)
            elif facts is not None and param is not None:
                yield from self._in_other_param(node, facts, param, value)
            else:
                yield from self._in_anything(node, name, value)
        for value in node.loose:
            yield from self._in_anything(node, None, value)
        for name, follow in node.linked.items():
            param = params.get(name)
            if param is not None and param.folder is not None:
                yield from self._in_link(node, param, param.folder, follow)

    def _in_file_param(
        self, node: SeenNode, facts: ClassFacts, param: Param, folder: str, value: Any
    ) -> Iterator[Named]:
        if isinstance(value, str):
            name, offered = text(value), facts.offers(param, value)
            if name is not None and (offered or name.lower() not in NOTHING):
                yield Named(normal(name), folder, "node", node.node_id, param.name, node.needed, offered)
            return
        for _, name, on in file_names(param.name, value):
            yield Named(normal(name), folder, "node", node.node_id, param.name, node.needed and on)

    def _in_other_param(self, node: SeenNode, facts: ClassFacts, param: Param, value: Any) -> Iterator[Named]:
        if isinstance(value, str) and not is_file(value):
            yield from self._in_prompt(node, param.name, value)
        elif isinstance(value, str):
            # a text may as well be the name of a file to write: only what the workflow lists is a model
            listed = base(normal(value)) in self._listed
            if param.type == COMBO or listed:
                offered = facts.offers(param, value)
                yield Named(normal(value), None, None, node.node_id, param.name, node.needed, offered)
        else:
            yield from self._in_anything(node, param.name, value)

    def _in_anything(self, node: SeenNode, key: str | None, value: Any) -> Iterator[Named]:
        if isinstance(value, str) and not is_file(value):
            yield from self._in_prompt(node, key, value)
            return
        for inner, name, on in file_names(key, value):
            folder = None if inner is None else self._classes.folder_of_param(inner)
            origin: FolderFrom | None = None if folder is None else "param"
            yield Named(normal(name), folder, origin, node.node_id, text(key), node.needed and on)

    def _in_prompt(self, node: SeenNode, key: str | None, value: str) -> Iterator[Named]:
        for name in embeddings_in(value):
            yield Named(normal(name), EMBEDDINGS, "node", node.node_id, text(key), node.needed)

    def _in_link(self, node: SeenNode, param: Param, folder: str, follow: Follow) -> Iterator[Named]:
        names = self._followed.get(follow.node_id)
        if names is None:
            names = list[str]()
            for value in follow.values:
                names.extend(name for _, name, on in file_names(None, value) if on)
            names = self._followed[follow.node_id] = names[:_MOST_FOLLOWED]
        if not names:
            self._reading.note(
                f"Its value comes from node {follow.node_id} when the workflow runs.",
                node.node_id,
                node.class_type,
                param.name,
            )
        for name in names:
            yield Named(normal(name), folder, "node", node.node_id, param.name, node.needed)
