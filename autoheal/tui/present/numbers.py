"""Numbers in few columns: what an operator reads at a glance. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, isfinite, log

_SHORT = {
    "accuracy": "acc",
    "log_loss": "loss",
    "balanced_accuracy": "bacc",
    "precision": "prec",
    "recall": "rec",
    "roc_auc": "auc",
}


def short(value: float | None) -> str:
    """At most five columns for what is usual: ``.71``, ``4.2``, ``38``, ``1.2k``, ``–``."""
    if value is None or not isfinite(value):
        return "–"
    size = abs(value)
    if round(size, 2) < 1:
        text = f"{size:.2f}"[1:]
    elif size < 10:
        text = f"{size:.1f}"
    else:
        text = _large(size)
    return f"−{text}" if value < 0 and text.strip(".0") else text


def _large(size: float) -> str:
    for unit, factor in (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)):
        scaled = size / factor
        if scaled < 9.95 and unit:
            return f"{scaled:.1f}{unit}"
        if scaled < 999.5:
            return f"{scaled:.0f}{unit}"
    return f"{size:.0e}".replace("e+", "e")


def exact(value: float | None) -> str:
    """Four figures, for the detail pane and the pages."""
    if value is None or not isfinite(value):
        return "–"
    return short(value) if abs(value) >= 1e5 else f"{value:.4g}"


def outputs(found: Mapping[str, object], most: int = 9) -> str:
    """What a step gave back: ``version=v2, gain=0.021``; paths of files say nothing to a reader and are left out."""
    shown = [f"{k}={exact(v) if isinstance(v, float) else v}" for k, v in found.items() if "/" not in str(v)]
    return ", ".join(shown[:most])


def count(n: int) -> str:
    """Thousands apart: ``41 200``."""
    return f"{n:,}".replace(",", " ")


def evidence(log_e: float | None) -> str:
    """An e-value from its logarithm: ``e=1840``, ``e=10^12``."""
    if log_e is None or not isfinite(log_e):
        return ""
    if log_e >= log(1e6):
        return f"e=10^{min(log_e / log(10), 999):.0f}"
    if log_e < log(1e-3):
        return "e≈0"
    value = exp(log_e)
    return f"e={count(round(value))}" if value >= 100 else f"e={value:.3g}"


def metric(name: str) -> str:
    """A metric's name in at most four or so letters."""
    return _SHORT.get(name, name)
