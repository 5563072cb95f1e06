"""The rules' names and how they are written: ``psi > 0.2``, ``ks p < 0.05``, ``ddm``, ``{rule: 3_sigma, of: [gpu]}``. Pure.

A number may be left out; then it is the one that everybody uses. The direction must be the rule's own, since
``psi < 0.2`` as an alarm can only be a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

#: What a rule looks at: columns, the champion's losses, or samples of metrics.
Over = Literal["features", "loss", "metrics"]


@dataclass(frozen=True, slots=True)
class Kind:
    """``usual``: the number when none is given; ``low`` and ``high`` bound it; ``sign`` and ``p`` are how it is written."""

    over: Over
    usual: float
    low: float
    high: float
    sign: Literal["<", ">"]
    p: str = ""


KINDS: Mapping[str, Kind] = {
    "psi": Kind("features", 0.2, 0.001, 100.0, ">"),
    "ks": Kind("features", 0.05, 1e-12, 0.5, "<", "p "),
    "ddm": Kind("loss", 3.0, 1.0, 100.0, ">"),
    "adwin": Kind("loss", 0.002, 1e-9, 0.5, "<"),
    "page_hinkley": Kind("loss", 50.0, 0.1, 1e6, ">"),
    "ewma": Kind("loss", 3.0, 0.5, 100.0, ">"),
    "3_sigma": Kind("metrics", 3.0, 0.5, 100.0, ">"),
    "linear_trend": Kind("loss", 0.05, 1e-12, 0.5, "<", "p "),
}
_TEXT = re.compile(
    r"(?P<name>\w+?)\s*(?P<p>\bp\b)?\s*(?:(?P<sign>[<>])=?\s*(?P<number>\d[\d.eE-]*))?", re.ASCII
)


class Rule(BaseModel):
    """One rule. ``of``: only these features; for 3_sigma the metrics, which must be named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: str
    of: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"rule": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _known(self) -> Self:
        name, limit = _parsed(self.rule)
        kind = KINDS[name]
        if not kind.low <= limit <= kind.high:
            raise ValueError(f"{name} takes a number from {kind.low:g} to {kind.high:g}, got {limit:g}")
        if kind.over == "metrics" and not self.of:
            raise ValueError(f"{name} needs metrics: {{rule: {name}, of: [latency_p95_ms]}}")
        if kind.over == "loss" and self.of:
            raise ValueError(f"{name} watches the champion's losses: leave out `of`")
        return self

    @property
    def name(self) -> str:
        return _parsed(self.rule)[0]

    @property
    def limit(self) -> float:
        return _parsed(self.rule)[1]

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]

    def __str__(self) -> str:
        return f"{self.name} {self.kind.p}{self.kind.sign} {self.limit:g}"


def _parsed(text: str) -> tuple[str, float]:
    """Name and number; ValueError says what is wrong."""
    found = _TEXT.fullmatch(text.strip())
    if found is None or found["name"] not in KINDS:
        raise ValueError(f"no rule {text!r}: write one of {', '.join(KINDS)}, with a number like psi > 0.2")
    kind = KINDS[found["name"]]
    usual = f"{found['name']} {kind.p}{kind.sign} {kind.usual:g}"
    if found["p"] and not kind.p:
        raise ValueError(f"{text!r}: this rule has no p: write {usual}")
    if found["sign"] is None:
        return found["name"], kind.usual
    if found["sign"] != kind.sign:
        raise ValueError(f"{text!r} is the wrong way round: write {usual}")
    return found["name"], float(found["number"])
