"""What a node needs to expand into a graph of other nodes, or to block those behind it."""

from __future__ import annotations

from typing import Any

from ..errors import JSON
from .progress import current_call


class ExecutionBlocker:
    """Given as an output: nodes that take it do not run. A *message* is told to the client."""

    def __init__(self, message: str | None = None) -> None:
        self.message = message


class BuiltNode:
    """A node of a graph being built; its inputs may be changed until :meth:`GraphBuilder.finalize`."""

    def __init__(self, node_id: str, class_type: str, inputs: JSON) -> None:
        self.id = node_id
        self.class_type = class_type
        self.inputs = inputs
        self.display_id: str | None = None

    def out(self, index: int) -> list[Any]:
        """Give a link to output *index* of this node."""
        return [self.id, index]

    def get_input(self, name: str) -> Any:
        """Give the value or link of an input, or None."""
        return self.inputs.get(name)

    def set_input(self, name: str, value: Any) -> None:
        """Set an input to a value or a link; None takes it away."""
        if value is None:
            self.inputs.pop(name, None)
        else:
            self.inputs[name] = value

    def set_override_display_id(self, node_id: str) -> None:
        """Have what this node shows attributed to *node_id*."""
        self.display_id = node_id


class GraphBuilder:
    """Builds the graph that an expanding node returns under ``"expand"``.

    Ids are ``"{expanding node}.{call}.{graph}.{id}"``, unique in the run and the same in the next one.
    """

    def __init__(self, prefix: str | None = None) -> None:
        if prefix is None:
            call = current_call.get()
            prefix = "" if call is None else f"{call.node_id}.{call.index}.{next(call.graphs)}."
        self.prefix = prefix
        self.nodes: dict[str, BuiltNode] = {}

    def node(self, class_type: str, id: str | None = None, **inputs: Any) -> BuiltNode:  # noqa: A002 (ComfyUI's name)
        """Add a node, or give the one that has this id already."""
        full = self.prefix + (str(len(self.nodes) + 1) if id is None else id)
        return self.nodes.setdefault(full, BuiltNode(full, class_type, inputs))

    def lookup_node(self, id: str) -> BuiltNode | None:  # noqa: A002
        """Give the node that was added with this id."""
        return self.nodes.get(self.prefix + id)

    def finalize(self) -> JSON:
        """Give the graph in API format."""
        graph: JSON = {}
        for node_id, node in self.nodes.items():
            graph[node_id] = {"class_type": node.class_type, "inputs": dict(node.inputs)}
            if node.display_id is not None:
                graph[node_id]["override_display_id"] = node.display_id
        return graph
