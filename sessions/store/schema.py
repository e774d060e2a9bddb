"""Tables and how they came to be: one entry of MIGRATIONS for each version of the file, applied in order.

An entry never changes once it was released. Workflows stand apart from versions: a rollback has the same one
as the version that it goes back to. ``sessions.bytes`` is what a session's workflows and operations take.
``versions.near_valid`` and ``near_ran`` are the nearest version back, itself included, that is so.
"""

from __future__ import annotations

VERSION_1 = """
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('rev', 1);

CREATE TABLE sessions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  label BLOB,
  parent BLOB,
  source BLOB NOT NULL,
  metadata BLOB NOT NULL,
  on_failure TEXT NOT NULL,
  head INTEGER NOT NULL,
  latest INTEGER NOT NULL,
  rev INTEGER NOT NULL,
  seen INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL,
  used_at REAL NOT NULL
);
CREATE INDEX sessions_changed ON sessions (changed);
CREATE INDEX sessions_used ON sessions (used_at);

CREATE TABLE graphs (
  id INTEGER PRIMARY KEY,
  session INTEGER NOT NULL,
  sha256 BLOB NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (session, sha256)
);

CREATE TABLE versions (
  session INTEGER NOT NULL,
  n INTEGER NOT NULL,
  base INTEGER,
  next INTEGER,
  kind TEXT NOT NULL,
  graph INTEGER NOT NULL,
  same_as INTEGER,
  changes INTEGER NOT NULL,
  summary BLOB NOT NULL,
  valid INTEGER,
  ran INTEGER NOT NULL,
  near_valid INTEGER,
  near_ran INTEGER,
  because BLOB,
  made_at REAL NOT NULL,
  PRIMARY KEY (session, n)
) WITHOUT ROWID;
CREATE INDEX versions_base ON versions (session, base);
CREATE INDEX versions_graph ON versions (graph);
CREATE INDEX versions_valid ON versions (session, n) WHERE valid = 1;
CREATE INDEX versions_ran ON versions (session, n) WHERE ran = 1;

CREATE TABLE ops (
  session INTEGER NOT NULL, n INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (session, n)
);

CREATE TABLE runs (
  task_id TEXT NOT NULL UNIQUE,
  session INTEGER NOT NULL,
  n INTEGER NOT NULL,
  status TEXT
);
CREATE INDEX runs_session ON runs (session, n);

CREATE TABLE answers (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  body_sha256 TEXT NOT NULL,
  status INTEGER NOT NULL,
  created_at REAL NOT NULL,
  answer BLOB NOT NULL,
  PRIMARY KEY (scope, key)
);
CREATE INDEX answers_created ON answers (created_at);
"""

MIGRATIONS: tuple[str, ...] = (VERSION_1,)

TABLES = ("counters", "sessions", "graphs", "versions", "ops", "runs", "answers")
"""What the newest version has."""
