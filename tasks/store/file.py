"""The file: opened, checked, brought up to date; moved aside if it is damaged."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from .schema import MIGRATIONS, TABLES, migrate, refuse_newer
from .trouble import StoreError, translated

log = logging.getLogger("backplane")

LEAST_SQLITE = (3, 24, 0)
"""The first with INSERT … ON CONFLICT and all else that is used here."""
SMALL = 32 * 2**20
"""Bytes up to which all pages of a file are looked through as it is opened: some 0.2 s."""
PARTS = ("", "-wal", "-shm", "-journal")
REMOTE = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "ncpfs",
    "afs",
    "fuse.sshfs",
    "fuse.rclone",
    "fuse.gluster",
    "glusterfs",
)
"""How the names of file systems begin whose files other machines may write."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Connections to the file: one to write, two to read. *notice*: what its operator should know."""

    writer: sqlite3.Connection
    readers: tuple[sqlite3.Connection, sqlite3.Connection]
    notice: str | None


def open_file(
    path: Path,
    *,
    busy_s: float,
    migrations: tuple[str, ...] = MIGRATIONS,
    tables: tuple[str, ...] = TABLES,
) -> Opened:
    """Open a store, made if there is none. StoreError if that cannot be.

    By default that of tasks; *tables* are those of the newest of *migrations*.
    """
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        raise StoreError(
            "STORE_UNAVAILABLE",
            f"SQLite {'.'.join(map(str, LEAST_SQLITE))} or newer is needed;"
            f" this Python has {sqlite3.sqlite_version}.",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        notices: list[str] = []
        try:
            return _open(path, busy_s, migrations, tables, notices)
        except (sqlite3.DatabaseError, StoreError) as error:
            problem = translated(error)
            if not isinstance(problem, StoreError) or problem.code != "STORE_DAMAGED":
                raise
            notices.append(_set_aside(path, str(error)))
            return _open(path, busy_s, migrations, tables, notices)
    except (OSError, sqlite3.Error) as error:
        raise translated(error) from error


def suspect(path: Path) -> None:
    """Leave word that the file turned out damaged while in use: the next start looks at all of it."""
    with contextlib.suppress(OSError):
        _mark(path).touch()


def _open(
    path: Path, busy_s: float, migrations: tuple[str, ...], tables: tuple[str, ...], notices: list[str]
) -> Opened:
    _refuse_newer_file(path, len(migrations))
    connections: list[sqlite3.Connection] = []
    try:
        remote = remote_file_system(path)
        writer = _connect(path, busy_s)
        connections.append(writer)
        is_new = writer.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if is_new:
            writer.execute("PRAGMA auto_vacuum=INCREMENTAL")
        mode = writer.execute(f"PRAGMA journal_mode={'DELETE' if remote else 'WAL'}").fetchone()[0]
        writer.execute("PRAGMA synchronous=FULL")
        writer.execute("PRAGMA fullfsync=ON")  # macOS: else its disk may still lose what was written
        writer.execute("PRAGMA wal_autocheckpoint=4000")  # 16 MB: seldom enough not to be felt
        migrate(writer, migrations)
        if not is_new:
            _look_through(writer, path, tables, thorough=_mark(path).exists())
        for _ in range(2):
            reader = _connect(path, busy_s)
            connections.append(reader)
            reader.execute("PRAGMA query_only=ON")
        _mark(path).unlink(missing_ok=True)
    except BaseException:
        for connection in connections:
            connection.close()
        raise
    if remote:
        notices.append(
            f"{path.name} lies on a network file system ({remote}): it is slower there, and only"
            " processes of this machine may share it."
        )
    elif mode != "wal":
        notices.append(
            f"The disk of {path.name} cannot keep a write-ahead log (journal: {mode}): it is slower."
        )
    for notice in notices:
        log.warning("%s", notice)
    return Opened(writer, (connections[1], connections[2]), " ".join(notices) or None)


def _connect(path: Path, busy_s: float) -> sqlite3.Connection:
    # isolation_level=None: transactions are begun and ended here, not by the module.
    db = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA temp_store=MEMORY")
        db.execute("PRAGMA cache_size=-8000")
    except BaseException:
        db.close()
        raise
    return db


def _refuse_newer_file(path: Path, known: int) -> None:
    """Look at the file's header before SQLite touches it."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        header = file.read(100)
        if header.startswith(b"SQLite format 3\0") and len(header) == 100:
            refuse_newer(int.from_bytes(header[60:64], "big"), known)


def _look_through(db: sqlite3.Connection, path: Path, tables: tuple[str, ...], *, thorough: bool) -> None:
    """Raise DatabaseError if pages are damaged.

    Of a large file only the ends of its tables are looked at: all of it takes seconds. That it was cut off
    SQLite sees by itself.
    """
    if thorough or path.stat().st_size <= SMALL:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(f"malformed: {found}")
    try:
        for table in tables:
            for order in ("", " DESC"):
                db.execute(f"SELECT * FROM {table} ORDER BY 1{order} LIMIT 1").fetchall()  # noqa: S608
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            raise sqlite3.DatabaseError(f"malformed: {error}") from error
        raise


def _set_aside(path: Path, why: str) -> str:
    """Rename a damaged file, with its log, so that SQLite's own tools can still open it; say so."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{number}")
    try:
        for part in PARTS:
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + part).rename(aside.with_name(aside.name + part))
    except OSError as error:
        raise StoreError(
            "STORE_DAMAGED", f"{path.name} is damaged ({why}) and cannot be moved aside: {error}"
        ) from error
    _mark(path).unlink(missing_ok=True)
    return f"{path.name} was damaged ({why}); it was moved to {aside.name}, and an empty one begun."


def _mark(path: Path) -> Path:
    return path.with_name(path.name + ".suspect")


def remote_file_system(path: Path, mounts: Iterable[tuple[str, str]] | None = None) -> str | None:
    """Give the type of the file system *path* lies on if other machines may share it, else None.

    *mounts*: folders and their types, as they were mounted; by default this machine's.
    """
    here = os.path.normcase(path.resolve())
    best, kind = -1, ""
    for mount, fstype in _mounts() if mounts is None else mounts:
        root = os.path.normcase(mount)
        inside = here == root or here.startswith(root.rstrip("/\\") + os.sep)
        if inside and len(root) >= best:  # the last of two mounts on one folder is the one seen
            best, kind = len(root), fstype.lower()
    return kind if kind.startswith(REMOTE) else None


def parsed_mounts(text: str) -> list[tuple[str, str]]:
    """Read /proc/mounts: folders and types."""
    fields = [line.split(" ") for line in text.splitlines()]
    return [(_unescaped(each[1]), each[2]) for each in fields if len(each) > 2]


def _mounts() -> list[tuple[str, str]]:
    try:
        return parsed_mounts(Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        pass  # not Linux
    try:
        return [(each.mountpoint, each.fstype) for each in psutil.disk_partitions(all=True)]
    except (OSError, psutil.Error):
        return []


def _unescaped(mount: str) -> str:
    """Undo what /proc/mounts does to spaces and the like."""
    for code, letter in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        mount = mount.replace(code, letter)
    return mount
