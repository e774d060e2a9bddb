"""Peaks of memory, node by node."""

import threading
import time

import psutil
import pytest
from backplane.host.meters import Meters, Peaks, VramProbe


class Device:
    """A device whose allocator the test moves by hand."""

    def __init__(self):
        self.now = self.high = self.extra = 0
        self.asked = 0

    def allocate(self, size):
        self.now += size
        self.high = max(self.high, self.now)

    def reset(self):
        self.high = self.now

    def peak(self):
        self.asked += 1
        return self.high

    def probe(self, *, extra=False):
        return VramProbe(self.reset, self.peak, (lambda: self.extra) if extra else None)


@pytest.fixture
def device():
    return Device()


@pytest.fixture
def meters():
    made = []

    def make(*args, **options):
        made.append(Meters(*args, **options))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_each_node_has_the_peak_of_its_own_time(meters, device):
    made = meters(device.probe())
    made.start("1")
    device.allocate(500)
    device.allocate(-400)
    assert made.finish("1") == Peaks(500, None)
    made.start("2")
    device.allocate(50)
    assert made.finish("2") == Peaks(150, None)


def test_a_node_that_expands_has_the_peak_of_its_children_too(meters, device):
    made = meters(device.probe())
    made.start("2")
    device.allocate(900)
    device.allocate(-900)
    made.start("2.0.0.1")
    device.allocate(100)
    assert made.finish("2.0.0.1") == Peaks(100, None)
    assert made.finish("2") == Peaks(900, None)


def test_a_node_that_begins_again_keeps_its_peak(meters, device):
    made = meters(device.probe())
    made.start("1")
    device.allocate(300)
    device.allocate(-300)
    made.start("1")
    assert made.finish("1") == Peaks(300, None)


def test_a_node_that_came_from_the_cache_has_no_peaks(meters, device):
    assert meters(device.probe()).finish("1") == Peaks(None, None)


def test_without_a_device_only_the_ram_is_known(meters):
    made = meters(None, lambda: 7)
    made.start("1")
    assert made.finish("1") == Peaks(None, 7)


def test_with_nothing_to_ask_nothing_is_known_and_no_thread_runs(meters):
    made = meters()
    made.start("1")
    assert made.finish("1") == Peaks()
    assert made._thread is None


def test_dynamic_vram_is_added_at_its_own_peak(meters, device):
    made = meters(device.probe(extra=True), interval_s=0.001)
    made.start("1")
    device.allocate(100)
    device.extra = 1000
    until(lambda: made._open["1"].extra == 1000)
    device.extra = 10
    assert made.finish("1") == Peaks(1100, None)


def test_a_peak_of_ram_between_start_and_finish_is_seen(meters):
    held = [10]
    made = meters(None, lambda: held[0], interval_s=0.001)
    made.start("1")
    held[0] = 99
    until(lambda: made._open["1"].ram == 99)
    held[0] = 5
    assert made.finish("1").ram_bytes == 99


class Watched(threading.Event):
    """Says when the sampling thread sleeps on it."""

    asleep = False

    def wait(self, timeout=None):
        self.asleep = not self.is_set()
        done = super().wait(timeout)
        self.asleep = False
        return done


def test_nothing_is_sampled_while_no_node_runs(meters):
    asked = []
    made = meters(None, lambda: asked.append(1) or 1, interval_s=0.001)
    made._busy = Watched()
    made.start("1")
    until(lambda: len(asked) > 5)
    made.finish("1")
    until(lambda: made._busy.asleep)
    count = len(asked)
    made.start("2")
    until(lambda: len(asked) > count + 3)


def test_a_prompt_that_failed_is_cleared(meters, device):
    made = meters(device.probe(), lambda: 1)
    made.start("1")
    made.clear()
    assert made._open == {}
    assert not made._busy.is_set()
    assert made.finish("1") == Peaks()


def test_nodes_that_never_finish_are_bounded(meters, device):
    made = meters(device.probe())
    for number in range(5000):
        made.start(str(number))
    assert len(made._open) <= 1000


def test_a_counter_that_fails_costs_only_its_number_and_is_given_up(meters, device):
    asked = []

    def broken():
        asked.append(1)
        raise RuntimeError("no CUDA")

    made = meters(VramProbe(device.reset, broken, broken), lambda: 5, interval_s=10)
    for number in range(20):
        made.start(str(number))
        assert made.finish(str(number)) == Peaks(None, 5)
    assert len(asked) == 6


def test_a_peak_that_cannot_be_reset_is_not_believed(meters, device):
    def broken():
        raise RuntimeError

    made = meters(VramProbe(broken, device.peak))
    device.allocate(100)
    made.start("1")
    assert made.finish("1") == Peaks(None, None)


def test_odd_answers_never_raise(meters):
    made = meters(VramProbe(lambda: None, lambda: "x", lambda: None), object)
    made.start("1")
    made.start(None)
    assert made.finish("1") == Peaks()
    assert made.finish(["unhashable"]) == Peaks()


def test_the_real_process_is_measured(meters):
    process = psutil.Process()
    made = meters(None, lambda: process.memory_info().rss)
    made.start("1")
    assert made.finish("1").ram_bytes > 1_000_000
