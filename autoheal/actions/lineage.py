"""A reference from a version's own story: what was served while its training data was collected, else its parent's features.

For ``reference.anchor`` and ``autoheal reference --lineage``. Performance is each version's own, so it is never taken
from the parent, nor from rows that the version did not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from autoheal.actions.targets.registry import Registry
from autoheal.domain.specs import ModelSpec
from autoheal.errors import ActionRefused, TelemetryError

#: The parts of a parent's reference that are about features.
OF_FEATURES = ("rows", "features", "joint")
#: Features of rows that were served since < time <= until, the oldest first.
Served = Callable[[datetime, datetime], Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Story:
    """reference.json, and in words which rows it stands for."""

    reference: dict[str, Any]
    detail: str


def of_lineage(spec: ModelSpec, registry: Registry, version: str, served: Served) -> Story:
    """Raises ActionRefused when neither the rows of its training data nor a parent's reference are left."""
    info, why = registry.info(spec.name, version), "it does not say on what it was trained"
    since, until = info.lineage.data_from, info.lineage.data_to
    if since is not None and until is not None:
        try:
            return _of_rows(spec, served(since, until), since, until)
        except TelemetryError as error:
            why = str(error)
    parent = registry.reference_path(spec.name, info.parent) if info.parent else None
    if parent is None:
        raise ActionRefused(f"{spec.name} {version}: {why}; and no parent of it has a reference")
    return Story(_features(parent) | {"performance": {}}, f"the features of its parent {info.parent}; {why}")


def span(since: datetime, until: datetime) -> str:
    """A stretch of time in words."""
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    return f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"


def _of_rows(spec: ModelSpec, rows: Sequence[Mapping[str, Any]], since: datetime, until: datetime) -> Story:
    from autoheal.telemetry.reference import build_reference  # noqa: PLC0415 - numpy, only here
    from autoheal.telemetry.served_reference import LEAST_ROWS  # noqa: PLC0415 - as above

    if len(rows) < LEAST_ROWS:
        raise TelemetryError(
            f"{len(rows)} rows from {span(since, until)} are left on disk, {LEAST_ROWS} are needed"
        )
    columns = {f.name: [row.get(f.name) for row in rows] for f in spec.features}
    made = build_reference(spec.features, columns, slices=spec.slices)
    return Story(made, f"trained on {span(since, until)}: {len(rows):,} rows")


def _features(path: Path) -> dict[str, Any]:
    known = orjson.loads(path.read_bytes())
    return {key: known[key] for key in OF_FEATURES if key in known}
