"""Changes and judges the workflows of sessions. Pure, and for threads: large ones take milliseconds."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..breath import Breath
from ..errors import JSON
from ..nodespec import NodeSpec
from ..validation import Files, judge
from ..wire import dumps
from .summaries import in_words
from .values import Edited, NewVersion, Packed, Session

Specs = Mapping[str, NodeSpec]

MOST_OPS_BYTES = 64 * 1024
"""Operations that take more, compressed, are not kept beside what they made."""
MOST_DIFF = 256 * 1024
"""Characters of JSON up to which the changes are told to who comes too late."""


@dataclass(frozen=True, slots=True)
class Made:
    """What an edit makes of a workflow. *version* is None if that is what it was."""

    version: NewVersion | None
    graph: dict[str, JSON]
    changes: tuple[JSON, ...]
    created: tuple[JSON, ...]
    findings: tuple[JSON, ...]
    inverse: tuple[JSON, ...]
    valid: bool | None

    def edited(self, session: Session) -> Edited:
        """Give it with the session that it belongs to."""
        return Edited(
            session, self.graph, self.changes, self.created, self.findings, self.inverse, self.valid
        )


def pack(graph: Mapping[str, JSON]) -> Packed:
    """Give a workflow as it is kept."""
    text = json.dumps(graph, separators=(",", ":")).encode("ascii")  # ASCII, for lone surrogates stay
    return Packed(zlib.compress(text, 1), hashlib.sha256(text).digest())


def unpack(body: bytes) -> dict[str, JSON]:
    """Read what :func:`pack` gave."""
    return json.loads(zlib.decompress(body))


def patched(body: bytes, ops: Sequence[Any], specs: Specs, files: Files | None, *, validate: bool) -> Made:
    """Change a workflow by operations; all of them or none. Raises as :func:`~..patch_engine.apply`."""
    from ..patch_engine import apply  # noqa: PLC0415 - not at the start

    breath = Breath()
    text = zlib.decompress(body)
    old = json.loads(text)
    result = apply(old, ops, specs)
    breath.take()
    report = judge(result.graph, specs, files=files)
    breath.take()
    version: NewVersion | None = None
    packed = pack(result.graph)
    breath.take()
    if packed.sha256 != hashlib.sha256(text).digest():  # not the same to the letter
        packed_ops = zlib.compress(json.dumps(list(ops), separators=(",", ":")).encode("ascii"), 1)
        version = NewVersion(
            kind="patch",
            graph=packed,
            valid=report.valid,
            changes=len(result.changes),
            summary=in_words(result.changes),
            ops=packed_ops if len(packed_ops) <= MOST_OPS_BYTES else None,
        )
    return Made(
        version,
        result.graph,
        tuple(change.to_json() for change in result.changes),
        tuple(created.to_json() for created in result.created),
        tuple(finding.to_json() for finding in report.findings) if validate else (),
        result.inverse,
        report.valid,
    )


def replaced(body: bytes, new: dict[str, JSON], specs: Specs, files: Files | None) -> Made:
    """Put another workflow in place of one."""
    from ..patch_engine import compare, restoring  # noqa: PLC0415

    breath = Breath()
    text = zlib.decompress(body)
    old = json.loads(text)
    changes = compare(old, new)
    breath.take()
    inverse = restoring(new, old)
    breath.take()
    report = judge(new, specs, files=files)
    breath.take()
    packed = pack(new)
    version = (
        NewVersion(
            kind="replace",
            graph=packed,
            valid=report.valid,
            changes=len(changes),
            summary=in_words(changes),
            ops=None,
        )
        if packed.sha256 != hashlib.sha256(text).digest()
        else None
    )
    return Made(
        version,
        new,
        tuple(change.to_json() for change in changes),
        _added(old, new),
        tuple(finding.to_json() for finding in report.findings),
        inverse,
        report.valid,
    )


def moved(body: bytes, to: bytes, valid: bool | None) -> Made:
    """Tell what is different after the head moved from one version to another."""
    from ..patch_engine import compare, restoring  # noqa: PLC0415

    breath = Breath()
    old, new = unpack(body), unpack(to)
    breath.take()
    changes = tuple(change.to_json() for change in compare(old, new))
    breath.take()
    return Made(None, new, changes, _added(old, new), (), restoring(new, old), valid)


def differences(old: bytes, new: bytes) -> list[JSON]:
    """Give the changes from one version to another."""
    from ..patch_engine import compare  # noqa: PLC0415

    return [change.to_json() for change in compare(unpack(old), unpack(new))]


def told(changes: list[JSON]) -> JSON:
    """Give changes for an error's details: as many as are not too long, and how many are left out."""
    room, kept = MOST_DIFF, 0
    for change in changes:
        room -= len(dumps(change))
        if room < 0:
            break
        kept += 1
    return {"changes": changes[:kept], "changes_left_out": len(changes) - kept}


def read_ops(body: bytes | None) -> list[JSON] | None:
    """Read the operations that are kept beside a version."""
    return None if body is None else cast("list[JSON]", json.loads(zlib.decompress(body)))


def _added(old: Mapping[str, JSON], new: Mapping[str, JSON]) -> tuple[JSON, ...]:
    return tuple(
        {"op": 0, "node_id": node_id, "class_type": node["class_type"]}
        for node_id, node in new.items()
        if node_id not in old
    )
