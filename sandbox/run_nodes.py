"""What a run knows of its nodes: classes, instances, inputs, signatures."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Mapping
from typing import Any

from ..graph import inputs_of, is_link, topological
from .calls import Result
from .prompt_queue import Item
from .registry import Registry
from .run_graph import RunGraph, signature
from .schema import Schema, schema_of


class RunNodes:
    """The nodes of one run; *results* is filled by the run as it goes."""

    def __init__(
        self, item: Item, graph: RunGraph, registry: Registry, results: Mapping[str, Result]
    ) -> None:
        self._item = item
        self._graph = graph
        self._registry = registry
        self._results = results
        self._schemas: dict[str, Schema] = {}
        self._objects: dict[str, Any] = {}
        self.signatures: dict[str, str] = {}
        """Node id -> the key under which its result is kept."""

    def class_of(self, node_id: str) -> type[Any]:
        """Give the class of a node. Raises KeyError."""
        node_class = self._registry.get(self._graph.get_node(node_id)["class_type"])
        if node_class is None:
            raise KeyError(node_id)
        return node_class

    def inputs(self, node_id: str) -> Mapping[str, Any]:
        """Give the values and links of a node's inputs."""
        return inputs_of(self._graph.get_node(node_id))

    def schema(self, node_id: str) -> Schema:
        """Give a node's inputs as declared. Runs the pack's code: may raise."""
        if node_id not in self._schemas:
            self._schemas[node_id] = schema_of(self.class_of(node_id), self.inputs(node_id))
        return self._schemas[node_id]

    def instance(self, node_id: str) -> Any:
        """Give the object whose function is called. Runs the pack's code: may raise."""
        if node_id not in self._objects:
            self._objects[node_id] = self.class_of(node_id)()
        return self._objects[node_id]

    def is_output(self, node_id: str) -> bool:
        """Say whether it is an output node."""
        return getattr(self.class_of(node_id), "OUTPUT_NODE", False) is True

    def is_async(self, node_id: str) -> bool:
        """Say whether its function is a coroutine."""
        node_class = self.class_of(node_id)
        return inspect.iscoroutinefunction(getattr(node_class, node_class.FUNCTION, None))

    def gather(self, node_id: str) -> tuple[dict[str, list[Any]], set[str]]:
        """Give the values of a node's inputs as lists, and the names of those not computed yet."""
        schema, inputs = self.schema(node_id), self.inputs(node_id)
        values: dict[str, list[Any]] = {}
        missing: set[str] = set()
        for name, spec in schema.inputs.items():
            if name not in inputs:
                continue
            value = inputs[name]
            if not is_link(value) or spec.raw_link:
                values[name] = [value]
                continue
            result = self._results.get(value[0])
            try:
                values[name] = [None] if result is None else result.outputs[int(value[1])]
            except IndexError:
                values[name] = [None]
            if result is None:
                missing.add(name)
        for name, kind in schema.hidden.items():
            values[name] = [self._hidden(kind, node_id)]
        return values, missing

    def _hidden(self, kind: str, node_id: str) -> Any:
        extra = self._item.extra_data | self._item.secrets
        return {
            "PROMPT": self._graph.get_original_prompt(),
            "DYNPROMPT": self._graph,
            "EXTRA_PNGINFO": extra.get("extra_pnginfo"),
            "UNIQUE_ID": node_id,
            "AUTH_TOKEN_COMFY_ORG": extra.get("auth_token_comfy_org"),
            "API_KEY_COMFY_ORG": extra.get("api_key_comfy_org"),
            "COMFY_USAGE_SOURCE": extra.get("comfy_usage_source"),
        }.get(kind)

    async def sign(self, node_ids: list[str]) -> None:
        """Compute the signatures of nodes, sources first. What cannot be signed is not kept."""
        order, _ = topological({node_id: self._graph.get_node(node_id) for node_id in node_ids})
        for node_id in order:
            node = self._graph.get_node(node_id)
            try:
                own_id = node_id if self._is_bound_to_id(node_id) else None
                changed = await self._changed(node_id)
                key = signature(node, changed, own_id, self.signatures)
            except Exception:
                key = uuid.uuid4().hex
            self.signatures[node_id] = key

    def _is_bound_to_id(self, node_id: str) -> bool:
        not_idempotent = getattr(self.class_of(node_id), "NOT_IDEMPOTENT", False)
        return not_idempotent or "UNIQUE_ID" in self.schema(node_id).hidden.values()

    async def _changed(self, node_id: str) -> Any:
        """Ask the node for what its inputs do not show, such as the content of a file."""
        ask = getattr(self.class_of(node_id), "IS_CHANGED", None)
        if ask is None:
            return None
        values, _ = self.gather(node_id)
        answer = ask(**self.schema(node_id).nest({name: items[0] for name, items in values.items()}))
        return await answer if inspect.isawaitable(answer) else answer
