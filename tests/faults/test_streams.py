"""Readers of events that stop reading, vanish, or are still there when the server stops."""

import asyncio
import socket
import sys
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp
import psutil
import pytest
from aiohttp.test_utils import TestServer
from api_client import Api
from backplane.routes import events as event_routes
from backplane.sandbox import app as sandbox_app
from backplane.sandbox.app import Options, create
from graphs import node, salt

READERS = 200


@pytest.fixture
async def inside(tmp_path, monkeypatch):
    """A sandbox in this very process: its (server, tasks), to look at what no route shows."""
    built = []
    build = sandbox_app.services.build
    monkeypatch.setattr(
        sandbox_app.services, "build", lambda *given: built.append(build(*given)) or built[-1]
    )
    monkeypatch.setattr(event_routes, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(event_routes, "WRITE_LIMIT_S", 0.5)
    server = TestServer(create(Options(tmp_path / "data")), host="127.0.0.1")
    await server.start_server()
    await built[0].tasks.engine()
    yield server, built[0].tasks
    await server.close()


async def until(condition):
    while not condition():  # pytest's own timeout ends a hang
        await asyncio.sleep(0.005)


def ask(port, path, *, receive_buffer=None):
    """Open a stream with a bare socket, which reads only when told to."""
    made = socket.socket()
    if receive_buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.connect(("127.0.0.1", port))
    made.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    return made


def connections(server):
    return server.runner.server.connections


@asynccontextmanager
async def reader(server, path="/ext/events"):
    """One that reads all: gives the list of the events' data that grows meanwhile."""
    seen = []

    async def read():
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(None)) as session,
            session.get(server.make_url(path)) as reply,
        ):
            async for line in reply.content:
                if line.startswith(b"data: "):
                    seen.append(line)  # noqa: PERF401 - others look at it meanwhile

    reading = asyncio.create_task(read())
    await until(lambda: seen)
    yield seen
    reading.cancel()
    await asyncio.wait({reading})


async def test_a_reader_that_stops_reading_is_cut_off_and_others_lose_nothing(inside):
    server, tasks = inside
    stalled = ask(server.port, "/ext/events", receive_buffer=4096)
    await until(lambda: tasks.hub._waiting.get(None))
    async with reader(server) as seen:
        await until(lambda: len(tasks.hub._waiting.get(None, ())) == 2)
        [theirs] = [one for one in connections(server) if peer(one) == stalled.getsockname()]
        most, sent = 0, 0
        while theirs.transport is not None:
            tasks.hub.publish("progress", {"number": sent, "filling": "x" * 8000}, "a-task")
            sent += 1
            most = max(most, buffered(theirs))
            await until(lambda wanted=sent: len(seen) > wanted)
        assert len(seen) == sent + 1
        assert most < 2 * event_routes.MOST_AT_ONCE * 8200
        await until(lambda: len(connections(server)) == 1)
    stalled.close()


async def test_what_is_buffered_for_a_reader_that_stops_does_not_grow(inside):
    server, tasks = inside
    stalled = ask(server.port, "/ext/events", receive_buffer=4096)
    await until(lambda: tasks.hub._waiting.get(None))
    [theirs] = connections(server)
    while not buffered(theirs):
        tasks.hub.publish("progress", {"filling": "x" * 8000}, "a-task")
        await asyncio.sleep(0)
    for _ in range(20_000):
        tasks.hub.publish("progress", {"filling": "x" * 8000}, "a-task")
    while theirs.transport is not None:
        assert buffered(theirs) < 2 * event_routes.MOST_AT_ONCE * 8200
        await asyncio.sleep(0.01)
    await until(lambda: not connections(server))
    stalled.close()


def peer(connection):
    return connection.transport.get_extra_info("peername")


def buffered(connection):
    return 0 if connection.transport is None else connection.transport.get_write_buffer_size()


async def test_readers_that_vanish_leave_nothing_behind(inside):
    server, tasks = inside
    task_id = await long_task(server)
    ports = [ask(server.port, path) for path in ("/ext/events", f"/ext/tasks/{task_id}/events") * 25]
    await until(lambda: len(connections(server)) >= 50)
    await until(lambda: sum(map(len, tasks.hub._waiting.values())) == 50)
    for number, made in enumerate(ports):
        if number % 2:  # half of them without a goodbye
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        made.close()
    await until(lambda: not tasks.hub._waiting)
    await until(lambda: not connections(server))


async def test_a_poll_that_waits_and_vanishes_leaves_nothing_behind(inside):
    server, tasks = inside
    task_id = await long_task(server)
    etag = (await get(server, f"/ext/tasks/{task_id}")).headers["ETag"]
    made = ask(server.port, f"/ext/tasks/{task_id}?wait=0.5&etag={quote(etag)}")
    await until(lambda: tasks.hub._waiting.get(task_id))
    made.close()
    await until(lambda: not tasks.hub._waiting and not connections(server))


async def long_task(server):
    """Hold the queue and put one task into it: nothing happens to it."""
    async with aiohttp.ClientSession() as session:
        async with session.post(server.make_url("/ext/queue/pause")) as reply:
            assert reply.status == 200
        graph = {
            "1": node("EmptyImage", width=16, height=16, batch_size=1, color=1),
            "2": node("SaveImage", images=["1", 0], filename_prefix=salt()),
        }
        async with session.post(server.make_url("/ext/tasks"), json={"workflow": graph}) as reply:
            return (await reply.json())["id"]


async def get(server, path):
    async with aiohttp.ClientSession() as session, session.get(server.make_url(path)) as reply:
        await reply.read()
        return reply


async def test_a_reader_whose_tasks_events_are_forgotten_is_not_kept_waiting_for_ever(inside):
    server, tasks = inside
    task_id = await long_task(server)
    reading = asyncio.create_task(get(server, f"/ext/tasks/{task_id}/events"))
    await until(lambda: tasks.hub._waiting.get(task_id))
    # As if it had been slow while 512 other tasks ended.
    async with aiohttp.ClientSession() as session:
        tasks.hub._waiting.clear()
        async with session.post(server.make_url(f"/ext/tasks/{task_id}/cancel")) as reply:
            assert reply.status == 200
    tasks.hub._tasks.pop(task_id)
    await reading


async def test_who_comes_back_with_the_last_id_of_an_ended_task_is_not_kept_waiting_either(inside):
    server, tasks = inside
    task_id = await long_task(server)
    async with aiohttp.ClientSession() as session:
        async with session.post(server.make_url(f"/ext/tasks/{task_id}/cancel")) as reply:
            assert reply.status == 200
        headers = {"Last-Event-ID": tasks.hub.event_id(tasks.hub.newest)}
        async with session.get(server.make_url(f"/ext/tasks/{task_id}/events"), headers=headers) as reply:
            assert (reply.status, await reply.read()) == (200, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM")
async def test_a_server_with_many_readers_stops_cleanly(sandbox):
    process = psutil.Process(sandbox.process.pid)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(sandbox.url, connector=connector) as session:
        api = Api(sandbox, session)
        task = await api.submit(
            {"1": node("ContractSleep", value=1, seconds=60, steps=600, salt=salt())}
            | {"2": node("ContractShow", value=["1", 0])}
        )
        before = process.memory_info().rss
        readers = [
            asyncio.create_task(first_then_rest(api, path))
            for path in ("/ext/events", f"/ext/tasks/{task['id']}/events") * (READERS // 2)
        ]
        await api.until(task["id"], lambda seen: (seen["nodes"]["1"]["value"] or 0) >= 5)
        assert len(process.net_connections("tcp")) > READERS
        assert process.memory_info().rss - before < 100 * 2**20
        assert await asyncio.to_thread(sandbox.stop, 5) == 0
        counts = await asyncio.gather(*readers)
    assert min(counts) > 0
    log = sandbox.log.read_text(errors="replace")
    assert "Traceback" not in log, log[-3000:]


async def first_then_rest(api, path):
    """Read a stream until the server ends it; give how many events came."""
    count = 0
    try:
        async for _ in api.events(path):
            count += 1
    except aiohttp.ClientError:
        pass
    return count
