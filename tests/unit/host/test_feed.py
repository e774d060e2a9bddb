import asyncio
import threading

from backplane.host.feed import SLICE, Feed, Throttle


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_reports_arrive_in_order_and_the_wake_after_them():
    seen = []
    feed = Feed(asyncio.get_running_loop(), seen.append, lambda: seen.append("idle"))

    def work():
        for number in range(3 * SLICE):
            feed.put(number)
        feed.wake()

    worker = threading.Thread(target=work)
    worker.start()
    await asyncio.to_thread(worker.join)
    await settle()

    assert seen == [*range(3 * SLICE), "idle"]


async def test_a_burst_leaves_the_loop_its_turns():
    seen = []
    feed = Feed(asyncio.get_running_loop(), seen.append, lambda: None)
    for number in range(2 * SLICE):
        feed.put(number)

    await asyncio.sleep(0)
    after_one_turn = len(seen)
    await settle()

    assert after_one_turn == SLICE
    assert len(seen) == 2 * SLICE


async def test_a_report_that_cannot_be_handled_costs_only_itself(caplog):
    seen = []

    def handle(item):
        if item == 1:
            raise RuntimeError("no")
        seen.append(item)

    feed = Feed(asyncio.get_running_loop(), handle, lambda: None)
    for number in range(3):
        feed.put(number)
    await settle()

    assert seen == [0, 2]
    assert "could not be handled" in caplog.text


def test_reports_after_the_server_went_down_are_dropped_in_silence():
    loop = asyncio.new_event_loop()
    feed = Feed(loop, lambda item: None, lambda: None)
    loop.close()

    feed.put(1)
    feed.wake()


def test_the_last_step_always_passes_the_throttle():
    throttle = Throttle(interval_s=1000)

    assert throttle.passes("1", 1, 20)
    assert not throttle.passes("1", 2, 20)
    assert throttle.passes("2", 2, 20)
    assert throttle.passes("1", 20, 20)
