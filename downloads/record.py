"""What is kept of a download in its task: how far it is, what replies show, what a restart needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

from ..errors import JSON
from ..tasks.engine import StoredTask
from ..tasks.task import FINISHED
from .plan import Found, Pace, Received, Target, Wanted
from .trouble import RETRYABLE

PAUSED = 32_503_680_000.0
"""When a paused download may begin, in Unix seconds: not before the year 3000."""

NO_PACE = Pace("resolving")

KEPT = RETRYABLE | {
    *("DOWNLOAD_DISK_FULL", "DOWNLOAD_IO_ERROR", "DOWNLOAD_PERMISSION_DENIED", "DOWNLOAD_TLS_ERROR"),
    *("DOWNLOAD_AUTH_REQUIRED", "DOWNLOAD_GATED", "DOWNLOAD_UPSTREAM_FORBIDDEN", "DOWNLOAD_NOT_FOUND"),
    *("DOWNLOAD_BLOCKED_ADDRESS", "DOWNLOAD_FILE_EXISTS", "DOWNLOAD_CONFLICT"),
    *("DOWNLOAD_OFFLINE", "DOWNLOAD_UNSUPPORTED", "DOWNLOAD_FORBIDDEN_DOMAIN", "DOWNLOAD_INTERNAL_ERROR"),
}
"""Failures after which the part stays, for a retry by hand to go on with."""


@dataclass(frozen=True, slots=True)
class Record:
    """A download so far. The part before ``found`` is about where it stands, the rest about what it is."""

    phase: str = "queued"
    """``queued``, ``paused``, one of :class:`Pace`'s, then ``completed``, ``failed`` or ``cancelled``."""
    pace: Pace = NO_PACE
    found: Found | None = None
    target: Target | None = None
    part: str | None = None
    """File name of the part, beside the target."""
    journal: JSON | None = None
    """What of the part is on the disk for good (:class:`~.transfer.Journal`)."""
    received: Received | None = None
    """The whole file, verified; perhaps not in its place yet."""
    skipped: bool = False
    """Whether the file was there already."""
    files: tuple[str, ...] = ()
    """What was unpacked, relative to the model folder."""
    made: tuple[str, ...] = ()
    """Folders that were made for it, relative to the target's root, the innermost first."""

    @property
    def part_path(self) -> Path | None:
        """Where the part lies."""
        if self.part is None or self.target is None:
            return None
        return self.target.path.parent / self.part

    @property
    def progress(self) -> float:
        """0 to 1; 1 only when the file is in its place."""
        if self.phase == "completed":
            return 1.0
        size = self.received.size if self.received else self.size
        done = self.received.size if self.received else self.pace.received
        return 0.0 if not size else round(min(done / size, 0.9999), 4)

    @property
    def size(self) -> int | None:
        """Bytes of the whole, None where nobody said."""
        return self.pace.size if self.pace.size is not None else self.found.size if self.found else None

    @property
    def eta_s(self) -> float | None:
        """Seconds until the last byte is here, at the present speed."""
        if self.size is None or not self.pace.speed or self.phase != "downloading":
            return None
        return round(max(self.size - self.pace.received, 0) / self.pace.speed, 1)

    def to_json(self) -> JSON:
        """Give it as the task's result: nothing in it is secret."""
        return {
            "progress": self.progress,
            "phase": self.phase,
            "pace": asdict(self.pace),
            "found": None if self.found is None else {**asdict(self.found), "facts": dict(self.found.facts)},
            "target": None
            if self.target is None
            else {"folder": self.target.folder, "root": str(self.target.root), "name": self.target.name},
            "part": self.part,
            "journal": self.journal,
            "received": None if self.received is None else asdict(self.received),
            "skipped": self.skipped,
            "files": list(self.files),
            "made": list(self.made),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Record:
        """Read what :meth:`to_json` gave; what another version wrote and this one cannot read is left out."""
        if not document:
            return cls()
        target = cast("Mapping[str, str] | None", document.get("target"))
        found = _made(Found, document.get("found"))
        return cls(
            phase=str(document.get("phase") or "queued"),
            pace=_made(Pace, document.get("pace")) or NO_PACE,
            found=found
            and replace(found, notes=tuple(found.notes), trigger_words=tuple(found.trigger_words)),
            target=Target(target["folder"], Path(target["root"]), target["name"]) if target else None,
            part=document.get("part"),
            journal=document.get("journal"),
            received=_made(Received, document.get("received")),
            skipped=bool(document.get("skipped")),
            files=tuple(document.get("files") or ()),
            made=tuple(document.get("made") or ()),
        )


def phase_of(task: StoredTask, record: Record) -> str:
    """Say where a download stands: its task's status knows better than what was last written down."""
    if task.status in FINISHED:
        return "completed" if task.status == "succeeded" else task.status
    if task.status == "queued":
        return "paused" if task.not_before >= PAUSED else "retrying" if task.error else "queued"
    return record.phase


def view(task: StoredTask) -> JSON:
    """Give what replies show as ``download``: no path of this machine, no secret."""
    record, wanted = (
        Record.from_json(task.result or task.request.get("resume") or {}),
        wanted_of(task.request),
    )
    phase, found, received = phase_of(task, record), record.found, record.received
    runs = phase == "downloading"
    return {
        "phase": phase,
        "url": wanted.url,
        **(about(found) if found else dict.fromkeys(_ABOUT)),
        "folder": record.target.folder if record.target else None,
        "name": record.target.name if record.target else None,
        "size": received.size if received else record.size,
        "received": received.size if received else record.pace.received,
        "speed": record.pace.speed if runs else None,
        "connections": record.pace.connections if runs else 0,
        "retries": record.pace.retries,
        "note": record.pace.note if task.status not in FINISHED else None,
        "sha256": received.sha256 if received else wanted.sha256 or (found and found.sha256),
        "verified_by": received.verified_by if received else None,
        "skipped": record.skipped,
        "files": list(record.files),
    }


_ABOUT = ("source", "page", "licence", "gated", "base_model", "trigger_words", "revision", "scan", "notes")


def about(found: Found) -> JSON:
    """Give what a source said that a person may want to know."""
    said = {name: getattr(found, name) for name in _ABOUT}
    return said | {"trigger_words": list(found.trigger_words), "notes": list(found.notes)}


def wanted_json(wanted: Wanted) -> JSON:
    """Give a request as its task keeps it."""
    return asdict(wanted)


def wanted_of(document: Mapping[str, Any]) -> Wanted:
    """Read what :func:`wanted_json` gave."""
    return _made(Wanted, document.get("wanted")) or Wanted("")


def _made(kind: Any, document: Any) -> Any:
    if not isinstance(document, Mapping):
        return None
    known = {field.name for field in fields(kind)}
    given = cast("Mapping[str, Any]", document)
    try:
        return kind(**{name: value for name, value in given.items() if name in known})
    except TypeError:
        return None
