"""The part and its spans."""

import errno
import os
import stat
import sys
import threading
from itertools import pairwise

import pytest
from backplane.downloads.part import Part
from backplane.downloads.spans import Spans
from hypothesis import given
from hypothesis import strategies as st

RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12)


@given(RANGES, st.integers(0, 60), st.integers(0, 60), st.integers(0, 70))
def test_spans_are_the_set_of_bytes_that_was_added(added, low, high, size):
    spans, want = Spans(added), {byte for start, end in added for byte in range(start, end)}
    kept = spans.all()
    assert {byte for start, end in kept for byte in range(start, end)} == want
    assert all(first[1] < second[0] for first, second in pairwise(kept)), "as few as can be"
    assert spans.total == len(want)
    assert spans.frontier == next(byte for byte in range(100) if byte not in want)
    holes = {byte for start, end in spans.holes(70) for byte in range(start, end)}
    assert holes == set(range(70)) - want
    assert spans.holes(None)[-1] == (max(want, default=-1) + 1, None)
    pieces = spans.split(low, high)
    assert [byte for start, end, _ in pieces for byte in range(start, end)] == list(range(low, high))
    assert all((byte in want) is here for start, end, here in pieces for byte in range(start, end))
    spans.cut(size)
    assert {byte for start, end in spans.all() for byte in range(start, end)} == {b for b in want if b < size}


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".task.part"


@pytest.fixture
def part(path):
    made = Part.create(path)
    yield made
    made.close()


def put(part, offset, piece):
    part.write(offset, memoryview(piece))


def test_bytes_land_where_they_belong(part, path):
    put(part, 5, b"world")
    assert (part.frontier, part.landed, part.unsynced) == (0, 5, 5)
    put(part, 0, b"hello")
    assert (part.frontier, part.landed, part.holes(12)) == (10, 10, [(10, 12)])
    assert path.read_bytes() == b"helloworld"
    view = memoryview(bytearray(4))
    assert part.read(3, view) == 4
    assert bytes(view) == b"lowo"
    with pytest.raises(OSError, match="shorter"):
        part.read(50, view)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_part_has_the_usual_permissions(path):
    before = os.umask(0o027)
    try:
        Part.create(path).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_an_old_part_is_replaced_and_a_link_is_not_followed(path, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"precious")
    path.symlink_to(other)
    Part.create(path).close()
    assert (other.read_bytes(), path.is_symlink(), path.read_bytes()) == (b"precious", False, b"")
    path.unlink()
    path.symlink_to(other)
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        Part.reopen(path, [(0, 8)])


def test_what_is_no_file_is_not_opened(path):
    with pytest.raises(FileNotFoundError):
        Part.reopen(path, [])
    os.mkfifo(path)
    with pytest.raises(OSError, match="not a file"):
        Part.reopen(path, [])


def test_only_what_was_synced_is_durable_and_can_be_rolled_back_to(part):
    put(part, 0, b"hello")
    assert part.durable == ()
    assert part.sync() == part.durable == ((0, 5),)
    put(part, 5, b"world")
    assert (part.frontier, part.unsynced, part.durable) == (10, 5, ((0, 5),))
    part.rollback()
    assert (part.frontier, part.landed) == (5, 5)


def test_what_was_written_while_it_was_synced_is_not_durable(part, monkeypatch):
    put(part, 0, b"hello")
    real = os.fdatasync

    def sync(handle):
        real(handle)
        put(part, 5, b"world")

    monkeypatch.setattr(os, "fdatasync", sync)
    assert part.sync() == ((0, 5),)
    assert part.unsynced == 5


def test_a_sync_that_ends_after_all_was_given_up_makes_nothing_durable(part, monkeypatch):
    put(part, 0, b"hello")
    monkeypatch.setattr(os, "fdatasync", lambda handle: part.empty())
    assert part.sync() == part.durable == ()


def test_a_sync_that_fails_makes_nothing_durable(part, monkeypatch):
    def broken(handle):
        raise OSError(errno.EIO, "EIO")

    put(part, 0, b"hello")
    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(OSError, match="EIO"):
        part.sync()
    assert (part.durable, part.unsynced) == ((), 5)


def test_a_part_is_reopened_with_what_is_durable_and_still_there(part, path):
    put(part, 0, b"helloworld")
    part.close()
    again = Part.reopen(path, [(0, 3), (6, 50)])
    assert (again.durable, again.frontier) == (((0, 3), (6, 10)), 3)
    put(again, 3, b"LOW")
    assert again.frontier == 10
    again.close()
    assert path.read_bytes() == b"helLOWorld"


def test_the_disk_is_set_aside_at_once(part, path):
    part.reserve(1 << 20)
    put(part, 0, b"x")
    if sys.platform.startswith("linux"):
        assert path.stat().st_blocks * 512 >= 1 << 20
    part.cut(1)
    assert path.stat().st_size == 1
    part.reserve(0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there")
def test_no_room_is_told_at_once(part):
    with pytest.raises(OSError, match=r"space|large") as caught:
        part.reserve(1 << 62)
    assert caught.value.errno in {errno.ENOSPC, errno.EFBIG}


def test_all_is_given_up_and_removed(part, path):
    put(part, 0, b"hello")
    part.sync()
    part.empty()
    assert (part.landed, part.durable, path.stat().st_size) == (0, (), 0)
    part.discard()
    part.discard()
    assert not path.exists()


def test_whoever_waits_for_bytes_is_woken(part):
    got = []
    thread = threading.Thread(target=lambda: got.append(part.wait_beyond(3, 60, lambda: False)))
    thread.start()
    put(part, 4, b"o")  # beyond a gap: no reason to wake
    put(part, 0, b"hell")
    thread.join(10)
    assert got == [5]
    assert part.wait_beyond(9, 60, lambda: True) == 5
    over = threading.Event()
    thread = threading.Thread(target=lambda: got.append(part.wait_beyond(9, 60, over.is_set)))
    thread.start()
    over.set()
    part.wake()
    thread.join(10)
    assert got == [5, 5]
