"""The parts of a transfer that need no server: ranges, answers, the pace. The rest is in tests/faults."""

import random
import threading
import time
from email.utils import formatdate

import pytest
from backplane.access import StreamError
from backplane.downloads.follower import Follower, Keeper
from backplane.downloads.pacing import Pacer
from backplane.downloads.part import Part
from backplane.downloads.ranges import (
    ContentRange,
    Work,
    is_strong,
    parse_content_range,
    parse_unsatisfied,
    range_header,
)
from backplane.downloads.replies import (
    LONGEST_WAIT_S,
    cleaned,
    is_page,
    of_status,
    of_stream_error,
    retry_after_s,
)
from backplane.errors import CODES
from hostile_http import nothing_left, sha256, some_bytes
from transfers import Inspecting


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("bytes 0-4/5", ContentRange(0, 5, 5)),
        ("Bytes 5-5/*", ContentRange(5, 6, None)),
        *[
            (bad, None)
            for bad in ("bytes 5-4/9", "bytes 0-5/5", "bytes */5", "items 0-4/5", "bytes 0-4", "", None)
        ],
        *[(bad, None) for bad in ("bytes -4-4/5", "bytes 0-4/5, 0-4/5", "bytes 0-9999999999999999999/*")],
    ],
)
def test_content_range(value, found):
    assert parse_content_range(value) == found


def test_ranges_as_they_are_asked_for_and_refused():
    assert (range_header(5, None), range_header(5, 9)) == ("bytes=5-", "bytes=5-8")
    assert [parse_unsatisfied(value) for value in ("bytes */5", "bytes 0-4/5", None)] == [5, None, None]
    assert [is_strong(etag) for etag in ('"a"', 'W/"a"', '""', "a", None)] == [
        True,
        False,
        False,
        False,
        False,
    ]


def test_a_segment_is_split_in_half_for_whoever_is_free():
    work = Work([(0, 100)], least=10)
    first, second, third = work.take(), work.take(), work.take()
    assert [(each.at, each.end) for each in (first, second, third)] == [(0, 25), (50, 100), (25, 50)]
    work.advance(second, 40)
    work.release(second)
    fourth = work.take()
    assert (fourth.at, fourth.end) == (90, 100)
    work.advance(fourth, 10)
    work.release(fourth)
    assert work.left(first, 99) == 25
    assert [work.take().at, work.take().at] in ([12, 37], [37, 12])
    assert work.take() is None


def test_an_open_end_is_not_split_before_the_size_is_known():
    work = Work([(5, None)], least=10)
    segment = work.take()
    assert (work.take(), work.left(segment, 7)) == (None, 7)
    work.bound(105)
    assert (work.take().at, segment.end) == (55, 55)


def test_segments_given_back_and_stolen_at_random_cover_all():
    dice = random.Random(5)
    for _ in range(50):
        size, done, mine = 10_000, set(), []
        work = Work([(0, 3000), (4000, size)], least=64)
        while True:
            segment = work.take() if len(mine) < 4 else None
            if segment is not None:
                mine.append(segment)
            if not mine:
                break
            one = dice.choice(mine)
            count = work.left(one, dice.randrange(1, 60))
            done |= set(range(one.at, one.at + count))
            work.advance(one, count)
            if count == 0 or dice.random() < 0.05:
                mine.remove(one)
                work.release(one)
        assert done == set(range(3000)) | set(range(4000, size))


# Answers


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *[("7", 7.0), (" 0 ", 0.0), ("9" * 40, LONGEST_WAIT_S), ("-1", None), ("1.5", None), ("soon", None)],
        *[
            ("", None),
            ("\u0667", None),
            (formatdate(1060, usegmt=True), 60.0),
            (formatdate(0, usegmt=True), 0.0),
        ],
        *[("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT_S), ("Fri, 99 Dec 2099 23:59:59 GMT", None)],
    ],
)
def test_retry_after(value, seconds):
    assert retry_after_s((("retry-after", value),), now=1000.0) == seconds


def test_every_kind_of_stream_error_and_status_has_a_code():
    from typing import get_args

    from backplane.access.line import Kind

    for kind in get_args(Kind):
        assert of_stream_error(StreamError(kind, "words")).code in CODES
    for status in range(200, 600):
        error = of_status(status, (), b"", "https://a.test")
        assert error.code in CODES
        assert str(status) in error.message
    assert of_status(599, (), b"", "").retryable
    assert not of_status(400, (), b"", "").retryable


@pytest.mark.parametrize(
    ("media_type", "page"),
    [
        *[
            ("text/html", True),
            ("TEXT/HTML; charset=x", True),
            ("application/json", True),
            ("text/xml", True),
        ],
        *[
            ("application/xhtml+xml", True),
            ("application/ld+json;v=1", True),
            ("application/problem+json", True),
        ],
        *[("application/octet-stream", False), ("text/plain", False), ("binary/octet-stream", False)],
        *[("application/zip", False), ("", False), (None, False), ("application/jsonx", False)],
    ],
)
def test_pages_are_told_from_files(media_type, page):
    assert is_page(media_type) is page


def test_an_excerpt_has_words_and_no_secrets():
    body = b"<p>Sign in\x00 at https://a.test/x?token=abc or use hf_AbCdEfGhIjKlMnOpQrStUvWxYz0123</p>" * 9
    said = cleaned(body)
    assert said.startswith("Sign in at … or use …")
    assert len(said) <= 200
    assert not any(secret in said for secret in ("hf_", "token", "<p>", "\x00"))
    assert cleaned(b"\xff\xfe") == "\ufffd\ufffd"


# The pace


def test_the_speed_is_that_of_the_last_seconds():
    now, told, landed = [100.0], [], [0]
    pacer = Pacer(told.append, lambda: now[0])
    pacer.size = 10_000

    def pass_by(seconds, speed):
        for _ in range(int(seconds * 10)):
            now[0] += 0.1
            landed[0] += speed * 0.1
            pacer.tick(lambda: landed[0])

    pacer.tick(lambda: 0)
    assert told[0].speed is None
    pass_by(2, 1000)
    assert told[-1].speed == pytest.approx(1000, rel=0.01)
    assert len(told) <= 10
    pass_by(30, 5000)
    assert told[-1].speed == pytest.approx(5000, rel=0.01)
    pass_by(30, 0)
    assert told[-1].speed < 50
    pacer.phase = "retrying"
    pacer.tick(lambda: landed[0], now=True)
    assert (told[-1].speed, told[-1].phase) == (None, "retrying")
    pacer.phase = "downloading"
    pacer.tick(lambda: 0, now=True)
    assert told[-1].speed is None, "begun anew"


# What goes on behind


@pytest.fixture
def part(tmp_path):
    made = Part.create(tmp_path / ".task.part")
    yield made
    made.close()


def test_bytes_that_land_in_any_order_are_hashed_in_order(part):
    body, failures, inspector = some_bytes(500_000), [], Inspecting(settles_at=1000)
    starts = list(range(0, len(body), 1000))
    random.Random(3).shuffle(starts)
    with nothing_left():
        follower = Follower(part, inspector, fail=failures.append, tick=lambda: None)
        for start in starts:
            part.write(start, memoryview(body)[start : start + 1000])
        deadline = time.monotonic() + 10
        while not follower.wait(len(body), 0.1):
            assert time.monotonic() < deadline
        follower.stop()
    assert (follower.sha256(), failures) == (sha256(body), [])
    assert body.startswith(bytes(inspector.fed))
    assert 1000 <= len(inspector.fed) <= len(body)


def test_what_fails_behind_is_told(part):
    failures, told = [], threading.Event()
    refuses = ValueError("no")

    def fail(error):
        failures.append(error)
        told.set()

    with nothing_left():
        follower = Follower(part, Inspecting(refuses=refuses), fail=fail, tick=lambda: None)
        part.write(0, memoryview(b"x"))
        assert told.wait(10)
        follower.stop()
    assert failures == [refuses]


@pytest.mark.parametrize(
    "limits", [{"every_bytes": 1000, "every_s": 1e9}, {"every_bytes": 1 << 40, "every_s": 0.0}]
)
def test_what_landed_is_synced_after_so_many_bytes_or_seconds(part, limits):
    kept, failures = [], []
    with nothing_left():
        keeper = Keeper(
            part,
            kept=lambda: kept.append(part.durable),
            fail=failures.append,
            clock=time.monotonic,
            **limits,
        )
        part.write(0, memoryview(bytes(1000)))
        deadline = time.monotonic() + 10
        while not kept:
            assert time.monotonic() < deadline
            threading.Event().wait(0.005)
        keeper.stop()
    assert (kept[0], failures) == (((0, 1000),), [])
