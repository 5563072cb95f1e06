"""SQL of the table ``entries``: the log proper. Functions over a connection; whose it is, is the caller's business.

``insert`` runs inside a transaction that the writer opened. The place in the chain is read from the table itself each
time, so that nothing in memory can disagree with what is on disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import orjson

from autoheal.domain.events import Entry
from autoheal.errors import StoreError
from autoheal.store.codec import chain, decode_entry, encode_entry

#: What the first entry is chained to.
GENESIS: Final = "0" * 64


class Head(NamedTuple):
    """The newest entry: its number (0 for an empty log) and the hash that covers all up to it."""

    seq: int
    hash: str


def head(connection: sqlite3.Connection) -> Head:
    row = connection.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
    return Head(*row) if row else Head(0, GENESIS)


def hash_at(connection: sqlite3.Connection, seq: int) -> str | None:
    if seq == 0:
        return GENESIS
    row = connection.execute("SELECT hash FROM entries WHERE seq = ?", (seq,)).fetchone()
    return row[0] if row else None


def insert(connection: sqlite3.Connection, batch: Sequence[Entry]) -> Head:
    """Add the batch right after the head. A gap or an overlap, or an entry that cannot be written: none of it."""
    seq, digest = head(connection)
    rows: list[tuple[int, str, str]] = []
    for entry in batch:
        seq += 1
        if entry.seq != seq:
            raise StoreError(f"the log continues with entry {seq}, not {entry.seq}")
        body = encode_entry(entry)
        digest = chain(digest, body)
        rows.append((seq, body, digest))
    connection.executemany("INSERT INTO entries (seq, body, hash) VALUES (?, ?, ?)", rows)
    return Head(seq, digest)


def select(connection: sqlite3.Connection, after: int, limit: int) -> list[Entry]:
    """Entries ``after + 1`` and on, at most ``limit``; StoreError names the first that is missing, altered or odd."""
    rows = connection.execute(
        "SELECT seq, body, hash FROM entries WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
    ).fetchall()
    if not rows:
        return []
    expected, digest = after, hash_at(connection, after)
    if digest is None:
        raise StoreError(f"log entry {after} is missing")
    found = []
    for seq, body, stored in rows:
        expected += 1
        if seq != expected:
            raise StoreError(f"log entry {expected} is missing")
        digest = chain(digest, body)
        if digest != stored:
            raise StoreError(f"log entry {seq} was altered: its hash does not fit")
        found.append(decode_entry(body, seq=seq))
    return found


def select_started(connection: sqlite3.Connection, key: str) -> Entry | None:
    """The newest ``StepStarted`` of a step key."""
    row = connection.execute(
        "SELECT seq, body FROM entries WHERE kind = 'step_started' AND key = ? ORDER BY seq DESC LIMIT 1",
        (key,),
    ).fetchone()
    return decode_entry(row[1], seq=row[0]) if row else None


def select_kinds(connection: sqlite3.Connection, kinds: Sequence[str]) -> list[Entry]:
    """All entries of some kinds."""
    marks = ", ".join("?" * len(kinds))
    rows = connection.execute(f"SELECT seq, body FROM entries WHERE kind IN ({marks}) ORDER BY seq", kinds)  # noqa: S608 - marks
    return [decode_entry(body, seq=seq) for seq, body in rows]


def first_bad(connection: sqlite3.Connection) -> int | None:
    """The first number whose entry is missing, altered or not in its place; None for a sound log."""
    digest = GENESIS
    for expected, (seq, body, stored) in enumerate(_all(connection), start=1):
        digest = chain(digest, body)
        if seq != expected or digest != stored or not _in_place(body, seq):
            return expected
    return None


def _all(connection: sqlite3.Connection) -> Iterator[tuple[int, str, str]]:
    yield from connection.execute("SELECT seq, body, hash FROM entries ORDER BY seq")


def _in_place(body: str, seq: int) -> bool:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(document, dict) and document.get("seq") == seq
