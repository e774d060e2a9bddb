"""Errors and findings."""

from __future__ import annotations

from typing import get_args

from ...errors import CODES, JSON
from ...validation import Severity
from .shapes import OBJECT, TEXT, one_of, or_null, ref, shape


def schemas() -> dict[str, JSON]:
    """Give the schemas of replies."""
    return {
        "ErrorCode": {
            **one_of(*CODES),
            "description": "What is wrong, for programs; docs/errors.md says more.",
            "x-enum-descriptions": {code: f"{row.status}: {row.meaning}" for code, row in CODES.items()},
        },
        "Error": shape(
            "What every error is answered with.",
            error=shape(
                code=ref("ErrorCode"),
                message={**TEXT, "description": "What is wrong."},
                hint={**or_null(TEXT), "description": "What to do about it."},
                details={**OBJECT, "description": "What a program needs to act on it."},
            ),
        ),
        "Finding": shape(
            "Something that is wrong with a workflow.",
            code=ref("ErrorCode"),
            severity=one_of(*get_args(Severity)),
            message=TEXT,
            node_id=or_null(TEXT),
            input=or_null(TEXT),
            class_type=or_null(TEXT),
            hint=or_null(TEXT),
            details=OBJECT,
            fix=or_null(
                {**OBJECT, "description": "An operation for POST /ext/workflow/patch that mends it."}
            ),
        ),
    }
