"""Changes a workflow by named operations: all of them or none, and the argument stays as it is. Pure.

The operations, their fields and errors stand in docs/patching.md; the code of each is in ``operations/``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from .errors import JSON, ApiError, InvalidOperation, InvalidRequest, close_matches
from .graph import on_cycle
from .nodespec import NodeSpec
from .operations.comparing import compare, restoring
from .operations.draft import Draft, ends
from .operations.fields import bad, read
from .operations.short import from_short
from .operations.table import OPERATIONS
from .operations.values import Change, Created
from .validation import Finding, check

__all__ = [
    "MOST_OPERATIONS",
    "OPERATIONS",
    "Change",
    "Created",
    "PatchResult",
    "apply",
    "compare",
    "from_short",
    "restoring",
]

MOST_OPERATIONS = 5_000
"""How many operations one call takes, those in batches counted one by one."""
_DEEPEST_BATCH = 8


@dataclass(frozen=True, slots=True)
class PatchResult:
    """What became of a workflow.

    *graph* shares all nodes that were not touched with the argument. *inverse* are operations that make the
    old graph of it again, node for node and key for key, in the same order.
    """

    graph: dict[str, JSON]
    changes: tuple[Change, ...]
    created: tuple[Created, ...]
    """New nodes that are in the graph, in the order of their making."""
    findings: tuple[Finding, ...]
    """What is wrong with the nodes that were touched; empty if that was not asked for."""
    inverse: tuple[JSON, ...]

    @property
    def aliases(self) -> dict[str, str]:
        """The ids of the new nodes that have an alias, by that."""
        return {each.alias: each.node_id for each in self.created if each.alias is not None}

    def to_json(self) -> JSON:
        """Give the result as replies carry it."""
        return {
            "workflow": self.graph,
            "changes": [change.to_json() for change in self.changes],
            "created": [created.to_json() for created in self.created],
            "findings": [finding.to_json() for finding in self.findings],
            "inverse": list(self.inverse),
        }


def apply(
    graph: Mapping[str, JSON],
    ops: Sequence[Any],
    specs: Mapping[str, NodeSpec],
    *,
    validate: bool = False,
    most: int = MOST_OPERATIONS,
) -> PatchResult:
    """Do *ops* in their order, or none of them.

    *graph* has the shape that :func:`~.validation.as_graph` checks; neither it nor what is in it is changed.
    *ops* are ``{"op": name, …}``, or ``{"op": "batch", "ops": […]}``. *validate* adds findings on what was
    touched.

    Raises InvalidRequest INVALID_REQUEST for what cannot be read, InvalidOperation for what cannot be done.
    ``details.op`` is the index in *ops*, ``details.path`` all indexes where it is inside a batch,
    ``details.operation`` its name.
    """
    draft = Draft(graph, specs)
    path: tuple[int, ...] = ()
    name: str | None = None
    try:
        for count, (here, document) in enumerate(_flat(ops, most)):
            if count >= most:
                raise _too_many(most)
            path, draft.op = here, here[0]
            name, operation = _operation(document)
            operation.run(draft, read(document, operation.fields))
            path, name = (), None
    except ApiError as error:
        error.details = {**_where(path, name), **error.details}
        raise
    _refuse_new_cycle(graph, draft)
    return PatchResult(
        draft.nodes,
        tuple(draft.changes),
        tuple(draft.created.values()),
        tuple(_findings(draft)) if validate else (),
        tuple(_inverse(graph, draft)),
    )


def _flat(ops: Any, most: int, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Any]]:
    if not isinstance(ops, list | tuple):
        raise _bad_batch("must be a list", path)
    listed = cast("Sequence[Any]", ops)
    if len(listed) > most:
        raise _too_many(most)
    for index, document in enumerate(listed):
        here = (*path, index)
        if not isinstance(document, dict) or cast("JSON", document).get("op") != "batch":
            yield here, document
            continue
        inner = cast("JSON", document)
        if inner.keys() != {"op", "ops"} or len(here) > _DEEPEST_BATCH:
            raise _bad_batch("a batch has the field ops and no other, and is not nested deeply", here)
        yield from _flat(inner["ops"], most, here)


def _bad_batch(fault: str, path: tuple[int, ...]) -> ApiError:
    error = bad({"ops": fault})
    error.details |= _where(path, "batch") if path else {}
    return error


def _operation(document: Any) -> tuple[str, Any]:
    name = cast("JSON", document).get("op") if isinstance(document, dict) else None
    if not isinstance(name, str):
        raise bad({"op": "missing" if name is None else "must be the name of an operation"})
    operation = OPERATIONS.get(name)
    if operation is None:
        known = [*OPERATIONS, "batch"]
        matches = close_matches(name, known)
        raise InvalidRequest(
            "INVALID_REQUEST",
            f"There is no operation {name!r}.",
            hint=f"Did you mean {matches[0]}?" if matches else f"There are: {', '.join(known)}.",
            details={"fields": {"op": "unknown"}, "close_matches": matches},
        )
    return name, operation


def _where(path: tuple[int, ...], name: str | None) -> JSON:
    found: JSON = {"op": path[0]} if path else {}
    if len(path) > 1:
        found["path"] = list(path)
    return found if name is None else {**found, "operation": name}


def _too_many(most: int) -> InvalidOperation:
    return InvalidOperation(
        "TOO_MANY_OPERATIONS",
        f"More than {most} operations at once.",
        hint="Send them in several requests.",
        details={"most": most},
    )


def _refuse_new_cycle(graph: Mapping[str, JSON], draft: Draft) -> None:
    """Raise WORKFLOW_CYCLE if a link that was made closes a circle; one that was there before may stay."""
    starts = [node_id for node_id in draft.linked if node_id in draft.nodes]
    cycle = _circle(draft.nodes, starts) if starts else []
    if not cycle or on_cycle(graph):
        return
    walk = [*cycle, cycle[0]]
    raise InvalidOperation(
        "WORKFLOW_CYCLE",
        f"The workflow would go in a circle: {' → '.join(walk)}.",
        hint="Leave one of these links out, or put them in another order.",
        details={"cycle": cycle},
    )


def _circle(nodes: Mapping[str, JSON], starts: Sequence[str]) -> list[str]:
    """Give a circle that is met on the way up from *starts*, each node feeding the next; else nothing."""
    left: dict[str, bool] = {}
    """Of each node that was met, whether all above it is known; those for which not are the way here."""
    stack = list(starts)
    while stack:
        node_id = stack[-1]
        if node_id in left:
            left[stack.pop()] = True
            continue
        left[node_id] = False
        for value in nodes[node_id].get("inputs", {}).values():
            if not isinstance(value, list) or (link := ends(value)) is None:  # the cheap question first
                continue
            source, known = link[0], left.get(link[0])
            if known is None:
                if source in nodes:
                    stack.append(source)
            elif not known:
                way = [each for each, over in left.items() if not over]
                return way[way.index(source) :][::-1]
    return []


def _findings(draft: Draft) -> Iterator[Finding]:
    touched = [node_id for node_id in draft.touched if node_id in draft.nodes]
    for finding in check(draft.nodes, draft.specs, touched, only=draft.touched):
        about = finding.details.get("cycle") or [finding.node_id]
        if any(node_id is None or node_id in draft.touched for node_id in about):
            yield finding


def _inverse(graph: Mapping[str, JSON], draft: Draft) -> Iterator[JSON]:
    nodes = {
        node_id: graph.get(node_id)
        for node_id in draft.touched
        if graph.get(node_id) is not draft.nodes.get(node_id)
    }
    place = {node_id: at for at, node_id in enumerate(graph) if node_id in draft.moved} if draft.moved else {}
    if nodes or place:
        yield {"op": "restore", "nodes": nodes, **({"place": place} if place else {})}
