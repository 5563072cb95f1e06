"""The shape of ``autoheal.db``, as numbered migrations: a number that was released is never edited, only followed.

Run once at open by the log, before anything else. A file that knows numbers we do not was written by a newer autoheal
and is refused rather than misread.
"""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database, Migrations

from autoheal.errors import StoreError

log_migrations = Migrations("autoheal.log")


@log_migrations(name="0001_entries")
def _entries(db: Database) -> None:
    """``at``, ``kind`` and ``key`` are computed from the text, for people who query the file; only ``body`` counts."""
    db.execute(
        """
        CREATE TABLE entries (
            seq  INTEGER PRIMARY KEY,
            body TEXT NOT NULL,
            hash TEXT NOT NULL,
            at   TEXT GENERATED ALWAYS AS (json_extract(body, '$.at')) VIRTUAL,
            kind TEXT GENERATED ALWAYS AS (json_extract(body, '$.event.kind')) VIRTUAL,
            key  TEXT GENERATED ALWAYS AS (json_extract(body, '$.event.key')) VIRTUAL
        ) STRICT
        """
    )
    db.execute("CREATE INDEX entries_step_started ON entries (key) WHERE kind = 'step_started'")


@log_migrations(name="0002_snapshots")
def _snapshots(db: Database) -> None:
    """``hash`` is the log's hash at ``seq``: a snapshot of another history is recognised."""
    db.execute(
        """
        CREATE TABLE snapshots (
            seq    INTEGER PRIMARY KEY,
            hash   TEXT NOT NULL,
            digest TEXT NOT NULL,
            sha256 TEXT NOT NULL,
            body   TEXT NOT NULL
        ) STRICT
        """
    )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file up to date; all or nothing for each number."""
    db = Database(connection, execute_plugins=False)
    known = {m.name for m in log_migrations.pending(db)} | {m.name for m in log_migrations.applied(db)}
    ours = {"0001_entries", "0002_snapshots"}
    if strange := sorted(known - ours):
        raise StoreError(
            f"the log was written by a newer autoheal (it has {', '.join(strange)}); use that one"
        )
    log_migrations.apply(db)
