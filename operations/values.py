"""What an operation changed, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ..errors import JSON

ABSENT: Final = object()
"""Stands for a value that is not there, where null would be a value."""

BYPASSED = "bypassed"
"""The key of a node's ``_meta`` under which ``bypass`` keeps what it rewired."""

NODE_ADDED = "node_added"
NODE_REMOVED = "node_removed"
NODE_RESTORED = "node_restored"
CLASS_CHANGED = "class_changed"
INPUT_SET = "input_set"
INPUT_REMOVED = "input_removed"
INPUT_DROPPED = "input_dropped"
META_SET = "meta_set"

KINDS = (
    NODE_ADDED,
    NODE_REMOVED,
    NODE_RESTORED,
    CLASS_CHANGED,
    INPUT_SET,
    INPUT_REMOVED,
    INPUT_DROPPED,
    META_SET,
)
"""Every kind of change. ``input_dropped`` is a removal that nobody asked for; ``reason`` says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different now. The changes of a result, replayed in order, make it of the argument.

    *old* and *new* are nodes, classes, or values of the input or key of ``_meta`` called *name*; links are
    ``[node_id, slot]`` as in the workflow. Where there was or is nothing they are :data:`ABSENT`.
    """

    op: int
    kind: str
    node_id: str
    class_type: str
    name: str | None = None
    old: Any = ABSENT
    new: Any = ABSENT
    reason: str | None = None

    def to_json(self) -> JSON:
        """Give it as replies carry it; what is absent is left out."""
        found: JSON = {
            "op": self.op,
            "kind": self.kind,
            "node_id": self.node_id,
            "class_type": self.class_type,
        }
        if self.name is not None:
            found["key" if self.kind == META_SET else "input"] = self.name
        if self.old is not ABSENT:
            found["old"] = self.old
        if self.new is not ABSENT:
            found["new"] = self.new
        if self.reason is not None:
            found["reason"] = self.reason
        return found


@dataclass(frozen=True, slots=True)
class Created:
    """A node that is new. *copy_of* is the id of what it is a copy of, in the workflow or the fragment."""

    op: int
    node_id: str
    class_type: str
    alias: str | None = None
    copy_of: str | None = None

    def to_json(self) -> JSON:
        """Give it as replies carry it; what is absent is left out."""
        found: JSON = {"op": self.op, "node_id": self.node_id, "class_type": self.class_type}
        if self.alias is not None:
            found["alias"] = self.alias
        if self.copy_of is not None:
            found["copy_of"] = self.copy_of
        return found


def same(one: Any, other: Any) -> bool:
    """Say whether two JSON values are the same; unlike ``==``, 1 is neither 1.0 nor true."""
    left: list[tuple[Any, Any]] = [(one, other)]
    while left:  # no recursion: values may be nested as deeply as JSON can be read
        one, other = left.pop()
        if type(one) is not type(other):
            return False
        if isinstance(one, dict):
            if one.keys() != other.keys():
                return False
            left.extend((item, other[key]) for key, item in one.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        elif isinstance(one, list):
            if len(one) != len(other):  # pyright: ignore[reportUnknownArgumentType]
                return False
            left.extend(zip(one, other, strict=True))  # pyright: ignore[reportUnknownArgumentType]
        elif one != other:
            return False
    return True
