"""Which node classes may appear in workflows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from ..errors import JSON, Forbidden

_PATTERN = re.compile(r'"([^"]*)"|([^\s,"]+)')
_MOST_SHOWN = 20


class AllowList:
    """The node classes that *text* names; all where it names none.

    *text* holds names and patterns with ``*`` and ``?``, commas or spaces between; a name with spaces is
    put in double quotes.
    """

    __slots__ = ("_names", "_patterns")

    def __init__(self, text: str = "") -> None:
        found = [(quoted or plain).strip() for quoted, plain in _PATTERN.findall(text)]
        self._names = frozenset(name for name in found if name)
        self._patterns = tuple(name for name in self._names if "*" in name or "?" in name)

    def __bool__(self) -> bool:
        return bool(self._names)

    def allows(self, class_type: str) -> bool:
        """Say whether nodes of this class may appear."""
        if not self._names or class_type in self._names:
            return True
        return any(fnmatchcase(class_type, pattern) for pattern in self._patterns)

    def refuse(self, graph: Mapping[str, JSON]) -> None:
        """Look at every node of a workflow in API format. Raises Forbidden NODE_CLASS_NOT_ALLOWED."""
        if not self._names:
            return
        judged: dict[str, bool] = {}
        wrong: list[JSON] = []
        for node_id, node in graph.items():
            class_type = str(node.get("class_type"))
            if class_type not in judged:
                judged[class_type] = self.allows(class_type)
            if not judged[class_type]:
                wrong.append({"node_id": node_id, "class_type": class_type})
        if not wrong:
            return
        classes = list(dict.fromkeys(each["class_type"] for each in wrong))
        more = f" and {len(classes) - _MOST_SHOWN} more" if len(classes) > _MOST_SHOWN else ""
        raise Forbidden(
            "NODE_CLASS_NOT_ALLOWED",
            f"Node classes that are not allowed on this server: {', '.join(classes[:_MOST_SHOWN])}{more}.",
            hint="The setting allowed_nodes says which are.",
            details={"nodes": wrong},
        )
