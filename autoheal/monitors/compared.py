"""What came of comparing features as served with those that the training pipeline computes. Pure; part of a view.

Telemetry fills it (``telemetry.skew``), ``data_quality`` reads it. The surprising part: a feature that the pipeline's
record does not name was not compared, while one that it gives as null was, and is missing there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoheal.monitors.rows import Floats

#: What became of one feature of one id.
NOT_COMPARED, EQUAL, DIFFERENT, NOT_SERVED, NOT_TRAINED = range(5)


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The ids compared last, by when they were: ``time`` of the prediction, ``arrived`` when it was compared first (unix
    seconds), its version, and per feature what became of it, all of shape (ids,)."""

    time: Floats
    arrived: Floats
    version: NDArray[np.str_]
    codes: Mapping[str, NDArray[np.uint8]]
