"""The daemon's own settings file (``kind: daemon``): where it keeps things and whom it talks to.

Read once at start (``cli.run``); policies, runbooks and models come from the folders that ``config`` names and are
re-read on reload. Relative paths are relative to the file.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from autoheal.api.address import loopback
from autoheal.clock import Clock, ScaledClock, SystemClock
from autoheal.daemon.source_settings import HttpPush, HttpUrl, Pause, SourceSettings, Strict, absolute
from autoheal.domain.durations import Duration, parse_duration
from autoheal.domain.names import Mode
from autoheal.domain.reason import Position
from autoheal.errors import ConfigError, Problem
from autoheal.policy.explain import check
from autoheal.policy.yaml_source import Document, read


class ClockSettings(Strict):
    """History played faster: at wall time ``anchor`` the daemon's clock shows ``origin``."""

    origin: datetime
    anchor: datetime
    speed: float = Field(gt=0)

    @model_validator(mode="after")
    def _aware(self) -> ClockSettings:
        if self.origin.tzinfo is None or self.anchor.tzinfo is None:
            raise ValueError("origin and anchor need a zone: end them with Z")
        return self


class RegistrySettings(Strict):
    kind: Literal["embedded"] = "embedded"
    path: Path = Path("registry")


class GatewaySettings(Strict):
    url: HttpUrl = Field(description='write url: "http://127.0.0.1:9480"')
    timeout: Pause = parse_duration("5s")


class PipelineSettings(Strict):
    """A trainer run as a command: an argv list, never a shell line."""

    name: str
    kind: Literal["command"] = "command"
    argv: tuple[str, ...] = Field(min_length=1)
    cwd: Path = Path()
    deadline: Pause = parse_duration("30m")
    env: dict[str, str] = Field(default_factory=dict)


class WebhookSettings(Strict):
    name: str
    kind: Literal["webhook"]
    url: HttpUrl
    timeout: Pause = parse_duration("5s")


class LogSettings(Strict):
    name: str
    kind: Literal["log"]


NotifierSettings = Annotated[WebhookSettings | LogSettings, Field(discriminator="kind")]
Parts = tuple[SourceSettings | PipelineSettings | NotifierSettings, ...]


class HistorySettings(Strict):
    """For how long history stays so fine: buckets of a minute, then of an hour, then of a day, then nothing. Counted
    from the newest data of a model; backtests see steps no finer than the buckets of their time."""

    minutes: Duration = Field(default=parse_duration("6h"), ge=timedelta(hours=1))
    hours: Duration = Field(default=parse_duration("31d"), ge=timedelta(days=1))
    days: Duration = Field(default=parse_duration("400d"), ge=timedelta(days=1))

    @model_validator(mode="after")
    def _wider_is_longer(self) -> HistorySettings:
        if not self.minutes <= self.hours <= self.days:
            raise ValueError("wider buckets are kept at least as long: minutes <= hours <= days")
        return self


class TelemetrySettings(Strict):
    """How much telemetry is kept of each model, and what happens when more comes than can be stored: refuse it (429), or
    keep a sample of the predictions and count the rest."""

    rows: int = Field(default=200_000, ge=1_000)
    memory_rows: int = Field(default=20_000, ge=1_000)
    row_days: float = Field(default=120.0, gt=0)
    waiting_days: float = Field(default=30.0, gt=0)
    overload: Literal["refuse", "sample"] = "refuse"
    samples: int = Field(default=20, ge=0, le=1_000)
    history: HistorySettings = HistorySettings()


class DaemonSettings(Strict):
    """See the module and ``deploy/autoheal.yaml``."""

    version: Literal[1]
    kind: Literal["daemon"]
    name: str = "autoheal"
    state: Path = Path("state")
    run: Path = Path("run")
    config: tuple[Path, ...] = (Path("conf"),)
    shipped: bool = True
    mode: Mode = Mode.ACT
    listen: str | None = None
    clock: ClockSettings | None = None
    registry: RegistrySettings = RegistrySettings()
    gateway: GatewaySettings | None = None
    telemetry: TelemetrySettings = TelemetrySettings()
    sources: tuple[SourceSettings, ...] = (HttpPush(kind="http_push"),)
    pipelines: tuple[PipelineSettings, ...] = ()
    notifiers: tuple[NotifierSettings, ...] = (LogSettings(name="log", kind="log"),)
    good_after: Duration = parse_duration("1h")
    beat: Pause = parse_duration("1s")

    #: Where each source stands in the file, for what is found out about it only beside the models.
    _places: dict[str, Position] = PrivateAttr(default_factory=dict)

    @field_validator("sources", "pipelines", "notifiers")
    @classmethod
    def _own_names(cls, parts: Parts, info: ValidationInfo) -> Parts:
        names = [part.name for part in parts]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(
                f"two {info.field_name} are called {', '.join(twice)}: give each a name of its own"
            )
        if sum(part.kind == "alertmanager" for part in parts) > 1:
            raise ValueError("there is one door for Alertmanager, so one source of that kind")
        return parts

    @field_validator("listen")
    @classmethod
    def _loopback(cls, listen: str | None) -> str | None:
        if listen is not None:
            loopback(listen)
        return listen

    def placed(self, document: Document) -> DaemonSettings:
        """These settings, once they know which file they are from."""
        self._places = {s.name: document.at("sources", n) for n, s in enumerate(self.sources)}
        return self

    def place(self, source: str) -> Position:
        """Where the source of this name stands."""
        return self._places.get(source, Position("the daemon's settings", 1, 1))

    def system_clock(self) -> Clock:
        """The clock that policies live by."""
        if self.clock is None:
            return SystemClock()
        return ScaledClock(self.clock.origin, self.clock.anchor, self.clock.speed)


def load(path: Path) -> DaemonSettings:
    """Read and check the file; raises ConfigError with every problem and its place."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            (Problem(str(path), 1, 1, f"cannot be read: {error}", "give the path of a daemon file"),)
        ) from error
    document = read(str(path), text)
    settings, problems = check(document, DaemonSettings)
    found = (*document.problems, *problems)
    if settings is None or found:
        raise ConfigError(
            found or (Problem(str(path), 1, 1, "the file is empty", "start with version: 1, kind: daemon"),)
        )
    return _absolute(settings.placed(document), path.resolve().parent)


def _absolute(settings: DaemonSettings, base: Path) -> DaemonSettings:
    pipelines = tuple(p.model_copy(update={"cwd": base / p.cwd}) for p in settings.pipelines)
    sources = tuple(absolute(s, base) for s in settings.sources)
    registry = settings.registry.model_copy(update={"path": base / settings.registry.path})
    return settings.model_copy(
        update={
            "state": base / settings.state,
            "run": base / settings.run,
            "config": tuple(base / c for c in settings.config),
            "pipelines": pipelines,
            "sources": sources,
            "registry": registry,
        }
    )
