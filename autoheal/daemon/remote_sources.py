"""Makes the sources that talk to a server of their own, ``prometheus``, ``mqtt`` and ``sql``, from the settings.

Called by ``parts``; only wiring. What surprises: aiomqtt is loaded here and only when the settings name a broker, so
that a daemon without one starts without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from autoheal.daemon.settings import DaemonSettings
from autoheal.daemon.source_settings import Mqtt, Prometheus, Remote, Sql
from autoheal.domain.names import ModelName
from autoheal.domain.specs import ModelSpec
from autoheal.sources.contract import Source
from autoheal.sources.prometheus import Pace, Server
from autoheal.sources.prometheus import Prometheus as PrometheusSource
from autoheal.sources.secret import Credentials, Tls
from autoheal.sources.sql import Query
from autoheal.sources.sql import Sql as SqlSource
from autoheal.sources.sql_database import Database


def remote(
    part: Prometheus | Mqtt | Sql, settings: DaemonSettings, models: Mapping[ModelName, ModelSpec]
) -> Source:
    """The source; ValueError for a model that does not exist or a topic that is no template."""
    if isinstance(part, Mqtt):
        return _mqtt(part, settings, models)
    if isinstance(part, Sql):
        return _sql(part, settings, models)
    if part.model is not None:
        model_of(part.model, models)
    return PrometheusSource(
        part.name,
        server=Server(part.url, credentials(part), tls_of(part)),
        queries=part.map,
        models=models if part.model is None else [ModelName(part.model)],
        model_label=part.model_label,
        state_file=settings.state / f"source-{part.name}.json",
        pace=Pace(
            every=part.every.total_seconds(),
            step=part.step.total_seconds(),
            timeout=part.timeout.total_seconds(),
            backfill=part.backfill.total_seconds(),
            late=part.late.total_seconds(),
            stale=part.stale.total_seconds(),
        ),
        instant=part.instant,
    )


def _mqtt(part: Mqtt, settings: DaemonSettings, models: Mapping[ModelName, ModelSpec]) -> Source:
    from autoheal.sources import mqtt, mqtt_link  # noqa: PLC0415 - 0.1 s that a daemon without a broker saves

    url = urlsplit(part.url)
    secure = url.scheme == "mqtts"
    broker = mqtt_link.Broker(
        url.hostname or "",
        url.port or (8883 if secure else 1883),
        client_id=part.client_id or f"autoheal-{settings.name}-{part.name}",
        credentials=credentials(part),
        tls=(tls_of(part) or Tls()) if secure else None,
        keep=int(part.keep.total_seconds()),
        keepalive=int(part.keepalive.total_seconds()),
        window=part.in_flight,
    )
    kinds = (
        ("predictions", "prediction"),
        ("outcomes", "outcome"),
        ("metrics", "metric"),
        ("features", "features"),
        ("records", None),
    )
    topics = [mqtt.Topic(t, kind) for name, kind in kinds if (t := getattr(part.topics, name))]  # type: ignore[arg-type]
    tasks = {name: spec.task for name, spec in models.items()}
    state_file = settings.state / f"source-{part.name}.json"
    return mqtt.Mqtt(
        part.name, broker=broker, tasks=tasks, topics=topics, share=part.share, state_file=state_file
    )


def _sql(part: Sql, settings: DaemonSettings, models: Mapping[ModelName, ModelSpec]) -> Source:
    database = Database(part.url, part.username, part.password_file, part.timeout.total_seconds())
    return SqlSource(
        part.name,
        database=database,
        query=Query(part.query, part.watermark, part.overlap.total_seconds(), part.rows),
        spec=model_of(part.model, models),
        holds=part.holds,
        state_file=settings.state / f"source-{part.name}.json",
        every=part.every.total_seconds(),
        columns=part.columns,
    )


def credentials(part: Remote) -> Credentials:
    return Credentials(getattr(part, "bearer_file", None), part.username, part.password_file)


def tls_of(part: Remote) -> Tls | None:
    return None if part.tls is None else Tls(part.tls.ca_file, part.tls.cert_file, part.tls.key_file)


def model_of(model: str, models: Mapping[ModelName, ModelSpec]) -> ModelSpec:
    """The model that a source is for; ValueError when there is none."""
    found = models.get(ModelName(model))
    if found is None:
        names = ", ".join(sorted(models)[:20]) or "none; is `config` the right folder?"
        raise ValueError(f"the model {model!r} does not exist; known: {names}")
    return found
