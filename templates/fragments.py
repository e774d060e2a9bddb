"""Fragments by name in operations: ``{"op": "add_fragment", "fragment": "hires-fix"}``. Pure.

The patch engine takes documents. What an operation's ``params`` say of a fragment's declared inputs, by
their names, is checked and filled in here; what they say of its nodes, as objects, is left to the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..errors import JSON, ApiError
from ..nodespec import NodeSpec
from .filling import fill, refuse_uploads
from .values import Template

_MOST = 5_000
_DEEPEST = 10


@dataclass(frozen=True, slots=True)
class Named:
    """A fragment that an operation names."""

    text: str
    where: JSON
    """``op`` and ``path`` as errors of the patch engine have them."""


def named_in(ops: Any) -> list[Named]:
    """Give every fragment that *ops*, those in batches too, name."""
    return [Named(document["fragment"], _where(path)) for path, document in _naming(ops, ())]


def replaced(
    ops: Any,
    templates: Mapping[str, Template],
    specs: Mapping[str, NodeSpec],
    random_seed: Callable[[], int],
) -> Any:
    """Give *ops* with documents in place of the names in *templates*; *ops* is left as it is.

    Raises ApiError TEMPLATE_INVALID for what is no fragment, TEMPLATE_INPUT_INVALID.
    """
    documents = dict(_naming(ops, ()))
    made: dict[tuple[int, ...], JSON] = {}
    for path, document in documents.items():
        try:
            made[path] = _with_document(document, templates[document["fragment"]], specs, random_seed)
        except ApiError as error:
            error.details = {**_where(path), **error.details}
            raise
    return _rebuilt(ops, made, ())


def _naming(ops: Any, path: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], JSON]]:
    """Give the operations that name a fragment; what the engine would refuse is passed over."""
    if not isinstance(ops, list | tuple) or len(cast("list[Any]", ops)) > _MOST or len(path) > _DEEPEST:
        return
    for index, each in enumerate(cast("list[Any]", ops)):
        if not isinstance(each, dict):
            continue
        document = cast("JSON", each)
        if document.get("op") == "batch":
            yield from _naming(document.get("ops"), (*path, index))
        elif document.get("op") == "add_fragment" and isinstance(document.get("fragment"), str):
            yield (*path, index), document


def _rebuilt(ops: Any, made: Mapping[tuple[int, ...], JSON], path: tuple[int, ...]) -> Any:
    if not isinstance(ops, list | tuple) or len(path) > _DEEPEST:
        return cast("Any", ops)
    found: list[Any] = []
    for index, each in enumerate(cast("list[Any]", ops)):
        here = (*path, index)
        if here in made:
            found.append(made[here])
        elif isinstance(each, dict) and cast("JSON", each).get("op") == "batch" and "ops" in each:
            found.append({**cast("JSON", each), "ops": _rebuilt(cast("JSON", each)["ops"], made, here)})
        else:
            found.append(each)
    return found


def _where(path: tuple[int, ...]) -> JSON:
    where: JSON = {"op": path[0], "operation": "add_fragment"}
    return {**where, "path": list(path)} if len(path) > 1 else where


def _with_document(
    document: JSON,
    template: Template,
    specs: Mapping[str, NodeSpec],
    random_seed: Callable[[], int],
) -> JSON:
    if template.kind != "fragment":
        raise ApiError(
            "TEMPLATE_INVALID",
            f"{template.ref} is a whole workflow, not a fragment.",
            hint="GET /ext/templates?kind=fragment lists fragments.",
            details={"fields": {"kind": "template"}},
        )
    given: Any = document.get("params", {})
    if not isinstance(given, dict):
        return {**document, "fragment": fragment_json(template, template.workflow)}
    params = cast("JSON", given)
    nodes: JSON = {key: value for key, value in params.items() if isinstance(value, dict)}
    inputs = {key: value for key, value in params.items() if key not in nodes}
    filled = fill(template, specs, inputs, random_seed, lenient=True)
    refuse_uploads(template, filled)
    made = {**document, "fragment": fragment_json(template, filled.graph)}
    if "params" in made:
        made["params"] = nodes
    return made


def fragment_json(template: Template, graph: Mapping[str, JSON]) -> JSON:
    """Give a fragment as the patch engine takes it, with *graph* as its workflow."""
    return {
        "workflow": dict(graph),
        "inputs": template.document["ports"],
        "outputs": {
            name: {"node": output.node, "output": output.output} for name, output in template.outputs.items()
        },
        "place": template.document["place"],
    }
