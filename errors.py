"""The errors Backplane answers with.

::

    ApiError                     code, status, message, hint, details
    ├── InvalidRequest           400  the body or the query cannot be read as asked
    ├── InvalidWorkflow          422  a workflow was read but cannot run; details.findings says why
    ├── InvalidOperation         422  a change of a workflow cannot be made; details.op says which
    ├── Forbidden                403  a setting of this server keeps it from being done
    ├── NotFound                 404  with the closest names where there are any
    ├── Conflict                 409  the request is right, the moment is not
    └── Unavailable              503  the server cannot do this now

Every code that is ever raised stands in :data:`CODES`, and docs/errors.md is pinned to it by a test.
They become HTTP in one place only: ``routes/_http.py``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]
"""A decoded JSON object."""


@dataclass(frozen=True, slots=True)
class Code:
    """One row of the error table: the HTTP status it is sent with and what it means."""

    status: int
    meaning: str


CODES: dict[str, Code] = {
    # requests
    "INVALID_JSON": Code(400, "The body is not JSON."),
    "INVALID_REQUEST": Code(400, "The body or query has a field that is missing, unknown or wrong."),
    "BODY_TOO_LARGE": Code(413, "The body is larger than max_body_bytes."),
    "NOT_FOUND": Code(404, "There is no such route."),
    "METHOD_NOT_ALLOWED": Code(405, "The route exists, but not with this method."),
    "INTERNAL": Code(500, "A fault in Backplane; the server's log has the details."),
    # catalogue
    "NODE_CLASS_NOT_FOUND": Code(404, "This server has no node class of that name."),
    "PORT_NOT_FOUND": Code(404, "The node class has no such input or output."),
    # workflows
    "WORKFLOW_MISSING": Code(400, "The request has no workflow, or an empty one."),
    "WORKFLOW_FORMAT_UI": Code(422, "The workflow is in UI format; API format is needed."),
    "WORKFLOW_INVALID": Code(422, "The workflow cannot run; details.findings says what to mend."),
    # findings: also alone, as the code of the error, where all findings of a workflow share it
    "BAD_NODE": Code(422, "A node is not an object with class_type and inputs."),
    "UNKNOWN_NODE_CLASS": Code(422, "A node's class_type is not installed here."),
    "DANGLING_LINK": Code(422, "A link leads to a node that is not in the workflow."),
    "BAD_LINK": Code(422, "An array that is neither a link nor wrapped as a value."),
    "LINK_SLOT_OUT_OF_RANGE": Code(422, "A link names an output slot that the node does not have."),
    "WORKFLOW_CYCLE": Code(422, "The links go in a circle."),
    "MISSING_INPUT": Code(422, "A required input is neither set nor linked."),
    "UNKNOWN_OPTION": Code(422, "A value is not among the options."),
    "TYPE_MISMATCH": Code(422, "A link joins an output to an input of another type."),
    "VALUE_WRONG_TYPE": Code(422, "A value cannot be read as the input's type."),
    "VALUE_OUT_OF_RANGE": Code(422, "A number is below the minimum or above the maximum."),
    "VALUE_REFUSED": Code(422, "The node's own check refuses a value."),
    "VALIDATION_FAILED": Code(422, "The check of a node ended in an error; the server's log has it."),
    "NODE_CLASS_REPLACED": Code(422, "The class of a node is gone; the one that took its place is used."),
    "NO_OUTPUT_NODE": Code(422, "Nothing in the workflow saves or previews a result."),
    "MODEL_FILE_MISSING": Code(422, "A param names a model file that this server does not have."),
    "INPUT_FILE_MISSING": Code(422, "A param names an input file that this server does not have."),
    "MATCH_TYPE_CONFLICT": Code(422, "Links into ports that must have one type give several."),
    "OUTPUT_NOT_REACHED": Code(422, "Nothing is linked to an output node (a warning)."),
    "NODE_NOT_USED": Code(422, "A node leads to no output, and will not run (a warning)."),
    # changing workflows
    "NODE_NOT_FOUND": Code(422, "The workflow has no such node."),
    "NODE_ID_TAKEN": Code(409, "The workflow has a node of that id already."),
    "NODE_NOT_BYPASSABLE": Code(422, "The node would run all the same: its result is shown or saved."),
    "ALIAS_UNKNOWN": Code(422, "No operation before this one gave a node that alias."),
    "PARAM_UNKNOWN": Code(422, "The node has no such param, or not with its present values."),
    "PORT_UNKNOWN": Code(422, "The node has no such input or output, or not with its present values."),
    "LINK_NOT_FOUND": Code(422, "There is no such link."),
    "NO_FITTING_PORT": Code(422, "No input or output is of a type that fits."),
    "AMBIGUOUS_PORT": Code(422, "Several inputs or outputs fit equally; details.candidates lists them."),
    "TOO_MANY_OPERATIONS": Code(413, "More operations at once than allowed."),
    # sessions
    "SESSION_NOT_FOUND": Code(404, "There is no session with this id; it may have expired."),
    "VERSION_NOT_FOUND": Code(404, "The session has no such version, or not any more."),
    "SESSION_CHANGED": Code(412, "The session was changed meanwhile; details.changes says how."),
    "PRECONDITION_REQUIRED": Code(428, "The request needs If-Match, or if_version, to say what it replaces."),
    "NOTHING_TO_UNDO": Code(409, "The session has not so many steps to undo."),
    "NOTHING_TO_REDO": Code(409, "The session has not so many steps to redo."),
    "SESSION_LIMIT": Code(409, "There is no room for another session or version."),
    "SESSION_TOO_LARGE": Code(413, "The workflow takes more room than one session may."),
    # templates, and what this server allows
    "TEMPLATE_NOT_FOUND": Code(404, "There is no template of that name, or not that version of it."),
    "TEMPLATE_INVALID": Code(422, "The document is no template; details.fields says what to mend."),
    "TEMPLATE_INPUT_INVALID": Code(422, "An input of the template is unknown, missing or wrong."),
    "TEMPLATE_READ_ONLY": Code(403, "The template is in a folder that is only read."),
    "TEMPLATE_VERSION_CONFLICT": Code(409, "The next version of the template has another number."),
    "TEMPLATE_CHANGED": Code(412, "The template is not, or no longer, as If-Match or If-None-Match says."),
    "TEMPLATE_IO_ERROR": Code(500, "The disk failed while the template was written."),
    "LOCKED": Code(403, "The server is locked: only templates run, and nothing but their inputs changes."),
    "NODE_CLASS_NOT_ALLOWED": Code(
        403, "A node's class is not among allowed_nodes; details.nodes lists them."
    ),
    # tasks
    "TASK_NOT_FOUND": Code(404, "There is no task with this id."),
    "TASK_FINISHED": Code(409, "The task has already ended."),
    "TASK_NOT_QUEUED": Code(409, "The task no longer waits in the queue."),
    "TASK_NOT_FINISHED": Code(409, "The task has not ended yet."),
    "TASK_INTERRUPTED": Code(500, "The server ended while the task ran (in a task's error)."),
    "QUEUE_FULL": Code(429, "The queue takes no more tasks now; Retry-After says when to try again."),
    "IDEMPOTENCY_CONFLICT": Code(409, "The Idempotency-Key was used before with another body."),
    "STORE_UNAVAILABLE": Code(503, "The task store cannot be opened; the server's log says why."),
    "STORE_BUSY": Code(503, "Another program holds the task store; try again."),
    "STORE_FULL": Code(503, "The disk of the task store is full; nothing was half written."),
    "STORE_DAMAGED": Code(503, "The task store is damaged; a restart moves it aside and begins anew."),
    "STORE_NEWER": Code(503, "The task store was written by a newer Backplane."),
    "OUTPUT_NOT_FOUND": Code(404, "The task has no such output, or its file is gone."),
    "OUTPUT_NOT_DELETABLE": Code(422, "The output is no file of the output or temp folder."),
    "OUTPUT_CHANGED": Code(409, "Another file has the name of this output's file: it is left alone."),
    "OUTPUT_NOT_MOVED": Code(409, "The output's file cannot be moved now; the message says why."),
    "PREVIEW_NOT_FOUND": Code(404, "The task has no preview image (yet)."),
    "NODE_FAILED": Code(500, "A node raised an error while it ran (in a task's error)."),
    "OUT_OF_MEMORY": Code(500, "A node ran out of GPU memory (in a task's error)."),
    "TASK_LOST": Code(500, "The prompt left ComfyUI's queue without a result (in a task's error)."),
    "HOST_UNAVAILABLE": Code(503, "ComfyUI cannot take prompts now; see /ext/health."),
    # what a task is given, and what is shown of it
    "INPUT_NOT_FOUND": Code(422, "No node of the workflow takes a file by that name."),
    "INPUT_AMBIGUOUS": Code(422, "Several nodes of the workflow take a file by that name."),
    "INPUT_TOO_LARGE": Code(413, "An input file is larger than allowed."),
    "INPUT_TYPE_REFUSED": Code(422, "An input file is not of a type that the node takes, or is damaged."),
    "INPUT_FETCH_FAILED": Code(502, "An input file could not be fetched from its URL."),
    "INPUT_BAD_ENCODING": Code(400, "An input file is not valid base64."),
    "PARAM_NOT_FOUND": Code(422, "The workflow has no place for a value of params."),
    "PARAM_AMBIGUOUS": Code(422, "A value of params has several places in the workflow."),
    "LORA_NOT_FOUND": Code(422, "This server has no LoRA of that name, or several."),
    "THUMBNAIL_NOT_FOUND": Code(404, "The output has no thumbnail: it is no image, or cannot be read."),
    # models
    "MODEL_FOLDER_NOT_FOUND": Code(404, "ComfyUI has no model folder of that name."),
    "MODEL_NOT_FOUND": Code(404, "The folder has no model of that name."),
    "MODEL_EXISTS": Code(409, "There is a model of that name already."),
    "MODEL_IN_USE": Code(409, "The file is held open by another program; try again."),
    "MODEL_REFUSED": Code(403, "The file lies outside the model folders, or may not be changed."),
    "PREVIEW_IMAGE_NOT_FOUND": Code(404, "The model has no preview image."),
    # downloads: those that can be told at once, and those that only a task's error tells
    "DOWNLOAD_INVALID_URL": Code(400, "The link is not a URL that can be fetched."),
    "DOWNLOAD_FORBIDDEN_DOMAIN": Code(403, "The link's host is not one that downloads may come from."),
    "DOWNLOAD_INVALID_TYPE": Code(400, "type is neither a model folder nor one of the usual names."),
    "DOWNLOAD_INVALID_FILENAME": Code(400, "The file name cannot be used, on this or another system."),
    "DOWNLOAD_INVALID_TARGET": Code(400, "target_dir would lead outside the model folder."),
    "DOWNLOAD_UNSAFE_FORMAT": Code(403, "The format can run code when loaded, or is no model's."),
    "DOWNLOAD_SCAN_FLAGGED": Code(403, "The source's own scan calls the file dangerous."),
    "DOWNLOAD_FILE_EXISTS": Code(409, "Another file of that name is there, and overwrite is not set."),
    "DOWNLOAD_CONFLICT": Code(409, "Another download is about to write the same file."),
    "DOWNLOAD_RATE_LIMITED": Code(429, "More downloads in an hour than downloads_per_hour."),
    "DOWNLOAD_OFFLINE": Code(503, "HF_HUB_OFFLINE is set: nothing is fetched from Hugging Face."),
    "DOWNLOAD_UNSUPPORTED": Code(501, "A package that this source needs is not installed."),
    "DOWNLOAD_DISK_FULL": Code(507, "The disk has no room for the file."),
    "DOWNLOAD_INVALID_STATE": Code(409, "The download is not in a state in which this can be done."),
    "DOWNLOAD_FORBIDDEN_REDIRECT": Code(502, "A redirect leads to where downloads may not go."),
    "DOWNLOAD_TOO_MANY_REDIRECTS": Code(502, "The link led from redirect to redirect."),
    "DOWNLOAD_BLOCKED_ADDRESS": Code(502, "The host has no public address, or its name is unknown."),
    "DOWNLOAD_AUTH_REQUIRED": Code(502, "The source wants a token, or another one."),
    "DOWNLOAD_GATED": Code(502, "The source wants its licence accepted, or access granted, first."),
    "DOWNLOAD_EARLY_ACCESS": Code(502, "The file is sold, or not public yet."),
    "DOWNLOAD_UPSTREAM_FORBIDDEN": Code(502, "The source refused (403)."),
    "DOWNLOAD_NOT_FOUND": Code(502, "The source has no such file (404)."),
    "DOWNLOAD_GONE": Code(502, "The source has removed the file (410, 451)."),
    "DOWNLOAD_UPSTREAM_RATE_LIMITED": Code(502, "The source wants fewer requests (429)."),
    "DOWNLOAD_UPSTREAM_ERROR": Code(502, "The source failed (5xx)."),
    "DOWNLOAD_NETWORK_ERROR": Code(502, "The source cannot be reached, or the connection broke."),
    "DOWNLOAD_TLS_ERROR": Code(502, "The source has no certificate that is trusted."),
    "DOWNLOAD_TIMEOUT": Code(504, "The source did not answer in time."),
    "DOWNLOAD_STALLED": Code(504, "The transfer came to a standstill."),
    "DOWNLOAD_INCOMPLETE": Code(502, "The body ended before its length."),
    "DOWNLOAD_INCOMPLETE_UNVERIFIABLE": Code(502, "Nothing tells whether the body is whole."),
    "DOWNLOAD_BAD_RESPONSE": Code(502, "The answer is no file: a web page, an error, or bad HTTP."),
    "DOWNLOAD_SOURCE_CHANGED": Code(502, "The file changed at its source during the transfer."),
    "DOWNLOAD_SIZE_EXCEEDED": Code(413, "The file is larger than download_max_bytes."),
    "DOWNLOAD_SIZE_MISMATCH": Code(502, "The file has not the size that was declared."),
    "DOWNLOAD_HASH_MISMATCH": Code(502, "The file has not the SHA-256 that was declared."),
    "DOWNLOAD_INVALID_FORMAT": Code(502, "The file is not what its name says: damaged or something else."),
    "DOWNLOAD_INVALID_ARCHIVE": Code(502, "The archive is damaged."),
    "DOWNLOAD_ARCHIVE_UNSAFE": Code(502, "The archive has names, links or files that are refused."),
    "DOWNLOAD_ARCHIVE_TOO_LARGE": Code(502, "The archive unpacks to more than is allowed."),
    "DOWNLOAD_TARGET_IN_USE": Code(409, "The old file is held open and cannot be replaced now."),
    "DOWNLOAD_IO_ERROR": Code(500, "The disk failed while the file was written."),
    "DOWNLOAD_PERMISSION_DENIED": Code(500, "ComfyUI may not write into the model folder."),
    "DOWNLOAD_INTERNAL_ERROR": Code(500, "A fault in Backplane; the server's log has the details."),
    # requests to other servers
    "OUTBOUND_REFUSED": Code(422, "A URL leads where this server may not send requests."),
    "OUTBOUND_FAILED": Code(502, "Another server could not be reached, or gave no usable answer."),
    "OUTBOUND_TOO_LARGE": Code(413, "What another server sent is larger than allowed."),
    "OUTBOUND_TIMEOUT": Code(504, "Another server did not answer in time."),
}
"""Every error code of the API."""


class ApiError(Exception):
    """An error a client is told about.

    *code* is a key of :data:`CODES` and decides the HTTP status. *message* says what is wrong, *hint*
    what to do about it, *details* whatever a program needs to act on it.
    """

    def __init__(
        self, code: str, message: str, *, hint: str | None = None, details: JSON | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.details: JSON = details or {}

    @property
    def status(self) -> int:
        """HTTP status of this error."""
        return CODES[self.code].status

    def body(self) -> JSON:
        """Give the error as every reply and every task carries it."""
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "hint": self.hint,
                "details": self.details,
            }
        }


class InvalidRequest(ApiError):
    """The body or the query cannot be read as the route asks."""


class InvalidWorkflow(ApiError):
    """The workflow was read but cannot run."""


class InvalidOperation(ApiError):
    """An operation on a workflow cannot be done; nothing was changed."""


class Forbidden(ApiError):
    """A setting of this server keeps it from being done."""


class NotFound(ApiError):
    """What the path names does not exist."""


class Conflict(ApiError):
    """The request is right, but not in the present state."""


class Unavailable(ApiError):
    """The server cannot do this now."""


def close_matches(name: str, known: Iterable[str], *, limit: int = 5) -> list[str]:
    """Give up to *limit* names of *known* that look like *name*, the closest first, case ignored."""
    by_folded: dict[str, str] = {}
    for candidate in known:
        by_folded.setdefault(candidate.casefold(), candidate)
    found = difflib.get_close_matches(name.casefold(), by_folded, n=limit, cutoff=0.6)
    return [by_folded[folded] for folded in found]
