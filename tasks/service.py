"""Takes workflows in, answers where they stand. What the routes call.

::

    submit ─► check ─► store (durable) ─► Runner ─► ComfyUI ─► reports ─► LiveTasks ─► store
    get, list ◄── LiveTasks (what runs here) or the store (what waits, what ended, what others run)
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from ..errors import JSON, ApiError, Conflict, NotFound, Unavailable
from ..graph import reachable
from ..host.protocol import (
    QueuedPrompt,
    QueueSnapshot,
    RunEnded,
    RunStarted,
)
from .annotated import InputFiles
from .drawing import CARRIED, redrawn
from .engine import Ending, Engine, QueuedRow, StoredTask
from .events import Hub
from .intake import Inputs, Intake
from .listing import Shown, already, never_ran
from .live import LiveTasks
from .logs import LogTap
from .notices import Notices
from .ports import NodeClasses, OtherTasks, Ready, Remember, TaskHost
from .progress import RunProgress
from .reading import Reading
from .results import Results
from .runner import Policy, Runner
from .submission import Desk, Limits, Submission, as_stored
from .task import FINISHED, Task
from .thumbnails import Thumbnails
from .webhooks import Courier, Outbox

log = logging.getLogger("backplane")

FORECAST_TASKS = 10
"""Up to how many tasks of one request it is worked out how long they will take: a third of a submit."""

RECENT = 256
"""Finished tasks kept in memory: those that clients poll just after their end."""

PREVIEW_KEPT_S = 10.0
"""Who heard of the last frame just before the end still gets it."""


class StoreHealth(Protocol):
    """How a store is."""

    @property
    def problem(self) -> ApiError | None:
        """What the last write failed with, if it did."""
        ...


class Store(Engine, Outbox, Protocol):
    """Where tasks and the webhooks about them are kept."""

    @property
    def notice(self) -> str | None:
        """What a person should know of it: that it was damaged and begun anew."""
        ...

    @property
    def state(self) -> StoreHealth:
        """How it is."""
        ...


class Tasks(Reading):
    """Every task that this server knows. *open_engine* and *others* block, and are called in a thread."""

    def __init__(  # noqa: PLR0913 - the composition root's list of parts
        self,
        host: TaskHost,
        classes: NodeClasses,
        open_engine: Callable[[str], Store],
        *,
        limits: Limits | None = None,
        policy: Policy | None = None,
        notices: Notices | None = None,
        courier: Callable[[Outbox], Courier] | None = None,
        check_url: Callable[[str], object] | None = None,
        allow: Callable[[Mapping[str, JSON]], object] | None = None,
        told: Callable[[Task], object] | None = None,
        redact: Callable[[str], str] | None = None,
        inputs: Inputs,
        others: Callable[[], Sequence[OtherTasks]] = tuple,
    ) -> None:
        hub = Hub()
        self.log_tap = LogTap(host.current_node, redact=redact)
        limits = limits or Limits()
        super().__init__(
            LiveTasks(host, hub, adopt=self._adopt, began=self._began, over=self._over),
            hub,
            Results(
                host,
                self.log_tap,
                Thumbnails(host.state_dir() / "thumbnails", limits.thumbnail_bytes),
                inline_bytes=limits.inline_bytes,
            ),
        )
        self._make_others = others
        self.node = uuid.uuid4().hex
        self.check_url: Callable[[str], object] = check_url or _any
        """Judges the address of a webhook. Raises ApiError OUTBOUND_REFUSED."""
        self._host = host
        self._classes = classes
        self._open_engine = open_engine
        self._limits = limits
        self._desk = Desk(
            host,
            classes,
            max_attempts=self._limits.max_attempts,
            check_url=self.check_url,
            allow=allow or _any,
            files=InputFiles(host),
        )
        self._told = told or _any
        self._policy = policy or Policy()
        self._foreign_number = 0
        self._early: list[tuple[Task, RunEnded]] = []
        """Ends that came before the store was open."""
        self._store: Store | None = None
        self._opening: asyncio.Task[tuple[Engine, Runner]] | None = None
        self._notices = notices or Notices()
        self.inputs = inputs
        self._make_courier = courier
        self._courier: Courier | None = None

    # Life

    def start(self) -> None:
        """Begin to follow the host's runs, and open the store."""
        self._host.subscribe(self._live.on_event)
        logging.getLogger().addHandler(self.log_tap)
        self._opening = asyncio.get_running_loop().create_task(self._open())
        self._opening.add_done_callback(_log_failure)

    async def stop(self) -> None:
        """Let go of the store; what runs is taken up again by the next start."""
        logging.getLogger().removeHandler(self.log_tap)
        if self._opening is None:
            return
        try:
            engine, runner = await self._opening
        except Exception:
            return
        await runner.stop()
        for other in self._others.values():
            await other.end()
        if runner.forecast.changed:
            await engine.save("estimates", runner.forecast.to_json())
        if self._courier is not None:
            await self._courier.stop()
        await engine.close()

    async def _open(self) -> tuple[Engine, Runner]:
        engine = self._store = await asyncio.to_thread(self._open_engine, self.node)
        self._others |= {other.kind: other for other in await asyncio.to_thread(self._make_others)}
        runner = Runner(
            engine,
            self._host,
            self._live,
            self.hub,
            self._classes,
            node=self.node,
            policy=self._policy,
            notices=self._notices,
            ended=self._keep,
            remarked=self.remarked,
            others=self._others,
        )
        ready = Ready(engine, self.node, self.hub, self._notices.of, self._tell)
        try:
            for other in self._others.values():
                await other.begin(ready)
            await runner.start()
        except BaseException:
            await runner.stop()
            for other in self._others.values():
                await other.end()
            await engine.close()
            raise
        self._runner = runner
        for task, event in self._early:
            runner.over(task, event)
        self._early.clear()
        if self._make_courier is not None:
            self._courier = self._make_courier(engine)
            self._courier.start()
        return engine, runner

    async def _ready(self) -> tuple[Engine, Runner]:
        if self._opening is None:
            raise Unavailable("STORE_UNAVAILABLE", "The task store is not open yet.")
        try:
            return await asyncio.shield(self._opening)
        except ApiError:
            raise
        except Exception as error:
            raise Unavailable(
                "STORE_UNAVAILABLE",
                f"The task store cannot be opened ({type(error).__name__}).",
                hint="The server's log says why.",
            ) from error

    async def engine(self) -> Engine:
        """Give the store, once it is open. Raises ApiError STORE_UNAVAILABLE."""
        return (await self._ready())[0]

    def notice(self) -> str | None:
        """Say what a person should know of the store, for ``/ext/health``."""
        return None if self._store is None else self._store.notice

    def faults(self) -> list[str]:
        """Say what keeps tasks from being kept just now, for ``/ext/health``."""
        if self._opening is not None and self._opening.done() and self._opening.exception() is not None:
            return ["the task store cannot be opened"]
        found = [self._runner.fault] if self._runner is not None and self._runner.fault else []
        problem = None if self._store is None else self._store.state.problem
        return [*found, problem.message] if problem is not None else found

    # In

    async def submit(
        self, submission: Submission, remember: Remember | None = None, intake: Intake | None = None
    ) -> StoredTask:
        """Check a workflow and queue it; it is on the disk when this returns.

        Raises ApiError: WORKFLOW_MISSING, INVALID_REQUEST, QUEUE_FULL, or one of the findings' codes;
        AlreadyRememberedError if the key of *remember* was used before.
        """
        [task] = await self.submit_all([submission], remember, intake)
        return task

    async def submit_all(
        self,
        submissions: Sequence[Submission],
        remember: Remember | None = None,
        intake: Intake | None = None,
    ) -> list[StoredTask]:
        """Check several workflows and queue all of them or none."""
        engine, runner = await self._ready()
        room = self._limits.max_queued - len(runner.queue)
        if len(submissions) > room:
            raise QueueFull(len(runner.queue))
        made = [await self._desk.prepare(submission, intake) for submission in submissions]
        stored = [as_stored(new, 0) for new in made]
        remembered = None if remember is None else remember(stored)
        seqs = await engine.submit(made, remembered)
        tasks: list[StoredTask] = []
        for new, seq in zip(made, seqs, strict=True):
            runner.enqueue(QueuedRow(new.id, seq, new.client, new.priority, 0.0, 0, new.max_attempts <= 1))
            self.hub.publish("status", {"status": "queued"}, new.id)
            if len(made) <= FORECAST_TASKS:
                needed = reachable(new.graph, new.request["targets"])
                await runner.forecast.queued(new.id, new.graph, list(needed))
            tasks.append(as_stored(new, seq))
        return tasks

    async def judge(self, workflow: Any, outputs: tuple[str, ...] | None = None) -> JSON:
        """Say whether a workflow would be taken, with all findings; queues nothing."""
        return await self._desk.judge(workflow, outputs)

    # Changes

    async def cancel(self, task_id: str) -> Shown:
        """Cancel a task: gone at once if queued, ``canceling`` until it really stopped if running.

        Raises ApiError TASK_NOT_FOUND, or TASK_FINISHED if it ended otherwise before.
        """
        task = await self.find(task_id)
        if task.status == "cancelled":
            return task
        if task.status in FINISHED:
            raise already(task)
        if isinstance(task, Task) and task.lease is None:
            await self._cancel_live(task)
            return await self.find(task_id)
        engine, runner = await self._ready()
        now = time.time()
        whole = await engine.get(task_id, graph=True)
        other = self._other(task)
        result = {} if whole is None else whole.result if other is not None else never_ran(whole, now)
        ending = Ending("cancelled", now, result)
        outcome = await engine.cancel(task_id, self._with_deliveries(ending, whole))
        if outcome == "cancelled":
            runner.queue.remove(task_id)
            end = {"status": "cancelled", "finished_at": now, "error": None}
            self.hub.publish("status", end, task_id)
            self.hub.ended(task_id)
            runner.wake()
            self._tell()
            gone = await engine.get(task_id)
            if other is not None and gone is not None:
                other.changed(gone)
        elif outcome == "requested":
            live = self._live.get(task_id)
            if live is not None:
                await self._cancel_live(live)
            elif other is not None:
                other.stop(task_id)
                await self.wait_end(task_id, 5.0)
        task = await self.find(task_id)
        if outcome == "finished" and task.status != "cancelled":
            raise already(task)
        return task

    async def _cancel_live(self, task: Task) -> None:
        _, runner = await self._ready()
        runner.cancel_live(task)
        if task.status == "queued":
            # Taken from ComfyUI's queue: the end is being written; it takes a moment, not the node's time.
            await self.wait_end(task.id, 5.0)

    def _with_deliveries(self, ending: Ending, whole: StoredTask | None) -> Ending:
        if whole is None:
            return ending
        other = self._other(whole)
        deliveries = self._notices.of_stored(whole, "cancelled", ending.at, None, other)
        return replace(ending, deliveries=deliveries)

    async def prioritise(self, task_id: str, priority: int) -> Shown:
        """Change a queued task's priority. Raises ApiError TASK_NOT_FOUND, TASK_NOT_QUEUED."""
        await self.find(task_id)
        engine, runner = await self._ready()
        if not await engine.prioritise(task_id, priority):
            raise Conflict("TASK_NOT_QUEUED", "Only a task that waits in the queue has a priority to change.")
        runner.queue.prioritise(task_id, priority, now=time.time())
        changed = await engine.get(task_id)
        if changed is not None and changed.kind in self._others:
            self._others[changed.kind].changed(changed)
        self.hub.publish("status", {"status": "queued", "priority": priority}, task_id)
        return await self.find(task_id)

    async def delete(self, task_id: str) -> None:
        """Forget a finished task; its files stay. Raises ApiError TASK_NOT_FOUND, TASK_NOT_FINISHED."""
        task = await self.find(task_id)
        if task.status not in FINISHED:
            raise Conflict("TASK_NOT_FINISHED", "Cancel the task first.")
        await (await self.engine()).delete(task_id)
        other = self._other(task)
        if other is not None and isinstance(task, StoredTask):
            other.forgotten(task)
        self._recent.pop(task_id, None)

    async def repeat(self, task_id: str, remember: Remember | None, *, same: bool = False) -> StoredTask:
        """Queue a finished task once more, as a new one; *same* keeps seeds that were drawn for it."""
        task = await self.find(task_id)
        if task.status not in FINISHED:
            raise Conflict("TASK_NOT_FINISHED", "Only a task that has ended can be run again.")
        other = self._other(task)
        if other is not None and isinstance(task, StoredTask):
            return await other.again(task, remember)
        return await self.submit(await self.again(task_id, same=same), remember)

    async def again(self, task_id: str, *, same: bool) -> Submission:
        """Give the submission that runs a finished prompt's workflow once more.

        Seeds that were drawn for it are drawn anew, unless it is to be the *same*: byte for byte.
        """
        whole = await (await self.engine()).get(task_id, graph=True)
        if whole is None or whole.graph is None:
            raise NotFound("TASK_NOT_FOUND", "The task's workflow is no longer kept.")
        request = whole.request
        graph, carried = whole.graph, {name: request[name] for name in CARRIED if name in request}
        if not same:
            graph, carried = redrawn(graph, carried)
        return Submission(
            workflow=graph,
            outputs=tuple(request.get("targets") or ()) if request.get("partial") else None,
            client_id=request.get("client_id"),
            metadata=whole.metadata,
            priority=whole.priority,
            max_attempts=whole.max_attempts if whole.origin == "api" else None,
            client=whole.client,
            webhook=request.get("webhook"),
            delivery=request.get("delivery") or "url",
            retry_of=task_id,
            carried=carried,
        )

    async def pause(self, *, paused: bool) -> JSON:
        """Stop handing tasks to ComfyUI, or go on; gives the queue."""
        _, runner = await self._ready()
        await runner.pause(paused=paused)
        return await self.queue()

    async def queue(self) -> JSON:
        """Give how the queue is."""
        _, runner = await self._ready()
        snapshot = self._host.queue()
        return {
            "paused": runner.paused,
            "length": len(runner.queue),
            "max_length": self._limits.max_queued,
            "comfyui": {"running": len(snapshot.running), "pending": len(snapshot.pending)},
            "next": runner.queue.first(10),
        }

    # Prompts of other clients

    def _adopt(self, seen: RunStarted | QueueSnapshot) -> None:
        if isinstance(seen, QueueSnapshot):
            for prompt in seen.pending:
                if self._live.of_prompt(prompt.prompt_id) is None:
                    self._adopt_prompt(prompt)
            return
        self._adopt_prompt(seen.prompt or QueuedPrompt(seen.prompt_id, {}, (), None))

    def _adopt_prompt(self, prompt: QueuedPrompt) -> None:
        self._foreign_number += 1
        self._live.add(
            Task(
                id=prompt.prompt_id,
                number=self._foreign_number,
                origin="comfyui",
                created_at=time.time(),
                progress=RunProgress.of(prompt.graph, prompt.targets),
                prompt_id=prompt.prompt_id,
                graph=prompt.graph,
                client=prompt.client_id or "",
            )
        )
        self.hub.publish("status", {"status": "queued", "origin": "comfyui"}, prompt.prompt_id)

    def _began(self, task: Task) -> None:
        if self._runner is not None:
            self._runner.began(task)

    def _over(self, task: Task, event: RunEnded) -> None:
        if self._runner is None:
            self._early.append((task, event))  # ComfyUI's own prompts do not wait for the store
        else:
            self._runner.over(task, event)

    def _tell(self) -> None:
        if self._courier is not None:
            self._courier.wake()

    def _keep(self, task: Task) -> None:
        self._tell()
        self._told(task)
        task.graph = None
        if task.progress.preview is not None:
            asyncio.get_running_loop().call_later(PREVIEW_KEPT_S, task.progress.drop_preview)
        self._recent[task.id] = task
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)


class QueueFull(Unavailable):
    """The queue takes no more; it says when to come back."""

    def __init__(self, length: int) -> None:
        super().__init__(
            "QUEUE_FULL",
            f"The queue is full ({length} tasks).",
            hint="Try again when some have run.",
            details={"length": length, "retry_after_s": 5},
        )


def _log_failure(opening: asyncio.Task[Any]) -> None:
    if not opening.cancelled() and opening.exception() is not None:
        log.error("The task store cannot be opened", exc_info=opening.exception())


def _any(_: object) -> None:
    """Judge nothing."""
