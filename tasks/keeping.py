"""What people do with the outputs of finished tasks: favourites, ratings, the trash.

The task itself never changes: what is noted of its outputs is kept beside it (:class:`~.engine.Mark`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from ..errors import JSON, ApiError, Conflict, InvalidRequest, NotFound
from ..host.protocol import Machine
from .engine import Mark, StoredTask
from .outputs import Output, content_hash
from .results import output_of
from .service import Tasks
from .task import FINISHED
from .trash import Trash
from .views import addressed

log = logging.getLogger("backplane")

T = TypeVar("T")

SWEEP_S = 3600.0
"""How often the trash is looked through."""

DELETABLE = frozenset({"output", "temp"})
"""Folders whose files are a run's own; what lies in ``input`` other workflows may need."""


class Keeping:
    """Marks, deletes and restores outputs, one at a time; empties the trash."""

    def __init__(self, tasks: Tasks, machine: Machine, trash: Trash) -> None:
        self._tasks = tasks
        self._machine = machine
        self._trash = trash
        self._turn = asyncio.Lock()
        self._sweeping: asyncio.Task[None] | None = None
        self._moving: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Begin to empty the trash. On the event loop, once."""
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    async def stop(self) -> None:
        """End what :meth:`start` began."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeping
        await asyncio.gather(*self._moving, return_exceptions=True)

    async def _whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Do *work* to its end, also when nobody waits any more: no file is left between two places."""
        moving = asyncio.get_running_loop().create_task(work)
        self._moving.add(moving)
        moving.add_done_callback(self._moving.discard)
        return await asyncio.shield(moving)

    async def _sweep(self) -> None:
        while True:
            await asyncio.to_thread(self._trash.empty)
            await asyncio.sleep(SWEEP_S)

    async def mark(self, task_id: str, place: int, changes: Mapping[str, Any]) -> JSON:
        """Set ``favourite`` and ``rating``; give the output as its task shows it.

        Raises ApiError TASK_NOT_FOUND, TASK_NOT_FINISHED, OUTPUT_NOT_FOUND.
        """
        async with self._turn:
            task, output, _ = await self._found(task_id, place)
            return await self._marked(task, place, output, changes)

    async def delete(self, task_id: str, place: int) -> None:
        """Move an output's file to the trash; one that was deleted before stays there.

        Raises ApiError as :meth:`mark`, OUTPUT_NOT_DELETABLE, OUTPUT_CHANGED, OUTPUT_NOT_MOVED.
        """
        await self._whole(self._delete(task_id, place))

    async def _delete(self, task_id: str, place: int) -> None:
        async with self._turn:
            task, output, mark = await self._found(task_id, place)
            if mark.deleted_at is not None:
                return
            if output.filename is None or _kind(output) not in DELETABLE:
                raise InvalidRequest(
                    "OUTPUT_NOT_DELETABLE",
                    f"The output {place} is no file of ComfyUI's output or temp folder.",
                    details={"type": output.type},
                )
            name = await self._moved(task, place, output, mark)
            # What is gone may be in the trash already, see _moved.
            noted = {"deleted_at": time.time(), "trashed": name or mark.trashed}
            try:
                await self._marked(task, place, output, noted)
            except BaseException:
                if name is not None:
                    await asyncio.to_thread(self._undo_discard, name, output)
                raise

    async def _moved(self, task: StoredTask, place: int, output: Output, mark: Mark) -> str | None:
        """Move an output's file to the trash; give its name there, None if it is gone already.

        The name is written down before: a process that ends just after leaves no file that nobody can find.
        """
        if await asyncio.to_thread(self._machine.output_file, *_place(output)) is None:
            return None
        engine = await self._tasks.engine()
        name = self._trash.name(output.filename or "")
        await engine.mark(task.id, place, {"trashed": name})
        try:
            return name if await asyncio.to_thread(self._discard, output, name) else None
        except ApiError:
            await engine.mark(task.id, place, {"trashed": mark.trashed})
            raise

    async def restore(self, task_id: str, place: int) -> JSON:
        """Bring a deleted output back, beside a file that took its name; give it as its task shows it.

        One that is not deleted is given as it is. Raises ApiError as :meth:`delete`; OUTPUT_NOT_FOUND also
        if its file is no longer in the trash.
        """
        return await self._whole(self._restore(task_id, place))

    async def _restore(self, task_id: str, place: int) -> JSON:
        async with self._turn:
            task, output, mark = await self._found(task_id, place)
            if mark.deleted_at is None:
                return _shown(task, place, output)
            path = await asyncio.to_thread(self._bring_back, mark.trashed or "", output)
            named = str(PurePosixPath(output.filename or "").with_name(path.name))
            changes: JSON = {"deleted_at": None, "trashed": None}
            if path.name != PurePosixPath(output.filename or "").name:
                changes["filename"] = named
            try:
                return await self._marked(task, place, output, changes)
            except BaseException:
                await asyncio.to_thread(self._undo_bring_back, path, mark.trashed or "")
                raise

    async def _found(self, task_id: str, place: int) -> tuple[StoredTask, Output, Mark]:
        task = await self._tasks.find(task_id)
        if task.status not in FINISHED:
            raise Conflict("TASK_NOT_FINISHED", "Outputs are rated and deleted when their task has ended.")
        stored = await (await self._tasks.engine()).get(task_id)
        if stored is None or stored.finished_at is None:
            raise NotFound("TASK_NOT_FOUND", f"There is no task {task_id}.")
        return stored, *output_of(stored, place)

    async def _marked(self, task: StoredTask, place: int, output: Output, changes: Mapping[str, Any]) -> JSON:
        mark = await (await self._tasks.engine()).mark(task.id, place, changes)
        if mark is None:
            raise NotFound("TASK_NOT_FOUND", f"There is no task {task.id}.")
        self._tasks.remarked(task.id)
        shown = _shown(replace(task, marks={**task.marks, place: mark}), place, output)
        self._tasks.hub.publish("output.changed", {"task_id": task.id, "n": place, "output": shown})
        return shown

    # In a thread

    def _discard(self, output: Output, name: str) -> bool:
        """Say whether there was something to move."""
        path = self._machine.output_file(*_place(output))
        if path is None:
            return False
        try:
            if not _is_still(output, path):
                raise Conflict(
                    "OUTPUT_CHANGED",
                    f"The file {output.filename} is not what this task made: another one has its name now.",
                    hint="Delete it as the output of the task that made it.",
                )
            self._trash.put(path, name)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _not_moved(output, error) from error
        return True

    def _bring_back(self, name: str, output: Output) -> Path:
        place = self._machine.output_place(*_place(output))
        gone = NotFound("OUTPUT_NOT_FOUND", f"The file {output.filename} is no longer in the trash.")
        if place is None:
            raise gone
        try:
            return self._trash.take(name, place)
        except FileNotFoundError:
            raise gone from None
        except OSError as error:
            raise _not_moved(output, error) from error

    def _undo_discard(self, name: str, output: Output) -> None:
        try:
            self._bring_back(name, output)
        except ApiError as error:
            log.error("%s stays in the trash as %s: %s", output.filename, name, error.message)  # noqa: TRY400

    def _undo_bring_back(self, path: Path, name: str) -> None:
        try:
            self._trash.put_back(path, name)
        except OSError as error:
            log.error("%s cannot go back to the trash: %s", path.name, error.strerror)  # noqa: TRY400


def _is_still(output: Output, path: Path) -> bool:
    """Say whether a file has the content that the task made, as far as that was noted."""
    if output.size is not None and path.stat().st_size != output.size:
        return False
    return output.sha256 is None or content_hash(path) == output.sha256


def _place(output: Output) -> tuple[str, str, str]:
    return output.filename or "", output.subfolder or "", _kind(output)


def _kind(output: Output) -> str:
    return output.type or "output"


def _not_moved(output: Output, error: OSError) -> Conflict:
    return Conflict(
        "OUTPUT_NOT_MOVED",
        f"The file {output.filename} cannot be moved: {error.strerror or type(error).__name__}.",
        hint="Try again when nothing uses it; the folder must be writable and the disk have room.",
    )


def _shown(task: StoredTask, place: int, output: Output) -> JSON:
    return addressed(task, [output.to_json()], place)[0]
