"""Hashes and headers on the disk: one SQLite file, which several processes may share.

It is a cache: if it cannot be opened, read or written, the library goes on without it and says so in the
log once. A damaged file is moved aside and a new one begun. Blocks: for threads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..breath import Breath
from .facts import facts_from_text, facts_to_text, origin_from_text, origin_to_text
from .values import Known, Stamp

if TYPE_CHECKING:
    import sqlite3

log = logging.getLogger("backplane")

Result = TypeVar("Result")

SCHEMA = 1
BUSY_S = 5.0
AT_ONCE = 400
"""Paths in one query; SQLite takes 999 values."""
MOST_ROWS = 200_000
"""More than this, and those that were written longest ago are dropped: files come and go."""
TRIM_EVERY = 1000
SMALL = 32 * 2**20
"""Bytes up to which all pages of a file are looked through as it is opened: some 0.2 s."""

_TABLE = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode TEXT NOT NULL,
    sha256 TEXT,
    facts TEXT,
    origin TEXT,
    written REAL NOT NULL
) WITHOUT ROWID
"""
_COLUMNS = "path, size, mtime_ns, inode, sha256, facts, origin"
_SAME = "files.size = excluded.size AND files.mtime_ns = excluded.mtime_ns AND files.inode = excluded.inode"
# Two processes may each know something of a file: neither forgets what the other found out.
_PUT = f"""
INSERT INTO files ({_COLUMNS}, written) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (path) DO UPDATE SET
    sha256 = CASE WHEN {_SAME} THEN coalesce(excluded.sha256, files.sha256) ELSE excluded.sha256 END,
    facts = CASE WHEN {_SAME} THEN coalesce(excluded.facts, files.facts) ELSE excluded.facts END,
    origin = CASE WHEN {_SAME} THEN coalesce(excluded.origin, files.origin) ELSE excluded.origin END,
    size = excluded.size, mtime_ns = excluded.mtime_ns, inode = excluded.inode, written = excluded.written
"""  # noqa: S608 - names of columns


@dataclass(frozen=True, slots=True)
class Row:
    """What is kept of one file."""

    path: str
    """With all links followed."""
    known: Known


class Store:
    """The file at *path*, opened when it is first needed."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._turn = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._off = False
        self._until_trim = TRIM_EVERY

    def get(self, paths: Sequence[str]) -> dict[str, Known]:
        """Give what is known of these files, whatever stamp they have now."""
        found: dict[str, Known] = {}
        breath = Breath()
        for begin in range(0, len(paths), AT_ONCE):
            some = list(paths[begin : begin + AT_ONCE])
            marks = ",".join("?" * len(some))
            query = f"SELECT {_COLUMNS} FROM files WHERE path IN ({marks})"  # noqa: S608 - question marks
            for row in self._rows(query, some):
                breath.take()
                found[row.path] = row.known
        return found

    def with_sha256(self, sha256: str) -> list[Row]:
        """Give the files that had this hash when they were last looked at."""
        return self._rows(f"SELECT {_COLUMNS} FROM files WHERE sha256 = ?", [sha256])  # noqa: S608

    def put(self, rows: Iterable[Row]) -> None:
        """Keep what is known of some files. What is None leaves what is there, if the file is the same."""
        values = [(*_values(row), self._clock()) for row in rows]
        if values:
            self._do(lambda db: self._write(db, values))

    def forget(self, path: str) -> None:
        """Drop what is known of a file."""
        self._do(lambda db: db.execute("DELETE FROM files WHERE path = ?", [path]))

    def close(self) -> None:
        """Let go of the file. What is asked afterwards opens it again."""
        with self._turn:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _rows(self, query: str, values: list[str]) -> list[Row]:
        found = self._do(lambda db: db.execute(query, values).fetchall())
        return [_row(each) for each in found or ()]

    def _write(self, db: sqlite3.Connection, values: list[tuple[str | int | float | None, ...]]) -> None:
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(_PUT, values)
            self._until_trim -= len(values)
            if self._until_trim < 0:
                self._until_trim = TRIM_EVERY
                over = db.execute("SELECT count(*) FROM files").fetchone()[0] - MOST_ROWS
                if over > 0:
                    oldest = "SELECT path FROM files ORDER BY written LIMIT ?"
                    db.execute(f"DELETE FROM files WHERE path IN ({oldest})", [over])  # noqa: S608
            db.execute("COMMIT")
        except BaseException:
            with suppress(Exception):
                db.execute("ROLLBACK")
            raise

    def _do(self, work: Callable[[sqlite3.Connection], Result]) -> Result | None:
        """Do *work* with the file; None if that cannot be."""
        # Loading SQLite's library takes up to 0.3 s: not while ComfyUI imports the package.
        import sqlite3  # noqa: PLC0415

        with self._turn:
            for again in (False, True):
                if self._off:
                    return None
                try:
                    if self._db is None:
                        self._db = _opened(self._path)
                    return work(self._db)
                except sqlite3.OperationalError as error:  # busy, full, read-only: may pass
                    log.warning("What is known of model files cannot be read or kept just now: %s", error)
                    return None
                except (OSError, _Newer) as error:
                    log.warning("What is known of model files is not kept: %s", error)
                    self._off = True
                except sqlite3.DatabaseError as error:
                    self._off = again
                    self._set_aside(str(error))
        return None

    def _set_aside(self, why: str) -> None:
        """Rename a damaged file, with its log."""
        if self._db is not None:
            self._db.close()
            self._db = None
        aside = self._path.with_name(f"{self._path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        try:
            for part in ("", "-wal", "-shm", "-journal"):
                with suppress(FileNotFoundError):
                    self._path.with_name(self._path.name + part).replace(aside.with_name(aside.name + part))
        except OSError as error:
            self._off = True
            log.warning("%s is damaged (%s) and cannot be moved aside: %s", self._path.name, why, error)
        else:
            log.warning("%s was damaged (%s); it was moved to %s", self._path.name, why, aside.name)


class _Newer(Exception):
    """The file was written by a newer Backplane."""


def _opened(path: Path) -> sqlite3.Connection:
    import sqlite3  # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    # isolation_level=None: transactions are begun and ended here, not by the module.
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        _check(db, path, version)
        db.execute("PRAGMA journal_mode=WAL")
        # After a loss of power the last hashes may be missing, and are worked out again.
        db.execute("PRAGMA synchronous=NORMAL")
        if version < SCHEMA:
            db.execute("BEGIN IMMEDIATE")
            db.execute(_TABLE)
            db.execute("CREATE INDEX IF NOT EXISTS files_sha256 ON files (sha256)")
            db.execute(f"PRAGMA user_version={SCHEMA}")
            db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection, path: Path, version: int) -> None:
    """Raise _Newer, DatabaseError for a file that cannot be used."""
    import sqlite3  # noqa: PLC0415

    if version > SCHEMA:
        raise _Newer(f"{path.name} was written by a newer Backplane")
    if path.stat().st_size <= SMALL:
        looked = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if looked != "ok":
            raise sqlite3.DatabaseError(looked)


def _values(row: Row) -> tuple[str | int | None, ...]:
    known = row.known
    return (
        row.path,
        known.stamp.size,
        known.stamp.mtime_ns,
        str(known.stamp.inode),  # has up to 128 bits on Windows
        known.sha256,
        None if known.facts is None else facts_to_text(known.facts),
        None if known.origin is None else origin_to_text(known.origin),
    )


def _row(found: tuple[str, int, int, str, str | None, str | None, str | None]) -> Row:
    path, size, mtime_ns, inode, sha256, facts, origin = found
    stamp = Stamp(size, mtime_ns, int(inode))
    return Row(path, Known(stamp, sha256, facts_from_text(facts), origin_from_text(origin)))
