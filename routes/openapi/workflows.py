"""What is done with a workflow without running it."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import JSON
from ..needs import AskedFor
from ..workflows import Judged, Patch
from .described import JSON_TYPE, Body, Operation, switch, text
from .shapes import ANYTHING, BYTES, FLAG, OBJECT, TEXT, by_name, listed, one_of, or_null, ref, shape

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("POST", "/ext/workflow/requirements"): Operation(
        "getRequirements",
        "What a workflow needs: node packs and models, where to get them",
        ref("Requirements"),
        body=Body((AskedFor,)),
    ),
    ("POST", "/ext/workflow/convert"): Operation(
        "convertWorkflow",
        "What the page saves, or a file that carries a workflow, to API format or back",
        ref("Converted"),
        query={
            "to": text("The format wanted.", enum=["api", "ui"], default="api"),
            "partial": switch("1 keeps nodes that this server does not have, without their values."),
        },
        body=Body(
            schemas={
                JSON_TYPE: {"anyOf": [shape(workflow=OBJECT), OBJECT], "description": "A workflow."},
                "*/*": {"description": "A PNG, WebP, JPEG, MP4, … that carries one."},
            }
        ),
    ),
    ("POST", "/ext/workflow/validate"): Operation(
        "validateWorkflow",
        "Whether a workflow would be taken, with all findings; queues nothing",
        ref("Verdict"),
        body=Body((Judged,)),
    ),
    ("POST", "/ext/workflow/patch"): Operation(
        "patchWorkflow",
        "Changes a workflow, or what a session holds, by operations, all or none",
        {"anyOf": [ref("EditedSession"), ref("Patched")]},
        body=Body((Patch,)),
        repeatable=True,
        guarded=True,
    ),
}


def schemas() -> dict[str, JSON]:
    """Give the schemas of replies."""
    return {
        "Workflow": {
            **by_name(
                shape(
                    "",
                    ("_meta", "is_changed"),
                    class_type=TEXT,
                    inputs=OBJECT,
                    _meta=OBJECT,
                    is_changed=ANYTHING,
                )
            ),
            "description": "A workflow in API format: nodes by id.",
        },
        "Converted": shape(
            "",
            ("node_ids", "unknown"),
            carrier=TEXT,
            format=one_of("api", "ui"),
            workflow={"anyOf": [ref("Workflow"), OBJECT]},
            node_ids=by_name(listed(TEXT)),
            notes=listed(OBJECT),
            unknown=listed(shape(node_id=TEXT, class_type=TEXT)),
        ),
        "Verdict": shape(
            valid=FLAG,
            outputs=listed(TEXT),
            findings=listed(ref("Finding")),
            warnings=listed(OBJECT),
            node_ids=by_name(listed(TEXT)),
        ),
        "Patched": shape(
            "",
            ("dry_run",),
            workflow=ref("Workflow"),
            changes=listed(OBJECT),
            created=listed(OBJECT),
            findings=listed(ref("Finding")),
            inverse=listed(OBJECT),
            dry_run=FLAG,
        ),
        "Requirements": _requirements(),
    }


def _requirements() -> JSON:
    place = shape(folder=TEXT, name=TEXT)
    origin: dict[str, JSON] = {"registry": or_null(TEXT), "repository": or_null(TEXT)}
    return shape(
        "What a workflow needs of this server.",
        ready=FLAG,
        nodes=listed(
            shape(
                class_type=TEXT,
                status=one_of("present", "missing", "frontend"),
                needed=FLAG,
                count=BYTES,
                node_ids=listed(TEXT),
                pack=or_null(shape(id=TEXT, version=or_null(TEXT), **origin)),
                provided_by=or_null(TEXT),
                close_matches=listed(TEXT),
            )
        ),
        packs=listed(
            shape(
                id=TEXT,
                versions=listed(TEXT),
                **origin,
                needed=FLAG,
                class_types=listed(TEXT),
                node_ids=listed(TEXT),
            )
        ),
        models=listed(
            shape(
                folder=or_null(TEXT),
                folder_from=or_null(TEXT),
                name=TEXT,
                status=one_of("present", "missing", "elsewhere"),
                needed=FLAG,
                nodes=listed(shape(node_id=TEXT, param=or_null(TEXT))),
                here=listed(place),
                close_matches=listed(TEXT),
                sources=listed(
                    shape(
                        url=TEXT,
                        name=TEXT,
                        folder=or_null(TEXT),
                        sha256=or_null(TEXT),
                        size=or_null(BYTES),
                        **{"from": one_of("workflow", "known", "search")},
                    )
                ),
            )
        ),
        unknown=listed(
            shape(node_id=or_null(TEXT), class_type=or_null(TEXT), param=or_null(TEXT), reason=TEXT)
        ),
        search=or_null(OBJECT),
    )
