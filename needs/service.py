"""What a workflow needs of *this* server: ``assess.requirements`` with the server's own values.

The parts that do the work are loaded when they are first used, in a thread: defining their values takes some
20 ms, which ComfyUI's start can do without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..nodespec import NodeSpec

if TYPE_CHECKING:
    from .known import KnownModels
    from .values import Downloads, Requirements, Source


class NodeClasses(Protocol):
    """Where node classes come from; :class:`~backplane.catalog.Catalog` is one."""

    async def specs(self, *, fresh: bool = True) -> Mapping[str, NodeSpec]:
        """Give all node classes by class_type, as they are now if *fresh*."""
        ...


class ModelNames(Protocol):
    """Where the names of model files come from."""

    async def names(self) -> Mapping[str, Sequence[str]]:
        """Give every model folder with the names of its files, relative to it."""
        ...

    def aliases(self) -> Mapping[str, str]:
        """Give old names of folders, ``{"unet": "diffusion_models"}``. Called in a thread."""
        ...


class Search(Protocol):
    """A site that can be asked for a file by its name."""

    @property
    def site(self) -> str:
        """Its name, as the API shows it."""
        ...

    async def find(self, name: str) -> Sequence[Source]:
        """Give the files of exactly this name (no folders in it), the likeliest first.

        Raises OutboundError.
        """
        ...


class Needs:
    """Tells what workflows need.

    *search* are the sites that may be asked, in the order of their answers. *known* is the table of public
    models, None for the one that ships with the package.
    """

    def __init__(
        self,
        classes: NodeClasses,
        models: ModelNames,
        *,
        search: Sequence[Search] = (),
        known: KnownModels | None = None,
    ) -> None:
        self._classes = classes
        self._models = models
        self._search = search
        self._known = known

    async def requirements(self, workflow: Any, *, search: bool = False) -> Requirements:
        """Say what *workflow*, in API or UI format, needs, what is missing, and where to get it.

        With *search*, public sites are asked for models that are missing and have no other source; if one
        fails, the answer says so. Raises InvalidRequest WORKFLOW_MISSING, INVALID_REQUEST.
        """
        specs = await self._classes.specs()
        models = await self._models.names()
        found = await asyncio.to_thread(self._assess, workflow, specs, models)
        if not search:
            return found
        from .searching import searched  # noqa: PLC0415

        return await searched(found, self._search)

    async def missing_downloads(self, workflow: Any) -> Downloads:
        """Say what to download for *workflow*: see :func:`~.missing.missing_downloads`. Raises the same."""
        found = await self.requirements(workflow)
        from .missing import missing_downloads  # noqa: PLC0415

        return missing_downloads(found)

    def _assess(
        self, workflow: Any, specs: Mapping[str, NodeSpec], models: Mapping[str, Sequence[str]]
    ) -> Requirements:
        from .assess import requirements  # noqa: PLC0415
        from .known import KnownModels  # noqa: PLC0415

        if self._known is None:
            self._known = KnownModels()
        return requirements(workflow, specs, models, self._models.aliases(), self._known.table())
