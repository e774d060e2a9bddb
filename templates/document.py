"""Reads a template's document, and says everything that is wrong with it at once.

The document is what a file holds and what ``PUT`` sends; docs/templates.md describes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

from ..errors import JSON, ApiError, close_matches
from .files import Unfit
from .reading import CONTENT, EMPTY, read_fields
from .values import UNSET, Template

FORMAT = 1
MOST_BYTES = 16 * 1024 * 1024
"""Largest file of a template."""
ABOUT = ("title", "description", "tags", "base_models", "ui")
OF_FILE = ("format", "name", "version", "digest", "created_at", "read_only", "edited")
"""What is about the file or the reply itself; a document may carry it, and it is not read."""


def invalid(faults: Mapping[str, str], what: str = "The template") -> ApiError:
    """Make the error TEMPLATE_INVALID for the fields at fault."""
    first, fault = next(iter(faults.items()))
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return ApiError(
        "TEMPLATE_INVALID",
        f"{what} is not as templates are: {first}: {fault}{more}.",
        hint="docs/templates.md describes the document.",
        details={"fields": dict(faults)},
    )


def read_document(document: Any, name: str, version: int, *, read_only: bool = False) -> Template:
    """Read a document in the shape of JSON. Raises ApiError TEMPLATE_INVALID with every field at fault."""
    if not isinstance(document, dict):
        raise invalid({"body": "must be an object"})
    about = cast("JSON", document)
    fields = read_fields(about)
    faults = {**_misnamed(about, name), **fields.faults}
    if faults:
        raise invalid(faults)
    shown: JSON = {key: about[key] for key in ABOUT if about.get(key) not in (None, "", [])}
    created = about.get("created_at")
    try:
        digest = digest_of(fields.content)
    except (ValueError, RecursionError):  # NaN and infinities are no JSON
        raise invalid({"workflow": "holds a number that JSON has not, or is nested too deeply"}) from None
    said = about.get("digest")
    return Template(
        name=name,
        version=version,
        kind=fields.content["kind"],
        workflow=fields.content["workflow"],
        inputs=fields.inputs,
        outputs=fields.outputs,
        document={**fields.content, **shown},
        digest=digest,
        created_at=created if isinstance(created, str) else None,
        read_only=read_only,
        edited=isinstance(said, str) and said != digest,
    )


def _misnamed(about: JSON, name: str) -> dict[str, str]:
    """Say what is wrong with the names of its fields, and with what it says of itself."""
    faults: dict[str, str] = {}
    known = {*CONTENT, *ABOUT, *OF_FILE}
    for key in about.keys() - known:
        matches = close_matches(key, known)
        faults[key] = f"unknown; did you mean {matches[0]}?" if matches else "unknown"
    if about.get("format", FORMAT) != FORMAT:
        faults["format"] = f"must be {FORMAT}"
    if about.get("name", name) != name:
        faults["name"] = f"must be {name!r}, as the address and the file say"
    return faults


def digest_of(document: Mapping[str, Any]) -> str:
    """Give the digest of what decides the run.

    It is the SHA-256 of the fields :data:`CONTENT` as JSON: keys sorted, without spaces, all but ASCII
    escaped; fields that are left out count as empty. Raises ValueError for numbers that JSON has not.
    """
    content = {**EMPTY, **{key: document[key] for key in CONTENT if key in document}}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def file_bytes(template: Template, created_at: str | None) -> bytes:
    """Give the bytes of a template's file: JSON for people and Git, in the document's own order.

    Raises ApiError TEMPLATE_INVALID if it is too large or nested too deeply.
    """
    document: JSON = {"format": FORMAT, "name": template.name}
    for key in ("kind", "title", "description", "tags", "base_models", *CONTENT[1:], "ui"):
        if key in template.document and template.document[key] != EMPTY.get(key, UNSET):
            document[key] = template.document[key]
    document["kind"] = template.kind
    document["digest"] = template.digest
    if created_at is not None:
        document["created_at"] = created_at
    try:
        raw = _pretty(document)
    except RecursionError:
        raise invalid({"body": "is nested too deeply"}) from None
    except ValueError:
        raise invalid({"body": "holds a number that JSON has not"}) from None
    if len(raw) > MOST_BYTES:
        raise invalid({"body": f"makes a file of {len(raw)} bytes; {MOST_BYTES} are the most"})
    return raw


def _pretty(document: JSON) -> bytes:
    try:
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode()
    except UnicodeEncodeError:  # half of a character, which only an escape can hold
        text = json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False)
        return (text + "\n").encode()


def parse_file(raw: bytes) -> Any:
    """Read the JSON of a file. Raises Unfit."""

    def no_json(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    try:
        return json.loads(raw.decode("utf-8-sig"), parse_constant=no_json)
    except UnicodeDecodeError:
        raise Unfit("is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Unfit(f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise Unfit("is nested too deeply") from None
    except ValueError as error:
        raise Unfit(f"is not JSON: {str(error)[:100]}") from None
