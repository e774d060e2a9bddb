"""Downloads: a link becomes a verified file in its model folder. The face of ``downloads/``.

::

    POST ─► check ─► store (durable) ─► Line ─► Work, in a thread ─► the file, or an error with a code

A download is a task of kind ``download``: the same store, list, events, cancel and retry as prompts.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from .downloads import sweep
from .downloads.job import Tools, conflict, discard, exists
from .downloads.line import Line
from .downloads.plan import Asked, Found, Target, Wanted
from .downloads.planning import Planner, plan, problem
from .downloads.quota import Quota
from .downloads.record import PAUSED, Record, view, wanted_json, wanted_of
from .downloads.sources.links import parse, public
from .errors import JSON, ApiError, Conflict
from .models import Origin
from .tasks.engine import Lease, NewTask, Query, StoredTask
from .tasks.listing import Shown
from .tasks.ports import Ready, Remember
from .tasks.submission import as_stored
from .tasks.task import FINISHED

log = logging.getLogger("backplane")

KIND = "download"
RECENT = 256
PAUSE_S = 5.0
"""How long the answer to a pause waits for the thread to end."""
MOST_KEPT = 1000
"""Failed downloads whose parts may be gone on with."""


class Shelf(Protocol):
    """What downloads need of the model library."""

    async def changed(
        self, folder: str, name: str, *, sha256: str | None = None, origin: Origin | None = None
    ) -> None:
        """Take note of a file that was just put there."""
        ...

    async def by_sha256(self, sha256: str) -> tuple[str, str] | None:
        """Give (folder, name) of a file with these bytes, as far as is known."""
        ...

    async def known_sha256(self, folder: str, name: str) -> str | None:
        """Give the SHA-256 of a file, if it is known; None too if there is no such file."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that concern downloads as a whole."""

    concurrency: int = 2
    per_hour: int = 120
    max_queued: int = 1000
    max_attempts: int = 3


class Downloader:
    """Implements :class:`~.tasks.ports.OtherTasks` for downloads, and what the routes call."""

    kind = KIND

    def __init__(self, tools: Tools, shelf: Shelf, policy: Policy) -> None:
        self._tools = tools
        self._shelf = shelf
        self._policy = policy
        self._links: dict[str, str] = {}
        """task id → the link as it was given, where it has secrets: they are never written down."""
        self._open: dict[str, StoredTask] = {}
        """Downloads that have not ended, by id."""
        self._over: dict[str, None] = {}
        """Those that ended last, the oldest first."""
        self._kept: dict[str, StoredTask] = {}
        """Failed ones whose part is still there, by what they fetch."""
        self._planner = Planner(tools)
        self._quota = Quota(policy.per_hour)
        self._line = Line(
            tools,
            concurrency=policy.concurrency,
            wanted=self._wanted,
            host_of=_host_of,
            arrived=self._arrived,
            known_hash=self._known_hash,
            ended=self.changed,
        )
        self._sweeping: asyncio.Task[None] | None = None

    # Life

    async def begin(self, ready: Ready) -> None:
        """Learn what is kept, and start."""
        self._quota = Quota(self._policy.per_hour, await ready.engine.load("downloads_asked"))
        query = Query(limit=MOST_KEPT, kinds=(KIND,), statuses=("failed",))
        for task in reversed((await ready.engine.list(query))[0]):  # the newest has the part
            self._keep(task)
        self._line.start(ready)
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    async def end(self) -> None:
        """Stop what runs; the next start goes on."""
        if self._sweeping is not None:
            await asyncio.wait({self._sweeping})
        await self._line.stop()

    async def _sweep(self) -> None:
        """Remove the parts of downloads that are no longer."""
        engine = self._line.ready.engine
        try:
            parts = await asyncio.to_thread(sweep.find, self._tools.folders)
            known = {task.id: task for task in await engine.get_many([part.task_id for part in parts])}
            kept = {owner for owner in map(_part_of, (*self._kept.values(), *self._open.values())) if owner}
            gone = [part for part in parts if sweep.is_orphan(part, known.get(part.task_id), kept)]
            await asyncio.to_thread(sweep.remove, gone)
        except Exception:
            log.exception("Left-over parts of downloads could not be removed")

    # What tasks ask

    def changed(self, task: StoredTask) -> None:
        """Learn how a download is in the store now."""
        if task.status in FINISHED:
            self._ended(task)
        elif task.id in self._over:
            return  # the store was read just before its end
        else:
            self._open[task.id] = task
        self._line.changed(task)

    def _ended(self, task: StoredTask) -> None:
        self._open.pop(task.id, None)
        if task.status != "failed":  # which may be asked for once more
            self._links.pop(task.id, None)
        self._over[task.id] = None
        while len(self._over) > RECENT:
            gone = next(iter(self._over))
            del self._over[gone]
            self._links.pop(gone, None)
        record = _record_of(task)
        if task.status == "failed":
            self._keep(task)
        elif task.status == "cancelled" and record.part is not None and self._line.run(task.id) is None:
            self._discard(record)

    def _keep(self, task: StoredTask) -> None:
        if Record.from_json(task.result).part is not None:
            self._kept[_key(wanted_of(task.request))] = task

    def _discard(self, record: Record) -> None:
        asyncio.get_running_loop().run_in_executor(None, discard, record)

    def live(self, task_id: str) -> StoredTask | None:
        """Give a download that runs here, as it is."""
        run = self._line.run(task_id)
        return None if run is None else run.task

    def leases(self) -> Sequence[Lease]:
        """Give the leases that are held."""
        return [run.lease for run in self._line.runs()]

    def lost(self, task_id: str) -> None:
        """Stop a download that is another process's now."""
        run = self._line.run(task_id)
        if run is not None:
            run.stop("lost")

    def stop(self, task_id: str) -> None:
        """Cancel a download that runs here."""
        self._line.cancel(task_id)

    def place(self, task_id: str) -> int | None:
        """Give a queued download's place among downloads."""
        return self._line.place(task_id)

    def eta_s(self, task_id: str) -> float | None:
        """Give the seconds until the last byte, None where that is not known."""
        run = self._line.run(task_id)
        return None if run is None else run.record.eta_s

    def shown(self, task: StoredTask) -> JSON:
        """Give what replies say of a download."""
        return {"download": view(task)}

    def forgotten(self, task: StoredTask) -> None:
        """A finished download was deleted: its part goes too."""
        self._links.pop(task.id, None)
        for key, kept in list(self._kept.items()):
            if kept.id == task.id:
                del self._kept[key]
                self._discard(Record.from_json(kept.result))

    async def again(self, task: StoredTask, remember: Remember | None) -> StoredTask:
        """Download once more what a finished task did; a part that is there is gone on with."""
        wanted = replace(wanted_of(task.request), url=self._links.get(task.id, wanted_of(task.request).url))
        asked = Asked(wanted, task.metadata, task.priority, task.request.get("webhook"))
        [(made, _)] = await self.submit([asked], client=task.client, remember=remember, retry_of=task.id)
        return made

    # In

    async def refusals(self, asked: Sequence[Asked]) -> list[ApiError | None]:
        """Say of each download what :meth:`submit` would refuse it for by itself; None: nothing."""

        def check(one: Asked) -> ApiError | None:
            try:
                self._planner.check(one.wanted)
            except ApiError as error:
                return error
            return None

        return await asyncio.to_thread(lambda: [check(one) for one in asked])

    async def submit(
        self,
        asked: Sequence[Asked],
        *,
        client: str,
        batch_id: str | None = None,
        remember: Remember | None = None,
        retry_of: str | None = None,
    ) -> list[tuple[StoredTask, bool]]:
        """Queue downloads, all or none; gives each task and whether it is new.

        One that is being fetched already is not fetched twice. Raises ApiError: those of the link, the
        type, the names and the formats; DOWNLOAD_FILE_EXISTS, DOWNLOAD_CONFLICT, DOWNLOAD_RATE_LIMITED,
        QUEUE_FULL; AlreadyRememberedError if the key of *remember* was used before.
        """
        check = self._planner.check
        targets = await asyncio.to_thread(lambda: [check(one.wanted) for one in asked])
        engine, now = self._line.ready.engine, time.time()
        made: dict[str, NewTask] = {}
        ids: list[str] = []
        # No await until all are in _open: else two equal requests at once would both be fetched.
        fetched = {_same(task.request.get("wanted")): task.id for task in self._open.values()}
        written = {_place(task.request.get("target")): task.id for task in self._open.values()}
        for one, target in zip(asked, targets, strict=True):
            same = _same(wanted_json(replace(one.wanted, url=public(one.wanted.url))))
            twin = fetched.get(same)
            if twin is not None and public(one.wanted.url) != one.wanted.url:
                self._links[twin] = one.wanted.url  # its key or signature is the fresher one
            if twin is None:
                self._refuse_conflict(target, written)
                new = self._new(one, target, client=client, batch_id=batch_id, retry_of=retry_of, at=now)
                made[new.id] = new
                twin = fetched[same] = new.id
                written[_place(new.request.get("target"))] = new.id
            ids.append(twin)
        self._admit(client, len(made), now)
        self._open |= {new.id: as_stored(new, 0) for new in made.values()}
        answers = [self.live(task_id) or self._open[task_id] for task_id in ids]
        try:
            remembered = None if remember is None else remember(answers)
            seqs = await engine.submit(list(made.values()), remembered)
        except BaseException:
            for task_id in made:
                self._open.pop(task_id)
                self._links.pop(task_id, None)
            self._quota.give_back(client, len(made))
            raise
        for new, seq in zip(made.values(), seqs, strict=True):
            self._kept.pop(_key(wanted_of(new.request)), None)
            self._line.ready.hub.publish("status", {"status": "queued"}, new.id)
            self.changed(as_stored(new, seq))
        try:
            await engine.save("downloads_asked", self._quota.to_json())
        except ApiError as error:  # they are queued all the same
            log.warning("How many downloads were asked for could not be kept: %s", error.message)
        return [(task, task.id in made) for task in answers]

    def _admit(self, client: str, count: int, now: float) -> None:
        if len(self._open) + count > self._policy.max_queued:
            details = {"length": len(self._open), "retry_after_s": 30}
            raise ApiError("QUEUE_FULL", "Too many downloads wait.", details=details)
        self._quota.take(client, count, now)

    def _refuse_conflict(self, target: Target | None, written: Mapping[str | None, str]) -> None:
        if target is None:
            return
        holder = written.get(_place(str(target.path))) or self._tools.busy.holder(target)
        if holder is not None:
            raise conflict(target.name, holder)

    def _new(
        self,
        asked: Asked,
        target: Target | None,
        *,
        client: str,
        batch_id: str | None,
        retry_of: str | None,
        at: float,
    ) -> NewTask:
        stored = replace(asked.wanted, url=public(asked.wanted.url))
        task_id = f"dl-{uuid.uuid4().hex}"
        if stored.url != asked.wanted.url:
            self._links[task_id] = asked.wanted.url
        request: JSON = {"wanted": wanted_json(stored)}
        if target is not None:
            request["target"] = str(target.path)
        if asked.webhook is not None:
            request["webhook"] = asked.webhook
        kept = self._kept.get(_key(stored))
        if kept is not None:
            request["resume"] = dict(kept.result)
        return NewTask(
            id=task_id,
            created_at=at,
            graph={},
            request=request,
            metadata=asked.metadata,
            kind=KIND,
            client=client,
            priority=asked.priority,
            max_attempts=self._policy.max_attempts,
            batch_id=batch_id,
            retry_of=retry_of,
        )

    async def plan(self, wanted: Wanted) -> JSON:
        """Say what a link is and where it would go; changes nothing. Raises ApiError as the source does."""
        found, target, problems = await asyncio.to_thread(self._planner.find, wanted)
        sha256 = wanted.sha256 or found.sha256
        state = None if target is None else await self._state(target, sha256)
        if target is not None and state == "different" and not (wanted.overwrite or wanted.unzip):
            problems.append(problem(exists(target.name)))
        document = await asyncio.to_thread(plan, found, target, state, sha256, problems)
        same = await self._shelf.by_sha256(sha256) if sha256 else None
        document["same_file"] = {"folder": same[0], "name": same[1]} if same else None
        return document

    async def _state(self, target: Target, sha256: str | None) -> str:
        if not await asyncio.to_thread(os.path.lexists, target.path):
            return "absent"
        known = await self._known_hash(target)
        if known is None or sha256 is None:
            return "unknown"
        return "present" if known == sha256 else "different"

    async def _known_hash(self, target: Target) -> str | None:
        return await self._shelf.known_sha256(target.folder, target.name)

    # Meanwhile

    async def hold(self, task: Shown, *, pause: bool) -> None:
        """Have a download wait until it is resumed, or go on with one that waits.

        Raises ApiError DOWNLOAD_INVALID_STATE.
        """
        if not isinstance(task, StoredTask) or task.kind != KIND or task.status in FINISHED:
            raise _not_possible("Only a download that has not ended can be paused and resumed.")
        async with self._line.turn:
            run = self._line.run(task.id)
            if run is None and not await self._line.ready.engine.defer(task.id, PAUSED if pause else 0.0):
                raise _not_possible("The download runs in another process, or has just ended.")
        if run is None:
            await self._renew(task.id, "paused" if pause else "queued")
        elif pause:
            run.stop("pause")
            with suppress(asyncio.TimeoutError, TimeoutError):
                await asyncio.wait_for(run.gone.wait(), PAUSE_S)
            stored = await self._line.ready.engine.get(task.id)
            if stored is None or not run.gone.is_set():
                return
            if stored.status == "queued" and stored.not_before < PAUSED:  # it failed just before
                await self.hold(stored, pause=True)

    async def _renew(self, task_id: str, phase: str) -> None:
        task = await self._line.ready.engine.get(task_id)
        if task is not None:
            self.changed(task)
            self._line.ready.hub.publish("status", {"status": task.status, "phase": phase}, task_id)

    def _wanted(self, task: StoredTask) -> Wanted:
        wanted = wanted_of(task.request)
        return replace(wanted, url=self._links.get(task.id, wanted.url))

    async def _arrived(self, record: Record) -> None:
        target = record.target
        if target is None:
            return
        sha256 = record.received.sha256 if record.received and not record.files else None
        for name in record.files or (target.name,):
            await self._shelf.changed(target.folder, name, sha256=sha256, origin=_origin(record.found))


def _record_of(task: StoredTask) -> Record:
    return Record.from_json(task.result or task.request.get("resume") or {})


def _part_of(task: StoredTask) -> str | None:
    """Give whose part a download goes on with, or would."""
    part = sweep.PART.fullmatch(_record_of(task).part or "")
    return None if part is None else part[1]


def _origin(found: Found | None) -> Origin | None:
    if found is None:
        return None
    return Origin(found.page, found.source, found.base_model, found.trigger_words, found.licence)


def _same(wanted: Mapping[str, Any] | None) -> tuple[Any, ...]:
    """Name what a request asks for, as its task keeps it: equal for equal requests."""
    return tuple(sorted((wanted or {}).items()))


def _place(target: str | None) -> str | None:
    """Name the file that a task is known to write, None while that is not known."""
    return None if target is None else os.path.normcase(target)


def _key(wanted: Wanted) -> str:
    """Name what a request fetches and where to: equal for requests that mean the same."""
    parts = (wanted.url, wanted.type, wanted.filename, wanted.target_dir, wanted.sha256, wanted.unzip)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _host_of(url: str) -> str:
    try:
        return parse(url).host
    except ApiError:
        return ""


def _not_possible(message: str) -> Conflict:
    return Conflict("DOWNLOAD_INVALID_STATE", message)
