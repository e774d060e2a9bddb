"""Workflows as the page saves them, read against the node classes of this server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import JSON, ApiError
from ..graph import looks_like_ui_format
from ..nodespec import NodeSpec
from .ports import NodeClasses

if TYPE_CHECKING:
    from ..conversion import Converted


def is_ui(document: Any) -> bool:
    """Say whether a workflow is in the page's format."""
    return isinstance(document, dict) and looks_like_ui_format(document)  # pyright: ignore[reportUnknownArgumentType]


async def converted(document: Any, classes: NodeClasses, *, partial: bool = False) -> Converted:
    """Convert a workflow from UI format; a class that came since the last look is found. Raises as to_api."""
    specs = await classes.specs(fresh=False)
    try:
        return await asyncio.to_thread(_to_api, document, specs)
    except ApiError as error:
        if error.code != "UNKNOWN_NODE_CLASS":
            raise
    specs = await classes.specs(fresh=True)
    return await asyncio.to_thread(_to_api, document, specs, partial=partial)


def _to_api(document: Any, specs: Mapping[str, NodeSpec], *, partial: bool = False) -> Converted:
    from ..conversion import to_api  # noqa: PLC0415 - not while ComfyUI imports the package

    return to_api(document, specs, partial=partial)


def ids_json(found: Converted) -> JSON:
    """Give the API ids with the node each is of: ``["12", "3"]`` is node 3 of what node 12 uses."""
    return {node_id: list(path) for node_id, path in found.ids.items()}
