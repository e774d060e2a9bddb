"""Requests to run what they name: a workflow, a session's or a template's. Here is also where the lock is.

::

    POST /ext/tasks ─► Order ─► the workflow itself    ─┐
                               the session's version    ├─► Submission ─► Tasks
                               the template, filled in ─┘
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .errors import ApiError, Forbidden, InvalidRequest
from .tasks import Submission, Task, Tasks
from .tasks.drawing import drawn_json, random_seed
from .tasks.engine import StoredTask
from .tasks.intake import Intake
from .tasks.ports import Remember

if TYPE_CHECKING:
    from .sessions import Sessions
    from .templates import Template, Templates


Made_co = TypeVar("Made_co", covariant=True)


class Late(Protocol[Made_co]):
    """A part that is loaded when it is first asked for, which takes a while."""

    def get(self) -> Made_co:
        """Give it. From any thread."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What one request wants to run: one of a workflow, a session and a template."""

    workflow: Any = None
    session_id: str | None = None
    session_version: int | None = None
    """None: the one it is at."""
    template: str | None = None
    """``name`` for its newest version, or ``name@version``."""
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the template's inputs are."""


class Orders:
    """Makes tasks of orders. *locked*: only templates may run, with nothing but their inputs changed."""

    def __init__(
        self, tasks: Tasks, sessions: Late[Sessions], templates: Late[Templates], *, locked: bool
    ) -> None:
        self._tasks = tasks
        self._sessions = sessions
        self._templates = templates
        self._locked = locked
        self._telling: set[asyncio.Task[None]] = set()

    async def submit(
        self,
        ordered: Sequence[tuple[Order, Submission]],
        remember: Remember | None = None,
        intake: Intake | None = None,
    ) -> list[StoredTask]:
        """Queue all of *ordered* or none: the submissions, with the workflows of their orders.

        Raises what :meth:`.tasks.Tasks.submit` raises, ApiError INVALID_REQUEST, LOCKED, SESSION_NOT_FOUND,
        TEMPLATE_NOT_FOUND and TEMPLATE_INPUT_INVALID.
        """
        made = [await self._submission(order, submission) for order, submission in ordered]
        tasks = await self._tasks.submit_all(made, remember, intake)
        for task in tasks:
            # If the process dies here the session does not know that this version ran; the task does.
            session = task.request.get("session")
            if session is not None:
                sessions = await asyncio.to_thread(self._sessions.get)
                await sessions.ran(session["id"], session["version"], task.id)
        return tasks

    async def repeat(self, task_id: str, remember: Remember | None, *, same: bool) -> StoredTask:
        """Queue a finished task once more; *same* keeps seeds that were drawn for it. Raises as submit."""
        if self._locked:
            task = await self._tasks.find(task_id)
            is_prompt = not isinstance(task, StoredTask) or task.kind == "prompt"
            if is_prompt and not task.request.get("template"):
                raise _locked("This task was not made from a template.")
        return await self._tasks.repeat(task_id, remember, same=same)

    def ended(self, task: Task) -> None:
        """Let the session of a task that has ended know. On the event loop; quick."""
        if task.request.get("session") is not None:
            telling = asyncio.get_running_loop().create_task(self._tell(task))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)

    async def _tell(self, task: Task) -> None:
        sessions = await asyncio.to_thread(self._sessions.get)
        await sessions.ended(task.id, task.status)

    async def _submission(self, order: Order, submission: Submission) -> Submission:
        named = {
            "workflow": order.workflow is not None,
            "session_id": order.session_id is not None,
            "template": order.template is not None,
        }
        several = [name for name, given in named.items() if given]
        if len(several) > 1:
            raise _bad(dict.fromkeys(several, "give one of them"))
        if order.inputs and order.template is None:
            raise _bad({"inputs": "only a template has inputs"})
        if order.session_version is not None and order.session_id is None:
            raise _bad({"session_version": "only a session has versions"})
        if self._locked:
            _refuse_unlocked(order, submission)
        if order.template is not None:
            return await self._from_template(order.template, order.inputs, submission)
        if order.session_id is not None:
            sessions = await asyncio.to_thread(self._sessions.get)
            graph, version = await sessions.graph_of(order.session_id, order.session_version)
            made_from = {"id": order.session_id, "version": version}
            return replace(submission, workflow=graph, carried={"session": made_from})
        return replace(submission, workflow=order.workflow)

    async def _from_template(
        self, name: str, inputs: Mapping[str, Any], submission: Submission
    ) -> Submission:
        templates = await asyncio.to_thread(self._templates.get)
        filled = await templates.fill(name, inputs, random_seed=random_seed)
        template = filled.template
        carried = {
            "template": {
                "name": template.name,
                "version": template.version,
                "digest": template.digest,
                "outputs": {output.node: named for named, output in template.outputs.items()},
            },
            "inputs": filled.inputs,
            **({"drawn": drawn_json(filled.drawn)} if filled.drawn else {}),
        }
        return replace(
            submission,
            workflow=filled.graph,
            outputs=filled.outputs
            if submission.outputs is None
            else _named_outputs(template, submission.outputs),
            files={**submission.files, **filled.files},
            carried=carried,
        )


def _named_outputs(template: Template, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Give the nodes that a request's ``outputs`` means: names of the template's outputs, or node ids."""
    nodes = {name: output.node for name, output in template.outputs.items()}
    return tuple(nodes.get(each, each) for each in wanted)


def _refuse_unlocked(order: Order, submission: Submission) -> None:
    if order.template is None:
        raise _locked("Only templates may be run on this server.")
    changing = {"params": submission.params, "loras": submission.loras, "files": submission.files}
    fields = [name for name, value in changing.items() if value]
    if fields:
        raise _locked("Only a template's own inputs may be changed on this server.", fields)


def _locked(message: str, fields: Sequence[str] = ()) -> ApiError:
    return Forbidden(
        "LOCKED",
        message,
        hint="GET /ext/templates lists what may be run.",
        details={"fields": dict.fromkeys(fields, "locked")} if fields else {},
    )


def _bad(faults: Mapping[str, str]) -> InvalidRequest:
    said = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
    return InvalidRequest("INVALID_REQUEST", f"{said}.", details={"fields": dict(faults)})
