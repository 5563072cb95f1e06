"""What is kept of many samples of one service metric: count, exact sums, smallest, largest, newest, quantiles. Pure.

Adding is exact and the order does not matter: sums are fractions (every float is one), quantiles are a DDSketch whose
counts add. So a day is the same whether it was added up from samples, minutes or hours, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import orjson

from autoheal.stats.ddsketch import DDSketch, from_plain

#: Relative error of the quantiles.
ACCURACY = 0.02


@dataclass(frozen=True, slots=True)
class MetricSum:
    """``n`` samples, at least one; ``last`` is the newest one's (unix seconds, value), of two at one time the larger."""

    n: int
    total: Fraction
    squares: Fraction
    low: float
    high: float
    last: tuple[float, float]
    sketch: DDSketch

    def __add__(self, other: MetricSum) -> MetricSum:
        return MetricSum(
            self.n + other.n,
            self.total + other.total,
            self.squares + other.squares,
            min(self.low, other.low),
            max(self.high, other.high),
            max(self.last, other.last),
            self.sketch.merge(other.sketch),
        )

    @property
    def mean(self) -> float:
        """Correctly rounded."""
        return float(self.total / self.n)

    @property
    def variance(self) -> float:
        """Of the population, in the metric's unit squared; infinite where no float can hold it."""
        try:
            return float(self.squares / self.n - (self.total / self.n) ** 2)
        except OverflowError:
            return float("inf")

    def quantile(self, share: float) -> float:
        """Within 2% of the sample of that rank."""
        found = float(self.sketch.quantiles([share])[0])
        return min(max(found, self.low), self.high)


def added(samples: Iterable[tuple[float, float]]) -> MetricSum:
    """The sum of (unix seconds, value), at least one; values are finite."""
    pairs = sorted(samples)
    values = [value for _, value in pairs]
    exact = [Fraction(value) for value in values]
    return MetricSum(
        len(values),
        sum(exact, Fraction()),
        sum((one * one for one in exact), Fraction()),
        min(values),
        max(values),
        pairs[-1],
        DDSketch(ACCURACY).update(values),
    )


def dumped(one: MetricSum) -> bytes:
    """For a column of SQLite."""
    plain = one.sketch.to_plain()
    return orjson.dumps(
        {
            "total": _text(one.total),
            "squares": _text(one.squares),
            "low": one.low,
            "high": one.high,
            "last": one.last,
            "sketch": [plain["accuracy"], plain["zeros"], plain["positive"], plain["negative"]],
        }
    )


def loaded(n: int, raw: bytes) -> MetricSum:
    """What ``dumped`` wrote."""
    found = orjson.loads(raw)
    accuracy, zeros, positive, negative = found["sketch"]
    plain = {"accuracy": accuracy, "zeros": zeros, "skipped": 0, "positive": positive, "negative": negative}
    return MetricSum(
        n,
        _fraction(found["total"]),
        _fraction(found["squares"]),
        found["low"],
        found["high"],
        (found["last"][0], found["last"][1]),
        from_plain(plain),
    )


def _text(value: Fraction) -> str:
    """Hexadecimal, which is short and quick for denominators that are powers of two, however long."""
    return f"{value.numerator:x}/{value.denominator:x}"


def _fraction(text: str) -> Fraction:
    above, below = text.split("/")
    return Fraction(int(above, 16), int(below, 16))
