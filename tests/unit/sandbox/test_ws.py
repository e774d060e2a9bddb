"""The websocket: who is told what, in ComfyUI's messages."""

import asyncio
import io
import json
import struct

import PIL.Image
import pytest
from aiohttp import WSMsgType
from backplane.sandbox import ws as ws_module
from backplane.sandbox.mailbox import Mailbox

DEADLINE_S = 20


class Listener:
    """A websocket client that keeps what it hears."""

    def __init__(self, ws):
        self.ws = ws
        self.heard = []
        self.frames = []

    async def until(self, matches):
        """Listen until a message *matches*; give it."""

        async def listen():
            while True:
                message = await self.ws.receive()
                if message.type == WSMsgType.BINARY:
                    self.frames.append(message.data)
                    continue
                assert message.type == WSMsgType.TEXT, message
                said = json.loads(message.data)
                self.heard.append(said)
                if matches(said):
                    return said

        return await asyncio.wait_for(listen(), DEADLINE_S)

    async def end_of(self, prompt_id):
        done = {"type": "executing", "data": {"node": None, "prompt_id": prompt_id}}
        await self.until(lambda said: said == done)

    def kinds(self, prompt_id):
        return [
            said["type"]
            for said in self.heard
            if said["data"].get("prompt_id") == prompt_id and said["type"] != "progress_state"
        ]


@pytest.fixture
def listen(sandbox):
    async def connect(client_id, **first):
        listener = Listener(await sandbox.client.ws_connect(f"/ws?clientId={client_id}"))
        if first:
            await listener.ws.send_json(first)
        await listener.until(lambda said: said["type"] == ("feature_flags" if first else "status"))
        return listener

    return connect


async def test_a_client_is_greeted_with_the_queue_and_its_id(sandbox, listen):
    greeting = (await listen("me")).heard[0]["data"]
    assert greeting == {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "me"}
    nameless = await sandbox.client.ws_connect("/ws")
    assert len(json.loads((await nameless.receive()).data)["data"]["sid"]) == 32


async def test_a_run_is_told_in_order_to_the_client_that_submitted_it_alone(sandbox, listen, node):
    mine, other = await listen("mine"), await listen("other")
    graph = {"1": node("PackSteps", value=2), "2": node("PackShow", value=["1", 0])}
    prompt_id = await sandbox.queue(graph, client_id="mine")
    await mine.end_of(prompt_id)
    assert mine.kinds(prompt_id) == [
        *("execution_start", "execution_cached", "executing", "progress", "progress", "progress"),
        *("executing", "executed", "execution_success", "executing"),
    ]
    executed = next(said["data"] for said in mine.heard if said["type"] == "executed")
    assert executed == {
        "node": "2",
        "display_node": "2",
        "output": {"value": [2]},
        "prompt_id": prompt_id,
    }
    states = [said["data"]["nodes"] for said in mine.heard if said["type"] == "progress_state"]
    assert states[0]["1"] == {
        "value": 0,
        "max": 1,
        "state": "running",
        "node_id": "1",
        "prompt_id": prompt_id,
        "display_node_id": "1",
        "parent_node_id": None,
        "real_node_id": "1",
    }
    assert {key: state["state"] for key, state in states[-1].items()} == {"1": "finished", "2": "finished"}
    await other.until(
        lambda said: said["data"].get("status", {}).get("exec_info", {}) == {"queue_remaining": 0}
    )
    assert {said["type"] for said in other.heard} == {"status"}


async def test_previews_are_binary_and_carry_the_node_if_the_client_asks_for_it(sandbox, listen, node):
    graph = {"1": node("PackSteps", value=1), "2": node("PackShow", value=["1", 0])}
    plain = await listen("plain")
    first = await sandbox.queue(graph, client_id="plain")
    await plain.end_of(first)
    (frame,) = plain.frames
    assert struct.unpack(">II", frame[:8]) == (1, 2)  # a preview, as PNG
    assert PIL.Image.open(io.BytesIO(frame[8:])).size == (16, 8)

    flags = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
    knowing = await listen("knowing", **flags)
    assert knowing.heard[-1]["data"]["supports_preview_metadata"] is True
    graph["1"]["inputs"]["value"] = 2
    second = await sandbox.queue(graph, client_id="knowing")
    await knowing.end_of(second)
    (frame,) = knowing.frames
    kind, length = struct.unpack(">II", frame[:8])
    about = json.loads(frame[8 : 8 + length])
    assert kind == 4
    assert (about["node_id"], about["prompt_id"], about["image_type"]) == ("1", second, "image/png")
    assert PIL.Image.open(io.BytesIO(frame[8 + length :])).size == (16, 8)


async def test_errors_interrupts_and_blocks_are_told(sandbox, listen, node):
    mine = await listen("mine")
    graph = {"1": node("SandboxFail", message="no"), "2": node("PackShow", value=["1", 0])}
    prompt_id = await sandbox.queue(graph, client_id="mine")
    await mine.end_of(prompt_id)
    error = next(said["data"] for said in mine.heard if said["type"] == "execution_error")
    assert (error["node_id"], error["node_type"], error["exception_message"]) == ("1", "SandboxFail", "no")
    assert "RuntimeError" in error["exception_type"]
    assert error["traceback"]

    graph = {
        "1": node("SandboxSleep", value=1, seconds=600, steps=1),
        "2": node("PackShow", value=["1", 0]),
    }
    prompt_id = await sandbox.queue(graph, client_id="mine")
    await sandbox.started(prompt_id)
    sandbox.host.cancel(prompt_id)
    await mine.end_of(prompt_id)
    assert mine.kinds(prompt_id)[-2:] == ["execution_interrupted", "executing"]

    graph = {"1": node("PackBlock", message="not today"), "2": node("PackShow", value=["1", 0])}
    prompt_id = await sandbox.queue(graph, client_id="mine")
    await mine.end_of(prompt_id)
    assert "execution_success" in mine.kinds(prompt_id)
    blocked = [
        said["data"] for said in mine.heard if said["data"].get("exception_type") == "ExecutionBlocked"
    ]
    assert [b["exception_message"] for b in blocked] == ["Execution Blocked: not today"]


async def test_a_client_that_comes_back_hears_where_its_run_is(sandbox, listen, node):
    first = await listen("mine")
    graph = {
        "1": node("SandboxSleep", value=1, seconds=600, steps=1),
        "2": node("PackShow", value=["1", 0]),
    }
    prompt_id = await sandbox.queue(graph, client_id="mine")
    await sandbox.started(prompt_id)
    again = await listen("mine")
    assert (await again.until(lambda said: said["type"] == "executing"))["data"] == {"node": "1"}
    assert sandbox.host.audience.listens("mine")
    assert (await first.ws.receive()).type in {WSMsgType.TEXT, WSMsgType.CLOSE}
    sandbox.host.cancel(prompt_id)
    await again.end_of(prompt_id)


async def test_a_client_that_vanishes_or_talks_nonsense_harms_nothing(sandbox, listen, node):
    gone, odd = await listen("gone"), await listen("odd")
    for nonsense in ("", "{", "[]", '{"type": "feature_flags", "data": 3}', "null"):
        await odd.ws.send_str(nonsense)
    prompt_id = await sandbox.queue(
        {"1": node("PackSteps", value=3), "2": node("PackShow", value=["1", 0])}, client_id="gone"
    )
    gone.ws._response.connection.transport.abort()
    assert (await sandbox.ended(prompt_id)).status == "succeeded"
    second = await sandbox.queue({"1": node("PackShow", value=1)}, client_id="odd")
    await odd.end_of(second)


async def test_a_client_that_does_not_read_is_let_go(sandbox, listen, monkeypatch, caplog):
    monkeypatch.setattr(ws_module, "OUTBOX", 3)
    slow = await listen("slow")
    audience = sandbox.host.audience
    for _ in range(10):
        audience.tell("slow", "status", {})
    closed = await asyncio.wait_for(anext_close(slow.ws), DEADLINE_S)
    assert closed.data == 1008
    assert "does not read" in caplog.text


async def anext_close(ws):
    while True:
        message = await ws.receive()
        if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSED}:
            return message


async def test_a_mailbox_keeps_the_order_across_threads_and_survives_its_reader():
    got, done = [], asyncio.Event()

    def read(item):
        got.append(item)
        if item == 999:
            done.set()
        if item % 100 == 0:
            raise ValueError(item)

    box = Mailbox(read)
    box.post(0)  # before it is open
    box.open(asyncio.get_running_loop())
    await asyncio.to_thread(lambda: [box.post(number) for number in range(1, 1000)])
    await asyncio.wait_for(done.wait(), DEADLINE_S)
    assert got == list(range(1000))
    box.close()
    box.post(1000)
    assert got[-1] == 999


def test_posting_to_a_loop_that_is_gone_is_dropped():
    loop = asyncio.new_event_loop()
    box = Mailbox(print)
    box.open(loop)
    loop.close()
    box.post(1)
    box.post(2)
