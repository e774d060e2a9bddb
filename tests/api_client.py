"""A client of one server, with the few calls that the contract tests make all the time."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import aiohttp

FINISHED = {"succeeded", "failed", "cancelled"}


class Api:
    """A client of one server, with the few calls that the tests make all the time."""

    def __init__(self, server, session):
        self.server = server
        self.session = session

    async def get(self, path, *, status=200, **kwargs):
        async with self.session.get(path, **kwargs) as reply:
            body = await reply.text()
            assert reply.status == status, body
            return json.loads(body)

    async def post(self, path, body=None, *, status=200, **kwargs):
        async with self.session.post(path, json=body, **kwargs) as reply:
            text = await reply.text()
            assert status is None or reply.status == status, text
            return json.loads(text) if text else None

    async def error(self, path, body=None, *, method="POST", status, **kwargs):
        async with self.session.request(method, path, json=body, **kwargs) as reply:
            text = await reply.text()
            assert reply.status == status, text
            error = json.loads(text)["error"]
            assert set(error) == {"code", "message", "hint", "details"}
            return error

    def events(self, path, last=None):
        """Give the events of a stream: (id, name, data) each, until it ends or the caller stops."""
        return events_of(self.session, path, last)

    async def submit(self, workflow, **fields):
        return await self.post("/ext/tasks", {"workflow": workflow, **fields}, status=202)

    async def task(self, task_id):
        return await self.get(f"/ext/tasks/{task_id}")

    async def until(self, task_id, condition, *, seconds=60):
        """Poll a task until *condition* holds for it; give every snapshot that was seen."""
        deadline = time.monotonic() + seconds
        seen = []
        while True:
            seen.append(await self.task(task_id))
            if condition(seen[-1]):
                return seen
            assert seen[-1]["status"] not in FINISHED, seen[-1]
            assert time.monotonic() < deadline, seen[-1]
            await asyncio.sleep(0.01)

    async def finish(self, task_id, *, seconds=60):
        """Poll a task to its end; give every snapshot that was seen."""
        return await self.until(task_id, lambda task: task["status"] in FINISHED, seconds=seconds)

    async def run(self, workflow, **fields):
        """Run a workflow to its end and give the task."""
        task = await self.submit(workflow, **fields)
        return (await self.finish(task["id"]))[-1]

    @asynccontextmanager
    async def paused(self, *, seconds=30):
        """Hold the queue, with nothing of an earlier test in it or in ComfyUI's own."""
        deadline = time.monotonic() + seconds
        while any((queue := await self.get("/ext/queue"))["comfyui"].values()) or queue["length"]:
            assert time.monotonic() < deadline, queue
            await asyncio.sleep(0.01)
        await self.post("/ext/queue/pause")
        try:
            yield
        finally:
            await self.post("/ext/queue/resume")

    async def until_known(self, task_id, *, seconds=10):
        """Wait until a prompt that another client queued is a task."""
        deadline = time.monotonic() + seconds
        while True:
            async with self.session.get(f"/ext/tasks/{task_id}") as reply:
                if reply.status == 200:
                    return
            assert time.monotonic() < deadline, f"{task_id} is not known"
            await asyncio.sleep(0.01)

    async def finish_foreign(self, task_id):
        """Follow a prompt that another client queued; give every snapshot that was seen."""
        await self.until_known(task_id)
        return await self.finish(task_id)


async def events_of(session, path, last=None):
    headers = {"Last-Event-ID": last} if last else {}
    timeout = aiohttp.ClientTimeout(total=60)
    async with session.get(path, headers=headers, timeout=timeout) as reply:
        assert reply.status == 200, await reply.text()
        assert reply.content_type == "text/event-stream"
        fields = {}
        async for raw in reply.content:
            line = raw.decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "event" in fields:
                yield fields["id"], fields["event"], json.loads(fields["data"])
                fields = {}
