"""How an operation is described: a value, and short words for what many have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from ...errors import JSON

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Body:
    """What a request carries: JSON that one of *models* reads, or *schemas* by media type."""

    models: tuple[type[BaseModel], ...] = ()
    schemas: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    required: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    id: str
    """What generated clients call it. Never changed."""
    summary: str
    reply: JSON | None = None
    """Schema of the JSON that it answers with; None: see *media*, or nothing at all."""
    media: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    """Schemas by media type, where the answer is not JSON."""
    statuses: tuple[int, ...] = (200,)
    query: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    """Query parameter → its schema, with ``description``."""
    body: Body | None = None
    repeatable: bool = False
    """Takes ``Idempotency-Key``."""
    conditional: bool = False
    """Has an ETag, takes ``If-None-Match``."""
    guarded: bool = False
    """Takes ``If-Match``."""
    resumes: bool = False
    """Takes ``Last-Event-ID``."""
    located: bool = False
    """Says in ``Location`` where what it made is."""


def text(description: str, **more: object) -> JSON:
    """Describe a query parameter that is text."""
    return {"type": "string", **more, "description": description}


def switch(description: str) -> JSON:
    """Describe a query parameter that is 0 or 1."""
    return {"type": "string", "enum": ["0", "1"], "description": description}


def whole(default: int | None, least: int, most: int, description: str) -> JSON:
    """Describe a query parameter that is a whole number."""
    limits: JSON = {"minimum": least, "maximum": most, "description": description}
    return {"type": "integer", **({} if default is None else {"default": default}), **limits}


def seconds(description: str) -> JSON:
    """Describe a query parameter that is a time to wait."""
    return {"type": "number", "minimum": 0, "description": description}


WAIT = seconds("Hold the reply back until there is something to say, at most so many seconds; 60 at most.")
CURSOR = text("next_cursor of the page before.")
WORDS = text("Words to search for.")
EVENTS: Mapping[str, JSON] = {"text/event-stream": text("Server-sent events: id, event and data of each.")}
PICTURE: Mapping[str, JSON] = {"image/*": {}}
