"""Long work in threads of its own, so that it takes none of those that quick work shares."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, TypeVar, cast

from ..errors import Unavailable
from .hashing import Halted

Result = TypeVar("Result")


class Jobs:
    """Runs at most *most* jobs at once; who asks for one that is under way waits for that.

    Called on the event loop. The threads are daemons: ComfyUI never says goodbye, and none of them leaves
    anything half done that a start does not see.
    """

    def __init__(self, most: int = 2) -> None:
        self._slots = asyncio.Semaphore(most)
        self._halt = threading.Event()
        self._running: dict[Hashable, asyncio.Task[Any]] = {}
        self._threads: set[threading.Thread] = set()

    def go_on(self) -> bool:
        """Say whether jobs shall go on. For the jobs, in their threads."""
        return not self._halt.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait in a job's thread; False at once when it shall end."""
        return not self._halt.wait(seconds)

    async def run(self, key: Hashable, work: Callable[[], Result]) -> Result:
        """Give what *work* gives. A caller that leaves does not end it. Raises Unavailable when stopped."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.get_running_loop().create_task(self._do(work))
            task.add_done_callback(lambda done: self._over(key, done))
        return cast("Result", await asyncio.shield(task))

    def under_way(self, key: Hashable) -> bool:
        """Say whether such a job waits or runs."""
        return key in self._running

    async def stop(self) -> None:
        """End all jobs, as soon as each looks whether it shall go on, and take no more."""
        self._halt.set()
        for task in list(self._running.values()):
            with suppress(Exception):
                await asyncio.shield(task)
        for thread in list(self._threads):
            await asyncio.to_thread(thread.join)

    def _over(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # all who waited may have left: it counts as seen

    async def _do(self, work: Callable[[], Any]) -> Any:
        async with self._slots:
            if self._halt.is_set():
                raise _stopped()
            loop = asyncio.get_running_loop()
            future: asyncio.Future[Any] = loop.create_future()

            def tell(result: Any, error: BaseException | None) -> None:
                if not future.done():
                    future.set_result(result) if error is None else future.set_exception(error)

            def serve() -> None:
                result, failed = None, None
                try:
                    result = work()
                except Halted:
                    failed = _stopped()
                except BaseException as error:
                    failed = error
                with suppress(RuntimeError):  # the loop was closed: nobody waits
                    loop.call_soon_threadsafe(tell, result, failed)

            thread = threading.Thread(target=serve, name="backplane-models", daemon=True)
            self._threads = {*filter(threading.Thread.is_alive, self._threads), thread}
            thread.start()
            return await future


def _stopped() -> Unavailable:
    return Unavailable("HOST_UNAVAILABLE", "The server is being stopped.")
