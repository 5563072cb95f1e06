"""All SQL about outcomes that came before their prediction and wait for it. Called by the store's writer thread.

``met`` says for all of the label join which of two outcomes for one id stands. The surprising part: it is the newer by
its own time, for queues and senders that try again bring an earlier word after the correction of it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Literal

from autoheal.telemetry.records import Outcome, Prediction
from autoheal.telemetry.values import class_of

Met = Literal["same", "newer", "older"]


def met(label: object, time: float | None, outcome: Outcome) -> Met:
    """How another outcome stands to the label that is known, as of ``time``: it says the ``same``, or something else and
    is ``newer`` (or of the same time) or ``older``. One class says the same however it is written: ``1`` and ``"1"``."""
    if label == outcome.label or class_of(label) == class_of(outcome.label):
        return "same"
    return "older" if time is not None and outcome.time < time else "newer"


def keep(db: sqlite3.Connection, outcome: Outcome, at: float) -> Literal["waiting", "same", "corrected"]:
    """Let an outcome wait; a newer one for the same id replaces it and waits on in its place."""
    held = db.execute(
        "SELECT label, time FROM waiting_outcomes WHERE model = ? AND id = ?", (outcome.model, outcome.id)
    ).fetchone()
    if held is None:
        db.execute(
            "INSERT INTO waiting_outcomes (model, id, time, label, arrived) VALUES (?, ?, ?, ?, ?)",
            (outcome.model, outcome.id, outcome.time, outcome.label, at),
        )
        return "waiting"
    how = met(held[0], held[1], outcome)
    if how == "newer" or outcome.time > held[1]:
        db.execute(
            "UPDATE waiting_outcomes SET time = ?, label = ? WHERE model = ? AND id = ?",
            (outcome.time, outcome.label, outcome.model, outcome.id),
        )
    return "corrected" if how == "newer" else "same"


def take(db: sqlite3.Connection, prediction: Prediction) -> Outcome | None:
    """The outcome that waited for this prediction; it waits no longer."""
    row = db.execute(
        "DELETE FROM waiting_outcomes WHERE model = ? AND id = ? RETURNING time, label",
        (prediction.model, prediction.id),
    ).fetchone()
    return None if row is None else Outcome(prediction.model, prediction.id, *row)


def count(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM waiting_outcomes").fetchone()[0])


def expire(db: sqlite3.Connection, before: float, keep_rows: int) -> Counter[str]:
    """Forget those that arrived before, and the oldest beyond ``keep_rows`` of the models that have most, so that a flood
    for one model takes no labels from the others; how many of each model went."""
    gone = Counter(
        model
        for (model,) in db.execute(
            "DELETE FROM waiting_outcomes WHERE arrived < ? RETURNING model", (before,)
        )
    )
    excess = count(db) - keep_rows
    if excess > 0:
        gone.update(
            model
            for (model,) in db.execute(
                "DELETE FROM waiting_outcomes WHERE (model, id) IN (SELECT model, id FROM (SELECT model, id,"
                " row_number() OVER (PARTITION BY model ORDER BY arrived DESC) AS place FROM waiting_outcomes)"
                " ORDER BY place DESC LIMIT ?) RETURNING model",
                (excess,),
            )
        )
    return gone
