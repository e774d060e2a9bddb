"""Tables and how they came to be: one entry of MIGRATIONS for each version, applied in order.

An entry never changes once it was released; a change of the schema is a new entry. ``PRAGMA user_version``
is the number of entries that a file has seen.

What is read often stands in small rows: ``tasks``. What is large stands beside it in ``details`` and
``graphs`` (compressed, one for all tasks with the same graph), so that nothing that searches walks over it.
There is no index by priority: the order of the queue is the scheduler's, which claims by id.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from .trouble import StoreError

VERSION_1 = """
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('rev', 1);

CREATE TABLE saved (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE graphs (
  id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, refs INTEGER NOT NULL, body BLOB NOT NULL
);

CREATE TABLE tasks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  origin TEXT NOT NULL,
  status TEXT NOT NULL,
  client TEXT NOT NULL,
  priority INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  created_at REAL NOT NULL,
  started_at REAL,
  finished_at REAL,
  not_before REAL NOT NULL,
  node TEXT,
  cancel_requested INTEGER NOT NULL,
  batch_id TEXT,
  retry_of TEXT,
  rev INTEGER NOT NULL,
  lease_until REAL,
  lease_ticks REAL,
  graph INTEGER
);
CREATE INDEX tasks_rev ON tasks (rev);
CREATE INDEX tasks_status ON tasks (status, seq);
CREATE INDEX tasks_kind ON tasks (kind, status, seq);
CREATE INDEX tasks_created ON tasks (created_at);
CREATE INDEX tasks_batch ON tasks (batch_id, status, seq) WHERE batch_id IS NOT NULL;
CREATE INDEX tasks_finished ON tasks (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE details (
  seq INTEGER PRIMARY KEY, request BLOB NOT NULL, metadata BLOB NOT NULL, result BLOB, error BLOB
);

CREATE TABLE labels (
  name TEXT NOT NULL, value TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (name, value, seq)
) WITHOUT ROWID;

CREATE TABLE answers (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  body_sha256 TEXT NOT NULL,
  status INTEGER NOT NULL,
  created_at REAL NOT NULL,
  answer TEXT NOT NULL,
  PRIMARY KEY (scope, key)
);
CREATE INDEX answers_created ON answers (created_at);

CREATE TABLE nodes (
  id TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  boot TEXT NOT NULL,
  space TEXT NOT NULL,
  pid INTEGER NOT NULL,
  birth REAL,
  beat_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE deliveries (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  task_id TEXT NOT NULL,
  state TEXT NOT NULL,
  url TEXT NOT NULL,
  event TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  created_at REAL NOT NULL,
  next_at REAL NOT NULL,
  owner TEXT,
  owner_until REAL,
  ended_at REAL,
  status INTEGER,
  reason TEXT,
  payload BLOB
);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'pending';
CREATE INDEX deliveries_owned ON deliveries (owner_until) WHERE owner IS NOT NULL;
CREATE INDEX deliveries_task ON deliveries (task_id, state);
"""

VERSION_2 = """
CREATE TABLE marks (
  seq INTEGER NOT NULL,
  place INTEGER NOT NULL,
  favourite INTEGER NOT NULL,
  rating TEXT,
  deleted_at REAL,
  trashed TEXT,
  filename TEXT,
  PRIMARY KEY (seq, place)
) WITHOUT ROWID;
CREATE INDEX marks_favourite ON marks (favourite, seq) WHERE favourite = 1;
CREATE INDEX marks_rating ON marks (rating, seq) WHERE rating IS NOT NULL;
"""

MIGRATIONS: tuple[str, ...] = (VERSION_1, VERSION_2)

TABLES = (
    *("counters", "saved", "graphs", "tasks", "details", "labels", "answers", "nodes", "deliveries"),
    "marks",
)
"""What the newest version has."""


def migrate(db: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the file up to date, all or nothing. StoreError if it is newer than this code."""
    if version_of(db) == len(migrations):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(db)  # again, for another process may have been quicker
        refuse_newer(version, len(migrations))
        for script in migrations[version:]:
            for statement in script.split(";"):
                if statement.strip():
                    db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(migrations)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def version_of(db: sqlite3.Connection) -> int:
    """Give how many migrations a file has seen."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def refuse_newer(version: int, known: int) -> None:
    """Raise StoreError if a file's *version* is above what this code knows."""
    if version > known:
        raise StoreError(
            "STORE_NEWER",
            f"The store was written by a newer Backplane: its schema is {version}, this one knows {known}.",
            details={"schema": version, "known": known},
        )
