"""What is different between two workflows, told as a patch would tell it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import JSON
from .values import (
    ABSENT,
    CLASS_CHANGED,
    INPUT_REMOVED,
    INPUT_SET,
    META_SET,
    NODE_ADDED,
    NODE_REMOVED,
    NODE_RESTORED,
    Change,
    same,
)

_PARTS = frozenset({"class_type", "inputs", "_meta"})
_NOTHING: Mapping[str, Any] = {}


def compare(old: Mapping[str, JSON], new: Mapping[str, JSON]) -> tuple[Change, ...]:
    """Give the changes that, replayed in order, make *new* of *old*; none of them is an operation's.

    The order of nodes and of keys does not count. Both have the shape that :func:`~.validation.as_graph`
    checks. A node that differs in more than its class, inputs and ``_meta`` is told as a whole.
    """
    return tuple(_changes(old, new))


def restoring(old: Mapping[str, JSON], new: Mapping[str, JSON]) -> tuple[JSON, ...]:
    """Give operations that make *new* of *old*, node for node and key for key, in the same order."""
    nodes = {
        node_id: new.get(node_id)
        for node_id in {**old, **new}
        if node_id not in old or node_id not in new or not _exactly(old[node_id], new[node_id])
    }
    place = _places(list(old), list(new))
    if not nodes and not place:
        return ()
    return ({"op": "restore", "nodes": nodes, **({"place": place} if place else {})},)


def _places(old: list[str], new: list[str]) -> dict[str, int]:
    """Give the index of each id that is not where ``restore`` puts it by itself: new ones at the end."""
    before, after = set(old), set(new)
    kept = [node_id for node_id in old if node_id in after]
    added = [node_id for node_id in new if node_id not in before]
    if new == [*kept, *added]:
        return {}
    if kept == [node_id for node_id in new if node_id in before]:
        return {node_id: at for at, node_id in enumerate(new) if node_id not in before}
    return {node_id: at for at, node_id in enumerate(new)}


def _changes(old: Mapping[str, JSON], new: Mapping[str, JSON]) -> Iterator[Change]:
    for node_id, node in old.items():
        if node_id not in new:
            yield Change(0, NODE_REMOVED, node_id, node["class_type"], old=node)
    for node_id, node in new.items():
        if node_id not in old:
            yield Change(0, NODE_ADDED, node_id, node["class_type"], new=node)
        elif not _exactly(old[node_id], node):
            yield from _within(node_id, old[node_id], node)


def _within(node_id: str, old: JSON, new: JSON) -> Iterator[Change]:
    class_type = new["class_type"]
    if not _in_parts(old, new):
        if not same(old, new):
            yield Change(0, NODE_RESTORED, node_id, class_type, old=old, new=new)
        return
    if old["class_type"] != class_type:
        yield Change(0, CLASS_CHANGED, node_id, class_type, old=old["class_type"], new=class_type)
    before, after = old.get("inputs", _NOTHING), new.get("inputs", _NOTHING)
    for name, value in before.items():
        if name not in after:
            yield Change(0, INPUT_REMOVED, node_id, class_type, name, old=value)
    yield from _set(INPUT_SET, node_id, class_type, before, after)
    before, after = old.get("_meta", _NOTHING), new.get("_meta", _NOTHING)
    for key, value in before.items():
        if key not in after:
            yield Change(0, META_SET, node_id, class_type, key, old=value)
    yield from _set(META_SET, node_id, class_type, before, after)


def _set(
    kind: str, node_id: str, class_type: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Change]:
    for name, value in after.items():
        held = before.get(name, ABSENT)
        if not same(held, value):
            yield Change(0, kind, node_id, class_type, name, old=held, new=value)


def _in_parts(old: JSON, new: JSON) -> bool:
    """Say whether changes of a class, of inputs and of ``_meta`` make *new* of *old*.

    They cannot tell an empty part from one that is not there.
    """
    if not (_PARTS.issuperset(old) and _PARTS.issuperset(new)):
        return False
    if "inputs" in old and "inputs" not in new:
        return False
    if "inputs" not in old and new.get("inputs", ABSENT) == {}:
        return False
    metas = [node["_meta"] for node in (old, new) if "_meta" in node]
    if not all(isinstance(meta, dict) for meta in metas):
        return False
    return all(metas) or same(old.get("_meta", ABSENT), new.get("_meta", ABSENT))


def _exactly(one: Any, other: Any) -> bool:
    """Say whether two JSON values are the same with the same order of keys; quick, for most are."""
    if one is other:
        return True
    try:
        return repr(one) == repr(other)
    except RecursionError:
        return False
