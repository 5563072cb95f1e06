"""The demo's three models: what each takes, gives and is measured by, and how its first version is made. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import count
from typing import Literal

from autoheal.demo import feeds
from autoheal.demo.feeds import Row


@dataclass(frozen=True, slots=True)
class DemoModel:
    """``metric`` is how people read its performance; ``batch`` rows go in one request; labels come ``lag`` later.
    The stand-in repeats ``echo``, or takes the mean over ``stand_in``. When the data are played out, those from
    ``again_from`` on may be played again, ``again_after`` later."""

    name: str
    task: Literal["classification", "regression"]
    features: dict[str, str]
    stand_in: tuple[str, ...]
    echo: str
    rows: Callable[[], tuple[Row, ...]]
    metric: Literal["mae", "accuracy"]
    batch: int
    lag: timedelta
    again_from: datetime
    again_after: timedelta


def _bike_features() -> dict[str, str]:
    return dict.fromkeys((*feeds.CALENDAR, *feeds.WEATHER), "numeric")


def _loan_features() -> dict[str, str]:
    return dict.fromkeys(feeds.LOAN_NUMBERS, "numeric") | dict.fromkeys(feeds.LOAN_CATEGORIES, "categorical")


def _demand() -> tuple[Row, ...]:
    return feeds.bike(busy=False)


def _busy() -> tuple[Row, ...]:
    return feeds.bike(busy=True)


DAY = timedelta(days=1)
#: A year again, on the same days of the week: 52 weeks from the first Monday.
YEAR = (datetime(2012, 1, 2, tzinfo=UTC), 364 * DAY)
FLEET: tuple[DemoModel, ...] = (
    DemoModel(
        "bike-demand",
        "regression",
        _bike_features(),
        ("hr", "workingday"),
        feeds.LAST_WEEK,
        _demand,
        "mae",
        24,
        DAY,
        *YEAR,
    ),
    DemoModel(
        "bike-busy",
        "classification",
        _bike_features(),
        ("hr", "workingday"),
        feeds.LAST_WEEK,
        _busy,
        "accuracy",
        24,
        DAY,
        *YEAR,
    ),
    DemoModel(
        "loan-repayment",
        "classification",
        _loan_features(),
        ("salary_range", "loan_length"),
        "",
        feeds.loans,
        "accuracy",
        165,
        3 * DAY,
        feeds.START,
        545 * DAY,
    ),
)


def model(name: str) -> DemoModel:
    return next(m for m in FLEET if m.name == name)


def training_rows(model: DemoModel) -> list[Row]:
    """What the first version learned: everything before the start."""
    return [row for row in model.rows() if row.time < feeds.START]


def service_rows(model: DemoModel) -> list[Row]:
    """What it meets in service, in order."""
    return [row for row in model.rows() if feeds.START <= row.time <= feeds.END]


Request = tuple[DemoModel, tuple[Row, ...]]


def requests(fleet: tuple[DemoModel, ...], *, endless: bool = False) -> Iterator[Request]:
    """All models' rows as requests, in the order of their last rows' times."""
    return merge(*(_requests(m, endless) for m in fleet), key=lambda request: request[1][-1].time)


def _requests(model: DemoModel, endless: bool) -> Iterator[Request]:
    times = count() if endless else range(1)
    for again in times:
        rows = service_rows(model) if again == 0 else _again(model, again)
        for first in range(0, len(rows), model.batch):
            yield model, tuple(rows[first : first + model.batch])


def _again(model: DemoModel, times: int) -> list[Row]:
    later = times * model.again_after
    return [
        replace(row, time=row.time + later, id=f"{row.id}+{times}")
        for row in service_rows(model)
        if row.time >= model.again_from
    ]
