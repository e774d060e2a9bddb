"""One look at a workflow: what its nodes are, what is linked to what, and which types that gives."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..errors import JSON
from ..graph import inputs_of
from ..nodespec import ANY, NodeSpec, Output, accepts
from .closest import Closest
from .finding import Files, Specs
from .net import Net, Out
from .shapes import Field, Shape, Shapes


class Look:
    """All that the checks and fixes of one call share."""

    def __init__(
        self,
        graph: Mapping[str, JSON],
        specs: Specs,
        targets: Iterable[str] = (),
        files: Files | None = None,
    ) -> None:
        self.graph = graph
        self.specs = specs
        self.net = Net(graph, targets)
        self.closest = Closest()
        self._shapes = Shapes()
        self._spec_of = {node_id: specs.get(node["class_type"]) for node_id, node in graph.items()}
        self._of_node: dict[str, Shape | None] = {}
        self._files = files
        self._there: dict[str, bool] = {}
        self._resolved: dict[tuple[str, str], str] | None = None

    @property
    def has_file(self) -> Any:
        """Give the question whether there is an input file, None where nobody knows."""
        return None if self._files is None else self._has_file

    def _has_file(self, name: str) -> bool:
        found = self._there.get(name)
        if found is None and self._files is not None:
            found = self._there[name] = self._files.input_file(name)
        return bool(found)

    def spec(self, node_id: str) -> NodeSpec | None:
        """Give the class of a node, None if it is unknown."""
        return self._spec_of[node_id]

    def inputs(self, node_id: str) -> Mapping[str, Any]:
        """Give a node's inputs."""
        held = self.graph[node_id].get("inputs")
        return held if type(held) is dict else inputs_of(self.graph[node_id])  # pyright: ignore[reportUnknownVariableType]

    def shape(self, node_id: str) -> Shape | None:
        """Give what the inputs of a node may be, None if its class is unknown."""
        if node_id not in self._of_node:
            spec = self.spec(node_id)
            self._of_node[node_id] = None if spec is None else self._shapes.of(spec, self.inputs(node_id))
        return self._of_node[node_id]

    def shape_of(self, spec: NodeSpec, inputs: Mapping[str, Any]) -> Shape:
        """Give what the inputs of a node of that class would be."""
        return self._shapes.of(spec, inputs)

    def field(self, node_id: str, name: str) -> Field | None:
        """Give an input of a node, None if nothing is known of it."""
        shape = self.shape(node_id)
        return None if shape is None else shape.fields.get(name)

    def fitting(self, node_id: str) -> Collection[str]:
        """Give the inputs with a link that plainly fits: the outputs are of just their type."""
        shape = self.shape(node_id)
        if shape is None:
            return ()
        found: list[str] = []
        for name, source, slot in self.net.into[node_id]:
            field, spec = shape.fields.get(name), self._spec_of[source]
            if field is None or spec is None or not 0 <= slot < len(spec.outputs):
                continue
            output = spec.outputs[slot]
            plain = field.options is None and not field.rule.variants
            if plain and output.match is None and output.type == field.takes:
                found.append(name)
        return found

    def output(self, out: Out) -> Output | None:
        """Give what an output declares, None if it is not known or not there."""
        spec = self.spec(out[0])
        return spec.outputs[out[1]] if spec is not None and 0 <= out[1] < len(spec.outputs) else None

    # types

    def gives(self, out: Out) -> str | None:
        """Give the type of an output, None if nothing is known of it.

        Of a match type it is what is linked to the inputs of the same match.
        """
        declared = self.output(out)
        if declared is None or declared.match is None:
            return None if declared is None else declared.type
        if self._resolved is None:
            self._resolve()
        return (self._resolved or {}).get((out[0], declared.match), declared.type)

    def _resolve(self) -> None:
        """Find the type of every match of every node, those first that others depend on."""
        self._resolved = {}
        for node_id in self.net.order:
            spec = self.spec(node_id)
            if spec is None or all(output.match is None for output in spec.outputs):
                continue
            for match in {output.match for output in spec.outputs if output.match is not None}:
                kinds = [kind for _, kind in self.matched(node_id, match)]
                found = meeting(kinds)
                if found is not None and found != ANY:
                    self._resolved[node_id, match] = found

    def matched(self, node_id: str, match: str, *, but: str | None = None) -> list[tuple[str, str]]:
        """Give the types that the inputs of one match are linked to, by name; wildcards say nothing.

        The first is what the node allows, under an empty name.
        """
        shape = self.shape(node_id)
        if shape is None:
            return []
        links = {name: (source, slot) for name, source, slot in self.net.into[node_id]}
        found: list[tuple[str, str]] = []
        for name in shape.matched:
            field = shape.fields[name]
            if field.match != match:
                continue
            if not found:
                found.append(("", field.takes))
            kind = self.gives(links[name]) if name in links and name != but else None
            if kind is not None:
                found.append((name, kind))
        return found


def meeting(kinds: Iterable[str]) -> str | None:
    """Give the types that are in all of *kinds* as a union, None if there is none in all."""
    left: list[str] | None = None
    for kind in kinds:
        members = [part.strip() for part in kind.split(",")]
        if ANY in members:
            continue
        left = members if left is None else [each for each in left if each in members]
        if not left:
            return None
    return ANY if left is None else ",".join(left)


def suits(field: Field, kind: str, output: Output) -> bool:
    """Say whether ComfyUI takes a link from an output of that type.

    Source: comfy_execution/validation.py, ``validate_node_input``: a type that is a list of options fits no
    other list, though it fits COMBO.
    """
    if accepts(field.takes, kind) is None:
        return False
    return field.options is None or kind == ANY or output.match is not None or output.options == field.options
