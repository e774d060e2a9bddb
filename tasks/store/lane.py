"""Threads that do what must not be done on the event loop: one thread, one thing at a time.

The threads are daemons: ComfyUI never says goodbye, and what matters is on the disk anyway.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .trouble import StoreError, translated

Resource = TypeVar("Resource")
Result = TypeVar("Result")


def closed() -> StoreError:
    """Give the error for what is asked after :meth:`close`."""
    return StoreError("STORE_UNAVAILABLE", "The store is closed.")


@dataclass(slots=True)
class Job:
    """Something to do in a thread, and who waits for it. *undo* is called if nobody does any more."""

    work: Callable[[Any], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    undo: Callable[[Any], object] | None = None
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        """Tell who waits. On the event loop."""
        if not self.future.cancelled():
            if self.error is None:
                self.future.set_result(self.result)
            else:
                self.future.set_exception(self.error)
        elif self.error is None and self.undo is not None:
            self.undo(self.result)


def settle(jobs: list[Job]) -> None:
    """Tell all who wait for *jobs*: one wake-up for each event loop. In a thread."""
    for loop in {id(job.loop): job.loop for job in jobs}.values():
        own = [job for job in jobs if job.loop is loop]
        try:
            loop.call_soon_threadsafe(lambda own=own: [job.settle() for job in own])
        except RuntimeError:
            continue  # the loop was closed: nobody waits


class Lane(Generic[Resource]):
    """A thread that owns *resource* (a connection to read with) and does one job after the other."""

    def __init__(self, name: str, resource: Resource, let_go: Callable[[Resource], object]) -> None:
        self._resource = resource
        self._let_go = let_go
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=f"backplane-store-{name}", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[Resource], Result]) -> Result:
        """Do *work* in the thread and give its result. StoreError if the file fails."""
        if self._closed:
            raise closed()
        loop = asyncio.get_running_loop()
        job = Job(work, loop, loop.create_future())
        self._jobs.put(job)
        result: Result = await job.future
        return result

    async def close(self) -> None:
        """Do what was asked for before, then end the thread."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.future.cancelled():
                continue
            try:
                job.result = job.work(self._resource)
            except BaseException as error:
                job.error = translated(error)
            settle([job])
            del job  # a waiting thread must not keep the last result alive
        self._let_go(self._resource)
