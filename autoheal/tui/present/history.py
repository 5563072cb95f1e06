"""Where a sparkline's values come from: the daemon's series, else what this dashboard heard itself. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from autoheal.domain.finding import Finding
from autoheal.tui.present.line import Line, Span
from autoheal.tui.sparkline import Point, Value, sparkline, with_gaps
from autoheal.tui.viewstate import Frame


def history(frame: Frame, finding: Finding) -> Sequence[Point]:
    """Values of the finding's subject over time, the oldest first."""
    series = frame.snapshot.series.get(finding.target, {}) if frame.snapshot else {}
    for name in (finding.path, finding.subject, f"{finding.monitor}_{finding.subject}"):
        if series.get(name):
            return series[name]
    return frame.heard.get(finding.key, ())


def newest(frame: Frame, target: str) -> datetime | None:
    """When the newest telemetry of ``target`` was made, as far as the snapshot tells."""
    from_findings = [
        finding.at - timedelta(seconds=finding.age)
        for finding in frame.index.findings.get(target, ())
        if finding.n > 0
    ]
    series = frame.snapshot.series.get(target, {}) if frame.snapshot else {}
    from_series = [moment for points in series.values() for moment, value in points[-1:] if value is not None]
    return max([*from_findings, *from_series], default=None)


def spark(
    points: Sequence[Point], width: int, now: datetime | None, since: datetime | None, role: str
) -> Line:
    """A sparkline; the part from ``since`` on (where the alarm's symptom began) is in the alarm's colour."""
    values = _newest(with_gaps(points, now), width)
    text = sparkline(values, width)
    if since is None or not values:
        return (Span(text, "spark"),)
    before = len(_newest(with_gaps([p for p in points if p[0] < since]), len(values)))
    total = len(with_gaps(points, now))
    share = 1.0 - min(1.0, before / total)
    marked = min(width, max(1, round(share * min(width, len(values)))))
    return (Span(text[: width - marked], "spark"), Span(text[width - marked :], role))


def _newest(values: list[Value], width: int) -> list[Value]:
    """As many of the newest values as a sparkline may honestly show: up to six to a column."""
    return values[-max(1, width) * 6 :]
