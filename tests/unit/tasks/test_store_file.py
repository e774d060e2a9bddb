"""The task store's file: its versions, its damage, its locks, its disk."""

import asyncio
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backplane.errors import ApiError
from backplane.tasks.engine import NewTask, Query
from backplane.tasks.store import SqliteEngine, StoreError, file, open_engine, schema, trouble

NOW = 1_800_000_000.0

VERSION_1 = """
INSERT INTO graphs VALUES (1, x'00', 1, x'789cab56325462ab5600000b0a01a4');
INSERT INTO tasks (id, kind, origin, status, client, priority, attempt, max_attempts, created_at, not_before,
  cancel_requested, rev, graph) VALUES ('old', 'prompt', 'api', 'queued', 'c', 2, 1, 3, 5.0, 7.0, 0, 9, NULL);
INSERT INTO details VALUES (1, '{"a":1}', '{"k":"v"}', NULL, NULL);
INSERT INTO labels VALUES ('k', 'v', 1);
UPDATE counters SET value=9 WHERE name='rev';
PRAGMA user_version=1;
"""
"""What a file of version 1 has in it, written by hand so that it stays when the code moves on."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "tasks.sqlite3"


async def filled(path: Path, count: int = 1) -> None:
    """Make a store with so many tasks, and close it."""
    engine = open_engine(path, node="filler")
    await engine.submit([NewTask(f"t{number}", NOW, {"1": {"number": number}}) for number in range(count)])
    await engine.close()


def run(path: Path, script: str) -> None:
    path.parent.mkdir(exist_ok=True)
    db = sqlite3.connect(path)
    db.executescript(script)
    db.close()


def read(path: Path) -> bytes:
    return path.read_bytes()


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def works(engine: SqliteEngine) -> None:
    await engine.submit([NewTask("probe", NOW, {})])
    assert await engine.get("probe")
    assert engine.state.writable


async def test_a_new_store_says_nothing_and_leaves_one_file_behind(path: Path):
    engine = open_engine(path, node="a")
    await works(engine)
    assert engine.notice is None
    assert (engine.state.path, engine.state.problem) == (path, None)
    await engine.close()
    assert names(path.parent) == ["tasks.sqlite3"]


# Versions


async def test_a_file_of_version_1_is_read_as_ever(path: Path):
    run(path, schema.MIGRATIONS[0] + VERSION_1)
    engine = open_engine(path, node="a")
    [task], _ = await engine.list(Query(5, metadata={"k": "v"}))
    assert (task.id, task.attempt, task.max_attempts, task.priority, task.not_before) == ("old", 1, 3, 2, 7.0)
    assert (task.request, task.metadata, task.result, task.rev) == ({"a": 1}, {"k": "v"}, {}, 9)
    await engine.close()


def structure(path: Path) -> list[Any]:
    db = sqlite3.connect(path)
    try:
        version = db.execute("PRAGMA user_version").fetchall()
        return version + sorted(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    finally:
        db.close()


async def test_an_old_file_becomes_what_a_new_one_is(path: Path, tmp_path: Path):
    run(path, schema.MIGRATIONS[0] + VERSION_1)
    await open_engine(path, node="a").close()
    await filled(tmp_path / "new.sqlite3")
    assert structure(path) == structure(tmp_path / "new.sqlite3")


def test_migrations_are_applied_in_order_each_once(path: Path):
    more = (*schema.MIGRATIONS, "ALTER TABLE tasks ADD COLUMN extra TEXT; CREATE TABLE b (x)", "DROP TABLE b")
    run(path, schema.MIGRATIONS[0] + VERSION_1)
    for _ in range(2):
        opened = file.open_file(path, busy_s=1, migrations=more)
        assert schema.version_of(opened.writer) == len(more)
        assert opened.writer.execute("SELECT id, extra FROM tasks").fetchall() == [("old", None)]
        for connection in (opened.writer, *opened.readers):
            connection.close()


def test_a_migration_that_fails_changes_nothing(path: Path):
    run(path, schema.MIGRATIONS[0] + VERSION_1)
    before = structure(path)
    with pytest.raises(StoreError):
        file.open_file(
            path, busy_s=1, migrations=(*schema.MIGRATIONS, "CREATE TABLE b (x); SELECT nonsense FROM b()")
        )
    assert structure(path) == before


def test_a_newer_file_is_refused_and_left_as_it_is(path: Path):
    run(path, schema.MIGRATIONS[0] + VERSION_1 + "PRAGMA user_version=99;")
    before = path.read_bytes()
    with pytest.raises(StoreError) as refused:
        open_engine(path, node="a")
    assert refused.value.code == "STORE_NEWER"
    assert refused.value.details == {"schema": 99, "known": len(schema.MIGRATIONS)}
    assert path.read_bytes() == before
    assert names(path.parent) == ["tasks.sqlite3"]


def test_a_file_whose_log_is_newer_is_refused_too(path: Path, tmp_path: Path):
    run(path, "PRAGMA journal_mode=WAL;" + schema.MIGRATIONS[0] + VERSION_1)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA user_version=99")  # in the log only
    copy = tmp_path / "copy.sqlite3"
    for part in ("", "-wal"):
        shutil.copy(str(path) + part, str(copy) + part)
    db.close()
    assert int.from_bytes(copy.read_bytes()[60:64], "big") == 1
    with pytest.raises(StoreError) as refused:
        open_engine(copy, node="a")
    assert refused.value.code == "STORE_NEWER"


# Damage


def overwritten(path: Path) -> None:
    path.write_bytes(b"This is not a database. " * 500)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_in_the_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def scratched(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for start in range(8192, len(content), 4096):
        content[start : start + 64] = b"\xff" * 64
    path.write_bytes(content)


def without_a_table(path: Path) -> None:
    run(path, "DROP TABLE counters")


DAMAGES = [overwritten, truncated, cut_in_the_header, scratched, without_a_table]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_is_moved_aside_and_the_store_begins_anew(
    path: Path, damage: Any, caplog: pytest.LogCaptureFixture
):
    await filled(path, 300)
    damage(path)
    spoilt = read(path)
    engine = open_engine(path, node="a")
    await works(engine)
    assert engine.notice is not None
    assert "moved to tasks.sqlite3.damaged-" in engine.notice
    assert engine.notice in caplog.text
    [aside] = [path.with_name(name) for name in names(path.parent) if "damaged" in name]
    assert read(aside) == spoilt
    assert await engine.get("t1") is None
    await engine.close()
    engine = open_engine(path, node="a")
    assert engine.notice is None
    assert await engine.get("probe")
    await engine.close()


def test_an_empty_file_is_a_new_store(path: Path):
    path.parent.mkdir()
    path.touch()
    engine = open_engine(path, node="a")
    assert engine.notice is None
    asyncio.run(engine.close())


def test_two_damaged_files_in_a_second_are_both_kept(path: Path):
    path.parent.mkdir()
    for _ in range(2):
        overwritten(path)
        asyncio.run(open_engine(path, node="a").close())
    assert len([name for name in names(path.parent) if "damaged" in name]) == 2


def test_a_damaged_file_keeps_its_log_under_a_name_that_sqlite_finds(path: Path):
    path.parent.mkdir()
    for part in ("", "-wal", "-shm"):
        path.with_name(path.name + part).touch()
    file._set_aside(path, "why")
    [aside] = [each for each in path.parent.iterdir() if not each.name.endswith(("-wal", "-shm"))]
    assert {each.name for each in path.parent.iterdir()} == {
        aside.name + part for part in ("", "-wal", "-shm")
    }


def scratched_within(path: Path) -> None:
    """Damage all graphs but the first and the last page."""
    db = sqlite3.connect(path)
    pages = db.execute("SELECT pageno FROM dbstat WHERE name='graphs' AND pagetype='leaf'").fetchall()
    db.close()
    content = bytearray(path.read_bytes())
    for (page,) in pages[1:-1]:
        content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(content)


async def test_damage_found_in_use_is_told_and_the_next_start_looks_at_all_of_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(file, "SMALL", 0)
    await filled(path, 300)
    scratched_within(path)
    engine = open_engine(path, node="a")
    assert engine.notice is None
    codes: list[str] = []
    for number in range(300):
        try:
            await engine.claim("a", [f"t{number}"], now=NOW, lease_s=9)
        except StoreError as error:
            codes.append(error.code)
            break
    assert codes == ["STORE_DAMAGED"]
    assert not engine.state.writable
    await engine.close()
    engine = open_engine(path, node="a")
    assert engine.notice is not None
    await works(engine)
    await engine.close()
    assert not [name for name in names(path.parent) if "suspect" in name]


# Locks


@pytest.fixture
def lock(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir(exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    yield db
    db.close()


async def test_a_locked_file_is_waited_for_and_then_told_and_works_once_it_is_free(
    path: Path, lock: sqlite3.Connection
):
    engine = open_engine(path, node="a", busy_s=0.05)
    lock.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError) as refused:
        await engine.submit([NewTask("x", NOW, {})])
    assert refused.value.code == "STORE_BUSY"
    assert refused.value.hint
    assert engine.state.problem is refused.value
    assert await engine.get("x") is None  # reading goes on
    lock.execute("ROLLBACK")
    await works(engine)
    await engine.close()


async def test_a_lock_that_is_given_up_in_time_is_not_noticed(path: Path, lock: sqlite3.Connection):
    engine = open_engine(path, node="a", busy_s=30)
    lock.execute("BEGIN IMMEDIATE")
    submitting = asyncio.ensure_future(engine.submit([NewTask("x", NOW, {})]))
    assert await engine.get("x") is None
    lock.execute("ROLLBACK")
    await submitting
    await engine.close()


async def test_a_file_that_is_locked_at_the_start_is_told(path: Path, lock: sqlite3.Connection):
    await filled(path)
    lock.execute("PRAGMA locking_mode=EXCLUSIVE")
    lock.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError) as refused:
        open_engine(path, node="a", busy_s=0.05)
    assert refused.value.code == "STORE_BUSY"
    lock.execute("ROLLBACK")


async def test_a_long_list_does_not_delay_a_submit(path: Path):
    engine = open_engine(path, node="a")
    listing = asyncio.ensure_future(engine._slow.run(lambda db: db.execute(ENDLESS).fetchall()))
    await works(engine)
    assert not listing.done()
    engine._slow._resource.interrupt()
    with pytest.raises(StoreError, match="interrupted"):
        await listing
    await engine.close()


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"


# Disks


async def test_a_full_disk_fails_the_task_and_leaves_nothing_half_written(path: Path):
    await filled(path)
    engine = open_engine(path, node="a")
    pages = engine._writer._db.execute("PRAGMA page_count").fetchone()[0]
    engine._writer._db.execute(f"PRAGMA max_page_count={pages + 30}")
    noise = os.urandom(400_000).hex()
    answers = await asyncio.gather(
        engine.submit([NewTask("small1", NOW, {})]),
        engine.submit([NewTask("small2", NOW, {}), NewTask("large", NOW, {"1": {"x": noise}})]),
        engine.submit([NewTask("small3", NOW, {})]),
        return_exceptions=True,
    )
    assert [isinstance(answer, StoreError) for answer in answers] == [False, True, False]
    assert isinstance(answers[1], StoreError)
    assert answers[1].code == "STORE_FULL"
    assert await engine.get("small2") is None
    assert await engine.get("small3")
    await engine.claim("a", ["small1"], now=NOW, lease_s=9)
    await works(engine)
    await engine.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=False).returncode
    ):
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


async def test_a_disk_that_is_really_full(small_disk: Path):
    engine = open_engine(small_disk / "tasks.sqlite3", node="a")
    accepted: list[str] = []
    refused: StoreError | None = None
    task = NewTask("first", NOW, {})
    while refused is None:
        try:
            await engine.submit([task])
        except StoreError as error:
            refused = error
        else:
            accepted.append(task.id)
            task = NewTask(f"t{len(accepted)}", NOW, {"1": {"x": os.urandom(20_000).hex()}})
    assert refused.code == "STORE_FULL"
    assert not engine.state.writable
    assert {task.id for task in await engine.get_many([*accepted, task.id])} == set(accepted)
    await engine.close()
    engine = open_engine(small_disk / "tasks.sqlite3", node="b")
    assert engine.notice is None
    assert len(await engine.get_many(accepted)) == len(accepted)
    await engine.close()


@pytest.fixture(params=["with a store", "empty"])
def read_only(small_disk: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    path = small_disk / "tasks.sqlite3"
    if request.param == "with a store":
        asyncio.run(filled(path))
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    yield path
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)


def test_a_read_only_folder_is_told(read_only: Path):
    with pytest.raises(StoreError) as refused:
        open_engine(read_only, node="a")
    assert refused.value.code == "STORE_UNAVAILABLE"
    assert not [name for name in names(read_only.parent) if "damaged" in name]


def test_a_folder_that_cannot_be_is_told(tmp_path: Path):
    tmp_path.joinpath("file").touch()
    with pytest.raises(StoreError) as refused:
        open_engine(tmp_path / "file" / "tasks.sqlite3", node="a")
    assert refused.value.code == "STORE_UNAVAILABLE"


def test_an_old_sqlite_is_told(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 20, 1))
    with pytest.raises(StoreError, match=r"3\.24\.0 or newer"):
        open_engine(path, node="a")


MOUNTS = r"""
/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
//nas/share /mnt/my\040share cifs rw 0 0
/dev/vdb /home/me/fast ext4 rw 0 0
C:\ /mnt/c 9p rw 0 0
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/var/tasks", None),
        ("/home/me/tasks", "nfs4"),
        ("/homes/tasks", None),
        ("/home/me/fast/tasks", None),
        ("/mnt/my share/tasks", "cifs"),
        ("/mnt/c/Users/tasks", "9p"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX paths")
def test_a_network_file_system_is_known_by_its_mount(place: str, kind: str | None):
    assert file.remote_file_system(Path(place), file.parsed_mounts(MOUNTS)) == kind


def test_this_machines_mounts_are_read(tmp_path: Path):
    assert file._mounts()
    assert file.remote_file_system(tmp_path) is None


async def test_on_a_network_file_system_there_is_no_write_ahead_log(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    await filled(path)
    monkeypatch.setattr(file, "remote_file_system", lambda _: "nfs4")
    engine = open_engine(path, node="a")
    assert engine.notice is not None
    assert "nfs4" in engine.notice
    assert engine._writer._db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    reading = [engine.get("t0") for _ in range(20)]
    writing = [engine.submit([NewTask(f"x{number}", NOW, {})]) for number in range(20)]
    await asyncio.gather(*reading, *writing)
    await engine.close()


def test_a_problem_is_logged_once_while_it_lasts(path: Path, caplog: pytest.LogCaptureFixture):
    engine = open_engine(path, node="a")
    caplog.set_level(logging.ERROR)
    full = StoreError("STORE_FULL", "It is full.")
    for problem in (full, full, None, full):
        engine._told(problem)
    assert caplog.text.count("It is full.") == 2
    asyncio.run(engine.close())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (sqlite3.OperationalError("database or disk is full"), "STORE_FULL"),
        (OSError(28, "No space left on device"), "STORE_FULL"),
        (sqlite3.OperationalError("database is locked"), "STORE_BUSY"),
        (sqlite3.DatabaseError("file is not a database"), "STORE_DAMAGED"),
        (sqlite3.OperationalError("disk I/O error"), "STORE_UNAVAILABLE"),
        (PermissionError(13, "Permission denied"), "STORE_UNAVAILABLE"),
    ],
)
def test_what_sqlite_says_is_translated(error: Exception, code: str):
    translated = trouble.translated(error)
    assert isinstance(translated, ApiError)
    assert translated.code == code


def test_other_errors_are_not_translated():
    for error in (ValueError("x"), sqlite3.IntegrityError("UNIQUE"), sqlite3.ProgrammingError("x")):
        found = trouble.translated(error)
        assert found is error or isinstance(error, sqlite3.ProgrammingError)
