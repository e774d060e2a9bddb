"""How replies show a task, wherever it is just now: in this process or in the store. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..errors import JSON
from ..wire import rfc3339
from .engine import Mark, StoredTask
from .progress import RunProgress
from .task import Task


def shown(
    task: Task | StoredTask,
    *,
    place: int | None,
    eta_s: float | None,
    nodes: bool = True,
    progress: RunProgress | None = None,
) -> JSON:
    """Give a task as replies carry it.

    *place* and *eta_s* are only known to who holds the queue. *progress* stands for the nodes of a task
    that has not begun. Without *nodes* they are left out: they are what makes a task long.
    """
    stored = isinstance(task, StoredTask)
    result = _begun(task, progress) if stored else task.result()
    error = (task.error if stored else task.error and task.error.to_json()) or None
    document: JSON = {
        "id": task.id,
        "kind": task.kind if stored else "prompt",
        "status": "canceling" if stored and _canceling(task) else task.status,
        "origin": task.origin,
        "priority": task.priority,
        "attempt": task.attempt,
        "max_attempts": task.max_attempts,
        "created_at": rfc3339(task.created_at),
        "started_at": rfc3339(task.started_at),
        "finished_at": rfc3339(task.finished_at),
        "queue_position": place,
        "eta_s": eta_s,
        "progress": result.get("progress", 0.0),
        "nodes_total": result.get("nodes_total", 0),
        "nodes_done": result.get("nodes_done", 0),
        "current": result.get("current", []),
    }
    if nodes:
        document["nodes"] = result.get("nodes", {})
    document["outputs"] = addressed(task, result.get("outputs", ()))
    document["error"] = error
    document["warnings"] = result.get("warnings", [])
    document["node_ids"] = dict(task.request.get("node_ids") or {})
    document["changes"] = list(task.request.get("changes") or ())
    document["template"] = about_template(task.request.get("template"))
    document["inputs"] = dict(task.request.get("inputs") or {})
    document["session"] = task.request.get("session")
    document["metadata"] = dict(task.metadata)
    document["download"] = None
    is_prompt = document["kind"] == "prompt"
    document["prompt_id"] = result.get("prompt_id") or (task.id if is_prompt else None)
    document["batch_id"] = task.batch_id
    document["retry_of"] = task.retry_of
    return document


def batch_shown(batch_id: str, tasks: Sequence[Mapping[str, Any]]) -> JSON:
    """Give a batch as a whole: *tasks* as replies carry them.

    It is ``failed`` if one task failed, ``cancelled`` if one was; of its progress each task has a share, by
    the bytes of a download, else all the same.
    """
    counts = Counter(str(task["status"]) for task in tasks)
    status = next(
        (one for one in ("running", "canceling", "queued", "failed", "cancelled") if counts[one]), "succeeded"
    )
    if status == "queued" and len(tasks) > counts["queued"]:
        status = "running"
    sizes = [_size_of(task["download"]) for task in tasks]
    known = [size for size in sizes if size]
    usual = sum(known) / len(known) if known else 1.0
    shares = [size or usual for size in sizes]
    done = sum(task["progress"] * share for task, share in zip(tasks, shares, strict=True))
    etas = [task["eta_s"] for task in tasks if task["finished_at"] is None]
    return {
        "batch_id": batch_id,
        "status": status,
        "counts": dict(counts),
        "progress": round(done / sum(shares), 4),
        "eta_s": None if not etas or None in etas else max(etas),
        "items": list(tasks),
    }


def _size_of(download: Mapping[str, Any] | None) -> float:
    return 0.0 if download is None else float(download["size"] or 0)


def addressed(task: Task | StoredTask, outputs: Sequence[Mapping[str, Any]], first: int = 0) -> list[JSON]:
    """Give outputs with the address of each; *first* is the number of the first one.

    ``output`` is what the task's template calls the node that it is of.
    """
    template: JSON = task.request.get("template") or {}
    names: JSON = template.get("outputs") or {}
    marks: Mapping[int, Mark] = task.marks if isinstance(task, StoredTask) else {}
    return [
        {
            **output,
            "output": names.get(str(output.get("node_id"))),
            "url": f"/ext/tasks/{task.id}/outputs/{place}",
            **_noted(marks.get(place)),
        }
        for place, output in enumerate(outputs, start=first)
    ]


def _noted(mark: Mark | None) -> JSON:
    if mark is None:
        return {"favourite": False, "rating": None, "deleted": False}
    noted: JSON = {
        "favourite": mark.favourite,
        "rating": mark.rating,
        "deleted": mark.deleted_at is not None,
    }
    return noted if mark.filename is None else {**noted, "filename": mark.filename}


def about_template(about: Mapping[str, Any] | None) -> JSON | None:
    """Give what is shown of the template that a task was made from."""
    return {name: about[name] for name in ("name", "version", "digest")} if about else None


def etag(task: Task | StoredTask, place: int | None) -> str:
    """Give an ETag that changes whenever what is shown does."""
    if isinstance(task, Task):
        return task.etag
    return f'W/"{task.id}-r{task.rev}.{place or 0}"'


def _canceling(task: StoredTask) -> bool:
    return task.status == "running" and task.cancel_requested


def _begun(task: StoredTask, progress: RunProgress | None) -> Mapping[str, Any]:
    if task.result or progress is None:
        return task.result
    waiting = Task(task.id, task.seq, task.origin, task.created_at, progress)
    return {**waiting.result(), "warnings": cast("list[JSON]", task.request.get("warnings") or [])}
