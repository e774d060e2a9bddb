"""Webhooks through the real outbound client to servers that hang, lie, redirect inwards or go away."""

# ruff: noqa: SIM117 - what is built on what reads better nested

import asyncio
import contextlib
import json
import time
from pathlib import Path

from backplane.access import Limits, Outbound, Rules
from backplane.tasks.engine import Ending, NewDelivery, NewTask
from backplane.tasks.signing import new_secret, parse_secret
from backplane.tasks.store import open_engine
from backplane.tasks.webhooks import Courier, payload
from hostile import Hostile, Names, answer, hangs, reaching, says
from outbox import MemoryOutbox
from standardwebhooks import Webhook


@contextlib.asynccontextmanager
async def delivering(outbound, secret=None):
    outbox = MemoryOutbox()
    courier = Courier(outbox, outbound, [] if secret is None else [parse_secret(secret)])
    courier.start()
    try:
        yield outbox, courier
    finally:
        await courier.stop()


async def until(done, courier):
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        courier.wake()
        await asyncio.sleep(0.01)


async def test_a_receiver_verifies_what_comes_over_the_wire():
    secret = new_secret()
    async with Hostile(says(answer(b"ok"))) as server, reaching(server) as outbound:
        async with delivering(outbound, secret) as (outbox, courier):
            outbox.put("msg_1", server.url("/hook"), payload='{"type":"task.succeeded","data":"ü"}'.encode())
            await until(lambda: outbox.states() == {"msg_1": "delivered"}, courier)
    request, *fields = server.heads[0].strip().split("\r\n")
    assert request == "POST /hook HTTP/1.1"
    headers = dict(field.split(": ", 1) for field in fields)
    assert headers["Content-Type"] == "application/json"
    assert Webhook(secret).verify(server.bodies[0], headers) == {"type": "task.succeeded", "data": "ü"}


async def test_an_endpoint_that_hangs_blocks_nobody():
    names = Names(dead_test=[["127.0.0.1"]], good_test=[["127.0.0.1"]])
    limits = Limits(answer_s=60, stall_s=60, total_s=60)
    async with Hostile(hangs) as dead, Hostile(says(answer(), keep=True)) as good:
        async with reaching(dead, good, resolver=names, limits=limits) as outbound:
            async with delivering(outbound) as (outbox, courier):
                for number in range(50):
                    outbox.put(f"dead_{number}", dead.url(host="dead.test"))
                await until(lambda: dead.connections == 2, courier)
                for number in range(5):
                    outbox.put(f"good_{number}", good.url(host="good.test"), at=time.time())
                    await until(lambda name=f"good_{number}": outbox.rows[name].state == "delivered", courier)
                assert dead.connections == 2
        assert {outbox.rows[f"dead_{number}"].delivery.attempt for number in range(50)} == {0}


async def test_an_endpoint_that_redirects_inwards_is_tried_again_and_nobody_inside_is_called():
    async with Hostile(says(answer(b"secret"))) as inner:
        redirect = says(answer(b"", f"Location: {inner.url()}", status="307 Temporary Redirect"))
        async with Hostile(redirect) as server, reaching(server, inner) as outbound:
            async with delivering(outbound) as (outbox, courier):
                outbox.put("msg_1", server.url())
                await until(lambda: outbox.log, courier)
        assert outbox.log == [("retry", "msg_1", 1)]
        assert "redirects are not followed" in outbox.rows["msg_1"].reason
        assert inner.connections == 0


async def test_an_inner_address_is_never_called_and_the_reason_does_not_tell_more_than_the_url():
    async with Hostile(says(answer())) as inner:
        outbound = Outbound(Rules(allow_http=True))
        async with delivering(outbound) as (outbox, courier):
            outbox.put("msg_1", inner.url("/s3cret"))
            await until(lambda: outbox.log, courier)
        await outbound.close()
        assert inner.connections == 0
    reason = outbox.rows["msg_1"].reason
    assert reason == f"http://127.0.0.1:{inner.port}/… has no public address, or its name cannot be resolved."


async def test_an_endpoint_that_lies_about_its_answer_is_tried_again():
    for said in (b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200", b"HTTP/1.1 999999 ?\r\n\r\n"):
        async with Hostile(says(said)) as server, reaching(server) as outbound:
            async with delivering(outbound) as (outbox, courier):
                outbox.put("msg_1", server.url())
                await until(lambda box=outbox: box.log, courier)
        assert outbox.log == [("retry", "msg_1", 1)]


async def test_an_endpoint_that_comes_back_gets_what_it_missed():
    async with (
        Hostile(says(answer(status="503 Service Unavailable"))) as server,
        reaching(server) as outbound,
    ):
        async with delivering(outbound) as (outbox, courier):
            outbox.put("msg_1", server.url(), payload=b"[1]")
            await until(lambda: outbox.log, courier)
            server._speak = says(answer())
            outbox.rows["msg_1"].at = 0.0  # as if the time had passed
            await until(lambda: outbox.states() == {"msg_1": "delivered"}, courier)
    assert server.bodies == [b"[1]", b"[1]"]
    ids = {line for head in server.heads for line in head.split("\r\n") if line.startswith("webhook-id")}
    assert ids == {"webhook-id: msg_1"}


async def test_a_webhook_in_the_real_store_survives_a_restart_and_keeps_its_id(tmp_path: Path):
    secret, now = new_secret(), time.time()
    path = tmp_path / "tasks.sqlite3"

    @contextlib.asynccontextmanager
    async def process(outbound, later=0.0):
        store = open_engine(path, node="a")
        courier = Courier(store, outbound, [parse_secret(secret)], clock=lambda: time.time() + later)
        courier.start()
        try:
            yield store, courier
        finally:
            await courier.stop()
            await store.close()

    async with Hostile(hangs) as server, reaching(server, limits=Limits()) as outbound:
        async with process(outbound) as (store, courier):
            await store.submit([NewTask(id="t", created_at=now, graph={})])
            claimed = await store.claim("a", ["t"], now=now, lease_s=60)
            body = payload({"id": "t"}, "task.succeeded", now)
            told = NewDelivery(server.url("/hook"), "task.succeeded", body)
            assert await store.complete(claimed.lease, Ending("succeeded", now, deliveries=(told,)))
            await until(lambda: server.heads, courier)  # and stop in the midst of it
        server._speak = says(answer())
        async with process(outbound, later=60.0) as (store, courier):
            await until(lambda: len(server.heads) == 2, courier)
        async with process(outbound, later=60.0) as (store, courier):
            assert await store.next_due() is None
    ids = {line for head in server.heads for line in head.split("\r\n") if line.startswith("webhook-id")}
    assert len(ids) == 1
    assert len(server.heads) == 2
    assert json.loads(server.bodies[0]) == json.loads(server.bodies[1]) == body
    assert server.bodies[0] == server.bodies[1]
