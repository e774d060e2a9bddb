"""Tells others how tasks ended: signed webhooks, delivered at least once.

All that must outlive the process is in the :class:`Outbox`; the :class:`Courier` knows only what is under
way. One loop asks the outbox what is due, starts attempts, and writes down how they ended, so the outbox is
never asked two things at once::

    outbox.due ─► attempt (at most 8, 2 per host) ─► verdict ─► outbox.delivered | retry | dead
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from ..errors import JSON, ApiError
from ..wire import rfc3339
from .signing import sign

log = logging.getLogger("backplane")

EVENTS = ("task.succeeded", "task.failed", "task.cancelled")
"""The events there are: ``task.`` and the status that a task ended with."""

BACKOFF_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0, 21600.0, 21600.0)
"""Seconds from each failed attempt to the next; when all are used up, about 22 hours, it is given up."""
JITTER = 0.2
MOST_RETRY_AFTER_S = 21600.0
TIMEOUT_S = 15.0
CONCURRENCY = 8
PER_HOST = 2
UNPROVEN = 6
"""At most so many attempts go to hosts that have not taken a webhook yet: the rest is for those that do."""
HOSTS_KEPT = 1000
BUSY_S, MOST_BUSY_S = 2.0, 60.0
"""How soon a delivery comes back for which its host has no place, at the soonest and at the latest."""
ROUNDS = 8
"""How often the outbox is asked before verdicts are written down again."""
DOWN_S = 4.0
"""How long a host that could not be reached is left alone; less than the first step of the backoff."""
LEASE_S = 60.0
"""See :class:`Outbox`."""
LEAST_WAIT_S, MOST_WAIT_S = 1.0, 30.0
FAILED_OUTBOX_S = 5.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook in the outbox. *id* is its ``webhook-id``, the same at every attempt.

    *payload* is the body, byte for byte the same at every attempt; *attempt* is how many were made.
    """

    id: str
    task_id: str
    url: str
    event: str
    payload: bytes
    attempt: int
    created_at: float


class Outbox(Protocol):
    """Where webhooks wait. Times are Unix seconds; a call returns when what it did is on the disk.

    Calls about a delivery that is no longer there do nothing.
    """

    async def due(self, now: float, limit: int) -> list[Delivery]:
        """Give up to *limit* pending deliveries whose time has come, the longest due first.

        Leaves out a delivery while an earlier one of the same task to the same URL is pending: the order of
        a task's events is kept. What was given is not given again, to whatever process, until it is settled
        by one of the calls below or LEASE_S have passed.
        """
        ...

    async def delivered(self, delivery_id: str, attempt: int, status: int, now: float) -> None:
        """Settle: attempt number *attempt* was answered with *status*, a 2xx."""
        ...

    async def retry(self, delivery_id: str, attempt: int, at: float, reason: str) -> None:
        """Settle for now: *attempt* attempts were made, the next is due *at*."""
        ...

    async def dead(self, delivery_id: str, attempt: int, reason: str, now: float) -> None:
        """Settle: it is given up after *attempt* attempts."""
        ...

    async def next_due(self) -> float | None:
        """Say when :meth:`due` may next give something: now or in the past, later, or None for never."""
        ...


class Reply(Protocol):
    """What the courier needs of an answer."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers, by names of any case."""
        ...


class Poster(Protocol):
    """Who sends requests: an ``Outbound``."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, total_s: float) -> Reply:
        """POST, following no redirect. Raises ApiError if there is no answer within *total_s*."""
        ...


def payload(task: Mapping[str, Any], event: str, at: float) -> JSON:
    """Give the body of a webhook as a value. *task* as replies carry it, *at* in Unix seconds."""
    return {"type": event, "timestamp": rfc3339(at), "data": dict(task)}


def encoded(document: Mapping[str, Any]) -> bytes:
    """Give a webhook's body as bytes; NaN and infinities, which JSON lacks, are refused with ValueError."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def new_id() -> str:
    """Make a ``webhook-id``."""
    return "msg_" + uuid.uuid4().hex


@dataclass(slots=True)
class _Host:
    """What is known of a host."""

    under_way: int = 0
    down_until: float = 0.0
    """Until when it is left alone."""
    proven: bool = False
    """Whether it took a webhook since it last could not be reached."""
    pace_s: float = 0.1
    """How long an attempt takes."""
    last_turn: float = 0.0
    """When the last delivery comes back that had to wait."""

    def turn(self, now: float) -> float:
        """Say when a delivery shall come back for which there is no place now: one after the other."""
        turn = max(self.last_turn, now + BUSY_S) + self.pace_s / PER_HOST
        self.last_turn = min(turn, now + MOST_BUSY_S)
        return self.last_turn


@dataclass(slots=True)
class _Attempt:
    """An attempt under way, or one whose verdict is not yet in the outbox."""

    delivery: Delivery
    host: str
    verdict: Callable[[], Awaitable[None]] | None = field(default=None)


class Courier:
    """Delivers what is in *outbox* through *poster*, signed with each of *secrets* (none: not signed).

    :meth:`start` and :meth:`stop` it on the event loop, and :meth:`wake` it there after something was put
    into the outbox. *clock* gives Unix seconds, *dice* numbers from 0 to 1.
    """

    def __init__(
        self,
        outbox: Outbox,
        poster: Poster,
        secrets: Sequence[bytes],
        *,
        clock: Callable[[], float] = time.time,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._outbox = outbox
        self._poster = poster
        self._secrets = tuple(secrets)
        self._clock = clock
        self._dice = dice
        self._attempts: dict[str, _Attempt] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._hosts: dict[str, _Host] = {}
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to deliver."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """Look into the outbox now."""
        self._wake.set()

    async def stop(self) -> None:
        """Break off. What was under way is still in the outbox and is delivered after the next start."""
        running = [*self._sending, *([self._loop] if self._loop is not None else [])]
        self._loop = None
        for each in running:
            each.cancel()
        if running:
            await asyncio.wait(running)
        with contextlib.suppress(Exception):
            await self._write_verdicts()
        self._attempts.clear()

    async def _run(self) -> None:
        # Before Python 3.12, wait_for can lose a cancellation; then this ends the loop.
        while self._loop is asyncio.current_task():
            self._wake.clear()
            try:
                wait = await self._round()
            except Exception:
                log.exception("The webhook outbox failed; it is tried again")
                wait = FAILED_OUTBOX_S
                self._wake.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)

    async def _round(self) -> float:
        """Write down what ended, start what is due; say how long there is nothing more to do."""
        await self._write_verdicts()
        for _ in range(ROUNDS):
            free = CONCURRENCY - len(self._sending)
            if not free:
                return MOST_WAIT_S  # whoever ends first wakes the loop
            found = await self._outbox.due(self._clock(), free)
            fresh = [delivery for delivery in found if delivery.id not in self._attempts]
            for delivery in fresh:
                await self._take(delivery)
            if len(found) < free or not fresh:
                break
        else:
            return 0.0
        at = await self._outbox.next_due()
        if at is None:
            return MOST_WAIT_S
        # Never longer than MOST_WAIT_S: clocks jump, and another process may have put something in.
        return min(max(at - self._clock(), LEAST_WAIT_S), MOST_WAIT_S)

    async def _write_verdicts(self) -> None:
        for delivery_id, attempt in list(self._attempts.items()):
            if attempt.verdict is not None:
                await attempt.verdict()
                del self._attempts[delivery_id]

    # Which attempt is made

    async def _take(self, delivery: Delivery) -> None:
        now = self._clock()
        name = _host_of(delivery.url)
        host = self._host(name)
        if now < host.down_until < now + 2 * DOWN_S:  # the rest: the clock was set back
            # Counted as an attempt, so that it is given up after as many hours as any other.
            await self._failed(delivery, "its host could not be reached a moment ago")()
        elif host.under_way >= PER_HOST or (not host.proven and self._unproven() >= UNPROVEN):
            await self._outbox.retry(delivery.id, delivery.attempt, host.turn(now), "waits for its turn")
        else:
            host.under_way += 1
            attempt = self._attempts[delivery.id] = _Attempt(delivery, name)
            sending = asyncio.get_running_loop().create_task(self._send(attempt))
            self._sending.add(sending)
            sending.add_done_callback(lambda task: self._sent(task, attempt))

    def _host(self, name: str) -> _Host:
        host = self._hosts.pop(name, None) or _Host()
        self._hosts[name] = host  # the one used last stands last
        if len(self._hosts) > HOSTS_KEPT:
            idle = next((each for each, kept in self._hosts.items() if not kept.under_way), None)
            if idle is not None and idle != name:
                del self._hosts[idle]
        return host

    def _unproven(self) -> int:
        return sum(host.under_way for host in self._hosts.values() if not host.proven)

    # The attempt

    async def _send(self, attempt: _Attempt) -> None:
        delivery, host = attempt.delivery, self._hosts[attempt.host]
        began = self._clock()
        timestamp = int(began)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(timestamp),
        }
        if self._secrets:
            headers["webhook-signature"] = sign(self._secrets, delivery.id, timestamp, delivery.payload)
        try:
            # The poster keeps the time by itself; this is for one that does not.
            reply = await asyncio.wait_for(
                self._poster.post(delivery.url, delivery.payload, headers, total_s=TIMEOUT_S), 2 * TIMEOUT_S
            )
        except ApiError as error:
            host.down_until, host.proven = self._clock() + DOWN_S, False
            attempt.verdict = self._failed(delivery, error.message)
        except Exception as error:
            fault = type(error).__name__  # no more of it: what it says may hold the URL
            log.error("Webhook %s could not be sent: %s", delivery.id, fault)  # noqa: TRY400
            attempt.verdict = self._failed(delivery, fault)
        else:
            host.down_until = 0.0
            host.pace_s = min(max(self._clock() - began, 0.01), TIMEOUT_S)
            attempt.verdict = self._judged(delivery, host, reply)

    def _sent(self, task: asyncio.Task[None], attempt: _Attempt) -> None:
        self._sending.discard(task)
        self._hosts[attempt.host].under_way -= 1
        if not task.cancelled():
            task.exception()  # looked at, so that the loop does not complain
        if attempt.verdict is None:  # stopped in the midst of it: not counted
            delivery, at = attempt.delivery, self._clock() + BACKOFF_S[0]
            attempt.verdict = lambda: self._outbox.retry(delivery.id, delivery.attempt, at, "broken off")
        self._wake.set()

    def _judged(self, delivery: Delivery, host: _Host, reply: Reply) -> Callable[[], Awaitable[None]]:
        attempt, now, status = delivery.attempt + 1, self._clock(), reply.status
        if 200 <= status < 300:
            host.proven = True
            return lambda: self._outbox.delivered(delivery.id, attempt, status, now)
        if status == 410:
            return lambda: self._outbox.dead(delivery.id, attempt, "answered 410, gone", now)
        reason = f"answered {status}"
        if 300 <= status < 400:
            reason += ", and redirects are not followed"
        return self._failed(delivery, reason, _retry_after(reply.headers.get("Retry-After"), now))

    def _failed(
        self, delivery: Delivery, reason: str, retry_after: float = 0.0
    ) -> Callable[[], Awaitable[None]]:
        """Give the call that writes down that one more attempt failed."""
        attempt, now = delivery.attempt + 1, self._clock()
        if attempt > len(BACKOFF_S):
            log.warning("Webhook %s of task %s is given up: %s", delivery.id, delivery.task_id, reason)
            return lambda: self._outbox.dead(delivery.id, attempt, reason, now)
        spread = 1 + JITTER * (2 * self._dice() - 1)
        delay = max(BACKOFF_S[attempt - 1] * spread, min(retry_after, MOST_RETRY_AFTER_S))
        return lambda: self._outbox.retry(delivery.id, attempt, now + delay, reason)


def _host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").removesuffix(".")
    except ValueError:
        return ""


def _retry_after(value: str | None, now: float) -> float:
    """Read ``Retry-After`` as seconds from now; 0 where there is none that can be read."""
    if value is None:
        return 0.0
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return float(value[:12])
    try:
        at = parsedate_to_datetime(value)
        return at.replace(tzinfo=at.tzinfo or timezone.utc).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return 0.0
