"""Tasks, batches, events and the queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from ...errors import JSON
from ...tasks import STATUSES
from ...tasks.engine import Rating
from ...tasks.outputs import KINDS
from ...tasks.progress import NodeState
from ..outputs import FORMATS as EXPORTS
from ..outputs import OutputChange
from ..tasks import FORMATS, Change, NewBatch, NewTask, TaskIds
from .described import CURSOR, EVENTS, PICTURE, WAIT, Body, Operation, switch, text, whole
from .shapes import (
    BYTES,
    FLAG,
    FRACTION,
    OBJECT,
    SECONDS,
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

_FILE = {"type": "string", "format": "binary"}
_FORM = {
    **shape("The parts that files name as uploads come along.", task=ref("NewTask")),
    "additionalProperties": _FILE,
}
_LABELS = {
    "type": "object",
    "patternProperties": {r"^metadata\.": {"type": "string"}},
    "additionalProperties": False,
    "description": "Only tasks with these labels: metadata.KEY=VALUE, as often as wanted.",
}


OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("POST", "/ext/tasks"): Operation(
        "createTask",
        "Checks a workflow and queues it",
        ref("Task"),
        statuses=(200, 202),
        query={"wait": WAIT},
        body=Body((NewTask,), {"multipart/form-data": _FORM}),
        repeatable=True,
        located=True,
    ),
    ("POST", "/ext/tasks/batch"): Operation(
        "createBatch",
        "Many tasks at once, or one with a grid of values; all or none",
        ref("QueuedBatch"),
        statuses=(202,),
        body=Body((NewBatch,)),
        repeatable=True,
        located=True,
    ),
    ("GET", "/ext/tasks/batch/{id}"): Operation(
        "getBatch", "How a batch stands as a whole", ref("Batch"), query={"wait": WAIT}
    ),
    ("GET", "/ext/tasks"): Operation(
        "listTasks",
        "Tasks, the newest first",
        ref("TaskPage"),
        query={
            "status": text(f"Of {', '.join(STATUSES)}; several, comma-separated."),
            "kind": text("prompt, download; several, comma-separated."),
            "ids": text("Just these, whole: up to 200, comma-separated."),
            "batch": text("Only those of a batch."),
            "since": {**TIME, "description": "Only those that came then or later."},
            "template": text("Only those of a template: name or name@version."),
            "favourite": switch("1: only those with an output that is a favourite; 0: only those without."),
            "rating": text("Only those with an output rated so.", enum=list(get_args(Rating))),
            "metadata": _LABELS,
            "limit": whole(50, 1, 500, "Most items of a page."),
            "cursor": CURSOR,
        },
    ),
    ("GET", "/ext/tasks/{id}"): Operation(
        "getTask",
        "One task, node by node",
        ref("Task"),
        query={"wait": WAIT, "etag": text("With wait: answer when the task's ETag is another.")},
        conditional=True,
    ),
    ("PATCH", "/ext/tasks/{id}"): Operation(
        "changeTask", "Changes the priority of a queued task", ref("Task"), body=Body((Change,))
    ),
    ("DELETE", "/ext/tasks/{id}"): Operation(
        "deleteTask", "Forgets a task that has ended; its files stay", statuses=(204,)
    ),
    ("POST", "/ext/tasks/{id}/cancel"): Operation(
        "cancelTask", "Takes it off the queue or interrupts it", ref("Task"), statuses=(200, 202)
    ),
    ("POST", "/ext/tasks/cancel"): Operation(
        "cancelTasks", "Cancels many tasks", ref("Cancelled"), body=Body((TaskIds,))
    ),
    ("POST", "/ext/tasks/{id}/retry"): Operation(
        "retryTask",
        "Runs the workflow of a task that has ended once more, as a new task",
        ref("Task"),
        statuses=(202,),
        query={"same": switch("1 keeps the seeds that were drawn.")},
        repeatable=True,
        located=True,
    ),
    ("POST", "/ext/tasks/{id}/pause"): Operation(
        "pauseDownload", "A download waits until it is resumed; what is here stays", ref("Task")
    ),
    ("POST", "/ext/tasks/{id}/resume"): Operation(
        "resumeDownload", "A download goes on where it was", ref("Task")
    ),
    ("GET", "/ext/tasks/{id}/events"): Operation(
        "followTask", "What happens to a task, as server-sent events", media=EVENTS, resumes=True
    ),
    ("GET", "/ext/tasks/{id}/preview"): Operation(
        "getTaskPreview", "The latest preview image while a task runs", media=PICTURE
    ),
    ("GET", "/ext/tasks/{id}/logs"): Operation(
        "getTaskLogs",
        "What a run logged, by node",
        ref("LogPage"),
        query={"after": whole(0, 0, 10**11 - 1, "Go on after this line number.")},
    ),
    ("GET", "/ext/tasks/{id}/outputs/{n}"): Operation(
        "getTaskOutput",
        "The bytes of an output, or a thumbnail of an image",
        media={"*/*": {"description": "The output as it is; ranges are supported."}},
        query={
            "width": whole(512, 16, 2048, "A thumbnail of this width, in pixels."),
            "format": text("The thumbnail's format.", enum=list(FORMATS), default="webp"),
        },
        conditional=True,
    ),
    ("PATCH", "/ext/tasks/{id}/outputs/{n}"): Operation(
        "changeTaskOutput",
        "Makes an output a favourite, or rates it",
        ref("Output"),
        body=Body((OutputChange,)),
    ),
    ("DELETE", "/ext/tasks/{id}/outputs/{n}"): Operation(
        "deleteTaskOutput", "Moves the file of an output to the trash", statuses=(204,)
    ),
    ("POST", "/ext/tasks/{id}/outputs/{n}/restore"): Operation(
        "restoreTaskOutput", "Brings a deleted output back from the trash", ref("Output")
    ),
    ("GET", "/ext/tasks/export"): Operation(
        "exportTasks",
        "Finished prompts as lines of JSON, or pairs of outputs by their ratings",
        media={"application/jsonl": text("A line for each.")},
        query={
            "format": text("The only one there is.", enum=list(EXPORTS), default=EXPORTS[0]),
            "pairs": switch("1: pairs of a chosen and a rejected output of the same workflow, seeds apart."),
            "since": {**TIME, "description": "Only those that came then or later."},
            "template": text("Only those of a template: name or name@version."),
            "favourite": switch("1: only those with an output that is a favourite; 0: only those without."),
            "rating": text(
                "Only those with an output rated so; not with pairs.", enum=list(get_args(Rating))
            ),
            "metadata": _LABELS,
        },
    ),
    ("GET", "/ext/events"): Operation(
        "followEverything", "What happens to all tasks, models and the queue", media=EVENTS, resumes=True
    ),
    ("GET", "/ext/queue"): Operation(
        "getQueue", "How long the queue is, what comes next, whether it is paused", ref("Queue")
    ),
    ("POST", "/ext/queue/pause"): Operation(
        "pauseQueue", "Hands no more tasks to ComfyUI; kept over a restart", ref("Queue")
    ),
    ("POST", "/ext/queue/resume"): Operation("resumeQueue", "Goes on", ref("Queue")),
}


def schemas() -> dict[str, JSON]:
    """Give the schemas of replies."""
    kinds = list(dict.fromkeys([*KINDS.values(), "number", "boolean", "json", "file"]))
    return {
        "Status": one_of(*STATUSES),
        "Node": shape(
            "How a node of a run is.",
            class_type=TEXT,
            title=or_null(TEXT),
            status=one_of(*get_args(NodeState)),
            value={**or_null({"type": "number"}), "description": "Steps done, of max."},
            max=or_null({"type": "number"}),
            started_at=or_null(TIME),
            duration_s=or_null(SECONDS),
            vram_peak=or_null(BYTES),
            ram_peak=or_null(BYTES),
            parent={**or_null(TEXT), "description": "The node that expanded into it."},
        ),
        "Output": shape(
            "One result of one node.",
            ("value", "base64"),
            node_id=TEXT,
            kind=one_of(*kinds),
            name=TEXT,
            filename=or_null(TEXT),
            subfolder=or_null(TEXT),
            type=or_null(one_of("output", "temp", "input")),
            media_type=TEXT,
            size=or_null(BYTES),
            sha256=or_null(TEXT),
            width=or_null(BYTES),
            height=or_null(BYTES),
            value={"description": "The value itself, where there is no file."},
            base64=or_null({**TEXT, "description": 'The bytes, of tasks with delivery "base64".'}),
            output={**or_null(TEXT), "description": "The template's name for it."},
            url={**TEXT, "description": "Where to get it, relative to the server."},
            favourite=FLAG,
            rating=or_null(one_of(*get_args(Rating))),
            deleted={**FLAG, "description": "Whether its file is in the trash, or was."},
        ),
        "TaskError": shape(
            "Why a task failed.",
            code=ref("ErrorCode"),
            message=TEXT,
            node_id=or_null(TEXT),
            class_type=or_null(TEXT),
            exception_type=or_null(TEXT),
            retryable=FLAG,
        ),
        "Task": shape(
            "A run of a workflow, or a download.",
            ("nodes",),
            id=TEXT,
            kind=TEXT,
            status=ref("Status"),
            origin=one_of("api", "comfyui"),
            priority=WHOLE,
            attempt=BYTES,
            max_attempts=BYTES,
            created_at=TIME,
            started_at=or_null(TIME),
            finished_at=or_null(TIME),
            queue_position=or_null(BYTES),
            eta_s=or_null(SECONDS),
            progress=FRACTION,
            nodes_total=BYTES,
            nodes_done=BYTES,
            current=listed(TEXT),
            nodes={**by_name(ref("Node")), "description": "Left out in lists, but for ?ids=."},
            outputs=listed(ref("Output")),
            error=or_null(ref("TaskError")),
            warnings=listed(OBJECT),
            node_ids=by_name(listed(TEXT)),
            changes=listed(OBJECT),
            template=or_null(shape(name=TEXT, version=WHOLE, digest=TEXT)),
            inputs=OBJECT,
            session=or_null(shape(id=TEXT, version=WHOLE)),
            metadata=OBJECT,
            download=or_null(ref("Download")),
            prompt_id=or_null(TEXT),
            batch_id=or_null(TEXT),
            retry_of=or_null(TEXT),
        ),
        "TaskPage": paged(
            ref("Task"), ("counts",), counts={**by_name(BYTES), "description": "With ?batch=."}
        ),
        "Batch": shape(
            batch_id=TEXT,
            status=ref("Status"),
            counts=by_name(BYTES),
            progress=FRACTION,
            eta_s=or_null(SECONDS),
            items=listed(ref("Task")),
        ),
        "QueuedBatch": shape(batch_id=TEXT, ids=listed(TEXT), url=TEXT),
        "Cancelled": shape(
            results=by_name({"anyOf": [shape(status=ref("Status")), ref("Error")]}),
        ),
        "LogPage": shape(
            items=listed(shape(number=WHOLE, at=TIME, level=TEXT, node_id=or_null(TEXT), text=TEXT)),
            dropped=BYTES,
            next_after=WHOLE,
        ),
        "Queue": shape(
            paused=FLAG,
            length=BYTES,
            max_length=BYTES,
            comfyui=shape(running=BYTES, pending=BYTES),
            next=listed(TEXT),
        ),
    }
