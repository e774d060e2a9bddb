"""What a task's run made and said: previews, outputs, thumbnails, log lines."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from ..errors import JSON, NotFound
from ..host.protocol import Machine
from ..wire import rfc3339
from .engine import Mark, StoredTask
from .listing import Shown
from .logs import LogTap
from .outputs import Output
from .previews import encode
from .task import Task
from .thumbnails import Format, NoThumbnail, Thumb, Thumbnails, inline


class Results:
    """Gives the results of tasks. *inline_bytes* is the most that is handed over within a task."""

    def __init__(self, machine: Machine, logs: LogTap, thumbnails: Thumbnails, *, inline_bytes: int) -> None:
        self._machine = machine
        self._logs = logs
        self._thumbnails = thumbnails
        self._inline_bytes = inline_bytes

    async def preview(self, task: Shown) -> tuple[str, bytes]:
        """Give the latest frame of a running task as (media type, bytes), encoded off the event loop.

        Raises ApiError PREVIEW_NOT_FOUND.
        """
        found = task.progress.preview if isinstance(task, Task) else None
        if found is None:
            raise NotFound(
                "PREVIEW_NOT_FOUND",
                "The task has no preview now.",
                hint="Frames come while a sampler runs and previews are enabled in ComfyUI.",
            )
        return await asyncio.to_thread(encode, found)

    async def output(self, task: Shown, place: int) -> tuple[Output, Path | None]:
        """Give an output and its file (None for a value). Raises ApiError OUTPUT_NOT_FOUND."""
        output, mark = output_of(task, place)
        if mark.deleted_at is not None:  # another file may have its name by now
            raise NotFound(
                "OUTPUT_NOT_FOUND", f"The output {place} was deleted.", hint="It may still be restored."
            )
        if output.filename is None:
            return output, None
        path = await asyncio.to_thread(
            self._machine.output_file, output.filename, output.subfolder or "", output.type or "output"
        )
        if path is None:
            raise NotFound("OUTPUT_NOT_FOUND", f"The file {output.filename} is gone.")
        return output, path

    async def thumbnail(self, task: Shown, place: int, *, width: int, kind: Format) -> Thumb:
        """Give a small version of an image output. Raises ApiError OUTPUT_NOT_FOUND, THUMBNAIL_NOT_FOUND."""
        _, path = await self.output(task, place)
        if path is None:
            raise NoThumbnail("the output is no file")
        return await self._thumbnails.get(path, width=width, format=kind)

    async def logs(self, task: Shown, after: int) -> JSON:
        """Give what a task's run logged after line number *after*."""
        prompt_id = task.prompt_id if isinstance(task, Task) else task.result.get("prompt_id") or task.id
        page = await asyncio.to_thread(self._logs.lines, prompt_id, after)
        return {
            "items": [{**line.to_json(), "at": rfc3339(line.at)} for line in page.lines],
            "dropped": page.dropped,
            "next_after": page.last,
        }

    async def put_in(self, task: Shown, document: JSON) -> None:
        """Put small outputs into the task itself, as base64; null where one is too large or gone."""
        for place, entry in enumerate(document["outputs"]):
            try:
                output, path = await self.output(task, place)
            except NotFound:
                entry["base64"] = None
                continue
            entry["base64"] = await asyncio.to_thread(inline, output, path, self._inline_bytes)


def output_of(task: Shown, place: int) -> tuple[Output, Mark]:
    """Give an output, its file called as it is now, and what is noted of it.

    Raises ApiError OUTPUT_NOT_FOUND if the task has no such output.
    """
    outputs = (
        task.outputs
        if isinstance(task, Task)
        else [Output.from_json(output) for output in task.result.get("outputs", ())]
    )
    if not 0 <= place < len(outputs):
        raise NotFound("OUTPUT_NOT_FOUND", f"The task has {len(outputs)} outputs, counted from 0.")
    mark = task.marks.get(place, Mark()) if isinstance(task, StoredTask) else Mark()
    output = outputs[place]
    return (output if mark.filename is None else replace(output, filename=mark.filename)), mark
