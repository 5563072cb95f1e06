"""All SQL about outcomes that came before their prediction and wait for it. Called by the store's writer thread."""

from __future__ import annotations

import sqlite3

from autoheal.telemetry.records import Outcome, Prediction


def keep(db: sqlite3.Connection, outcome: Outcome, at: float) -> bool:
    """Let an outcome wait (a later one for the same id replaces it); whether it was the first for its id."""
    changed = db.execute(
        "INSERT OR IGNORE INTO waiting_outcomes (model, id, time, label, arrived) VALUES (?, ?, ?, ?, ?)",
        (outcome.model, outcome.id, outcome.time, outcome.label, at),
    )
    if changed.rowcount:
        return True
    db.execute(
        "UPDATE waiting_outcomes SET time = ?, label = ? WHERE model = ? AND id = ?",
        (outcome.time, outcome.label, outcome.model, outcome.id),
    )
    return False


def take(db: sqlite3.Connection, prediction: Prediction) -> Outcome | None:
    """The outcome that waited for this prediction; it waits no longer."""
    row = db.execute(
        "DELETE FROM waiting_outcomes WHERE model = ? AND id = ? RETURNING time, label",
        (prediction.model, prediction.id),
    ).fetchone()
    return None if row is None else Outcome(prediction.model, prediction.id, *row)


def count(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM waiting_outcomes").fetchone()[0])


def expire(db: sqlite3.Connection, before: float, keep_rows: int) -> int:
    """Forget those that arrived before, and the oldest beyond ``keep_rows``; how many went."""
    old = db.execute("DELETE FROM waiting_outcomes WHERE arrived < ?", (before,)).rowcount
    excess = count(db) - keep_rows
    if excess <= 0:
        return old
    gone = db.execute(
        "DELETE FROM waiting_outcomes WHERE (model, id) IN"
        " (SELECT model, id FROM waiting_outcomes ORDER BY arrived LIMIT ?)",
        (excess,),
    )
    return old + gone.rowcount
