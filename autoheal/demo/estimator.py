"""The demo's models: gradient boosting from scikit-learn, and simple stand-ins. Trained here, loaded by the server.

An artefact is one joblib file. Joblib is pickle underneath: ``load`` is called only for artefacts that the registry
has just checked against the hash it recorded when the version was made, never for a file from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TREES = 150


@dataclass(slots=True)
class Estimator:
    """``features`` in order with their kind; ``levels`` gives each known category its number, the rest are missing."""

    task: Literal["classification", "regression"]
    features: Mapping[str, str]
    levels: dict[str, dict[str, int]] = field(default_factory=dict)
    booster: Any = None

    def fit(self, rows: Sequence[Mapping[str, Any]], labels: Sequence[float]) -> Estimator:
        from sklearn.ensemble import (  # noqa: PLC0415 - a second to import; the stand-ins do without
            HistGradientBoostingClassifier,
            HistGradientBoostingRegressor,
        )

        for name, kind in self.features.items():
            if kind == "categorical":
                seen = sorted({str(row[name]) for row in rows if row.get(name) is not None})
                self.levels[name] = {level: n for n, level in enumerate(seen)}
        maker = HistGradientBoostingRegressor if self.task == "regression" else HistGradientBoostingClassifier
        booster = maker(max_iter=TREES, random_state=0, early_stopping=False)
        self.booster = booster.fit(self.matrix(rows), np.asarray(labels, np.float64))
        return self

    def matrix(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """Rows as numbers; missing and unknown values are NaN, which the trees take."""
        columns = [[_number(row.get(name), self.levels.get(name)) for row in rows] for name in self.features]
        return np.array(columns, np.float64).T.reshape(len(rows), len(self.features))

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float] | None]:
        """Predictions, and for classes the probability of class 1."""
        matrix = self.matrix(rows)
        if self.task == "regression":
            return self.booster.predict(matrix).tolist(), None
        scores: list[float] = self.booster.predict_proba(matrix)[:, -1].tolist()
        return [float(score >= 0.5) for score in scores], scores


@dataclass(slots=True)
class StandIn:
    """Answers without any column that a feed can break: crude and robust.

    With ``echo`` it repeats that column (what was true a week ago), else, or where that is missing, it gives the mean
    of the label for each combination of ``keys``.
    """

    task: Literal["classification", "regression"]
    keys: tuple[str, ...]
    echo: str = ""
    means: dict[tuple[str, ...], float] = field(default_factory=dict)
    overall: float = 0.0

    def fit(self, rows: Sequence[Mapping[str, Any]], labels: Sequence[float]) -> StandIn:
        cells: dict[tuple[str, ...], list[float]] = {}
        for row, label in zip(rows, labels, strict=True):
            cells.setdefault(self._cell(row), []).append(label)
        self.means = {cell: float(np.mean(values)) for cell, values in cells.items()}
        self.overall = float(np.mean(labels))
        return self

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float] | None]:
        means = [self._mean(row) for row in rows]
        if self.task == "regression":
            return means, None
        return [float(mean >= 0.5) for mean in means], means

    def _mean(self, row: Mapping[str, Any]) -> float:
        echoed = row.get(self.echo) if self.echo else None
        return self.means.get(self._cell(row), self.overall) if echoed is None else float(echoed)

    def _cell(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(str(row.get(key)) for key in self.keys)


def _number(value: Any, levels: Mapping[str, int] | None) -> float:
    if value is None:
        return float("nan")
    if levels is not None:
        return float(levels.get(str(value), np.nan))
    return float(value)


def save(model: Estimator | StandIn, folder: Path) -> None:
    import joblib  # noqa: PLC0415 - comes with scikit-learn

    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")


def load(folder: Path) -> Estimator | StandIn:
    """Read an artefact that the registry vouches for."""
    import joblib  # noqa: PLC0415 - comes with scikit-learn

    model = joblib.load(folder / "model.joblib")
    if not isinstance(model, Estimator | StandIn):
        raise TypeError(f"{folder} holds a {type(model).__name__}, not a demo model")
    return model
