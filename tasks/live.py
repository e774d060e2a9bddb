"""The tasks that this process follows: reports are folded into them, events are told of them.

All state is changed on the event loop, so whoever reads a task there reads one consistent moment. A run's
end is passed on only when its outputs have been measured.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from ..host.protocol import (
    Machine,
    NodeFinished,
    NodeOutput,
    NodeProgressed,
    NodesCached,
    NodeStarted,
    QueueChanged,
    QueueSnapshot,
    RunEnded,
    RunEvent,
    RunStarted,
)
from .events import Hub
from .outputs import Output, measure, read_ui
from .task import Task
from .views import addressed

log = logging.getLogger("backplane")

MEASURE_LIMIT_S = 60.0
"""How long the end of a task waits for its files to be measured (a hanging network disk)."""


class LiveTasks:
    """Tasks by their id and by ComfyUI's prompt_id.

    *adopt* makes a task of a prompt that nobody here queued; *began* is told
    that a task's run began, *over* how it ended.
    """

    def __init__(
        self,
        machine: Machine,
        hub: Hub,
        *,
        adopt: Callable[[RunStarted | QueueSnapshot], None],
        began: Callable[[Task], None],
        over: Callable[[Task, RunEnded], None],
    ) -> None:
        self._machine = machine
        self._hub = hub
        self._adopt = adopt
        self._began = began
        self._over = over
        self._tasks: dict[str, Task] = {}
        self._prompts: dict[str, Task] = {}
        self._places: dict[str, int] = {}
        self._shown: dict[str, set[str]] = {}
        self._measuring: dict[str, asyncio.Task[None]] = {}

    def add(self, task: Task) -> None:
        """Follow a task from now on."""
        self._tasks[task.id] = task
        self._prompts[task.prompt_id] = task

    def drop(self, task: Task) -> None:
        """Follow a task no longer."""
        self._tasks.pop(task.id, None)
        self._prompts.pop(task.prompt_id, None)
        self._shown.pop(task.prompt_id, None)
        self._measuring.pop(task.prompt_id, None)

    def get(self, task_id: str) -> Task | None:
        """Give a task by its id."""
        return self._tasks.get(task_id)

    def of_prompt(self, prompt_id: str) -> Task | None:
        """Give a task by the prompt_id of its current attempt."""
        return self._prompts.get(prompt_id)

    def all(self) -> list[Task]:
        """Give every task that is followed."""
        return list(self._tasks.values())

    def place(self, task: Task) -> int | None:
        """Give a task's place in ComfyUI's own queue, 1 for the next."""
        return self._places.get(task.prompt_id)

    @property
    def waiting(self) -> int:
        """How many prompts wait in ComfyUI's own queue."""
        return len(self._places)

    def touch(self, task: Task) -> None:
        """Say that a task changed."""
        task.version += 1
        self._hub.changed(task.id)

    # Reports

    def on_event(self, event: RunEvent) -> None:
        """Fold one report of the host into its task."""
        if isinstance(event, QueueChanged):
            self._on_queue(event.snapshot)
            return
        task = self._prompts.get(event.prompt_id)
        if task is None and isinstance(event, RunStarted):
            self._adopt(event)
            task = self._prompts.get(event.prompt_id)
        if task is not None and not task.finished:
            self._apply(task, event)
            self.touch(task)

    def _apply(self, task: Task, event: RunEvent) -> None:
        match event:
            case RunStarted():
                self._begin(task, event)
            case NodesCached():
                task.progress.cached(event)
                self._tell(task, "nodes", {"cached": list(event.node_ids)})
            case NodeStarted():
                task.progress.started(event)
                self._tell_node(task, event.node_id)
            case NodeProgressed():
                self._progress(task, event)
            case NodeFinished():
                task.progress.finished(event)
                self._tell_node(task, event.node_id)
            case NodeOutput():
                self._show(task, {event.node_id: event.ui}, {event.node_id: event.display_id})
            case RunEnded():
                self._finish(task, event)
            case QueueChanged():
                pass

    def _begin(self, task: Task, event: RunStarted) -> None:
        if task.status == "queued":
            task.status = "running"
        task.started_at = event.at
        self._places.pop(task.prompt_id, None)
        self._began(task)
        self._tell(task, "status", {"status": task.status, "attempt": task.attempt})

    def _progress(self, task: Task, event: NodeProgressed) -> None:
        task.progress.progressed(event)
        data = {
            "node_id": event.node_id,
            "value": event.value,
            "max": event.max,
            "progress": round(min(task.progress.fraction, 0.9999), 4),
        }
        self._tell(task, "progress", data)
        if event.preview is not None:
            self._tell(task, "preview", {"node_id": event.node_id, "url": f"/ext/tasks/{task.id}/preview"})

    def _tell_node(self, task: Task, node_id: str) -> None:
        node = task.progress.nodes.get(node_id)
        if node is None:
            return
        data = {
            "node_id": node_id,
            "class_type": node.class_type,
            "status": node.state,
            "parent": node.parent,
            "duration_s": None if node.duration_s is None else round(node.duration_s, 4),
            "progress": round(min(task.progress.fraction, 0.9999), 4),
        }
        self._tell(task, "node", data)

    def _tell(self, task: Task, name: str, data: Mapping[str, Any]) -> None:
        self._hub.publish(name, data, task.id)

    def _on_queue(self, snapshot: QueueSnapshot) -> None:
        self._adopt(snapshot)
        places = {prompt.prompt_id: place for place, prompt in enumerate(snapshot.pending, start=1)}
        moved = [
            prompt_id
            for prompt_id in {*places, *self._places}
            if places.get(prompt_id) != self._places.get(prompt_id)
        ]
        self._places = places
        for prompt_id in moved:
            task = self._prompts.get(prompt_id)
            if task is not None and not task.finished:
                self.touch(task)

    # Outputs

    def _show(
        self,
        task: Task,
        outputs: Mapping[str, Mapping[str, Any]],
        display_ids: Mapping[str, str],
    ) -> asyncio.Task[None] | None:
        """Measure outputs not yet shown and add them, after those before them; give what does so."""
        seen = self._shown.setdefault(task.prompt_id, set())
        fresh: list[Output] = []
        for node_id, ui in outputs.items():
            if node_id not in seen:
                seen.add(node_id)
                fresh.extend(read_ui(display_ids.get(node_id, node_id), ui))
        earlier = self._measuring.get(task.prompt_id)
        if not fresh:
            return earlier
        adding = asyncio.get_running_loop().create_task(self._measure(task, fresh, earlier))
        self._measuring[task.prompt_id] = adding
        return adding

    async def _measure(self, task: Task, fresh: list[Output], earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await earlier
        find = self._machine.output_file
        try:
            fresh = await asyncio.to_thread(lambda: [measure(output, find) for output in fresh])
        except Exception:
            log.exception("Task %s: its output files could not be measured", task.id)
        for output in fresh:
            place = len(task.outputs)
            task.outputs.append(output)
            [document] = addressed(task, [output.to_json()], first=place)
            self._tell(task, "output", {"n": place, "output": document})
        self.touch(task)

    def _finish(self, task: Task, event: RunEnded) -> None:
        measuring = self._show(task, event.outputs, event.display_ids)
        if measuring is None:
            self._over(task, event)
            return

        async def after() -> None:
            done, _ = await asyncio.wait({measuring}, timeout=MEASURE_LIMIT_S)
            if not done:
                log.warning("Task %s: its output files could not be read in time", task.id)
            self._over(task, event)

        self._measuring[task.prompt_id] = asyncio.get_running_loop().create_task(after())
