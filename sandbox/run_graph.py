"""The workflow of one run: what was submitted, and what its nodes expanded into."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any, cast

from ..errors import JSON
from ..graph import is_link


class RunGraph:
    """Nodes of a run by unique id. Nodes may ask for it as the hidden input DYNPROMPT."""

    def __init__(self, original: Mapping[str, JSON]) -> None:
        self._original = dict(original)
        self._nodes: dict[str, JSON] = dict(original)
        self._parents: dict[str, str] = {}
        self._displays: dict[str, str] = {}

    def add(self, node_id: str, node: JSON, parent_id: str) -> None:
        """Add a node that *parent_id* expanded into. Raises ValueError if the id is taken."""
        if node_id in self._nodes:
            raise ValueError(f"Node {parent_id} expanded into a node with an id already in use: {node_id}")
        self._nodes[node_id] = node
        self._parents[node_id] = parent_id
        self._displays[node_id] = str(node.get("override_display_id") or parent_id)

    def get_node(self, node_id: str) -> JSON:
        """Give a node. Raises KeyError."""
        return self._nodes[node_id]

    def has_node(self, node_id: str) -> bool:
        """Say whether there is such a node."""
        return node_id in self._nodes

    def all_node_ids(self) -> set[str]:
        """Ids of all nodes."""
        return set(self._nodes)

    def get_original_prompt(self) -> JSON:
        """Give the workflow as it was submitted."""
        return self._original

    def get_parent_node_id(self, node_id: str) -> str | None:
        """Give the node that expanded into this one, or None."""
        return self._parents.get(node_id)

    def get_real_node_id(self, node_id: str) -> str:
        """Give the node of the submitted workflow that this one comes from."""
        while node_id in self._parents:
            node_id = self._parents[node_id]
        return node_id

    def get_display_node_id(self, node_id: str) -> str:
        """Give the node of the submitted workflow that this one is shown as."""
        seen: set[str] = set()
        while node_id in self._displays and node_id not in seen:
            seen.add(node_id)
            node_id = self._displays[node_id]
        return node_id


def signature(node: JSON, changed: object, own_id: str | None, sources: Mapping[str, str]) -> str:
    """Give the key under which a node's result is kept: same key, same result.

    *changed* is the answer of IS_CHANGED, *own_id* is set if the result depends on the node's id, *sources*
    are the signatures of the nodes that it takes inputs from. What cannot be compared is never the same.
    """
    inputs: dict[str, Any] = {}
    for name, value in cast("JSON", node.get("inputs") or {}).items():
        if is_link(value):
            source = sources.get(value[0])
            inputs[name] = ["link", source or uuid.uuid4().hex, value[1]]
        else:
            inputs[name] = ["value", value]
    try:
        parts = [node["class_type"], changed, own_id, sorted(inputs.items())]
        text = json.dumps(parts, allow_nan=False, sort_keys=True, default=_comparable)
    except (ValueError, TypeError, RecursionError):
        return uuid.uuid4().hex
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def _comparable(value: object) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, set | frozenset):
        return sorted(cast("set[Any]", value))
    raise TypeError(type(value).__name__)
