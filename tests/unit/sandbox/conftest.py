"""A sandbox with the test pack, and short words for what tests do with it."""

import asyncio
import shutil
import uuid
from pathlib import Path

import pytest
from backplane.host.protocol import NodeStarted, RunEnded
from backplane.sandbox.app import HOST, Options, create, make_host

PACK = Path(__file__).parent / "pack"
DEADLINE_S = 20


class Sandbox:
    """A running sandbox, spoken to over HTTP, with all that its host reports."""

    def __init__(self, client, host):
        self.client = client
        self.host = host
        self.events = []
        self._arrived = asyncio.Condition()
        self._wakers = set()
        host.subscribe(self._arrive)

    def _arrive(self, event):
        self.events.append(event)
        waker = asyncio.ensure_future(self._wake())
        self._wakers.add(waker)
        waker.add_done_callback(self._wakers.discard)

    async def _wake(self):
        async with self._arrived:
            self._arrived.notify_all()

    async def event(self, matches):
        """Wait for the first event that *matches*."""

        def found():
            return next((event for event in self.events if matches(event)), None)

        async def arrival():
            async with self._arrived:
                await self._arrived.wait_for(lambda: found() is not None)

        await asyncio.wait_for(arrival(), DEADLINE_S)
        return found()

    async def queue(self, graph, **more):
        """Submit a workflow; give its id."""
        answer = await self.client.post("/prompt", json={"prompt": graph, **more})
        body = await answer.json()
        assert answer.status == 200, body
        return body["prompt_id"]

    async def refused(self, graph, **more):
        """Submit a workflow that must be refused; give the answer."""
        answer = await self.client.post("/prompt", json={"prompt": graph, **more})
        assert answer.status == 400
        return await answer.json()

    async def ended(self, prompt_id):
        return await self.event(lambda event: isinstance(event, RunEnded) and event.prompt_id == prompt_id)

    async def started(self, prompt_id, node_id=None):
        return await self.event(
            lambda event: (
                isinstance(event, NodeStarted)
                and event.prompt_id == prompt_id
                and node_id in (None, event.node_id)
            )
        )

    async def run(self, graph, **more):
        """Submit a workflow and wait for its end."""
        return await self.ended(await self.queue(graph, **more))

    async def history(self, prompt_id):
        return (await (await self.client.get(f"/history/{prompt_id}")).json())[prompt_id]

    def of(self, prompt_id, kind):
        """The events of one kind of one prompt."""
        return [e for e in self.events if isinstance(e, kind) and e.prompt_id == prompt_id]

    async def bytes_of(self, image):
        answer = await self.client.get("/view", params=image)
        assert answer.status == 200
        return await answer.read()


@pytest.fixture(scope="session")
def example(tmp_path_factory):
    """The example picture, drawn once for all tests."""
    folder = tmp_path_factory.mktemp("drawn")
    make_host(Options(folder))
    return folder / "input" / "example.png"


@pytest.fixture
async def sandbox(aiohttp_client, tmp_path, example):
    (tmp_path / "data" / "input").mkdir(parents=True)
    shutil.copy(example, tmp_path / "data" / "input")
    app = create(Options(tmp_path / "data", node_packs=(PACK,), step_s=0.0))
    return Sandbox(await aiohttp_client(app), app[HOST])


@pytest.fixture
def new_id():
    return lambda: str(uuid.uuid4())


@pytest.fixture
def node():
    def make(class_type, **inputs):
        return {"class_type": class_type, "inputs": inputs}

    return make
