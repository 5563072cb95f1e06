"""``slices:`` of a model as YAML, its way into ``domain.specs.SliceSpec``, and what can be wrong with it. Pure.

A feature's name alone is a slice by its levels; ``{feature: age, bins: [25, 45]}`` one by stretches of a number. The
surprising part: a sensitive category is refused unless its levels are listed, since the name of a slice says its value,
and names then come from the configuration instead of the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from autoheal.domain.specs import ModelSpec, SliceSpec
from autoheal.errors import Problem
from autoheal.policy.explain import did_you_mean, problem
from autoheal.policy.fields import Part, refuse
from autoheal.policy.yaml_source import Document, Path

#: Slices that one model may have, those of other and missing values included.
MOST_SLICES = 50
#: Beside its levels or bins a column has: other levels and missing values; one stretch more than edges, and missing.
BESIDE = 2


def _edges(edges: list[float]) -> list[float]:
    if not all(map(math.isfinite, edges)) or any(a >= b for a, b in pairwise(edges)):
        refuse("the edges of bins must increase", "write each once, the smallest first: [25, 45, 65]")
    return edges


def _levels(levels: list[str]) -> list[str]:
    if len(set(levels)) != len(levels):
        refuse("a level stands twice in the list", "one of each")
    return levels


def _short(value: object) -> object:
    """``region`` is ``{feature: region}``."""
    return {"feature": value} if isinstance(value, str) else value


class _AlsoAName:
    """For editors: the name of a feature is as good as a mapping."""

    @staticmethod
    def __get_pydantic_json_schema__(schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


class SliceBody(Part):
    """One column; ``bins`` of a number, ``levels`` or ``most`` of a category."""

    feature: str = Field(description="feature: the name of one of the model's features")
    bins: Annotated[list[float], AfterValidator(_edges)] = Field(default_factory=list)
    levels: Annotated[list[str], AfterValidator(_levels)] = Field(default_factory=list)
    most: int = Field(default=10, ge=1, le=MOST_SLICES - BESIDE)


SlicePart = Annotated[SliceBody, BeforeValidator(_short), _AlsoAName]


def slice_specs(parts: Sequence[SliceBody], document: Document, at: Path = ()) -> tuple[SliceSpec, ...]:
    """The checked slices, with their positions."""
    return tuple(
        SliceSpec(
            part.feature, tuple(part.bins), tuple(part.levels), part.most, document.at(*at, "slices", i)
        )
        for i, part in enumerate(parts)
    )


def slice_problems(model: ModelSpec, document: Document, at: Path = ()) -> Iterator[Problem]:
    """What the schema alone cannot see: features, their kinds, secrets, repetitions, and how many slices come of it."""
    seen: set[str] = set()
    for one in model.slices:
        said = _wrong(model, one)
        if one.feature in seen:
            said = f'"{one.feature}" is sliced twice', "one entry for each feature"
        seen.add(one.feature)
        if said is not None:
            yield problem(one.position, *said)
    count = sum(_count(one) for one in model.slices)
    if count > MOST_SLICES:
        message = f"these are up to {count} slices, and a model may have {MOST_SLICES}"
        yield problem(document.key(*at, "slices"), message, "list fewer `levels`, or lower `most`")
    watching = next((m for m in model.monitors if m.kind == "slices"), None)
    if watching is not None and not model.slices:
        yield problem(watching.position, "the monitor slices needs `slices:`", "slices: [FEATURE, ...]")


def _wrong(model: ModelSpec, one: SliceSpec) -> tuple[str, str] | None:
    """Message and hint about one column."""
    feature = model.feature(one.feature)
    if feature is None:
        known = [f.name for f in model.features]
        return f'there is no feature "{one.feature}"', did_you_mean(
            one.feature, known, "add it to `features`"
        )
    if feature.kind == "numeric":
        if one.levels:
            return f'"{one.feature}" is numeric and has no levels', "cut it: bins: [25, 45]"
        if not one.bins:
            hint = f"write {{feature: {one.feature}, bins: [25, 45]}}"
            return f'"{one.feature}" is numeric and needs bins', hint
        return None
    if one.bins:
        return f'"{one.feature}" is categorical and has no bins', "leave `bins` out, or list its `levels`"
    if feature.sensitive and not one.levels:
        hint = f"list them: {{feature: {one.feature}, levels: [...]}}, or leave it out"
        return f'"{one.feature}" is sensitive, and its slices would be named by its values', hint
    return None


def _count(one: SliceSpec) -> int:
    return (len(one.bins) or len(one.levels) or one.most) + BESIDE
