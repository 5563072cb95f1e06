"""What Alertmanager's webhook says, as what fires about whom. Pure; used by ``alertmanager``.

An alert is known by its fingerprint and its start. It is about the model, upstream or source that one of its labels
names; all alerts of one name about one target are one finding, which is over when the last of them is resolved. What
surprises: webhooks may come late and twice, so a word about an earlier episode than the one that is known is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Target, Verdict, source_target, upstream_target

#: Alerts of one message, and alerts that are remembered.
MOST_ALERTS, MOST_KNOWN = 5_000, 20_000
_ODD = re.compile(r"[^\w.:-]+")


class AlertError(ValueError):
    """The message is no webhook of Alertmanager; ``row`` is the alert's place in it."""

    def __init__(self, message: str, row: int | None = None) -> None:
        self.row = row
        super().__init__(message if row is None else f"alert {row}: {message}")


@dataclass(frozen=True, slots=True)
class Mapped:
    """Which labels say what; ``critical`` are the severities that are more than a warning."""

    model: str = "model"
    upstream: str = "upstream"
    source: str = "autoheal_source"
    subject: str = "alertname"
    severity: str = "severity"
    critical: Collection[str] = ("critical", "page", "error")


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a message."""

    fingerprint: str
    firing: bool
    labels: Mapping[str, str]
    started: datetime
    detail: str


@dataclass(slots=True)
class Firing:
    """One alert that fires: since when, how badly, and when it was last heard of (unix seconds)."""

    started: datetime
    severity: Severity
    detail: str
    heard: float


Key = tuple[str, str]


@dataclass(slots=True)
class Alerts:
    """What fires, by (target, subject) and fingerprint."""

    mapped: Mapped = field(default_factory=Mapped)
    firing: dict[Key, dict[str, Firing]] = field(default_factory=dict)

    def about(self, alert: Alert, models: Collection[str], sources: Collection[str]) -> Target | str:
        """The target, or the reason why there is none."""
        labels, mapped = alert.labels, self.mapped
        if model := labels.get(mapped.model, ""):
            return Target(model) if model in models else "unknown_model"
        if upstream := _ODD.sub("_", labels.get(mapped.upstream, "")):
            return upstream_target(upstream)
        if source := labels.get(mapped.source, ""):
            return source_target(source) if source in sources else "unknown_source"
        return "unknown_labels"

    def key(self, target: str, alert: Alert) -> Key:
        return target, _ODD.sub("_", alert.labels.get(self.mapped.subject, ""))[:100] or "alert"

    def take(self, key: Key, alert: Alert, now: datetime) -> bool:
        """Believe an alert; False when it is about an earlier episode than the one that is known."""
        fires = self.firing.setdefault(key, {})
        known = fires.get(alert.fingerprint)
        if known is not None and alert.started < known.started:
            return False
        if not alert.firing:
            fires.pop(alert.fingerprint, None)
        elif known is not None or sum(map(len, self.firing.values())) < MOST_KNOWN:
            critical = alert.labels.get(self.mapped.severity, "").lower() in self.mapped.critical
            severity = Severity.CRITICAL if critical else Severity.WARNING
            fires[alert.fingerprint] = Firing(alert.started, severity, alert.detail, now.timestamp())
        return True

    def finding(self, key: Key, now: datetime) -> Finding:
        """What is to be said about a target's alerts of one name."""
        target, subject = Target(key[0]), key[1]
        fires = self.firing.get(key)
        if not fires:
            self.firing.pop(key, None)
            return Finding(target, "alertmanager", subject, now, Verdict.OK, value=0.0, detail="resolved")
        first = min(fires.values(), key=lambda one: one.started)
        worst = max((one.severity for one in fires.values()), key=lambda severity: severity.rank)
        return Finding(
            target,
            "alertmanager",
            subject,
            now,
            Verdict.BREACH,
            severity=worst,
            value=float(len(fires)),
            n=len(fires),
            started_at=min(first.started, now),
            detail=first.detail,
        )

    def forget(self, now: datetime, after: float) -> Iterator[Finding]:
        """Alerts of which nothing was heard for ``after`` seconds: nobody knows any more whether they fire."""
        for key, fires in list(self.firing.items()):
            for fingerprint, one in list(fires.items()):
                if now.timestamp() - one.heard > after:
                    del fires[fingerprint]
            if not fires:
                del self.firing[key]
                detail = f"no word from Alertmanager for {after / 3600:.3g} h"
                yield Finding(Target(key[0]), "alertmanager", key[1], now, Verdict.NO_DATA, detail=detail)


def parse(document: Any) -> list[Alert]:
    """The alerts of a webhook message of version 4; raises ``AlertError``."""
    if not isinstance(document, dict) or not isinstance(document.get("alerts"), list):
        raise AlertError("want Alertmanager's webhook: an object with a list of alerts")
    if str(document.get("version", "4")) != "4":
        raise AlertError(f"version {str(document['version'])[:20]!r} of the webhook is not known, only 4")
    if len(document["alerts"]) > MOST_ALERTS:
        raise AlertError(f"a message has at most {MOST_ALERTS} alerts: set max_alerts")
    return [_alert(row, one) for row, one in enumerate(document["alerts"])]


def left_away(document: dict[str, Any]) -> int:
    """How many alerts Alertmanager says that it left out of a message."""
    count = document.get("truncatedAlerts", 0)
    return max(count, 0) if isinstance(count, int) and not isinstance(count, bool) else 0


def _alert(row: int, one: Any) -> Alert:
    if not isinstance(one, dict) or one.get("status") not in {"firing", "resolved"}:
        raise AlertError("status must be firing or resolved", row)
    labels, notes = one.get("labels"), one.get("annotations") or {}
    if not isinstance(labels, dict) or not isinstance(notes, dict) or not labels:
        raise AlertError("labels and annotations must be objects", row)
    try:
        started = datetime.fromisoformat(str(one["startsAt"]))
        started = started if started.tzinfo else started.replace(tzinfo=UTC)
    except (KeyError, ValueError):
        raise AlertError("startsAt is no time", row) from None
    texts = {str(k): str(v) for k, v in labels.items()}
    fingerprint = str(one.get("fingerprint") or sorted(texts.items()))[:2000]
    said = str(notes.get("summary") or notes.get("description") or texts.get("alertname", ""))
    return Alert(
        fingerprint, one["status"] == "firing", texts, started.astimezone(UTC), " ".join(said.split())[:300]
    )
