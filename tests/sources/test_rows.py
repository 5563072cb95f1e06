"""Rows of tables become records: each column arrives as what it is, whatever the table calls it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from autoheal.domain.names import ModelName, Task
from autoheal.domain.specs import FeatureSpec, ModelSpec
from autoheal.sources.rows import Kind, usable
from autoheal.sources.tally import Tally
from autoheal.telemetry import Outcome, Prediction

SPEC = ModelSpec(
    ModelName("loans"),
    Task.CLASSIFICATION,
    features=(FeatureSpec("amount", "numeric"), FeatureSpec("country", "categorical")),
)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()


def read(row: dict[str, object], kind: Kind = "predictions") -> Prediction | Outcome:
    (found,) = usable([row], kind, SPEC, {"country": "client.country"}, tally := Tally("t"))
    assert not tally.refused
    assert isinstance(found, Prediction | Outcome)
    return found


def test_a_prediction_has_all_that_its_row_has() -> None:
    row = {"id": 7, "time": "2026-01-01 12:00:00", "version": 2, "amount": "3.5", "client": {"country": "NA"}}
    answered = row | {"prediction": "1", "score": "0.8", "latency_ms": "3.1"}
    assert read(answered) == Prediction(
        SPEC.name, "2", "7", NOON, {"amount": 3.5, "country": "NA"}, "1", 0.8, 3.1, None, "champion"
    )
    failed = read(row | {"error": "timeout", "by": "fallback"})
    assert isinstance(failed, Prediction)
    assert (failed.prediction, failed.error, failed.by) == (None, "timeout", "fallback")


@pytest.mark.parametrize(
    "time",
    ["2026-01-01T12:00:00Z", "2026-01-01T13:00:00+01:00", "2026-01-01 07:00:00-05:00", str(NOON), Decimal(NOON),
     datetime(2026, 1, 1, 12), datetime(2026, 1, 1, 12, tzinfo=UTC)],  # noqa: DTZ001 - as databases give it,
    ids=str,
)  # fmt: skip
def test_times_of_tables_have_one_meaning(time: object) -> None:
    assert read({"id": "a", "time": time, "label": Decimal(1)}, "outcomes").time == NOON


@pytest.mark.parametrize("label", ["", " ", "NA", "null", None, float("nan")])
def test_a_label_that_is_not_there_is_counted_and_no_class(label: object) -> None:
    tally = Tally("t")
    assert not usable([{"id": "a", "time": NOON, "label": label}], "outcomes", SPEC, {}, tally)
    assert tally.refused == {"label": 1}
