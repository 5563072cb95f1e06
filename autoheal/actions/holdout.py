"""Which rows are held back from a trainer, so that the gate can judge what it made. Pure.

``spread``: every third of the newer rows of each class, where a row says nothing about its neighbours. Where neighbours are alike
(runs of one label, hours of one day) rows between learned ones flatter a candidate beyond measure (measured on
electricity prices: an error of 7 % there and 25 % in service); there the *newest rows of each class* are held back, so that
a block of one class at the end does not judge alone. ``auto`` looks at the labels and picks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from autoheal.actions.cleaning import split
from autoheal.domain.names import Task
from autoheal.domain.specs import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Row = Mapping[str, Any]
Held = Literal["auto", "spread", "newest"]
#: From this correlation of neighbouring labels on, they are alike: chance gives it to 200 rows in one case of 400.
LAG_ONE: Final = 0.2
#: Classes that are looked at, the commonest first.
CLASSES: Final = 5


def hold_back(
    spec: ModelSpec, rows: Sequence[Row], share: float, held: Held
) -> tuple[list[Row], list[Row], str]:
    """(to learn from, held back, how), both in the order of time; ``rows`` are the oldest first."""
    how = ("newest" if neighbours_alike(spec, rows) else "spread") if held == "auto" else held
    spread = how == "spread"
    if spec.task is not Task.CLASSIFICATION:
        return *split(rows, share, spread=spread), how
    back = _of_each_class(rows, share, spread=spread)
    learn = [row for place, row in enumerate(rows) if place not in back]
    return learn, [row for place, row in enumerate(rows) if place in back], how


def neighbours_alike(spec: ModelSpec, rows: Sequence[Row]) -> bool:
    """Whether labels come in runs, or creep: a correlation of neighbouring rows of LAG_ONE or more."""
    import numpy as np  # noqa: PLC0415 - only where rows are there to look at

    if spec.task is not Task.CLASSIFICATION:
        return _lag_one(np.array([float(row["label"]) for row in rows])) >= LAG_ONE
    names = _classes(rows)
    common = [name for name, _ in Counter(names).most_common(CLASSES)]
    return any(_lag_one(np.array([float(n == name) for n in names])) >= LAG_ONE for name in common)


def _lag_one(values: NDArray[np.float64]) -> float:
    """Correlation of each row with the next one; 0 where nothing varies."""
    rest = values - values.mean()
    spread = float(rest @ rest)
    return float(rest[1:] @ rest[:-1]) / spread if spread > 0.0 else 0.0


def _of_each_class(rows: Sequence[Row], share: float, *, spread: bool) -> set[int]:
    """Places held back. Each class is split by itself: every second row of labels that alternate is one class."""
    mine: dict[str, list[dict[str, int]]] = {}
    for place, name in enumerate(_classes(rows)):
        mine.setdefault(name, []).append({"place": place})
    return {int(row["place"]) for one in mine.values() for row in split(one, share, spread=spread)[1]}


def _classes(rows: Sequence[Row]) -> list[str]:
    from autoheal.telemetry.values import class_of  # noqa: PLC0415 - comes with all of telemetry

    return [class_of(row["label"]) for row in rows]
