"""Sessions and their versions as values. Times are Unix seconds, sizes bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import JSON
from ..tasks.engine import Remembered

Kind = Literal["created", "patch", "replace", "rollback"]
"""How a version came to be."""

OnFailure = Literal["keep", "rollback"]
"""What becomes of the head when a run of it fails."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a client takes for the present state; None: whatever it is."""

    version: int | None = None
    rev: int | None = None

    def holds(self, session: Session) -> bool:
        """Say whether it is so."""
        return self.version in {None, session.version} and self.rev in {None, session.rev}


@dataclass(frozen=True, slots=True)
class Run:
    """A task that runs, or ran, a version. *status*: how it ended, None as far as is known here."""

    task_id: str
    version: int
    status: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """A workflow that is held here, at its present version (the head)."""

    seq: int
    id: str
    label: str | None
    parent: JSON | None
    """``{session_id, version}`` of what it was forked from."""
    source: JSON
    version: int
    """The head."""
    latest: int
    """The newest version; greater than the head after an undo."""
    rev: int
    """Counts what clients changed, an undo or a label too."""
    seen: int
    """Counts what else changed: how runs ended, until when it is kept."""
    changed: int
    """Counts up over all sessions; the one that was changed last has the greatest."""
    created_at: float
    updated_at: float
    used_at: float
    on_failure: OnFailure
    metadata: Mapping[str, Any]
    base: int | None
    """What undo leads to."""
    following: int | None
    """What redo leads to."""
    valid: bool | None
    last_valid: int | None
    """The nearest version back from the head, itself included, that validated, else the newest of all."""
    last_ran: int | None
    """The same, of those of which a run succeeded."""
    last_run: Run | None
    running: bool
    """Whether it is not known of all its runs how they ended."""


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a session's workflow. It never changes, but for what is learned of it."""

    number: int
    base: int | None
    kind: Kind
    same_as: int | None
    """Of a rollback, the version whose workflow it has."""
    changes: int
    """How many, since its base."""
    summary: str
    made_at: float
    valid: bool | None
    ran: bool
    """Whether a run of it succeeded."""
    run: Run | None
    """Its newest run."""
    because: JSON | None
    """Of a rollback by policy: ``{task_id, version}`` of the run that failed."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A workflow as it is kept. *sha256* is that of the JSON, the order of its keys included."""

    body: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Origin:
    """What a session is made of: a workflow in API format and where it is from."""

    graph: dict[str, JSON]
    source: JSON
    parent: JSON | None = None
    extras: JSON = field(default_factory=dict[str, Any])
    """What else the reply to its making says: ``node_ids`` and ``notes`` of one from the page."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a client may say of a session; *given* are the fields that it said."""

    label: str | None = None
    on_failure: OnFailure = "keep"
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    given: frozenset[str] = frozenset({"label", "on_failure", "metadata"})


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to keep, and its first version."""

    id: str
    about: Description
    source: JSON
    parent: JSON | None
    graph: Packed
    valid: bool | None
    summary: str


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to make the head, whose base is the head until then."""

    kind: Literal["patch", "replace"]
    graph: Packed
    valid: bool | None
    changes: int
    summary: str
    ops: bytes | None


@dataclass(frozen=True, slots=True)
class Rollback:
    """Make a version with the workflow of version *to* the head."""

    to: int
    changes: int


@dataclass(frozen=True, slots=True)
class Move:
    """Move the head along *path*, its own number first: back to bases (undo), or forth (redo)."""

    path: tuple[int, ...]
    back: bool


Edit = NewVersion | Rollback | Move | Description


@dataclass(frozen=True, slots=True)
class Edited:
    """A session after an edit, or as it would be, with what the edit did. Lists are as replies carry them."""

    session: Session
    graph: Mapping[str, JSON]
    """The workflow at the head."""
    changes: tuple[JSON, ...] = ()
    created: tuple[JSON, ...] = ()
    findings: tuple[JSON, ...] = ()
    inverse: tuple[JSON, ...] = ()
    valid: bool | None = None
    extras: JSON = field(default_factory=dict[str, Any])


Remember = Callable[[Session], Remembered]
"""Makes what is kept for an Idempotency-Key of the session as it is then. Called in another thread."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept; None: no limit."""

    age_s: float | None = None
    """Since a session was last used."""
    sessions: int | None = None
    versions: int | None = None
    """Of one session."""
    session_bytes: int | None = None
    """Workflows of one session, compressed."""
    store_bytes: int | None = None

    def kept_since(self, now: float) -> float:
        """Give the time after which a session must have been used to be kept."""
        return 0.0 if self.age_s is None else now - self.age_s
