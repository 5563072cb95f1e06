"""Which slices can be judged: those of the configuration that the version's reference was cut by. Pure.

Live rows are cut as the reference was, not as the configuration might cut them today; where the two differ, there is
nothing to compare with, and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoheal.domain.specs import SliceSpec
from autoheal.monitors.reference import SlicedReference, SlicePart
from autoheal.monitors.rows import Bools, Ints
from autoheal.monitors.slicing import MISSING, OTHER
from autoheal.monitors.view import View


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One slice: ``rows`` says which of the view's rows are in it; ``part`` is None when the reference has too few."""

    name: str
    feature: str
    rows: Bools
    part: SlicePart | None


def watched(view: View) -> tuple[list[Slice], dict[str, str]]:
    """The slices, and by feature why there are none."""
    found: list[Slice] = []
    lacking: dict[str, str] = {}
    for one in view.spec.slices:
        known = view.reference.slices.get(one.feature) if view.reference else None
        why = _unlike(view, one, known)
        if known is None or why:
            lacking[one.feature] = why
            continue
        codes = known.cut.codes(view.rows.features[one.feature])
        found += _slices(one.feature, known, codes)
    return found, lacking


def _slices(feature: str, known: SlicedReference, codes: Ints) -> list[Slice]:
    """All that were named; the rest and missing values only where the reference knows them."""
    found = []
    for place, name in enumerate(known.cut.names):
        part = known.parts.get(name)
        if part is not None and part.loss is None and not part.features:
            part = None
        if part is not None or not name.endswith((OTHER, MISSING)):
            found.append(Slice(name, feature, codes == place, part))
    return found


def _unlike(view: View, one: SliceSpec, known: SlicedReference | None) -> str:
    """Why this column cannot be judged, or nothing."""
    if one.feature not in view.rows.features:
        return f"the model has no feature {one.feature}"
    if known is None:
        return (
            f"version {view.champion or '(none)'} has no reference by {one.feature}: register it with slices"
        )
    listed = bool(one.levels) and set(one.levels) != set(known.cut.levels)
    if one.bins != known.cut.bins or listed:
        return f"the reference of {view.champion} was cut otherwise by {one.feature}: register it again"
    return ""
