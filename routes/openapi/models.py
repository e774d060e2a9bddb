"""Models and what links are."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import JSON
from ..downloads import Link, Missing, NewDownload
from ..models import Move
from .described import CURSOR, PICTURE, WORDS, Body, Operation, switch, whole
from .shapes import (
    BYTES,
    FLAG,
    OBJECT,
    TEXT,
    TIME,
    WHOLE,
    by_name,
    listed,
    one_of,
    or_null,
    paged,
    ref,
    shape,
)

_DETAIL = switch("1 for model objects in place of names.")

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/ext/models"): Operation(
        "listModels",
        "All models by folder",
        ref("ModelFolders"),
        query={"detail": _DETAIL, "q": WORDS},
        conditional=True,
    ),
    ("GET", "/ext/models/{folder}"): Operation(
        "listModelsOfFolder",
        "One folder's models, in pages",
        ref("ModelPage"),
        query={
            "detail": _DETAIL,
            "q": WORDS,
            "limit": whole(100, 1, 1000, "Most items of a page."),
            "cursor": CURSOR,
        },
        conditional=True,
    ),
    ("GET", "/ext/models/{folder}/{path}"): Operation(
        "getModel",
        "One model with all that its header says",
        ref("ModelDetail"),
        query={"hash": switch("1 works out its SHA-256 now.")},
        conditional=True,
    ),
    ("GET", "/ext/models/{folder}/{path}/preview"): Operation(
        "getModelPreview", "The picture beside a model", media=PICTURE, conditional=True
    ),
    ("PATCH", "/ext/models/{folder}/{path}"): Operation(
        "moveModel", "Moves or renames a model", ref("ModelDetail"), body=Body((Move,))
    ),
    ("DELETE", "/ext/models/{folder}/{path}"): Operation("deleteModel", "Deletes a model", statuses=(204,)),
    ("POST", "/ext/models/resolve"): Operation(
        "resolveModel",
        "What a link is and where it would go; changes nothing",
        ref("DownloadPlan"),
        body=Body((Link,)),
    ),
    ("POST", "/ext/models/download"): Operation(
        "downloadModel",
        "Queues a download, or all that a workflow needs",
        ref("QueuedDownload"),
        statuses=(200, 202),
        body=Body((NewDownload, Missing)),
        repeatable=True,
        located=True,
    ),
}


def _model() -> dict[str, JSON]:
    """Give what lists show of a model."""
    return {
        "name": TEXT,
        "size": BYTES,
        "modified": or_null(TIME),
        "format": TEXT,
        "sha256": or_null(TEXT),
        "base_model": or_null(TEXT),
        "title": or_null(TEXT),
        "trigger_words": listed(TEXT),
        "resolution": or_null(TEXT),
        "precision": or_null(TEXT),
        "header": one_of("ok", "damaged", "none", "pending", "outside"),
        "preview": or_null(TEXT),
        "root": BYTES,
    }


def schemas() -> dict[str, JSON]:
    """Give the schemas of replies."""
    some = {"anyOf": [TEXT, ref("Model")], "description": "A name, or with ?detail=1 the model."}
    return {
        "Model": shape("A model file as lists show it.", **_model()),
        "ModelDetail": shape(
            "A model file with all that is known of it.",
            ("metadata_left_out",),
            folder=TEXT,
            **_model(),
            base_model_from=or_null(one_of("source", "metadata", "tensors")),
            tags=by_name(WHOLE),
            dtypes=by_name(BYTES),
            tensors=or_null(BYTES),
            parameters=or_null(BYTES),
            network_dim=or_null(TEXT),
            network_alpha=or_null(TEXT),
            prediction_type=or_null(TEXT),
            damaged=or_null(TEXT),
            page=or_null(TEXT),
            licence=or_null(TEXT),
            metadata=or_null(OBJECT),
            metadata_left_out=listed(TEXT),
        ),
        "ModelFolders": by_name(listed(some)),
        "ModelPage": paged(some, folder=TEXT),
        "Download": _download(),
        "DownloadPlan": shape(
            "What a link is, and where it would go.",
            url=TEXT,
            **_said(),
            filename=or_null(TEXT),
            size=or_null(BYTES),
            sha256=or_null(TEXT),
            folder=or_null(TEXT),
            name=or_null(TEXT),
            state=or_null(one_of("absent", "present", "different", "unknown")),
            free_bytes=or_null(BYTES),
            problems=listed(shape(code=ref("ErrorCode"), message=TEXT, hint=or_null(TEXT))),
            same_file=or_null(shape(folder=TEXT, name=TEXT)),
        ),
        "QueuedDownload": shape(
            "A download, or those of all that a workflow needs.",
            (
                *("task_id", "task", "batch_id", "task_ids"),
                *("without_source", "elsewhere", "refused"),
            ),
            status=TEXT,
            message=TEXT,
            url=or_null(TEXT),
            task_id=TEXT,
            task=ref("Task"),
            batch_id=or_null(TEXT),
            task_ids=listed(TEXT),
            without_source=listed(OBJECT),
            elsewhere=listed(OBJECT),
            refused=listed(OBJECT),
        ),
    }


def _said() -> dict[str, JSON]:
    """Give what the source of a download says that a person may want to know."""
    return {
        "source": or_null(TEXT),
        "page": or_null(TEXT),
        "licence": or_null(TEXT),
        "gated": or_null(FLAG),
        "base_model": or_null(TEXT),
        "trigger_words": or_null(listed(TEXT)),
        "revision": or_null(TEXT),
        "scan": or_null(TEXT),
        "notes": or_null(listed(TEXT)),
    }


def _download() -> JSON:
    return shape(
        "What a download fetches, and how far it is.",
        phase=one_of(
            *("queued", "resolving", "downloading", "retrying", "verifying", "extracting", "publishing"),
            *("paused", "completed", "failed", "cancelled"),
        ),
        url={**TEXT, "description": "The link without tokens."},
        **_said(),
        folder=or_null(TEXT),
        name=or_null(TEXT),
        size=or_null(BYTES),
        received=BYTES,
        speed=or_null({"type": "number"}),
        connections=BYTES,
        retries=BYTES,
        note=or_null(TEXT),
        sha256=or_null(TEXT),
        verified_by=or_null(TEXT),
        skipped=FLAG,
        files=listed(TEXT),
    )
