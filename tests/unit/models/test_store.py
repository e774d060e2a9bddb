"""The file of hashes: what is kept, and what it survives."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from backplane.models.store import AT_ONCE, Row, Store
from backplane.models.values import Facts, Known, Origin, Stamp

SHA = "ab" * 32
STAMP = Stamp(5, 1_700_000_000_123_456_789, 2**100)
TESTS = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "models.sqlite3"


@pytest.fixture
def store(path):
    found = Store(path)
    yield found
    found.close()


def known(**fields):
    return Known(STAMP, **fields)


def test_what_is_put_is_there_after_a_restart(store, path):
    whole = known(sha256=SHA, facts=Facts(base_model="wan"), origin=Origin(page="p"))
    store.put([Row("/a", whole), Row("/é", known())])
    store.close()
    again = Store(path)
    assert again.get(["/a", "/é", "/none"]) == {"/a": whole, "/é": known()}
    assert again.with_sha256(SHA) == [Row("/a", whole)]
    again.close()


def test_nothing_is_opened_before_it_is_needed(store, path):
    assert not path.parent.exists()
    assert store.get([]) == {}
    assert not path.parent.exists()


def test_many_paths_are_asked_for_at_once(store):
    store.put(Row(f"/{number}", known()) for number in range(2 * AT_ONCE + 1))
    assert len(store.get([f"/{number}" for number in range(3 * AT_ONCE)])) == 2 * AT_ONCE + 1


def test_what_another_process_found_out_of_the_same_file_is_kept(store, path):
    other = Store(path)
    store.put([Row("/a", known(sha256=SHA))])
    other.put([Row("/a", known(facts=Facts(title="t")))])
    assert store.get(["/a"])["/a"] == known(sha256=SHA, facts=Facts(title="t"))
    other.close()


def test_what_was_known_of_other_content_is_forgotten(store):
    store.put([Row("/a", known(sha256=SHA, facts=Facts(title="t")))])
    changed = Known(STAMP._replace(size=6))
    store.put([Row("/a", changed)])
    assert store.get(["/a"])["/a"] == changed


def test_a_path_can_be_forgotten(store):
    store.put([Row("/a", known())])
    store.forget("/a")
    assert store.get(["/a"]) == {}


@pytest.mark.parametrize("content", [b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(store, path, content, caplog):
    path.parent.mkdir()
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "backplane"):
        assert store.get(["/a"]) == {}
    store.put([Row("/a", known(sha256=SHA))])
    assert store.get(["/a"]) == {"/a": known(sha256=SHA)}
    (aside,) = path.parent.glob("models.sqlite3.damaged-*")
    assert aside.read_bytes() == content
    assert "moved" in caplog.text


def test_damage_that_shows_while_the_file_is_used_is_survived(store, path):
    store.put(Row(f"/{number}", known(sha256=SHA)) for number in range(2000))
    store.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    assert store.get(["/1"]) == {}
    store.put([Row("/1", known())])
    assert store.get(["/1"]) == {"/1": known()}


def test_a_file_of_a_newer_backplane_is_left_alone(store, path, caplog):
    path.parent.mkdir()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    before = path.read_bytes()
    store.put([Row("/a", known())])
    assert store.get(["/a"]) == {}
    assert path.read_bytes() == before
    assert caplog.text.count("newer") == 1


def test_where_there_can_be_no_file_nothing_is_kept(tmp_path):
    (tmp_path / "state").write_bytes(b"a file, no folder")
    store = Store(tmp_path / "state" / "models.sqlite3")
    store.put([Row("/a", known())])
    assert store.get(["/a"]) == {}
    store.close()


def test_a_file_that_another_holds_costs_only_this_time(store, path, monkeypatch, caplog):
    monkeypatch.setattr("backplane.models.store.BUSY_S", 0.05)
    store.put([Row("/a", known())])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    store.put([Row("/b", known())])
    other.execute("COMMIT")
    other.close()
    assert "locked" in caplog.text
    store.put([Row("/c", known())])
    assert sorted(store.get(["/a", "/b", "/c"])) == ["/a", "/c"]


def test_the_oldest_go_when_there_are_too_many(path, monkeypatch):
    monkeypatch.setattr("backplane.models.store.MOST_ROWS", 3)
    monkeypatch.setattr("backplane.models.store.TRIM_EVERY", 0)
    times = iter(range(100))
    store = Store(path, clock=lambda: next(times))
    for number in range(5):
        store.put([Row(f"/{number}", known())])
    assert sorted(store.get([f"/{number}" for number in range(5)])) == ["/2", "/3", "/4"]
    store.close()


WRITE = """
import sys
sys.path.insert(0, sys.argv[1])
import conftest
from pathlib import Path
from backplane.models.store import Row, Store
from backplane.models.values import Known, Stamp
store = Store(Path(sys.argv[2]))
number = 0
while True:
    some = range(number, number + 20)
    store.put(Row(f"/{n}", Known(Stamp(n, 1, 1), sha256=f"{n:064}")) for n in some)
    number += 20
    print(number, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
@pytest.mark.parametrize("rounds", [1, 7, 23])
def test_what_was_put_outlasts_a_kill(path, rounds):
    command = [sys.executable, "-c", WRITE, str(TESTS), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(rounds):
            done = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
    store = Store(path)
    found = store.get([f"/{number}" for number in range(done)])
    assert len(found) == done
    assert all(row.sha256 == f"{int(name[1:]):064}" for name, row in found.items())
    store.close()
    assert list(path.parent.glob("*damaged*")) == []
