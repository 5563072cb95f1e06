"""Makes the daemon's parts from its settings: sources, notifiers, pipelines, the context that actions work in.

Only wiring: no decision, no loop, and no touch of the world, so that ``reload`` can make sources only to see whether
they fit. A part whose settings cannot work raises here, with its place.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoheal.actions.contract import ActionContext, CommandPipeline
from autoheal.actions.targets.gateway import GatewayClient
from autoheal.actions.targets.model_server import ModelServers
from autoheal.actions.targets.registry import Registry
from autoheal.clock import Clock
from autoheal.daemon.remote_sources import credentials, model_of, remote, tls_of
from autoheal.daemon.settings import DaemonSettings, LogSettings, WebhookSettings
from autoheal.daemon.source_settings import Alertmanager, Files, Mqtt, Prometheus, Scrape, SourceSettings, Sql
from autoheal.domain.names import ModelName
from autoheal.domain.specs import ModelSpec
from autoheal.errors import ConfigError, Problem
from autoheal.notifiers.contract import Notifier
from autoheal.notifiers.log import LogNotifier
from autoheal.notifiers.outbox import Outbox
from autoheal.notifiers.webhook import WebhookNotifier
from autoheal.policy.explain import problem
from autoheal.sources.alertmanager import Alertmanager as AlertmanagerSource
from autoheal.sources.alerts import Mapped
from autoheal.sources.contract import Source
from autoheal.sources.files import Files as FilesSource
from autoheal.sources.http_push import HttpPush
from autoheal.sources.scrape import Scrape as ScrapeSource
from autoheal.telemetry.ages import Ages
from autoheal.telemetry.limits import Limits
from autoheal.telemetry.service import Telemetry

#: The name that the shipped runbooks tell; it goes to the log unless the settings say where else.
ONCALL = "oncall"


def sources(settings: DaemonSettings, models: Mapping[ModelName, ModelSpec]) -> tuple[Source, ...]:
    """The sources that the settings name. ConfigError for those whose model does not exist or whose map is no map."""
    made: list[Source] = []
    problems: list[Problem] = []
    for part in settings.sources:
        try:
            made.append(_source(part, settings, models))
        except ValueError as error:
            problems.append(problem(settings.place(part.name), f"source {part.name}: {error}"))
    if problems:
        raise ConfigError(tuple(problems))
    return tuple(made)


def _source(part: SourceSettings, settings: DaemonSettings, models: Mapping[ModelName, ModelSpec]) -> Source:
    """One of them; ValueError for what cannot be."""
    if isinstance(part, Scrape):
        model_of(part.model, models)
        return ScrapeSource(
            part.name,
            url=part.url,
            model=ModelName(part.model),
            every=part.every.total_seconds(),
            timeout=part.timeout.total_seconds(),
            metrics=part.map or None,
            credentials=credentials(part),
            tls=tls_of(part),
        )
    if isinstance(part, Files):
        return FilesSource(
            part.name,
            path=part.path,
            spec=model_of(part.model, models),
            holds=part.holds,
            state_file=settings.state / f"source-{part.name}.json",
            every=part.every.total_seconds(),
            columns=part.columns,
            format=part.format,
        )
    if isinstance(part, Alertmanager):
        return _alertmanager(part, settings, models)
    if isinstance(part, Sql | Prometheus | Mqtt):
        return remote(part, settings, models)
    return HttpPush(part.name, silent=part.silent.total_seconds())


def _alertmanager(
    part: Alertmanager, settings: DaemonSettings, models: Mapping[ModelName, ModelSpec]
) -> AlertmanagerSource:
    return AlertmanagerSource(
        part.name,
        models=frozenset(models),
        sources=frozenset(s.name for s in settings.sources),
        state_file=settings.state / f"source-{part.name}.json",
        mapped=Mapped(
            part.model_label,
            part.upstream_label,
            part.source_label,
            part.subject_label,
            part.severity_label,
            frozenset(part.critical),
        ),
        forget=part.forget.total_seconds(),
    )


def limits(settings: DaemonSettings) -> Limits:
    """How much telemetry is kept."""
    kept = settings.telemetry.history
    ages = Ages(*(int(age.total_seconds()) for age in (kept.minutes, kept.hours, kept.days)))
    return Limits(**settings.telemetry.model_dump(exclude={"history"}), ages=ages)


def notifiers(settings: DaemonSettings) -> tuple[Notifier, ...]:
    """Those of the settings; ``oncall`` and ``log`` exist in any case."""
    made: dict[str, Notifier] = {name: LogNotifier(name) for name in ("log", ONCALL)}
    for part in settings.notifiers:
        match part:
            case WebhookSettings():
                made[part.name] = WebhookNotifier(part.name, part.url, part.timeout)
            case LogSettings():
                made[part.name] = LogNotifier(part.name)
    return tuple(made.values())


def pipelines(settings: DaemonSettings) -> dict[str, CommandPipeline]:
    return {p.name: CommandPipeline(p.name, p.argv, p.cwd, p.deadline, p.env) for p in settings.pipelines}


def gateway(settings: DaemonSettings) -> GatewayClient | None:
    if settings.gateway is None:
        return None
    return GatewayClient(settings.gateway.url, settings.gateway.timeout.total_seconds())


def context(
    settings: DaemonSettings,
    clock: Clock,
    registry: Registry,
    telemetry: Telemetry,
    outbox: Outbox,
    models: Mapping[ModelName, ModelSpec],
) -> ActionContext:
    """What actions may touch; the namespace is the log's identity, known after its first entry."""
    admin = gateway(settings)
    return ActionContext(
        clock=clock,
        registry=registry,
        models=models,
        telemetry=telemetry,
        outbox=outbox,
        servers=ModelServers(clock, admin),
        state_dir=settings.state,
        gateway=admin,
        pipelines=pipelines(settings),
    )
