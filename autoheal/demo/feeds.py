"""The demo's data as feeds: rows in their own time order, with features as JSON values and the truth. Reads package
files; pure otherwise.

The bike feed starts in 2011; loans are moved and stretched as a block (order and proportions kept) to the same time.
"""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources

WEEK = timedelta(days=7)
#: The first day that the models see in service; everything before is their training data.
START = datetime(2011, 7, 1, tzinfo=UTC)
END = datetime(2012, 12, 30, 23, tzinfo=UTC)
LOANS_REFERENCE = 20_000
#: The loans come from ten months of 2018 and 2019; every interval is made this much longer, so that they last as long
#: as the bikes. Their order stays.
LOANS_STRETCH = 1.8
#: A busy hour has more rentals than the median hour of the first half-year.
BUSY = 84

#: What was true at the same hour a week ago: the models do not use it, their stand-ins do.
LAST_WEEK = "last_week"
WEATHER = ("weathersit", "temp", "hum", "windspeed")
CALENDAR = ("hr", "holiday", "weekday", "workingday")
LOAN_NUMBERS = ("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure")
LOAN_CATEGORIES = ("salary_range", "repaid_on_prev_car", "downpayment")

Value = float | str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One request's worth: when, which, the inputs, and what turned out to be true."""

    time: datetime
    id: str
    features: dict[str, Value]
    label: float


@cache
def bike(*, busy: bool) -> tuple[Row, ...]:
    """Hours of rentals; the label is the count, or with ``busy`` 1 for a busy hour."""
    raws = _read("bike")
    times = [_hour(raw) for raw in raws]
    counts = (float(raw["cnt"]) for raw in raws)
    truth = {time: float(n > BUSY) if busy else n for time, n in zip(times, counts, strict=True)}
    return tuple(_bike_row(raw, time, truth) for raw, time in zip(raws, times, strict=True))


def _hour(raw: dict[str, str]) -> datetime:
    return datetime.fromisoformat(raw["date"]).replace(tzinfo=UTC) + timedelta(hours=int(raw["hr"]))


def _bike_row(raw: dict[str, str], time: datetime, truth: dict[datetime, float]) -> Row:
    features: dict[str, Value] = {name: float(raw[name]) for name in (*CALENDAR, *WEATHER)}
    features[LAST_WEEK] = truth.get(time - WEEK)
    return Row(time, f"{time:%Y%m%d%H}", features, truth[time])


@cache
def loans() -> tuple[Row, ...]:
    """Car loans; the label is 1 for a repaid one."""
    raws = _read("loans")
    first = datetime.fromisoformat(raws[LOANS_REFERENCE]["time"])
    return tuple(_loan_row(raw, datetime.fromisoformat(raw["time"]) - first) for raw in raws)


def _loan_row(raw: dict[str, str], after: timedelta) -> Row:
    features: dict[str, Value] = {name: float(raw[name]) for name in LOAN_NUMBERS}
    features.update({name: raw[name] for name in LOAN_CATEGORIES})
    return Row(START + LOANS_STRETCH * after, raw["id"], features, float(raw["repaid"]))


@cache
def _read(name: str) -> list[dict[str, str]]:
    data = resources.files("autoheal.demo").joinpath("data", f"{name}.csv.gz").read_bytes()
    return list(csv.DictReader(io.StringIO(gzip.decompress(data).decode())))
