"""What a workflow needs of a server: node classes, packs, model files; what is missing; where to get it.

Only what ComfyUI's start needs is loaded here; the values, and what works with them, come with the first
request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .search import CivitaiSearch, HuggingFaceSearch
from .service import Needs, Search

if TYPE_CHECKING:
    from .values import Download, Downloads, ModelNeed, Requirements, Source

__all__ = [
    "CivitaiSearch",
    "Download",
    "Downloads",
    "HuggingFaceSearch",
    "ModelNeed",
    "Needs",
    "Requirements",
    "Search",
    "Source",
    "missing_downloads",
]


def missing_downloads(requirements: Requirements) -> Downloads:
    """Give one download for each model that is needed and missing: see :func:`.missing.missing_downloads`."""
    from . import missing

    return missing.missing_downloads(requirements)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import values

    return getattr(values, name)
