"""Which slice a row belongs to: one of a fixed list of names for each sliced column. Pure.

A ``Cut`` is a column with its names; every row is in exactly one of them, so that the slices of one column add up to
the whole. Used by telemetry (history by slice), by ``telemetry.slice_reference`` and by the monitor ``slices``. The
surprising part: names are fit for a policy's ``slices/region=north:accuracy``, so blanks, slashes and the signs of
patterns in a level become underscores; levels that are alike then are one slice.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from autoheal.domain.specs import SliceSpec
from autoheal.monitors.rows import Column, Ints

#: What is no number, or no text.
MISSING = "<missing>"
#: Levels that have no slice of their own.
OTHER = "<other>"
#: Characters of a level in a slice's name; longer ones end in a checksum.
LONGEST = 60
_UNFIT = re.compile(r"[\s/*?\[\]:\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Cut:
    """A column cut into slices: by ``bins`` (upper ends included), else by ``levels``. ``names`` has one entry a slice:
    bins or levels first, then other levels (categories only), then missing."""

    feature: str
    bins: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        feature = fit(self.feature)
        if self.bins:
            edges = [repr(edge).removesuffix(".0") for edge in self.bins]
            middle = [f"{a}<{feature}<={b}" for a, b in pairwise(edges)]
            named = [f"{feature}<={edges[0]}", *middle, f"{feature}>{edges[-1]}"]
        else:
            named = [*(f"{feature}={fit(level)}" for level in self.levels), f"{feature}={OTHER}"]
        return (*named, f"{feature}={MISSING}")

    def codes(self, column: Column) -> Ints:
        """The place in ``names`` of each row; a column of another kind than the cut's is missing everywhere."""
        missing = len(self.bins) + 1 if self.bins else len(self.levels) + 1
        found = np.full(len(column.values), missing, np.int64)
        usable = column.usable
        if self.bins and column.kind == "numeric":
            found[usable] = np.searchsorted(self.bins, column.values[usable], side="left")
        elif not self.bins and column.kind == "categorical":
            place = self._places()
            known = np.array([place.get(fit(level), len(self.levels)) for level in column.levels], np.int64)
            if len(known):
                found[usable] = known[column.values[usable].astype(np.int64)]
        return found

    def number(self, value: float | None) -> int:
        """The place of one number; None, NaN and infinity are missing."""
        if value is None or not np.isfinite(value):
            return len(self.bins) + 1
        return int(np.searchsorted(self.bins, value, side="left"))

    def level(self, level: str | None) -> int:
        """The place of one level; None is missing."""
        if level is None:
            return len(self.levels) + 1
        return self._places().get(fit(level), len(self.levels))

    def _places(self) -> dict[str, int]:
        """The first place of each name, in case two levels share one."""
        places: dict[str, int] = {}
        for place, level in enumerate(self.levels):
            places.setdefault(fit(level), place)
        return places


def fit(level: str) -> str:
    """A level as part of a slice's name."""
    text = _UNFIT.sub("_", level)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 9]}~{zlib.crc32(level.encode()):08x}"


def cut_of(spec: SliceSpec, levels: Iterable[str] = ()) -> Cut:
    """The cut that a configuration asks for; ``levels`` are those of a category that lists none, best first."""
    if spec.bins:
        return Cut(spec.feature, spec.bins)
    found = dict.fromkeys(fit(level) for level in levels if level not in {OTHER, MISSING})
    chosen = spec.levels or tuple(found)[: spec.most]
    return Cut(spec.feature, levels=tuple(chosen))
