"""The tables of telemetry.db and their numbered migrations. And the two ways into the file: the store's, and a reader's.

Monitors start over as not_yet when it is deleted. A commit is on the disk (synchronous=FULL), because senders are told
that what was acknowledged need not be sent again, and that has to hold over a power cut too.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlite_utils import Database, Migrations

from autoheal.errors import StoreError

#: Real seconds that a writer waits for another process that has the file.
BUSY = 5.0
migrations = Migrations("autoheal.telemetry")


@migrations()
def first(db: Database) -> None:
    """Predictions with their labels, outcomes that wait for a prediction, metric samples."""
    db.execute(
        """
        CREATE TABLE predictions (
            seq INTEGER PRIMARY KEY,
            model TEXT NOT NULL,
            id TEXT NOT NULL,
            version TEXT NOT NULL,
            time REAL NOT NULL,
            arrived REAL NOT NULL,
            features TEXT NOT NULL,
            prediction,
            score REAL,
            latency_ms REAL,
            error TEXT,
            fallback INTEGER NOT NULL,
            label,
            label_time REAL,
            labelled REAL,
            UNIQUE (model, id)
        )
        """
    )
    db.execute("CREATE INDEX predictions_by_time ON predictions (model, time)")
    db.execute(
        """
        CREATE TABLE waiting_outcomes (
            model TEXT NOT NULL,
            id TEXT NOT NULL,
            time REAL NOT NULL,
            label,
            arrived REAL NOT NULL,
            PRIMARY KEY (model, id)
        ) WITHOUT ROWID
        """
    )
    db.execute(
        """
        CREATE TABLE metrics (
            seq INTEGER PRIMARY KEY,
            model TEXT NOT NULL,
            name TEXT NOT NULL,
            time REAL NOT NULL,
            value REAL NOT NULL
        )
        """
    )
    db.execute("CREATE INDEX metrics_by_name ON metrics (model, name, seq)")


@migrations()
def batches(db: Database) -> None:
    """Which batches were stored under which key, so that one sent twice is stored once, over restarts too."""
    db.execute(
        """
        CREATE TABLE batches (
            seq INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            digest TEXT NOT NULL,
            accepted INTEGER NOT NULL,
            duplicates INTEGER NOT NULL,
            waiting INTEGER NOT NULL,
            corrected INTEGER NOT NULL
        )
        """
    )


@migrations()
def joins(db: Database) -> None:
    """How many records of each model were joined, doubled, corrected, orphaned, expired."""
    db.execute(
        "CREATE TABLE joins (model TEXT, name TEXT, n INTEGER NOT NULL, PRIMARY KEY (model, name)) WITHOUT ROWID"
    )
    db.execute(
        "INSERT INTO joins SELECT model, 'predictions', count(*) FROM predictions GROUP BY model"
        " UNION ALL SELECT model, 'joined', count(label) FROM predictions GROUP BY model"
    )


@migrations()
def summaries(db: Database) -> None:
    """History as sums over stretches of time, and the grids they were counted on."""
    db.execute(
        """
        CREATE TABLE summaries (
            model TEXT NOT NULL,
            version TEXT NOT NULL,
            slice TEXT NOT NULL,
            width INTEGER NOT NULL,
            start INTEGER NOT NULL,
            grid TEXT NOT NULL,
            rows INTEGER NOT NULL,
            counts BLOB NOT NULL,
            moments BLOB NOT NULL,
            answers BLOB NOT NULL,
            UNIQUE (model, start, width, version, slice, grid)
        )
        """
    )
    db.execute("CREATE TABLE grids (digest TEXT PRIMARY KEY, layout BLOB NOT NULL) WITHOUT ROWID")
    db.execute(
        "CREATE TABLE grid_of (model TEXT, version TEXT, digest TEXT NOT NULL, PRIMARY KEY (model, version))"
        " WITHOUT ROWID"
    )


@migrations()
def chunks(db: Database) -> None:
    """Large batches in one piece, labels of their rows, and an index of all ids."""
    db.execute(
        """
        CREATE TABLE chunks (
            first INTEGER PRIMARY KEY,
            model TEXT NOT NULL,
            rows INTEGER NOT NULL,
            earliest REAL NOT NULL,
            latest REAL NOT NULL,
            arrived REAL NOT NULL,
            data BLOB NOT NULL
        )
        """
    )
    db.execute("CREATE INDEX chunks_by_time ON chunks (model, latest)")
    db.execute(
        """
        CREATE TABLE packed_labels (
            seq INTEGER PRIMARY KEY,
            model TEXT NOT NULL,
            version TEXT NOT NULL,
            time REAL NOT NULL,
            label,
            label_time REAL NOT NULL,
            labelled REAL NOT NULL
        )
        """
    )
    db.execute("CREATE INDEX packed_labels_by_time ON packed_labels (model, time)")
    db.execute(
        """
        CREATE TABLE id_runs (
            model TEXT NOT NULL,
            first INTEGER NOT NULL,
            last INTEGER NOT NULL,
            keys BLOB NOT NULL,
            seqs BLOB NOT NULL,
            UNIQUE (model, first)
        )
        """
    )


@migrations()
def samples(db: Database) -> None:
    """A sample of the raw rows that have left, without sensitive features, and up to which rank each is complete."""
    db.execute(
        """
        CREATE TABLE samples (
            model TEXT NOT NULL,
            start INTEGER NOT NULL,
            version TEXT NOT NULL,
            rank INTEGER NOT NULL,
            id TEXT NOT NULL,
            time REAL NOT NULL,
            features TEXT NOT NULL,
            prediction,
            score REAL,
            label,
            UNIQUE (model, start, version, rank, id)
        )
        """
    )
    db.execute(
        "CREATE TABLE sample_edges (model TEXT, start INTEGER, version TEXT, edge INTEGER NOT NULL,"
        " PRIMARY KEY (model, start, version)) WITHOUT ROWID"
    )


@migrations()
def metric_buckets(db: Database) -> None:
    """Sums of metric samples that are no longer kept one by one."""
    db.execute(
        """
        CREATE TABLE metric_buckets (
            model TEXT NOT NULL,
            name TEXT NOT NULL,
            width INTEGER NOT NULL,
            start INTEGER NOT NULL,
            n INTEGER NOT NULL,
            data BLOB NOT NULL,
            PRIMARY KEY (model, name, start, width)
        ) WITHOUT ROWID
        """
    )
    db.execute("CREATE INDEX metric_buckets_by_age ON metric_buckets (model, width, start)")


@migrations()
def skew(db: Database) -> None:
    """Features as the training pipeline computes them, and how many of each hour were not what was served."""
    db.execute(
        """
        CREATE TABLE trained_features (
            model TEXT NOT NULL,
            id TEXT NOT NULL,
            time REAL NOT NULL,
            arrived REAL NOT NULL,
            digest BLOB NOT NULL,
            features TEXT,
            version TEXT NOT NULL,
            at REAL NOT NULL,
            result TEXT NOT NULL,
            UNIQUE (model, id)
        )
        """
    )
    db.execute(
        "CREATE INDEX trained_features_waiting ON trained_features (arrived) WHERE features IS NOT NULL"
    )
    db.execute("CREATE INDEX trained_features_by_arrival ON trained_features (model, arrived)")
    db.execute(
        """
        CREATE TABLE skew (
            model TEXT NOT NULL,
            version TEXT NOT NULL,
            feature TEXT NOT NULL,
            hour INTEGER NOT NULL,
            compared INTEGER NOT NULL,
            different INTEGER NOT NULL,
            not_served INTEGER NOT NULL,
            not_trained INTEGER NOT NULL,
            apart INTEGER NOT NULL,
            counted REAL NOT NULL,
            PRIMARY KEY (model, hour, version, feature)
        ) WITHOUT ROWID
        """
    )
    db.execute("CREATE INDEX skew_by_age ON skew (counted)")


@migrations()
def class_seats(db: Database) -> None:
    """Classes that are kept apart among the answers of summaries."""
    db.execute(
        "CREATE TABLE class_seats (model TEXT NOT NULL, class TEXT NOT NULL, PRIMARY KEY (model, class)) WITHOUT ROWID"
    )


def open_database(path: Path) -> sqlite3.Connection:
    """A connection to the migrated file (0600, WAL, FULL); raises ``StoreError`` when it cannot be used."""
    try:
        path.touch(mode=0o600)
        connection = _connect(path)
        # Only a new file takes it; most of what is written are blobs of several pages.
        connection.execute("PRAGMA page_size=16384")
        connection.execute("PRAGMA journal_mode=WAL")
        migrations.apply(Database(connection))
        connection.commit()
    except (sqlite3.Error, OSError) as error:
        raise _unusable(path, error) from error
    return connection


def reader(path: Path) -> sqlite3.Connection:
    """A connection that only looks, for any thread; ``StoreError`` where there is nothing to look at."""
    if not path.exists():
        raise StoreError(f"{path}: there is no telemetry; no daemon has run with this state folder")
    try:
        connection = _connect(path)
        connection.execute("PRAGMA query_only=ON")
        connection.execute("SELECT 1 FROM predictions LIMIT 1")
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    return connection


def _unusable(path: Path, error: Exception) -> StoreError:
    hint = ""
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        hint = "; move it away or restore a backup: without it no decision is lost, and monitors start over"
    return StoreError(f"{path}: cannot be opened as telemetry: {error}{hint}")


def _connect(path: Path) -> sqlite3.Connection:
    """A plain connection; transactions are begun and ended by hand."""
    connection = sqlite3.connect(path, check_same_thread=False, timeout=BUSY, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    return connection
