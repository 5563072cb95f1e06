"""How alike neighbouring rows of a column are: its design effect, kept in reference.json. Pure.

Called by ``reference`` (features) and ``reference_parts`` (answers) when a version is made; ``data_drift`` and
``score_drift`` count such rows for less. The rows must be in the order of time, as training files are; a shuffled file
shows no likeness.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autoheal.monitors.reference import FeatureReference
from autoheal.stats import design_effect
from autoheal.stats.categorical import MISSING

#: Rows of a block: about what a monitor looks at.
BLOCK = 500


def likeness(reference: FeatureReference, cells: Sequence[Any]) -> dict[str, float]:
    """``mean`` and ``cv2`` of ``design_effect.Design``; nothing where the reference is too short to tell.

    ``cells`` are floats with NaN for a column with bins, else level names with None for missing.
    """
    if len(reference.counts) < 2:
        return {}
    return likeness_of(len(cells), lambda rows: counts_of(reference, cells[rows]))


def likeness_of(rows: int, count: Callable[[slice], Any]) -> dict[str, float]:
    """The same for ``rows`` rows in the order of time, of which ``count`` gives the counts of a stretch by bin."""
    size = design_effect.block_rows(rows, BLOCK)
    blocks = rows // size
    if blocks < design_effect.LEAST_BLOCKS:
        return {}
    counts = [count(slice(i * size, (i + 1) * size)) for i in range(blocks)]
    found = design_effect.estimate(np.array(counts)[:, None, :])
    return {"mean": float(found.mean[0]), "cv2": float(found.cv2[0])}


def counts_of(reference: FeatureReference, cells: Sequence[Any]) -> Any:
    """Cells, as ``likeness`` takes them, on the reference's bins or levels."""
    if reference.bins is not None:
        return reference.bins.counts(cells)
    assert reference.levels is not None
    tally = Counter(MISSING if cell is None else str(cell) for cell in cells)
    return reference.levels.counts(tally)
