"""Named workflows with declared inputs, and fragments."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import JSON
from ..templates import KINDS, Previewed, Proposed
from .described import CURSOR, JSON_TYPE, WORDS, Body, Operation, text, whole
from .shapes import FLAG, OBJECT, TEXT, TIME, WHOLE, by_name, listed, one_of, or_null, paged, ref, shape

_ALL = "/ext/templates"
_ONE = "/ext/templates/{name}"

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", _ALL): Operation(
        "listTemplates",
        "The newest version of each template, by name",
        ref("TemplatePage"),
        query={
            "q": WORDS,
            "kind": text("Only these.", enum=list(KINDS)),
            "tag": text("Only those with this tag."),
            "limit": whole(100, 1, 500, "Most items of a page."),
            "cursor": CURSOR,
        },
        conditional=True,
    ),
    ("GET", _ONE): Operation("getTemplate", "One template, whole", ref("Template"), conditional=True),
    ("PUT", _ONE): Operation(
        "putTemplate",
        "Keeps a new version of a template",
        ref("Template"),
        statuses=(200, 201),
        body=Body(schemas={JSON_TYPE: {**OBJECT, "description": "As docs/templates.md says."}}),
        guarded=True,
        located=True,
    ),
    ("DELETE", _ONE): Operation(
        "deleteTemplate", "Takes a version away, or all of them", statuses=(204,), guarded=True
    ),
    ("GET", f"{_ONE}/versions"): Operation(
        "listTemplateVersions",
        "Its versions, the newest first",
        paged(ref("TemplateRow")),
        conditional=True,
    ),
    ("GET", f"{_ONE}/schema"): Operation(
        "getTemplateSchema", "JSON Schema of its inputs on this server", OBJECT, conditional=True
    ),
    ("POST", f"{_ALL}/propose"): Operation(
        "proposeTemplate",
        "Proposes inputs and outputs for a workflow; keeps nothing",
        ref("TemplateProposal"),
        body=Body((Proposed,)),
    ),
    ("POST", f"{_ONE}/preview"): Operation(
        "previewTemplate",
        "The workflow that it makes of some inputs; queues nothing",
        ref("FilledTemplate"),
        body=Body((Previewed,)),
    ),
}


def schemas() -> dict[str, JSON]:
    """Give the schemas of replies."""
    row: dict[str, JSON] = {
        "name": TEXT,
        "version": WHOLE,
        "read_only": FLAG,
        "kind": or_null(one_of(*KINDS)),
        "title": or_null(TEXT),
        "description": or_null(TEXT),
        "tags": listed(TEXT),
        "base_models": listed(TEXT),
        "inputs": listed(TEXT),
        "outputs": listed(TEXT),
        "digest": or_null(TEXT),
        "created_at": or_null(TIME),
        "edited": FLAG,
        "fault": {**or_null(TEXT), "description": "Why its file cannot be read."},
    }
    return {
        "TemplateRow": shape("A template as lists show it.", **row),
        "TemplatePage": paged(shape(**row, versions=WHOLE)),
        "Template": {
            **shape(
                "A workflow with declared inputs, or a fragment of one. docs/templates.md says more.",
                format=WHOLE,
                name=TEXT,
                version=WHOLE,
                read_only=FLAG,
                kind=one_of(*KINDS),
                digest=TEXT,
                created_at=or_null(TIME),
                edited=FLAG,
                workflow=ref("Workflow"),
                inputs=by_name(OBJECT),
                outputs=by_name(OBJECT),
            ),
            "additionalProperties": True,
        },
        "TemplateProposal": shape(
            workflow=ref("Workflow"),
            node_ids=by_name(listed(TEXT)),
            inputs=by_name(OBJECT),
            outputs=by_name(OBJECT),
            **{"from": OBJECT},
            notes=listed(TEXT),
        ),
        "FilledTemplate": shape(
            name=TEXT,
            version=WHOLE,
            digest=TEXT,
            workflow=ref("Workflow"),
            inputs=OBJECT,
            outputs=or_null(listed(TEXT)),
            files=listed(TEXT),
            drawn=listed(OBJECT),
        ),
    }
