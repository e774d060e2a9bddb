"""What tasks need of the host and of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..errors import JSON
from ..host.protocol import Machine, PromptRunner
from ..nodespec import NodeSpec


class NodeClasses(Protocol):
    """What tasks need of the catalogue."""

    async def specs(self, *, fresh: bool) -> Mapping[str, NodeSpec]:
        """Give all node classes; as the disk and the packs are now if *fresh*, else as last read."""
        ...

    def learn(self, graph: Mapping[str, JSON]) -> None:
        """Remember what this succeeded workflow connects."""
        ...


class TaskHost(PromptRunner, Machine, Protocol):
    """What tasks need of the host."""
