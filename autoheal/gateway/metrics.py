"""The gateway's own numbers, on ``GET /metrics`` in the text format of Prometheus."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from autoheal.gateway.requests import Served
    from autoheal.gateway.sender import Sender
    from autoheal.gateway.table import Table

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(slots=True)
class Meters:
    """Counters of one gateway process, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    _requests: Counter = field(init=False)
    _rows: Counter = field(init=False)
    _errors: Counter = field(init=False)
    _seconds: Histogram = field(init=False)
    _telemetry: Gauge = field(init=False)
    _weight: Gauge = field(init=False)

    def __post_init__(self) -> None:
        own = self.registry
        who = ("model", "version", "by")
        self._requests = Counter("autoheal_gateway_requests", "Requests by who answered", who, registry=own)
        self._rows = Counter("autoheal_gateway_rows", "Rows by who answered", who, registry=own)
        self._errors = Counter(
            "autoheal_gateway_errors",
            "Requests that their version did not answer",
            ("model", "error"),
            registry=own,
        )
        self._seconds = Histogram(
            "autoheal_gateway_seconds", "Time to an answer", ("model",), buckets=_SECONDS, registry=own
        )
        self._telemetry = Gauge("autoheal_gateway_telemetry", "Telemetry records", ("state",), registry=own)
        self._weight = Gauge(
            "autoheal_gateway_weight", "Percent of the traffic", ("model", "version"), registry=own
        )

    def count(self, model: str, served: Served, rows: int) -> None:
        who = (model, served.version, served.by if served.answer else "nobody")
        self._requests.labels(*who).inc()
        self._rows.labels(*who).inc(rows)
        self._seconds.labels(model).observe(served.latency_ms / 1000.0)
        if served.error:
            self._errors.labels(model, served.error).inc()

    def page(self, sender: Sender, table: Table) -> bytes:
        for state in ("sent", "dropped", "refused", "waiting", "failures"):
            self._telemetry.labels(state).set(getattr(sender, state))
        self._weight.clear()
        for model, route in table.all().items():
            for version, share in route.weights.items():
                self._weight.labels(model, version).set(share)
        return generate_latest(self.registry)
