"""The parts of reference.json about answers and about features together."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from autoheal.domain.names import Task
from autoheal.domain.specs import FeatureSpec
from autoheal.errors import TelemetryError
from autoheal.monitors.reference import Reference
from autoheal.monitors.rows import Column
from autoheal.stats import multivariate
from autoheal.telemetry import build_performance, build_reference, load_reference

FEATURES = (FeatureSpec("x", "numeric"), FeatureSpec("y", "numeric"), FeatureSpec("s", "categorical"))


def trained(rows: int = 4000, **performance: object) -> Reference:
    rng = np.random.default_rng(3)
    x = rng.normal(size=rows)
    y = 0.8 * x + 0.6 * rng.normal(size=rows)
    s = np.array(["often", "rare"])[(rng.random(rows) < 0.1).astype(int)]
    columns = {
        "x": [None if i % 97 == 0 else v for i, v in enumerate(x.tolist())],
        "y": y.tolist(),
        "s": s.tolist(),
    }
    return load_reference(orjson.dumps(build_reference(FEATURES, columns, performance or None)))


def test_features_together_survive_json() -> None:
    joint = trained().joint
    assert joint is not None
    assert (joint.features, joint.fitted, len(joint.t2)) == (("x", "y", "s"), 2000, 10)
    assert joint.law.product[0, 1] == pytest.approx(0.8, abs=0.05)
    assert joint.ranks == {"s": ("often", "rare")}
    # Hotelling's T2 of healthy windows has mean d, and a little for the law's own error.
    assert joint.t2.mean() == pytest.approx(3.0, abs=2.0)
    rng = np.random.default_rng(4)
    broken = {"x": rng.normal(size=200), "y": rng.normal(size=200)}
    columns = {n: Column("numeric", v, np.zeros(200, np.uint8)) for n, v in broken.items()}
    codes = np.array([0, -1, 1] * 66 + [2, 2], np.int32)
    columns["s"] = Column(
        "categorical", codes, np.where(codes < 0, 1, 0).astype(np.uint8), ("rare", "often", "new")
    )
    table = joint.matrix(columns, np.arange(200))
    assert table[:3, 2].tolist()[::2] == [1.0, 0.0]
    assert np.isnan(table[1, 2])
    assert table[199, 2] == 2.0, "a level never seen comes after the rarest"
    shift = multivariate.compare(joint.law, multivariate.moments(joint.law, table))
    assert shift.max_z > joint.max_z.max()


def test_a_column_that_is_gone_is_missing() -> None:
    joint = trained().joint
    assert joint is not None
    assert np.isnan(joint.matrix({}, np.arange(5))).all()


def test_too_few_rows_or_no_features_have_no_joint_part() -> None:
    assert trained(700).joint is None


def test_scores_by_class_and_their_calibration() -> None:
    rng = np.random.default_rng(5)
    p = rng.random(3000)
    y = (rng.random(3000) < p).astype(int)
    output = trained(1000, **build_performance(Task.CLASSIFICATION, y, (p > 0.5).astype(int), p)).output
    assert output is not None
    assert output.bins is not None
    assert output.confusion is not None
    assert output.by_class is not None
    assert output.calibration is not None
    assert (output.n, output.bins.size, output.counts.sum()) == (3000, 22, 3000)
    assert output.confusion.sum() == output.by_class.sum() == 3000
    assert (output.confusion.sum(axis=1) == [(p <= 0.5).sum(), (p > 0.5).sum()]).all()
    assert output.calibration.ece < 0.05
    assert output.calibration([0.3])[0] == pytest.approx(0.3, abs=0.1)


def test_numbers_have_bins_and_the_loss_in_each() -> None:
    rng = np.random.default_rng(6)
    p = rng.gamma(2, 10, 3000)
    output = trained(1000, **build_performance(Task.REGRESSION, p + rng.normal(0, 0.2 * p), p)).output
    assert output is not None
    assert output.losses is not None
    assert output.losses[-1] > 4 * output.losses[0], "large predictions err by more"


@pytest.mark.parametrize(
    ("labels", "predictions", "scores"),
    [
        (["a", "b", "c"] * 20, ["a", "b", "c"] * 20, None),
        ([1, 0] * 30, [1, 0] * 30, [float("nan")] * 60),
        ([1, 0] * 30, [1, 0] * 30, [0.5] * 60),
        ([1, 0] * 30, [1, 0] * 30, [1e9, -3.0] * 30),
    ],
)
def test_without_usable_scores_there_are_class_shares_only(
    labels: list, predictions: list, scores: list
) -> None:
    output = trained(1000, **build_performance(Task.CLASSIFICATION, labels, predictions, scores)).output
    assert output is not None
    assert output.confusion is not None
    assert output.calibration is None


def test_parts_that_do_not_fit_are_refused() -> None:
    raw = build_reference(
        FEATURES[:1], {"x": list(range(1000))}, build_performance(Task.REGRESSION, [1, 2, 3], [1, 2, 4])
    )
    for part, key in (("joint", "mean"), ("output", "counts")):
        broken = {**raw, part: {**raw[part], key: [1.0, 2.0]}}
        with pytest.raises(TelemetryError, match=r"reference\.json"):
            load_reference(broken)
    assert load_reference({k: v for k, v in raw.items() if k not in ("joint", "output")}).joint is None
