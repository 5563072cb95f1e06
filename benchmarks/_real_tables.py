"""Tables with a model: the car loans with a known shift, and labelled streams with known drifts, through ``detect``.

Car loans: 50,000 reference rows, then 50,000 in which the world changes at row 25,000 (accuracy .944 before, .915 after).
Streams: a forest learns the first 3,000 rows of a concept, the next 3,000 are the reference, and the next concept comes.
Labels of the harvard_* streams alternate, so only delays are measured there, never accuracies.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _real_peers import adwin
from _real_series import found
from _shape import Row, at_most
from numpy.typing import NDArray

from autoheal.detect.engine import Options, detect
from autoheal.detect.events import Event
from autoheal.detect.table import Table, numbers, read

COMMAND = "python benchmarks/real_data.py"
SHIFT, CHUNK, REFERENCE = 25_000, 1_000, 50_000
LOANS = "covariate/synthetic_car_loan_"
FEATURES = (
    "car_value", "salary_range", "debt_to_income_ratio", "loan_length", "repaid_loan_on_prev_car",
    "size_of_downpayment", "driver_tenure",
)  # fmt: skip
ABRUPT, GRADUAL = (10_000, 20_000, 30_000), (9_000, 19_500, 30_000)
#: Stream: where each drift begins, and how long it takes.
DRIFTS = {
    "harvard_sine_0123_abrupto": (ABRUPT, 0),
    "harvard_stagger_0120_abrupto": (ABRUPT, 0),
    "harvard_mixed_0101_gradual": (GRADUAL, 2_000),
    "harvard_sea_0123_gradual_noise_02": (GRADUAL, 2_000),
}
LEARNT = WATCHED = 3_000
#: Stands for "not at all" among delays, since JSON has no infinity.
NEVER = 25_000
#: A drift hurts when losses behind it exceed those before by a tenth; one of sea makes the model better.
HARM = 1.1


def loans(root: Path) -> Table:
    """Reference and analysis rows in one table, the truth joined by id."""
    before, after, truth = (
        read(found(root, f"{LOANS}{part}.csv*")[0]) for part in ("reference", "analysis", "analysis_target")
    )
    repaid = dict(zip(truth.columns["id"], truth.columns["repaid"], strict=True))
    columns = {name: before.columns[name] + after.columns[name] for name in after.columns}
    label = before.columns["repaid"] + [repaid[i] for i in after.columns["id"]]
    columns["repaid"] = [str(int(float(cell))) for cell in label]
    return Table(columns, before.rows + after.rows)


def loan_rows(root: Path) -> list[Row]:
    table = loans(root)
    labelled = {"label": "repaid", "reference": (0, REFERENCE)}
    cases: dict[str, dict[str, Any]] = {
        "features": {"features": FEATURES, "reference": (0, REFERENCE)},
        "features, first 5,000 as reference": {"features": FEATURES},
        "scores": {"prediction": "y_pred_proba", "reference": (0, REFERENCE)},
        "loss of the scores": {"prediction": "y_pred_proba", **labelled},
        "wrong answers": {"prediction": "y_pred", **labelled},
    }
    early, late = _chunks_by_ks(table)
    rows = []
    for name, options in cases.items():
        events = detect(table, Options(time="timestamp", **options))
        alarms = [e.row - REFERENCE - SHIFT for e in events if e.kind == "alarm"]
        acts = [e.row - REFERENCE - SHIFT for e in events if e.kind == "alarm" and e.level == "act"]
        # Seven nats are in 1,000 answers that are right or wrong: enough to be told, not enough to act.
        fixed = name != "wrong answers"
        rows += [
            at_most(f"loans, {name}: rows to the first alarm", _first(alarms), late, CHUNK, COMMAND),
            at_most(
                f"loans, {name}: rows to the first act", _first(acts), late, CHUNK if fixed else None, COMMAND
            ),
            at_most(f"loans, {name}: alarms before", sum(a < 0 for a in alarms), early, 0, COMMAND),
            at_most(f"loans, {name}: acts before", sum(a < 0 for a in acts), early, 0, COMMAND),
        ]
    return rows


def _first(rows: Sequence[int]) -> float:
    after = [row for row in rows if row >= 0]
    return float(min(after)) if after else float(NEVER)


def _chunks_by_ks(table: Table) -> tuple[int, float]:
    """The textbook rule, KS p < 0.05 of any feature in a chunk: false chunks before the shift, rows to the first after."""
    bad = np.zeros(2 * SHIFT // CHUNK, dtype=np.bool_)
    for name in ("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure"):
        values = numbers(table.columns[name]).values
        base = np.sort(values[:REFERENCE])
        for i in range(len(bad)):
            chunk = np.sort(values[REFERENCE + i * CHUNK : REFERENCE + (i + 1) * CHUNK])
            bad[i] |= _ks_p(base, chunk) < 0.05
    clean = SHIFT // CHUNK
    return int(bad[:clean].sum()), float((int(bad[clean:].argmax()) + 1) * CHUNK)


def _ks_p(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    from scipy.stats import ks_2samp

    return float(ks_2samp(a, b, method="asymp").pvalue)


def stream_rows(root: Path, quick: bool) -> list[Row]:
    """Delay and misses over the drifts that hurt, and early alarms; peer: ADWIN on the same losses."""
    rows = []
    for name, (starts, width) in DRIFTS.items():
        table = read(found(root, f"streams/{name}.csv*")[0])
        cases = [_case(table, k, starts, width) for k in range(1 if quick else len(starts))]
        ours = [[e.row - WATCHED for e in events if e.kind == "alarm"] for events, _, _ in cases]
        theirs = ours if quick else adwin([losses for _, _, losses in cases])  # quick: without peers
        hurt = [float(x[at:].mean()) > HARM * float(x[:at].mean()) for _, at, x in cases]
        onsets = [at for _, at, _ in cases]
        mine, peer = _delays(ours, onsets, hurt), _delays(theirs, onsets, hurt)
        rows += [
            at_most(f"{name}: mean delay, rows", mine[0], peer[0], None, COMMAND),
            at_most(f"{name}: missed of {sum(hurt)}", mine[1], peer[1], None if quick else 0, COMMAND),
            at_most(f"{name}: alarms before", mine[2], peer[2], None if quick else 0, COMMAND),
        ]
    return rows


def _delays(
    found: Sequence[Sequence[int]], onsets: Sequence[int], hurt: Sequence[bool]
) -> tuple[float, int, int]:
    cases = list(zip(found, onsets, strict=True))
    first = [min((r - at for r in rows if r >= at), default=-1) for rows, at in cases]
    wanted = [delay for delay, bad in zip(first, hurt, strict=True) if bad]
    seen = [delay for delay in wanted if delay >= 0]
    early = sum(row < at for rows, at in cases for row in rows)
    return float(np.mean(seen)) if seen else float(NEVER), wanted.count(-1), early


def _case(
    table: Table, concept: int, starts: Sequence[int], width: int
) -> tuple[list[Event], int, NDArray[np.float64]]:
    """Events, the onset in rows behind the reference, and the losses behind the reference."""
    from sklearn.ensemble import RandomForestClassifier

    begin = starts[concept - 1] + width if concept else 0
    end = min(starts[concept] + 5_000, table.rows)
    label = table.columns["class"]
    x = np.stack([numbers(cells).values for name, cells in table.columns.items() if name != "class"], axis=1)
    y = np.array(label)
    learnt = slice(begin, begin + LEARNT)
    forest = RandomForestClassifier(50, random_state=0).fit(x[learnt], y[learnt])
    answers = forest.predict(x[begin + LEARNT : end]).tolist()
    truths = label[begin + LEARNT : end]
    live = Table({"said": answers, "true": truths}, len(answers))
    events = detect(live, Options(prediction="said", label="true", reference=(0, WATCHED)))
    wrong = np.array([a != b for a, b in zip(answers, truths, strict=True)], dtype=np.float64)
    return events, starts[concept] - begin - LEARNT - WATCHED, wrong[WATCHED:]


def inputs_rows(root: Path) -> list[Row]:
    """Real streams without a marked onset: how many columns alarm at all, of how many."""
    rows = []
    for name in ("elec2", "phishing", "keystroke"):
        table = read(found(root, f"streams/{name}.csv*")[0])
        left_out = {"class", "date", "day", "period"}
        columns = tuple(n for n in table.columns if n not in left_out)
        alarms = [e for e in detect(table, Options(features=columns)) if e.kind == "alarm"]
        loud = len({e.subject for e in alarms})
        rows.append(
            at_most(f"{name}: columns that alarm, of {len(columns)}", loud, len(columns), None, COMMAND)
        )
    return rows
