"""Sessions: what the routes call.

::

    edit ─► the head as it is ─► whom the client expects? ─► in a thread: patch, judge, pack ─► store, if its
              ▲                    no: 412 with a diff                                          rev still is
              └──────────────────────────── another process was quicker ◄──────────────────────┘

Every change is one transaction of the store that compares and sets, so two processes never lose an edit.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from weakref import WeakValueDictionary

from ..errors import JSON, NotFound, Unavailable
from ..tasks.conversions import converted, ids_json, is_ui
from ..tasks.engine import Remembered
from ..tasks.ports import NodeClasses
from ..validation import Files, as_graph, judge
from . import trouble, work
from .lookups import TaskLookups
from .reading import OpenStore, Reading
from .summaries import made_from
from .values import (
    Bounds,
    Description,
    Edit,
    Edited,
    Expected,
    Move,
    NewSession,
    Origin,
    Rollback,
    Session,
)
from .views import etag

AT_WORK = 2
"""Edits worked out at once: more threads would only keep the interpreter from the event loop."""
TRIES = 20
"""How often an edit is made anew because another process was quicker, before it is given up."""

Remember = Callable[[Edited], Remembered]
"""Makes what is kept for an Idempotency-Key of an edit. Called in another thread."""
FromTemplate = Callable[[str, JSON], Awaitable[tuple[dict[str, JSON], JSON]]]
"""(``name`` or ``name@version``, its inputs) → the workflow, and what is to be said of where it is from."""


@dataclass(frozen=True, slots=True)
class _Head:
    """What an edit begins with; *body*: the head's workflow, packed."""

    session: Session
    body: bytes


@dataclass(frozen=True, slots=True)
class _Made:
    """*edit* is None if there is nothing to be changed. *what* is told as an event."""

    edit: Edit | None
    edited: Callable[[Session], Edited]
    what: str


Prepare = Callable[[_Head], Awaitable[_Made]]


class Sessions(Reading):
    """Workflows that the server holds; the rest of the parameters as :class:`~.reading.Reading`."""

    def __init__(
        self,
        path: Path,
        classes: NodeClasses,
        tasks: TaskLookups,
        *,
        bounds: Bounds,
        tell: Callable[[str, JSON], None],
        from_template: FromTemplate | None = None,
        files: Files | None = None,
        open_store: OpenStore | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(path, tasks, bounds=bounds, tell=tell, open_store=open_store, clock=clock)
        self._classes = classes
        self._from_template = from_template
        self._files = files
        self._at_work = asyncio.Semaphore(AT_WORK)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # What a session can be made of

    async def from_workflow(self, document: Any) -> Origin:
        """Take a workflow in API or UI format; ``{}`` is an empty one.

        Raises as :func:`~..validation.as_graph` and :func:`~..conversion.to_api`.
        """
        if not is_ui(document):
            return Origin(_graph(document), {"kind": "workflow", "format": "api"})
        found = await converted(document, self._classes)
        extras: JSON = {"node_ids": ids_json(found), "notes": [note.to_json() for note in found.notes]}
        return Origin(as_graph(found.graph), {"kind": "workflow", "format": "ui"}, extras=extras)

    async def from_task(self, task_id: str) -> Origin:
        """Take the workflow that a task ran. Raises TASK_NOT_FOUND."""
        graph = await self._tasks.workflow(task_id)
        return Origin(dict(graph), {"kind": "task", "task_id": task_id})

    async def from_session(self, session_id: str, version: int | None) -> Origin:
        """Fork a session at a version, else at its head. Raises SESSION_NOT_FOUND, VERSION_NOT_FOUND."""
        _, [(found, body)] = await self._read(session_id, [version])
        parent: JSON = {"session_id": session_id, "version": found.number}
        graph = await asyncio.to_thread(work.unpack, body)
        return Origin(graph, {"kind": "session", **parent}, parent)

    async def from_template(self, template: str, inputs: JSON) -> Origin:
        """Fill in a template. Raises TEMPLATE_NOT_FOUND, and what its inputs are refused with."""
        if self._from_template is None:
            raise NotFound("TEMPLATE_NOT_FOUND", f"There is no template {template}.")
        graph, about = await self._from_template(template, inputs)
        return Origin(graph, {"kind": "template", "template": template, **about})

    async def create(self, origin: Origin, about: Description, remember: Remember | None = None) -> Edited:
        """Keep a new session. Raises SESSION_LIMIT, SESSION_TOO_LARGE, AlreadyRememberedError."""
        store, specs = await self._store(), await self._classes.specs(fresh=True)
        report = await asyncio.to_thread(judge, origin.graph, specs, files=self._files)
        new = NewSession(
            id=f"ws-{uuid.uuid4()}",
            about=about,
            source=origin.source,
            parent=origin.parent,
            graph=await asyncio.to_thread(work.pack, origin.graph),
            valid=report.valid,
            summary=made_from(origin.source),
        )

        def edited(session: Session) -> Edited:
            told = tuple(finding.to_json() for finding in report.findings)
            return Edited(session, origin.graph, findings=told, valid=report.valid, extras=origin.extras)

        kept = None if remember is None else _kept(remember, edited)
        session = await store.create(new, self._clock(), kept)
        self._tell(session, "created")
        return edited(session)

    # Edits

    async def patch(
        self,
        session_id: str,
        ops: Sequence[Any],
        *,
        expected: Sequence[Expected] = (),
        validate: bool = True,
        dry_run: bool = False,
        remember: Remember | None = None,
    ) -> Edited:
        """Change the head by operations, all or none.

        Raises as :func:`~..patch_engine.apply`, SESSION_CHANGED, SESSION_LIMIT, SESSION_TOO_LARGE.
        """
        specs = await self._classes.specs(fresh=True)

        async def prepare(head: _Head) -> _Made:
            made = await asyncio.to_thread(
                work.patched, head.body, ops, specs, self._files, validate=validate
            )
            return _Made(made.version, made.edited, "patch")

        return await self._edit(session_id, expected, prepare, dry_run=dry_run, remember=remember)

    async def replace(
        self,
        session_id: str,
        document: Any,
        *,
        expected: Sequence[Expected],
        dry_run: bool = False,
        remember: Remember | None = None,
    ) -> Edited:
        """Put another workflow, in API or UI format, in place of the head's."""
        origin = await self.from_workflow(document)
        specs = await self._classes.specs(fresh=True)

        async def prepare(head: _Head) -> _Made:
            made = await asyncio.to_thread(work.replaced, head.body, origin.graph, specs, self._files)
            return _Made(
                made.version, lambda after: replace(made.edited(after), extras=origin.extras), "replace"
            )

        return await self._edit(session_id, expected, prepare, dry_run=dry_run, remember=remember)

    async def step(
        self,
        session_id: str,
        steps: int,
        *,
        back: bool,
        expected: Sequence[Expected] = (),
        remember: Remember | None = None,
    ) -> Edited:
        """Undo (*back*) or redo so many steps, or none. Raises NOTHING_TO_UNDO, NOTHING_TO_REDO."""
        store = await self._store()

        async def prepare(head: _Head) -> _Made:
            at, path = await store.walk(session_id, steps, self._clock(), back=back)
            if len(path) <= steps and at.rev == head.session.rev:
                code, word = ("NOTHING_TO_UNDO", "undone") if back else ("NOTHING_TO_REDO", "redone")
                raise trouble.nothing_to(code, word, len(path) - 1)
            _, [(_, to)] = await store.read(session_id, [path[-1]], self._clock())
            made = await asyncio.to_thread(work.moved, head.body, to, valid=None)
            return _Made(Move(path, back), made.edited, "undo" if back else "redo")

        return await self._edit(session_id, expected, prepare, remember=remember)

    async def rollback(
        self,
        session_id: str,
        to: int | Literal["valid", "ran"],
        *,
        expected: Sequence[Expected] = (),
        remember: Remember | None = None,
    ) -> Edited:
        """Make a version with the workflow of another the head: a number, or the last that is so."""
        store = await self._store()

        async def prepare(head: _Head) -> _Made:
            number = _last(head.session, to) if isinstance(to, str) else to
            if number is None:
                word = "validated" if to == "valid" else "ran"
                raise NotFound("VERSION_NOT_FOUND", f"No version of session {session_id} has {word}.")
            _, [(target, packed)] = await store.read(session_id, [number], self._clock())
            made = await asyncio.to_thread(work.moved, head.body, packed, valid=target.valid)
            same = head.body == packed
            return _Made(
                None if same else Rollback(target.number, len(made.changes)), made.edited, "rollback"
            )

        return await self._edit(session_id, expected, prepare, remember=remember)

    async def describe(
        self, session_id: str, about: Description, *, expected: Sequence[Expected] = ()
    ) -> Edited:
        """Change a session's label, policy or metadata."""

        async def prepare(head: _Head) -> _Made:
            graph = await asyncio.to_thread(work.unpack, head.body)
            return _Made(about, lambda after: Edited(after, graph, valid=after.valid), "described")

        return await self._edit(session_id, expected, prepare)

    async def remove(self, session_id: str, *, expected: Sequence[Expected] = ()) -> None:
        """Forget a session with all its versions."""
        store = await self._store()
        async with self._turn(session_id):
            for _ in range(TRIES):
                session, _ = await self._read(session_id, [])
                await self._hold(session, expected)
                if await store.remove(session_id, session.rev if expected else None, self._clock()):
                    self._publish("session.removed", {"id": session_id})
                    return
        raise _busy()

    async def _edit(
        self,
        session_id: str,
        expected: Sequence[Expected],
        prepare: Prepare,
        *,
        dry_run: bool = False,
        remember: Remember | None = None,
    ) -> Edited:
        store = await self._store()
        async with self._turn(session_id):
            for _ in range(TRIES):
                session, [(_, body)] = await self._read(session_id, [None])
                await self._hold(session, expected)
                async with self._at_work:
                    made = await prepare(_Head(session, body))
                if made.edit is None or dry_run:
                    edited = made.edited(session)
                    if remember is not None and not dry_run:
                        await store.keep_answer(await asyncio.to_thread(remember, edited))
                    return edited
                kept = None if remember is None else _kept(remember, made.edited)
                after = await store.change(session_id, session.rev, made.edit, self._clock(), kept)
                if after is not None:
                    self._tell(after, made.what)
                    return made.edited(after)
        raise _busy()

    def _turn(self, session_id: str) -> asyncio.Lock:
        """Give the lock of a session: within this process edits wait for each other."""
        turn = self._turns.get(session_id)
        if turn is None:
            turn = self._turns[session_id] = asyncio.Lock()
        return turn

    async def _hold(self, session: Session, expected: Sequence[Expected]) -> None:
        """Raise SESSION_CHANGED, with what changed since, if the session is at none of *expected*."""
        if not expected or any(each.holds(session) for each in expected):
            return
        known = next((each for each in expected if each.version is not None), None)
        yours: JSON | None = None if known is None else {"version": known.version, "rev": known.rev}
        diff: JSON = {"changes": None, "changes_left_out": 0}
        if known is not None and known.version is not None:
            try:
                changes = (await self.diff(session.id, known.version, session.version))[2]
            except NotFound:
                pass  # a version that never was, or was forgotten
            else:
                diff = await asyncio.to_thread(work.told, changes)
        raise trouble.changed(session, etag(session), yours, diff)


def _kept(remember: Remember, edited: Callable[[Session], Edited]) -> Callable[[Session], Remembered]:
    return lambda session: remember(edited(session))


def _last(session: Session, to: Literal["valid", "ran"]) -> int | None:
    return session.last_valid if to == "valid" else session.last_ran


def _graph(document: Any) -> dict[str, JSON]:
    return {} if not document and isinstance(document, dict) else as_graph(document)


def _busy() -> Unavailable:
    return Unavailable(
        "STORE_BUSY", "The session is changed by others all the time.", hint="Send the request again."
    )
