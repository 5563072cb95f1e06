"""SQL of the table ``snapshots``: worlds kept to shorten the start. Deleting all of them loses nothing.

A snapshot counts only if its text is intact, its schema digest is today's, and the log has the same hash at its
number; anything else is ignored with a line in the log of the process, never fatal.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from typing import Final, NamedTuple

from autoheal.domain.world import World
from autoheal.errors import StoreError
from autoheal.store import entries
from autoheal.store.codec import decode_world, world_digest

_LOG = logging.getLogger(__name__)
#: The newest, and one more in case that is not usable.
KEEP: Final = 2


class _Row(NamedTuple):
    seq: int
    hash: str
    digest: str
    sha256: str
    body: str


def insert(connection: sqlite3.Connection, seq: int, body: str) -> None:
    """Keep ``body`` as the world after entry ``seq``, and forget all but the newest few."""
    digest = entries.hash_at(connection, seq)
    if digest is None:
        raise StoreError(f"no snapshot of entry {seq}: the log ends before it")
    connection.execute(
        "INSERT OR REPLACE INTO snapshots (seq, hash, digest, sha256, body) VALUES (?, ?, ?, ?, ?)",
        (seq, digest, world_digest(), _sum(body), body),
    )
    connection.execute(
        "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT ?)",
        (KEEP,),
    )


def newest(connection: sqlite3.Connection) -> World | None:
    """The newest usable world, or None."""
    rows = connection.execute("SELECT seq, hash, digest, sha256, body FROM snapshots ORDER BY seq DESC")
    for row in rows.fetchall():
        try:
            return _usable(connection, _Row(*row))
        except StoreError as error:
            _LOG.warning("snapshot of entry %s ignored: %s", row[0], error)
    return None


def first_orphan(connection: sqlite3.Connection) -> int | None:
    """The first entry that a snapshot vouches for and the log does not have: the log has lost its tail."""
    for seq, digest in connection.execute("SELECT seq, hash FROM snapshots ORDER BY seq"):
        found = entries.hash_at(connection, seq)
        if found is None:
            return entries.head(connection).seq + 1
        if found != digest:
            return int(seq)
    return None


def _usable(connection: sqlite3.Connection, row: _Row) -> World:
    """The world of a row; StoreError says why it cannot be trusted."""
    if row.digest != world_digest():
        raise StoreError("another version wrote it")
    if _sum(row.body) != row.sha256:
        raise StoreError("its text is damaged")
    if entries.hash_at(connection, row.seq) != row.hash:
        raise StoreError("it belongs to another history")
    world = decode_world(row.body)
    if world.seq != row.seq:
        raise StoreError(f"it is the world after entry {world.seq}")
    return world


def _sum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
