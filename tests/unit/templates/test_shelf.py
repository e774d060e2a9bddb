"""Templates on the disk: numbers, hands, Git, links, crashes."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from backplane.errors import ApiError, Conflict
from backplane.templates import shelf as module
from backplane.templates.document import file_bytes, read_document
from backplane.templates.shelf import Shelf
from templating import poster, write

ROOT = Path(__file__).resolve().parents[3]


def raw(text="a cat"):
    document = poster()
    document["workflow"]["2"]["inputs"]["text"] = text
    return file_bytes(read_document(document, "poster", 1), None)


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "own", [tmp_path / "given", tmp_path / "absent"])


def states(shelf, name="poster"):
    return [(row.version, "deleted" if row.deleted else row.fault or "fine") for row in shelf.rows(name)]


def text_of(shelf, version):
    [row] = [row for row in shelf.rows("poster") if row.version == version]
    return shelf.open(row).workflow["2"]["inputs"]["text"]


def test_versions_are_numbered_and_stay(shelf, tmp_path):
    assert [shelf.put("poster", raw(text)) for text in ("one", "two", "three")] == [1, 2, 3]
    assert states(shelf) == [(3, "fine"), (2, "fine"), (1, "fine")]
    assert [text_of(shelf, version) for version in (1, 2, 3)] == ["one", "two", "three"]
    assert sorted(path.name for path in (tmp_path / "own" / "poster").iterdir()) == [
        "1.json",
        "2.json",
        "3.json",
    ]


def test_a_version_that_is_asked_for_must_be_the_next(shelf):
    assert shelf.put("poster", raw(), 1) == 1
    for wanted in (1, 3):
        with pytest.raises(Conflict) as raised:
            shelf.put("poster", raw(), wanted)
        assert raised.value.details == {"next": 2}
    assert states(shelf) == [(1, "fine")]


def test_the_number_of_a_deleted_version_is_not_given_again(shelf):
    for _ in range(3):
        shelf.put("poster", raw())
    for row in shelf.rows("poster")[:2]:
        shelf.delete(row, "2026-01-01T00:00:00.000Z")
    assert states(shelf) == [(3, "deleted"), (2, "deleted"), (1, "fine")]
    assert shelf.put("poster", raw()) == 4
    for row in shelf.rows("poster"):
        if not row.deleted:
            shelf.delete(row, None)
    assert list(shelf.newest()) == []
    assert shelf.put("poster", raw()) == 5


def test_a_file_that_is_put_there_by_hand_is_a_version(shelf, tmp_path):
    write(tmp_path / "own" / "poster" / "7.json", poster())
    assert states(shelf) == [(7, "fine")]
    assert shelf.put("poster", raw()) == 8
    write(tmp_path / "own" / "alone.json", poster())
    assert states(shelf, "alone") == [(1, "fine")]
    assert shelf.put("alone", raw()) == 2


def test_a_file_that_is_changed_by_hand_is_read_again(shelf, tmp_path):
    shelf.put("poster", raw("one"))
    assert text_of(shelf, 1) == "one"
    path = tmp_path / "own" / "poster" / "1.json"
    path.write_bytes(path.read_bytes().replace(b'"one"', b'"two"'))  # of the same size
    os.utime(path, ns=(1, 1))
    assert text_of(shelf, 1) == "two"
    [row] = shelf.rows("poster")
    assert row.to_json()["edited"] is True
    path.unlink()
    assert states(shelf) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON: Expecting property name"),
        ('{"workflow": {}}', "workflow: has no nodes"),
        (json.dumps({**poster(), "name": "other"}), "name: must be 'poster'"),
        ("<<<<<<< HEAD\n", "is not JSON"),
        ("", "is not JSON"),
    ],
)
def test_a_broken_file_is_listed_with_its_fault_and_harms_no_other(shelf, tmp_path, content, words):
    shelf.put("other", raw())
    shelf.put("poster", raw())
    write(tmp_path / "own" / "poster" / "2.json", content)
    [broken, fine] = shelf.rows("poster")
    assert words in broken.fault
    assert fine.fault is None
    assert [(row.name, row.version) for row, _ in shelf.newest()] == [("other", 1), ("poster", 2)]
    with pytest.raises(ApiError) as raised:
        shelf.open(broken)
    assert raised.value.code == "TEMPLATE_INVALID"
    assert str(tmp_path) not in str(raised.value.body())
    assert shelf.put("poster", raw()) == 3


def test_what_is_no_file_is_never_opened(shelf, tmp_path):
    folder = tmp_path / "own" / "poster"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "1.json")  # to open it would wait for ever
    (folder / "2.json").mkdir()
    (folder / "3.json").symlink_to(folder / "3.json")
    (folder / "4.json").symlink_to("/dev/zero")
    assert all(state != "fine" for _, state in states(shelf))
    assert {version for version, _ in states(shelf)} >= {1, 2, 4}
    assert shelf.put("poster", raw()) == 5


def test_a_file_that_is_too_large_is_not_read(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    write(tmp_path / "own" / "poster" / "1.json", " " * 101)
    assert states(shelf) == [(1, "has 101 bytes; 100 are the most")]


def test_the_fault_of_a_link_to_another_file_says_nothing_of_it(shelf, tmp_path):
    write(tmp_path / "secret", "TOP-SECRET 123")
    folder = tmp_path / "own" / "poster"
    folder.mkdir(parents=True)
    (folder / "1.json").symlink_to(tmp_path / "secret")
    [row] = shelf.rows("poster")
    assert "SECRET" not in json.dumps(row.to_json())
    shelf.delete(row, None)
    assert (tmp_path / "secret").read_text() == "TOP-SECRET 123"
    assert states(shelf) == [(1, "deleted")]


def test_a_folder_may_be_a_link_to_where_git_is(shelf, tmp_path):
    write(tmp_path / "checkout" / "1.json", poster())
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "poster").symlink_to(tmp_path / "checkout", target_is_directory=True)
    assert states(shelf) == [(1, "fine")]
    assert shelf.put("poster", raw()) == 2
    assert (tmp_path / "checkout" / "2.json").is_file()


def test_other_files_and_folders_are_left_alone(shelf, tmp_path):
    own = tmp_path / "own"
    for name in (
        ".git/1.json",
        "Poster/1.json",
        "poster/README.md",
        "poster/01.json",
        "poster/1.json.bak",
        "a.txt",
    ):
        write(own / name, poster())
    write(own / "poster" / ".part-0000", "half")
    write(own / "README.json.md", "")
    assert shelf.names() == ["poster"]
    assert states(shelf) == []


def test_read_only_folders_come_after_the_own_one(shelf, tmp_path):
    write(tmp_path / "given" / "poster.json", poster())
    write(tmp_path / "given" / "poster" / "3.json", poster())
    write(tmp_path / "given" / "banner" / "2.json", poster())
    assert [(row.version, row.read_only) for row in shelf.rows("poster")] == [(3, True), (1, True)]
    assert [row.version for row in shelf.rows("banner")] == [2]
    shelf.put("banner", raw())
    assert [(row.version, row.read_only) for row in shelf.rows("banner")] == [(1, False)]
    shelf.delete(shelf.rows("banner")[0], None)
    assert [(row.version, row.read_only) for row in shelf.rows("banner")] == [(2, True)]


def test_two_threads_never_get_the_same_number(shelf, tmp_path):
    other = Shelf(tmp_path / "own", [])
    got = []

    def work(which):
        got.extend(which.put("poster", raw()) for _ in range(25))

    threads = [threading.Thread(target=work, args=(which,)) for which in (shelf, other, shelf, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 101))


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_disk_without_links_keeps_versions_too(shelf, tmp_path, monkeypatch, code):
    def link(*_paths):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", link)
    assert [shelf.put("poster", raw(text)) for text in ("one", "two")] == [1, 2]
    assert text_of(shelf, 2) == "two"
    assert not list((tmp_path / "own" / "poster").glob(".part-*"))


def test_a_full_disk_is_told_and_leaves_nothing(shelf, tmp_path, monkeypatch):
    shelf.put("poster", raw())

    def full(_handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ApiError) as raised:
        shelf.put("poster", raw("two"))
    assert raised.value.code == "TEMPLATE_IO_ERROR"
    assert str(tmp_path) not in str(raised.value.body())
    assert [path.name for path in (tmp_path / "own" / "poster").iterdir()] == ["1.json"]


def test_a_file_in_the_place_of_a_folder_is_told(shelf, tmp_path):
    write(tmp_path / "own" / "poster", "")
    with pytest.raises(ApiError) as raised:
        shelf.put("poster", raw())
    assert raised.value.code == "TEMPLATE_IO_ERROR"


def test_what_a_killed_process_left_is_removed_later(shelf, tmp_path):
    folder = tmp_path / "own" / "poster"
    for name, age in ((".part-old", 7200), (".part-new", 60)):
        write(folder / name, "half")
        then = time.time() - age
        os.utime(folder / name, (then, then))
    shelf.put("poster", raw())
    assert sorted(path.name for path in folder.iterdir()) == [".part-new", "1.json"]


WRITER = """
    import sys
    sys.path.insert(0, {tests!r})
    import conftest
    from pathlib import Path
    from backplane.templates.document import file_bytes, read_document
    from backplane.templates.shelf import Shelf
    from templating import poster
    shelf = Shelf(Path({folder!r}), [])
    document = poster()
    document["workflow"]["2"]["inputs"]["text"] = {mark!r} * 20_000
    raw = file_bytes(read_document(document, "poster", 1), None)
    while True:
        print(shelf.put("poster", raw), flush=True)
"""


def test_two_processes_that_are_killed_leave_only_whole_versions(tmp_path):
    own = tmp_path / "own"
    writers = []
    for mark in "ab":
        code = textwrap.dedent(WRITER.format(tests=str(ROOT / "tests"), folder=str(own), mark=mark))
        writers.append(subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True))
    said = []
    try:
        for writer in writers:  # each has written some before it is killed
            said += [int(writer.stdout.readline()) for _ in range(5)]
    finally:
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
    for writer in writers:
        said += [int(line) for line in writer.communicate()[0].splitlines() if line]
    assert len(said) == len(set(said))
    shelf = Shelf(own, [])
    found = states(shelf)
    assert {state for _, state in found} == {"fine"}
    assert {version for version, _ in found} >= set(said)
    assert [version for version, _ in found] == list(range(len(found), 0, -1))
    assert shelf.put("poster", raw()) == len(found) + 1
