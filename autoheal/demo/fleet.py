"""The demo's three models: what each takes, gives and is measured by, and how its first version is made. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from autoheal.demo import feeds
from autoheal.demo.feeds import Row


@dataclass(frozen=True, slots=True)
class DemoModel:
    """``metric`` is how people read its performance; ``batch`` rows go in one request; labels come ``lag`` later."""

    name: str
    task: Literal["classification", "regression"]
    features: dict[str, str]
    stand_in: tuple[str, ...]
    rows: Callable[[], tuple[Row, ...]]
    metric: Literal["mae", "accuracy"]
    batch: int
    lag: timedelta
    unit_error: tuple[str, float]


def _bike_features() -> dict[str, str]:
    return dict.fromkeys((*feeds.CALENDAR, *feeds.WEATHER), "numeric")


def _loan_features() -> dict[str, str]:
    return dict.fromkeys(feeds.LOAN_NUMBERS, "numeric") | dict.fromkeys(feeds.LOAN_CATEGORIES, "categorical")


def _demand() -> tuple[Row, ...]:
    return feeds.bike(busy=False)


def _busy() -> tuple[Row, ...]:
    return feeds.bike(busy=True)


DAY = timedelta(days=1)
FLEET: tuple[DemoModel, ...] = (
    DemoModel(
        "bike-demand",
        "regression",
        _bike_features(),
        ("hr", "workingday"),
        _demand,
        "mae",
        24,
        DAY,
        ("hr", 0.5),
    ),
    DemoModel(
        "bike-busy",
        "classification",
        _bike_features(),
        ("hr", "workingday"),
        _busy,
        "accuracy",
        24,
        DAY,
        ("hr", 0.5),
    ),
    DemoModel(
        "loan-repayment",
        "classification",
        _loan_features(),
        ("repaid_on_prev_car", "downpayment"),
        feeds.loans,
        "accuracy",
        165,
        3 * DAY,
        ("loan_length", 12.0),
    ),
)


def model(name: str) -> DemoModel:
    return next(m for m in FLEET if m.name == name)


def training_rows(model: DemoModel) -> list[Row]:
    """What the first version learned: the half-year before the start, or the loans' reference part."""
    rows = model.rows()
    return (
        list(rows[: feeds.LOANS_REFERENCE])
        if model.name == "loan-repayment"
        else [r for r in rows if r.time < feeds.START]
    )


def service_rows(model: DemoModel) -> list[Row]:
    """What it meets in service, in order."""
    rows = model.rows()
    if model.name == "loan-repayment":
        return list(rows[feeds.LOANS_REFERENCE :])
    return [r for r in rows if feeds.START <= r.time <= feeds.END]
