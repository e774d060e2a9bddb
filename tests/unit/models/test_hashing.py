"""Hashes: right, only of what stood still, and out of everybody's way."""

import hashlib
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from backplane.models import hashing
from backplane.models.background import Background
from backplane.models.details import Details
from backplane.models.hashing import Halted, be_nice, sha256_of
from backplane.models.index import Index
from backplane.models.store import Store
from fake_models import age, safetensors, until

CONTENT = os.urandom(9 * 1024**2)
SHA = hashlib.sha256(CONTENT).hexdigest()


class Bench:
    """The background work on a host's models, with everything it needs."""

    def __init__(self, host, folder):
        self.busy = False
        self.asked = 0
        self.told = []
        self.at = None
        self.store = Store(folder / "models.sqlite3")
        self.index = Index(host)
        self.details = Details(self.store)
        self.work = Background(
            self.index,
            self.details,
            lambda _look, changes: self.told.extend(changes),
            busy=self.is_busy,
            clock=self.now,
            delay_s=0,
        )

    def now(self):
        return self.at or time.time()

    def is_busy(self):
        self.asked += 1
        return self.busy

    def known(self, folder, name):
        look = self.index.look()
        view = look.views[folder]
        (item,), _ = self.details.items(look, view, [view.entry(name)])
        return item.known


@pytest.fixture
def bench(host, tmp_path):
    found = Bench(host, tmp_path)
    yield found
    found.work.stop()
    found.store.close()


def test_the_hash_is_that_of_the_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(CONTENT)
    sha256, stamp = sha256_of(str(path), lambda: True)
    assert (sha256, stamp.size, stamp.inode) == (SHA, len(CONTENT), path.stat().st_ino)
    path.write_bytes(b"")
    assert sha256_of(str(path), lambda: True)[0] == hashlib.sha256().hexdigest()


@pytest.mark.parametrize("how", ["written", "replaced", "grown"])
def test_a_file_that_changes_while_it_is_hashed_has_no_hash(tmp_path, how):
    path = tmp_path / "a"
    path.write_bytes(CONTENT)
    age(path)
    calls = []

    def change():
        calls.append(1)
        if len(calls) == 2:
            if how == "replaced":
                (tmp_path / "b").write_bytes(CONTENT)
                (tmp_path / "b").replace(path)
            else:
                with path.open("r+b" if how == "written" else "ab") as file:
                    file.write(b"changed")
        return True

    assert sha256_of(str(path), change) is None


def test_hashing_ends_at_the_next_piece(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(CONTENT)
    answers = iter([True, True, False])
    with pytest.raises(Halted):
        sha256_of(str(path), lambda: next(answers))


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes or links there")
def test_links_and_pipes_are_not_opened(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="link"):
        sha256_of(str(tmp_path / "link"), lambda: True)
    assert sha256_of(str(tmp_path / "pipe"), lambda: True) is None


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities there")
def test_the_thread_is_nice_and_no_other_is():
    found = []

    def work():
        be_nice()
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [hashing.NICE]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < hashing.NICE


async def test_all_files_are_hashed_and_their_headers_read(host, bench):
    host.put("loras", "a.safetensors", safetensors({"modelspec.title": "A"}))
    path = host.put("checkpoints", "sub/b.pt", CONTENT)
    bench.work.start()
    await until(lambda: bench.store.with_sha256(SHA))
    await until(lambda: bench.known("loras", "a.safetensors").sha256)
    assert bench.known("loras", "a.safetensors").facts.title == "A"
    assert bench.store.with_sha256(SHA)[0].path == str(path.resolve())
    assert bench.told == []


async def test_what_is_known_already_is_not_hashed_again(host, bench, tmp_path, monkeypatch):
    host.put("loras", "a.pt", CONTENT)
    bench.work.start()
    await until(lambda: bench.known("loras", "a.pt").sha256)
    again = Bench(host, tmp_path)
    read = []
    monkeypatch.setattr(
        "backplane.models.background.sha256_of",
        lambda real, go_on: read.append(real) or sha256_of(real, go_on),
    )
    host.put("loras", "b.pt", b"b")
    again.work.start()
    await until(lambda: again.known("loras", "b.pt").sha256)
    assert [Path(real).name for real in read] == ["b.pt"]
    again.work.stop()
    again.store.close()


async def test_it_waits_while_a_run_is_on_also_in_the_middle_of_a_file(host, bench, monkeypatch):
    monkeypatch.setattr("backplane.models.background.LOOK_S", 0)
    host.put("loras", "a.pt", CONTENT)
    pieces = []

    def slow(real, go_on):
        def go():
            pieces.append(1)
            bench.busy = len(pieces) == 2 or bench.busy
            return go_on()

        return sha256_of(real, go)

    monkeypatch.setattr("backplane.models.background.sha256_of", slow)
    bench.work.start()
    await until(lambda: bench.busy)
    seen = bench.asked
    await until(lambda: bench.asked > seen + 2)  # it looks again and again whether the run is over
    assert len(pieces) == 2
    assert bench.known("loras", "a.pt").sha256 is None
    bench.busy = False
    await until(lambda: bench.known("loras", "a.pt").sha256 == SHA)


async def test_it_does_not_ask_for_each_piece_whether_a_run_is_on(host, bench, monkeypatch):
    monkeypatch.setattr("backplane.models.background.LOOK_S", 60)
    host.put("loras", "a.pt", CONTENT)
    bench.work.start()
    await until(lambda: bench.known("loras", "a.pt").sha256 == SHA)
    assert bench.asked == 1


async def test_it_stops_while_it_waits(host, bench):
    host.put("loras", "a.pt", CONTENT)
    bench.busy = True
    bench.work.start()
    await until(lambda: bench.asked)
    bench.work.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "backplane-models-hash"]
    assert bench.known("loras", "a.pt").sha256 is None


async def test_files_that_come_later_are_hashed_when_it_is_woken(host, bench):
    host.put("loras", "a.pt", b"a")
    bench.work.start()
    await until(lambda: bench.known("loras", "a.pt").sha256)
    host.put("loras", "b.pt", CONTENT)
    bench.work.wake()
    await until(lambda: bench.known("loras", "b.pt").sha256 == SHA)


async def test_a_file_that_was_changed_is_hashed_again(host, bench):
    host.put("loras", "a.pt", b"a")
    bench.work.start()
    await until(lambda: bench.known("loras", "a.pt").sha256)
    host.put("loras", "a.pt", CONTENT)
    assert bench.known("loras", "a.pt").sha256 is None
    bench.work.wake()
    await until(lambda: bench.known("loras", "a.pt").sha256 == SHA)


async def test_a_file_that_is_too_new_is_tried_again(host, bench, monkeypatch):
    monkeypatch.setattr("backplane.models.background.SOON_S", 0.02)
    path = host.put("loras", "a.pt", CONTENT, at=time.time())
    bench.at = path.stat().st_mtime + 1
    rounds, look = [], bench.index.look
    monkeypatch.setattr(bench.index, "look", lambda: rounds.append(1) or look())
    bench.work.start()
    await until(lambda: len(rounds) > 5)
    assert bench.store.with_sha256(SHA) == []
    age(path)
    await until(lambda: bench.known("loras", "a.pt").sha256 == SHA)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
async def test_what_lies_outside_is_neither_read_nor_hashed(host, bench, tmp_path):
    outside = tmp_path / "outside.safetensors"
    outside.write_bytes(safetensors({"modelspec.title": "secret"}))
    age(outside)
    (host.folders["loras"].roots[0] / "link.safetensors").symlink_to(outside)
    host.put("loras", "z.pt", CONTENT)
    bench.work.start()
    await until(lambda: bench.known("loras", "z.pt").sha256)
    known = bench.known("loras", "link.safetensors")
    assert (known.sha256, known.facts) == (None, None)


async def test_a_fault_ends_a_round_and_not_the_thread(host, bench, monkeypatch, caplog):
    host.put("loras", "a.pt", CONTENT)
    look = bench.index.look
    monkeypatch.setattr(bench.index, "look", lambda: 1 / 0)
    bench.work.start()
    await until(lambda: "ZeroDivisionError" in caplog.text)
    monkeypatch.setattr(bench.index, "look", look)
    bench.work.wake()
    await until(lambda: bench.known("loras", "a.pt").sha256 == SHA)
