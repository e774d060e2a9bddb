"""The courier: what it sends when, what it does about every answer, and what the outbox is told."""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field

import pytest
from backplane.errors import ApiError
from backplane.tasks.signing import sign
from backplane.tasks.webhooks import BACKOFF_S, LEASE_S, Courier
from outbox import MemoryOutbox

KEY = b"k" * 32
START = 1_000_000.0


@dataclass
class Reply:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class FakePoster:
    """Answers as *plan* says for each host: a reply, an exception, or an event to wait for before a 200."""

    def __init__(self, **plan):
        self.plan = {name.replace("_", "."): answer for name, answer in plan.items()}
        self.sent = []
        self.open = {}
        self.most_open = {}
        self.most_together = 0

    async def post(self, url, body, headers, *, total_s):
        host = url.split("/")[2]
        self.sent.append((url, body, headers))
        self.open[host] = self.open.get(host, 0) + 1
        self.most_open[host] = max(self.most_open.get(host, 0), self.open[host])
        self.most_together = max(self.most_together, sum(self.open.values()))
        try:
            answer = self.plan.get(host, Reply())
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            if isinstance(answer, asyncio.Event):
                await answer.wait()
                answer = Reply()
            await asyncio.sleep(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer
        finally:
            self.open[host] -= 1

    def urls(self):
        return [url for url, *_ in self.sent]


class Bench:
    """A courier with its outbox, its poster, and a clock that a test turns by hand."""

    def __init__(self, secrets=(KEY,), **plan):
        self.now = START
        self.outbox = MemoryOutbox()
        self.poster = FakePoster(**plan)
        self.courier = Courier(self.outbox, self.poster, secrets, clock=lambda: self.now, dice=lambda: 0.5)

    async def until(self, done):
        """Wait for a condition, waking the courier meanwhile."""
        deadline = time.monotonic() + 10
        while not done():
            assert time.monotonic() < deadline, (self.outbox.rows, self.poster.sent)
            self.courier.wake()
            await asyncio.sleep(0)

    async def settled(self, *calls):
        """Wait until the outbox was told this, after all that it was told before."""
        await self.until(lambda: len(self.outbox.log) >= len(calls))
        assert self.outbox.log == list(calls)

    async def turns(self, count=50):
        for _ in range(count):
            self.courier.wake()
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def bench(secrets=(KEY,), **plan):
    made = Bench(secrets, **plan)
    made.courier.start()
    try:
        yield made
    finally:
        await made.courier.stop()


async def test_what_is_due_is_sent_signed_and_settled():
    async with bench() as at:
        at.outbox.put("msg_1", "https://a.test/hook", payload=b'{"a":1}')
        await at.settled(("delivered", "msg_1", 1))
    [(url, body, headers)] = at.poster.sent
    assert (url, body) == ("https://a.test/hook", b'{"a":1}')
    assert headers == {
        "Content-Type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": "1000000",
        "webhook-signature": sign(KEY, "msg_1", 1_000_000, body),
    }


async def test_without_a_secret_it_is_sent_unsigned():
    async with bench(secrets=()) as at:
        at.outbox.put("msg_1")
        await at.settled(("delivered", "msg_1", 1))
    assert "webhook-signature" not in at.poster.sent[0][2]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_success(status: int):
    async with bench(a_test=Reply(status)) as at:
        at.outbox.put("msg_1")
        await at.settled(("delivered", "msg_1", 1))


@pytest.mark.parametrize("status", [199, 301, 302, 308, 400, 401, 404, 429, 500, 503])
async def test_any_other_status_is_tried_again(status: int):
    async with bench(a_test=Reply(status)) as at:
        at.outbox.put("msg_1")
        await at.settled(("retry", "msg_1", 1))
        row = at.outbox.rows["msg_1"]
        assert row.at == START + BACKOFF_S[0]
        assert row.reason.startswith(f"answered {status}")
        assert ("redirects are not followed" in row.reason) == (300 <= status < 400)


async def test_gone_means_gone():
    async with bench(a_test=Reply(410)) as at:
        at.outbox.put("msg_1")
        await at.settled(("dead", "msg_1", 1))


@pytest.mark.parametrize("error", [ApiError("OUTBOUND_TIMEOUT", "too slow"), ZeroDivisionError("s3cret")])
async def test_whatever_is_raised_is_tried_again_and_nothing_secret_is_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
):
    async with bench(a_test=[error, Reply()]) as at:
        at.outbox.put("msg_1")
        await at.settled(("retry", "msg_1", 1))
        assert at.outbox.rows["msg_1"].reason in {"too slow", "ZeroDivisionError"}
        at.now += BACKOFF_S[0]
        await at.settled(("retry", "msg_1", 1), ("delivered", "msg_1", 2))
    assert "s3cret" not in caplog.text


async def test_the_backoff_goes_over_most_of_a_day_and_then_it_is_given_up(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING, "backplane")
    async with bench(a_test=Reply(500)) as at:
        at.outbox.put("msg_1", "https://a.test/s3cret")
        moments = []
        for attempt in range(1, len(BACKOFF_S) + 1):
            await at.until(lambda wanted=attempt: at.outbox.rows["msg_1"].delivery.attempt == wanted)
            moments.append(at.outbox.rows["msg_1"].at - at.now)
            at.now = at.outbox.rows["msg_1"].at
        await at.until(lambda: at.outbox.states() == {"msg_1": "dead"})
    assert tuple(moments) == BACKOFF_S
    assert 20 * 3600 < at.now - START < 24 * 3600
    assert len(at.poster.sent) == len(BACKOFF_S) + 1
    assert {headers["webhook-id"] for *_, headers in at.poster.sent} == {"msg_1"}
    assert len({headers["webhook-timestamp"] for *_, headers in at.poster.sent}) == len(at.poster.sent)
    assert "is given up" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(("dice", "delay"), [(0.0, 4.0), (1.0, 6.0)])
async def test_the_backoff_is_spread(dice: float, delay: float):
    outbox = MemoryOutbox()
    courier = Courier(outbox, FakePoster(a_test=Reply(500)), (), clock=lambda: START, dice=lambda: dice)
    outbox.put("msg_1")
    courier.start()
    while not outbox.log:
        await asyncio.sleep(0)
    await courier.stop()
    assert outbox.rows["msg_1"].at == START + delay


@pytest.mark.parametrize(
    ("value", "delay"),
    [
        ("120", 120),
        (" 3 ", 5),
        ("99999999999999999999", 21600),
        ("Mon, 12 Jan 1970 13:51:40 GMT", 300),
        ("Mon, 12 Jan 1970 00:00:00 GMT", 5),
        ("Mon, 99 Foo 1970 00:00:00 GMT", 5),
        ("-5", 5),
        ("soon", 5),
        ("", 5),
        ("١٢٠", 5),
    ],
)
async def test_retry_after_can_delay_the_next_attempt_within_bounds(value: str, delay: float):
    async with bench(a_test=Reply(429, {"Retry-After": value})) as at:
        at.outbox.put("msg_1")
        await at.settled(("retry", "msg_1", 1))
        assert at.outbox.rows["msg_1"].at == START + delay


async def test_at_most_two_are_under_way_to_a_host_and_eight_in_all():
    hold = asyncio.Event()
    async with bench(**{f"h{number}_test": [Reply(), hold] for number in range(9)}) as at:
        for number in range(9):
            at.outbox.put(f"first_{number}", f"https://h{number}.test/")
        while "pending" in at.outbox.states().values():
            await at.turns(5)
            at.now += 1
        for number in range(45):
            at.outbox.put(f"msg_{number}", f"https://h{number // 5}.test/", at=at.now)
        await at.until(lambda: sum(at.poster.open.values()) == 8)
        await at.turns()
        assert at.poster.most_together == 8
        hold.set()
        while "pending" in at.outbox.states().values():
            await at.turns(5)
            at.now += 1
    assert max(at.poster.most_open.values()) == 2
    assert at.poster.most_together == 8
    assert len(at.poster.sent) == 54


async def test_hosts_that_have_taken_none_yet_leave_places_for_others():
    async with bench(**{f"h{number}_test": asyncio.Event() for number in range(9)}) as at:
        for number in range(45):
            at.outbox.put(f"msg_{number}", f"https://h{number % 9}.test/")
        await at.until(lambda: sum(at.poster.open.values()) == 6)
        await at.turns()
        assert at.poster.most_together == 6


async def test_hosts_that_hang_do_not_block_one_that_works():
    hold = asyncio.Event()
    async with bench(**{f"h{number}_test": hold for number in range(10)}) as at:
        at.outbox.put("warm", "https://good.test/")
        await at.settled(("delivered", "warm", 1))
        for number in range(400):
            at.outbox.put(f"msg_{number}", f"https://h{number % 10}.test/")
        await at.until(lambda: sum(at.poster.open.values()) == 6)
        at.outbox.put("late", "https://good.test/", at=START)
        await at.until(lambda: at.outbox.rows["late"].state == "delivered")
        assert sum(at.poster.open.values()) == 6


async def test_a_host_that_cannot_be_reached_costs_one_attempt_and_not_one_for_each_webhook():
    async with bench(a_test=ApiError("OUTBOUND_FAILED", "unreachable")) as at:
        for number in range(100):
            at.outbox.put(f"msg_{number}")
        while not all(row.delivery.attempt for row in at.outbox.rows.values()):
            at.now += 0.5
            await at.turns(5)
        assert len(at.poster.sent) <= 10
        at.poster.plan["a.test"] = Reply()
        while "pending" in at.outbox.states().values():
            at.now += 1
            await at.turns(5)
    assert set(at.outbox.states().values()) == {"delivered"}


async def test_waiting_for_a_turn_costs_no_attempt():
    hold = asyncio.Event()
    async with bench(a_test=hold) as at:
        for number in range(20):
            at.outbox.put(f"msg_{number}")
        await at.until(lambda: at.poster.open.get("a.test") == 2)
        await at.turns()
        assert {row.delivery.attempt for row in at.outbox.rows.values()} == {0}
        hold.set()
        while "pending" in at.outbox.states().values():
            at.now += 1
            await at.turns(5)
    assert {row.delivery.attempt for row in at.outbox.rows.values()} == {1}
    assert len(at.poster.sent) == 20


async def test_a_later_event_of_a_task_waits_for_the_earlier_one():
    async with bench(a_test=[Reply(500), Reply()]) as at:
        at.outbox.put("first", task_id="t")
        at.outbox.put("second", task_id="t")
        at.outbox.put("other", "https://b.test/", task_id="t")
        await at.until(lambda: at.outbox.rows["other"].state == "delivered")
        await at.turns()
        assert at.outbox.states() == {"first": "pending", "second": "pending", "other": "delivered"}
        at.now += BACKOFF_S[0]
        await at.until(lambda: at.outbox.rows["second"].state == "delivered")
    assert at.outbox.log[-2:] == [("delivered", "first", 2), ("delivered", "second", 1)]


async def test_an_outbox_that_fails_after_a_delivery_is_told_later_and_nothing_is_sent_twice(
    caplog: pytest.LogCaptureFixture,
):
    hold = asyncio.Event()
    async with bench(a_test=hold) as at:
        at.outbox.put("msg_1")
        await at.until(lambda: at.poster.sent)
        at.outbox.fail = 3
        hold.set()
        at.now += LEASE_S  # the outbox would give it again
        await at.settled(("delivered", "msg_1", 1))
        await at.turns()
    assert len(at.poster.sent) == 1
    assert "outbox failed" in caplog.text


async def test_an_outbox_that_gives_again_what_is_under_way_does_not_get_it_sent_twice():
    hold = asyncio.Event()
    async with bench(a_test=hold) as at:
        at.outbox.put("msg_1")
        await at.until(lambda: at.poster.sent)
        at.now += 2 * LEASE_S
        await at.turns()
        assert len(at.poster.sent) == 1


async def test_what_is_under_way_at_a_stop_is_not_counted_and_sent_after_the_next_start():
    at = Bench(a_test=asyncio.Event())
    at.outbox.put("msg_1")
    at.courier.start()
    await at.until(lambda: at.poster.sent)
    await at.courier.stop()
    assert at.outbox.log == [("retry", "msg_1", 0)]
    at.poster.plan["a.test"] = Reply()
    at.now += BACKOFF_S[0]
    at.courier.start()
    await at.until(lambda: at.outbox.states() == {"msg_1": "delivered"})
    await at.courier.stop()
    await at.courier.stop()


async def test_what_was_under_way_when_the_process_died_is_sent_again_when_its_lease_is_over():
    outbox = MemoryOutbox()
    outbox.put("msg_1")
    await outbox.due(START, 8)  # the process that died
    async with bench() as at:
        at.courier._outbox = outbox
        await at.turns()
        assert at.poster.sent == []
        at.now += LEASE_S
        await at.until(lambda: outbox.states() == {"msg_1": "delivered"})


async def test_a_clock_that_is_set_back_does_not_shut_a_host_out():
    async with bench(a_test=[ApiError("OUTBOUND_FAILED", "x"), Reply()]) as at:
        at.outbox.put("msg_1")
        await at.settled(("retry", "msg_1", 1))
        at.now -= 3600
        at.outbox.put("msg_2", at=at.now)
        await at.until(lambda: at.outbox.rows["msg_2"].state == "delivered")


async def test_a_url_without_a_host_is_left_to_the_poster():
    async with bench() as at:
        at.outbox.put("msg_1", "https://[/x/y")
        await at.until(lambda: at.outbox.log)
    assert len(at.poster.sent) == 1


async def test_a_poster_that_is_cancelled_from_within_does_not_stop_the_courier():
    async with bench(a_test=[asyncio.CancelledError(), Reply()]) as at:
        at.outbox.put("msg_1")
        await at.settled(("retry", "msg_1", 0))
        at.now += BACKOFF_S[0]
        await at.settled(("retry", "msg_1", 0), ("delivered", "msg_1", 1))


async def test_only_so_many_hosts_are_remembered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("backplane.tasks.webhooks.HOSTS_KEPT", 5)
    async with bench() as at:
        for number in range(40):
            at.outbox.put(f"msg_{number}", f"https://h{number}.test/")
        while "pending" in at.outbox.states().values():
            at.now += 1
            await at.turns(5)
        assert len(at.courier._hosts) <= 6
