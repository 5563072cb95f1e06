"""What the champion's reference.json says, as far as actions ask: usual missing shares, the scale of its losses."""

from __future__ import annotations

from typing import Any

import orjson

from autoheal.actions.targets.registry import Registry


def reference(registry: Registry, model: str) -> dict[str, Any] | None:
    """reference.json of the champion, as plain data."""
    champion = registry.champion(model)
    path = registry.reference_path(model, champion.version) if champion else None
    if path is None:
        return None
    found: dict[str, Any] = orjson.loads(path.read_bytes())
    return found


def usual_missing(registry: Registry, model: str) -> dict[str, float]:
    """Each feature's missing share in the champion's reference; empty when there is none."""
    known = reference(registry, model)
    return {name: float(f.get("missing", 0.0)) for name, f in (known or {}).get("features", {}).items()}


def loss_scale(registry: Registry, model: str) -> float | None:
    """The absolute error that counts as quite wrong for this model."""
    scale = ((reference(registry, model) or {}).get("loss") or {}).get("scale")
    return float(scale) if scale else None
