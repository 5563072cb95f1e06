"""The keys ``output`` and ``joint`` of reference.json: answers to held-out rows, and features taken together.

``telemetry.reference`` calls both directions; what they mean is said in ``monitors.reference_parts``. Each part is left
out (None) when there is too little to say anything, never guessed. Surprise: the law of the features comes from every
second block of rows and is tried on the blocks between, so that slow growth of the data touches both alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autoheal.monitors.reference_parts import Joint, Output, ranked, tamed
from autoheal.monitors.rows import Floats, Ints
from autoheal.monitors.scores import Answers
from autoheal.stats import calibration, multivariate
from autoheal.stats.calibration import Calibration
from autoheal.stats.categorical import levels
from autoheal.stats.reference_bins import FEATURE_BINS, SCORE_BINS, ReferenceBins, cut
from autoheal.telemetry.likeness import likeness_of

#: Rows of a window in the training data, and how many windows are kept.
WINDOW, WINDOWS = 200, 200
#: Fewer blocks of rows say nothing about features together; more features are too many for one table.
LEAST_BLOCKS, MOST_FEATURES = 4, 100
#: Twenty bins from so many held-out rows, ten below.
FINE_ROWS = 2_000
MOST_CLASSES = 50
#: Expected losses are mended by this factor at most.
MOST_RATIO = 2.0


def build_output(answers: Answers, classes: Sequence[str]) -> dict[str, Any]:
    """``output`` from answers to held-out rows; for classes the answers hold codes into ``classes``."""
    made: dict[str, Any] = {"n": len(answers)}
    if not classes:
        bins = _cut(answers.prediction)
        if bins is not None:
            losses = _mean_by(bins, answers.prediction, np.abs(answers.prediction - answers.label))
            made |= _binned(bins, answers.prediction) | {"losses": losses}
            made["likeness"] = {"prediction": _alike(bins, answers.prediction)}
        return made
    if len(classes) > MOST_CLASSES:
        return made
    said, true = answers.prediction.astype(np.int64), answers.label.astype(np.int64)
    table = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(table, (said, true), 1)
    alike = likeness_of(len(said), lambda rows: np.bincount(said[rows], minlength=len(classes)))
    made |= {"classes": list(classes), "confusion": table.tolist(), "likeness": {"class": alike}}
    scored = np.isfinite(answers.score)
    bins = _cut(answers.score[scored])
    if bins is None:
        return made
    by_class = [bins.counts(answers.score[scored & (true == j)]).tolist() for j in range(len(classes))]
    made |= _binned(bins, answers.score[scored]) | {"by_class": by_class}
    made["likeness"]["score"] = _alike(bins, answers.score)
    return made | _calibrated(answers, scored, classes)


def load_output(raw: Mapping[str, Any]) -> Output:
    bins = _load_bins(raw)
    known = raw.get("calibration")
    return Output(
        n=int(raw["n"]),
        bins=bins,
        counts=_counts(raw, bins),
        classes=tuple(raw.get("classes", ())),
        confusion=np.array(raw["confusion"], np.int64) if "confusion" in raw else None,
        by_class=np.array(raw["by_class"], np.int64) if "by_class" in raw else None,
        calibration=_load_calibration(known) if known else None,
        losses=np.array(raw["losses"], np.float64) if "losses" in raw else None,
        # Not in files of earlier releases.
        ratio=float(known.get("ratio", 1.0)) if known else 1.0,
        likeness={
            subject: (float(known["mean"]), float(known["cv2"]))
            for subject, known in raw.get("likeness", {}).items()
            if known
        },
    )


def build_joint(kinds: Mapping[str, str], columns: Mapping[str, Sequence[Any]]) -> dict[str, Any] | None:
    """``joint`` from training rows in the order of time; categories hold names or None, numbers floats or NaN."""
    names = list(kinds)
    rows = len(columns[names[0]]) if names else 0
    if not 1 <= len(names) <= MOST_FEATURES or rows < LEAST_BLOCKS * WINDOW:
        return None
    ranks = {n: levels(columns[n]).names for n in names if kinds[n] == "categorical" and _any(columns[n])}
    table = np.column_stack([
        ranked(columns[n], ranks.get(n, ())) if kinds[n] == "categorical" else tamed(np.asarray(columns[n], np.float64))
        for n in names
    ])  # fmt: skip
    blocks = np.array_split(table[: rows // WINDOW * WINDOW], rows // WINDOW)
    law = multivariate.fit(np.concatenate(blocks[::2]))
    seen = [multivariate.compare(law, multivariate.moments(law, block)) for block in blocks[1::2][-WINDOWS:]]
    return {
        "features": names,
        "fitted": sum(len(block) for block in blocks[::2]),
        "window": WINDOW,
        "centre": _short(law.centre),
        "scale": _short(law.scale),
        "mean": _short(law.mean),
        "product": _short(law.product),
        "product_sd": _short(law.product_sd),
        "t2": _short(np.array([s.t2 for s in seen])),
        "max_z": _short(np.array([s.max_z for s in seen])),
        "ranks": {name: list(known) for name, known in ranks.items()},
    }


def load_joint(raw: Mapping[str, Any]) -> Joint:
    """Raises ValueError when the parts do not fit together."""
    centre, scale, mean, product, sd = (
        np.array(raw[key], np.float64) for key in ("centre", "scale", "mean", "product", "product_sd")
    )
    return Joint(
        features=tuple(raw["features"]),
        law=multivariate.of_law(centre, scale, mean, product, sd),
        fitted=int(raw["fitted"]),
        window=int(raw["window"]),
        t2=np.array(raw["t2"], np.float64),
        max_z=np.array(raw["max_z"], np.float64),
        ranks={name: tuple(known) for name, known in raw.get("ranks", {}).items()},
    )


def _any(column: Sequence[Any]) -> bool:
    return any(value is not None for value in column)


def _cut(values: Floats) -> ReferenceBins | None:
    known = values[np.isfinite(values)]
    if known.size == 0 or known.min() == known.max():
        return None
    return cut(known, SCORE_BINS if known.size >= FINE_ROWS else FEATURE_BINS)


def _alike(bins: ReferenceBins, values: Floats) -> dict[str, float]:
    return likeness_of(len(values), lambda rows: bins.counts(values[rows]))


def _binned(bins: ReferenceBins, values: Floats) -> dict[str, Any]:
    return {
        "edges": list(bins.edges),
        "low": bins.low,
        "high": bins.high,
        "counts": bins.counts(values).tolist(),
    }


def _mean_by(bins: ReferenceBins, values: Floats, losses: Floats) -> list[float | None]:
    place = np.searchsorted(np.array(bins.edges), values, side="left")
    rows = np.bincount(place, minlength=len(bins.edges) + 1)
    sums = np.bincount(place, weights=losses, minlength=len(bins.edges) + 1)
    return [float(s / n) if n else None for s, n in zip(sums, rows, strict=True)]


def _calibrated(answers: Answers, scored: Any, classes: Sequence[str]) -> dict[str, Any]:
    """Only for two classes, one of which the scores are about."""
    scores = answers.score[scored]
    positive = answers.label[scored] == answers.positive
    fits = len(classes) == 2 and answers.positive >= 0 and len(scores) >= calibration.LEAST_ROWS
    if not fits or scores.min() < 0.0 or scores.max() > 1.0 or positive.all() or not positive.any():
        return {}
    curve = calibration.fit(scores, positive.astype(np.float64))
    said = answers.prediction[scored] == answers.positive
    chance = curve(scores)
    # A curve cannot follow a jump of the chances at the threshold, and is off there by the same on every row to come.
    expected, true = float(np.where(said, 1.0 - chance, chance).sum()), int((said != positive).sum())
    ratio = min(max(true / expected, 1.0 / MOST_RATIO), MOST_RATIO) if expected > 0.0 and true else 1.0
    return {
        "calibration": {
            "scores": _short(np.array(curve.scores)),
            "chances": _short(np.array(curve.chances)),
            "ece": curve.ece,
            "n": curve.n,
            "ratio": ratio,
        }
    }


def _load_calibration(raw: Mapping[str, Any]) -> Calibration:
    scores, chances = (tuple(float(v) for v in raw[key]) for key in ("scores", "chances"))
    if len(scores) != len(chances) or not scores:
        raise ValueError("a calibration needs as many chances as scores")
    return Calibration(scores, chances, float(raw["ece"]), int(raw["n"]))


def _load_bins(raw: Mapping[str, Any]) -> ReferenceBins | None:
    if "edges" not in raw:
        return None
    return ReferenceBins(tuple(float(e) for e in raw["edges"]), float(raw["low"]), float(raw["high"]))


def _counts(raw: Mapping[str, Any], bins: ReferenceBins | None) -> Ints:
    counts = np.array(raw.get("counts", ()), np.int64)
    if bins is not None and counts.shape != (bins.size,):
        raise ValueError(f"{len(counts)} counts do not fit {bins.size} bins")
    return counts


def _short(values: Floats) -> Any:
    """Nine digits: enough for any comparison, half the bytes."""
    return (
        np.vectorize(lambda v: float(f"{v:.9g}"), otypes=[np.float64])(values).tolist() if values.size else []
    )
