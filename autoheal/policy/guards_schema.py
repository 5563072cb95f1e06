"""``kind: guards`` as YAML: the fleet's guards, and their way into ``domain.specs.FleetGuards``. Pure.

One document of this kind holds for the whole fleet. Calendars need an IANA zone: "weekend" means nothing without one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from autoheal.domain.durations import Duration
from autoheal.domain.specs import FalseAlarms, FleetGuards, Freeze
from autoheal.policy.fields import Name, OneOrMany, Part, Share, TimeOfDay, refuse
from autoheal.policy.yaml_source import Document

_DEFAULT = FleetGuards()
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError; a path outside is a ValueError
        refuse(f'"{value}" is not a time zone', "write an IANA name, like Europe/Berlin or UTC")
    except KeyError:
        refuse(f'"{value}" is not a time zone', "write an IANA name, like Europe/Berlin or UTC")
    return value


Zone = Annotated[str, AfterValidator(_zone)]


class UnderRepairPart(Part):
    """How much of the fleet may be under repair at once; 0 models means no limit by number."""

    models: int = Field(default=_DEFAULT.max_under_repair, ge=0)
    share: Share = _DEFAULT.max_share


class StormPart(Part):
    """So many incidents within so much time: nothing acts until the storm has been over for ``cooldown``."""

    incidents: Count = _DEFAULT.storm_incidents
    within: Duration = _DEFAULT.storm_within
    cooldown: Duration = _DEFAULT.storm_cooldown


class BreakerPart(Part):
    """So many remedies in a row that did not heal: the healer asks before it acts again."""

    failures: Count = _DEFAULT.breaker_failures
    within: Duration = _DEFAULT.breaker_within


class FlappingPart(Part):
    """So many changes of one alarm within so much time: a person is asked."""

    transitions: Count = _DEFAULT.flapping
    within: Duration = _DEFAULT.flapping_within


class FreezePart(Part):
    """A window of the calendar in which nothing acts; ``days`` empty means every day."""

    name: Name = Field(description="name: what the window is called")
    zone: Zone = Field(description="zone: an IANA time zone, like Europe/Berlin")
    days: OneOrMany[Day] = Field(default_factory=list)
    start: TimeOfDay = "00:00"
    end: TimeOfDay = "24:00"

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.start == self.end:
            refuse("the window is empty: it ends when it begins", "leave both out for whole days")
        return self


Weight = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]


class FalseAlarmsPart(Part):
    """The mean time between false alarms of the whole fleet at each level, and the weights that share it out."""

    notify: Duration = _DEFAULT.false_alarms.notify
    act: Duration = _DEFAULT.false_alarms.act
    tiers: dict[str, Weight] = Field(default_factory=dict)
    models: dict[str, Weight] = Field(default_factory=dict)
    monitors: dict[str, Weight] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if self.notify < timedelta(hours=1):
            refuse("notify: false alarms more often than once an hour are no promise", "write 1h or more")
        if self.act < self.notify:
            refuse("act may not be below notify: acting needs more evidence than telling", "write act: 365d")
        return self


class FleetPart(Part):
    version: Literal[1] = Field(description="version: 1")
    kind: Literal["guards"] = Field(description="kind: guards")
    name: Name = Field(description="name: fleet")
    description: str = ""
    under_repair: UnderRepairPart = UnderRepairPart()
    storm: StormPart = StormPart()
    warm_up: Duration = _DEFAULT.warm_up
    breaker: BreakerPart = BreakerPart()
    flapping: FlappingPart = FlappingPart()
    retrain_gap: Duration = timedelta(days=1)
    release_window: Duration = _DEFAULT.release_window
    freezes: list[FreezePart] = Field(default_factory=list)
    false_alarms: FalseAlarmsPart = FalseAlarmsPart()


def fleet_guards(part: FleetPart, document: Document) -> FleetGuards:
    """The guards as the engine reads them."""
    return FleetGuards(
        max_under_repair=part.under_repair.models,
        max_share=part.under_repair.share,
        storm_incidents=part.storm.incidents,
        storm_within=part.storm.within,
        storm_cooldown=part.storm.cooldown,
        warm_up=part.warm_up,
        breaker_failures=part.breaker.failures,
        breaker_within=part.breaker.within,
        flapping=part.flapping.transitions,
        flapping_within=part.flapping.within,
        retrain_gap=part.retrain_gap,
        release_window=part.release_window,
        freezes=tuple(
            Freeze(f.name, f.zone, tuple(f.days), f.start, f.end, document.at("freezes", i))
            for i, f in enumerate(part.freezes)
        ),
        position=document.at(),
        false_alarms=_false_alarms(part.false_alarms, document),
    )


def _false_alarms(part: FalseAlarmsPart, document: Document) -> FalseAlarms:
    return FalseAlarms(
        notify=part.notify,
        act=part.act,
        tiers=dict(part.tiers),
        models=dict(part.models),
        monitors=dict(part.monitors),
        position=document.at("false_alarms"),
    )
