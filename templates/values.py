"""Templates as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import JSON, InvalidRequest
from ..tasks.drawing import Drawn
from ..tasks.inputs import Source

Place = tuple[str, str]
"""(node id, input name)."""

Kind = Literal["template", "fragment"]

MOST_VERSION = 999_999_999
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
)
"""Names that no file of Windows can have."""


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"


UNSET = _Unset()
"""In place of a value that is not there; null is one."""


def is_name(text: str) -> bool:
    """Say whether a template may have this name."""
    return _NAME.fullmatch(text) is not None and text not in _DEVICES


def version_of(text: str) -> int | None:
    """Read a version's number; None if it is none."""
    return int(text) if _VERSION.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class Ref:
    """What a request calls a template: ``poster``, or ``poster@2`` for one version of it."""

    name: str
    version: int | None = None

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Read ``name`` or ``name@version``. Raises ApiError INVALID_REQUEST."""
        name, at, number = text.partition("@")
        version = version_of(number)
        if not is_name(name) or (at and version is None):
            raise InvalidRequest(
                "INVALID_REQUEST",
                f"{text[:100]!r} is no name of a template.",
                hint="Names have a-z, 0-9, _ and -, at most 64; a version of one is poster@2.",
                details={"fields": {"name": "not a name, or name@version"}},
            )
        return cls(name, version)

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Declared:
    """An input of a template. All *places* get its value."""

    name: str
    type: str
    places: tuple[Place, ...]
    title: str | None = None
    description: str | None = None
    default: Any = UNSET
    min: float | None = None
    max: float | None = None
    step: float | None = None
    enum: tuple[Any, ...] | None = None
    required: bool | None = None
    multiline: bool | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """A named output: of a template a node that shows or saves, of a fragment an output of a node."""

    node: str
    output: int | str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """One version of a template or a fragment. What it holds is shared: never change it."""

    name: str
    version: int
    kind: Kind
    workflow: Mapping[str, JSON]
    inputs: Mapping[str, Declared]
    outputs: Mapping[str, Output]
    document: JSON
    """What its file holds, with all fields that a document has but what is about the file itself."""
    digest: str
    """``sha256:`` of what decides the run; see :func:`.document.digest_of`."""
    created_at: str | None = None
    read_only: bool = False
    edited: bool = False
    """Whether the file says another digest: it was changed by hand since."""

    @property
    def ref(self) -> Ref:
        """What names this version."""
        return Ref(self.name, self.version)

    def input_at(self, node: str, field: str) -> str | None:
        """Give the name of the input that sets this place, if one does."""
        for name, declared in self.inputs.items():
            if (node, field) in declared.places:
                return name
        return None


@dataclass(frozen=True, slots=True)
class Filled:
    """A template with its inputs filled in: the workflow to run. *graph* shares nodes with the template."""

    template: Template
    graph: dict[str, JSON]
    files: Mapping[str, Source]
    """By ``"<node>.<field>"``, as :class:`~..tasks.Submission` takes them."""
    inputs: JSON
    """As they are used: defaults filled in, seeds drawn, of files where they come from and never their
    bytes.
    """
    drawn: tuple[Drawn, ...]
    """The seeds that were left to the server."""
    outputs: tuple[str, ...] | None
    """The nodes that the template declares as outputs; None for all."""
