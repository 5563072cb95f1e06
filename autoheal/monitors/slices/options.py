"""The options of slices, and what it remembers between beats. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from autoheal.monitors.champion import Began
from autoheal.monitors.gauge import Gauge
from autoheal.monitors.loss_evidence import LossEvidence
from autoheal.monitors.options import Amount, Window
from autoheal.monitors.worsening import LossOptions


class SlicesOptions(LossOptions):
    """``window``: newest rows of each slice that are shown. ``min_rows``: labelled rows of a slice before a word about
    it, and rows that a look for drift takes at least. ``max_drop``, ``critical``, ``tolerance`` are those of
    performance, ``psi_*`` and ``harmless`` those of data_drift. ``drift``: whether inputs are watched within slices;
    ``features``: only these (all, when empty)."""

    window: Window = Window(rows=300)
    min_rows: int = Field(default=100, ge=30)
    max_drop: Amount | None = None
    critical: Amount | None = None
    drift: bool = True
    psi_warning: float = Field(default=0.2, gt=0)
    psi_critical: float = Field(default=0.3, gt=0)
    harmless: float = Field(default=0.05, gt=0)
    features: tuple[str, ...] = ()
    count_broken_inputs: bool = False


@dataclass(frozen=True, slots=True)
class InputsEvidence:
    """Evidence of drift by slice and feature: the rows of a slice that arrived no later than its ``cursors`` are in
    ``gauge``, once. ``cursor`` and ``last`` are the arrival and data time up to which the last step went."""

    gauge: Gauge = Gauge()
    cursors: Mapping[str, float] = field(default_factory=dict)
    cursor: float | None = None
    last: float | None = None


@dataclass(frozen=True, slots=True)
class SlicesState:
    """Since when each slice's metric has been bad, or each feature in it moved (unix seconds), and the evidence against
    ``version``, on one clock for labels and one for inputs."""

    version: str = ""
    since: Mapping[str, Began] = field(default_factory=dict)
    moved: Mapping[str, float] = field(default_factory=dict)
    losses: LossEvidence = LossEvidence()
    inputs: InputsEvidence = InputsEvidence()
