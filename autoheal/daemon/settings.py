"""The daemon's own settings file (``kind: daemon``): where it keeps things and whom it talks to.

Read once at start (``cli.run``); policies, runbooks and models come from the folders that ``config`` names and are
re-read on reload. Relative paths are relative to the file.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from autoheal.clock import Clock, ScaledClock, SystemClock
from autoheal.domain.durations import Duration, parse_duration
from autoheal.domain.names import Mode
from autoheal.errors import ConfigError, Problem
from autoheal.policy.explain import check
from autoheal.policy.yaml_source import read

LOOPBACK = ("127.", "[::1]:", "localhost:")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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
    url: str = Field(description='write url: "http://127.0.0.1:9480"')
    timeout: Duration = parse_duration("5s")


class HttpPush(Strict):
    name: str = "push"
    kind: Literal["http_push"]


class Scrape(Strict):
    """``map`` names our metric and the page's: latency_p95_ms, error_rate, requests_per_s."""

    name: str
    kind: Literal["scrape"]
    url: str
    model: str
    every: Duration = parse_duration("15s")
    timeout: Duration = parse_duration("5s")
    map: dict[str, str] = {}


class Files(Strict):
    """CSV files by glob; new rows are read as they appear."""

    name: str
    kind: Literal["files"]
    path: str
    model: str
    holds: Literal["predictions", "outcomes"] = Field(alias="as", default="outcomes")
    every: Duration = parse_duration("10s")
    columns: dict[str, str] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class TlsSettings(Strict):
    """Whom to trust (``ca_file``; else the system), and our own certificate where the server wants one."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class Remote(Strict):
    """What sources with a server of their own share. Secrets are named by file and never written here."""

    name: str
    url: str
    username: str = ""
    password_file: Path | None = None
    tls: TlsSettings | None = None

    @field_validator("url")
    @classmethod
    def _without_secrets(cls, url: str) -> str:
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise ValueError("a url holds no user and password: write username and password_file")
        if not parts.hostname or (parts.port or 1) < 1:
            raise ValueError("a url needs a host: http://127.0.0.1:9090, mqtt://127.0.0.1:1883")
        return url

    @model_validator(mode="after")
    def _whole(self) -> Remote:
        if self.password_file is not None and not self.username:
            raise ValueError("password_file needs username")
        return self


class Prometheus(Remote):
    """``map`` names our metric and a PromQL query; ``model``, or ``model_label`` for one query about many models."""

    kind: Literal["prometheus"]
    model: str | None = None
    model_label: str = ""
    map: dict[str, str] = Field(min_length=1)
    bearer_file: Path | None = None
    every: Duration = parse_duration("15s")
    step: Duration = parse_duration("15s")
    timeout: Duration = parse_duration("10s")
    backfill: Duration = parse_duration("6h")
    late: Duration = parse_duration("1m")
    stale: Duration = parse_duration("5m")

    @model_validator(mode="after")
    def _sound(self) -> Prometheus:
        if (self.model is None) == (not self.model_label):
            raise ValueError("write model, or model_label: the label that names the model")
        if self.bearer_file is not None and self.username:
            raise ValueError("write bearer_file or username, not both")
        if not self.url.startswith(("http://", "https://")):
            raise ValueError("url begins with http:// or https://")
        if min(self.every, self.step, self.timeout) <= timedelta():
            raise ValueError("every, step and timeout are longer than nothing")
        return self


class MqttTopics(Strict):
    """Templates with one level ``{model}``; ``records`` is for records of any kind."""

    predictions: str | None = None
    outcomes: str | None = None
    metrics: str | None = None
    records: str | None = None


class Mqtt(Remote):
    """``mqtt://`` or ``mqtts://``. ``keep`` is how long the broker keeps our messages while the daemon is away."""

    kind: Literal["mqtt"]
    topics: MqttTopics = MqttTopics(
        predictions="autoheal/{model}/predictions",
        outcomes="autoheal/{model}/outcomes",
        metrics="autoheal/{model}/metrics",
    )
    share: str = Field(default="", pattern=r"^[^/+#]*$")
    client_id: str = Field(default="", max_length=200)
    keep: Duration = parse_duration("7d")
    keepalive: Duration = parse_duration("10s")
    in_flight: int = Field(default=256, ge=1, le=10_000)

    @model_validator(mode="after")
    def _sound(self) -> Mqtt:
        if not self.url.startswith(("mqtt://", "mqtts://")):
            raise ValueError("url begins with mqtt:// or mqtts://")
        if not 1 <= self.keepalive.total_seconds() <= 3600 or self.keep.total_seconds() > 2**32 - 2:
            raise ValueError("keepalive is 1s to 1h, keep at most 100 years")
        return self


SourceSettings = Annotated[HttpPush | Scrape | Files | Prometheus | Mqtt, Field(discriminator="kind")]


class PipelineSettings(Strict):
    """A trainer run as a command: an argv list, never a shell line."""

    name: str
    kind: Literal["command"] = "command"
    argv: tuple[str, ...] = Field(min_length=1)
    cwd: Path = Path()
    deadline: Duration = parse_duration("30m")
    env: dict[str, str] = {}


class WebhookSettings(Strict):
    name: str
    kind: Literal["webhook"]
    url: str
    timeout: Duration = parse_duration("5s")


class LogSettings(Strict):
    name: str
    kind: Literal["log"]


NotifierSettings = Annotated[WebhookSettings | LogSettings, Field(discriminator="kind")]


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
    sources: tuple[SourceSettings, ...] = (HttpPush(kind="http_push"),)
    pipelines: tuple[PipelineSettings, ...] = ()
    notifiers: tuple[NotifierSettings, ...] = (LogSettings(name="log", kind="log"),)
    good_after: Duration = parse_duration("1h")
    beat: Duration = parse_duration("1s")

    @model_validator(mode="after")
    def _sound(self) -> DaemonSettings:
        for kind, names in (
            ("source", [s.name for s in self.sources]),
            ("pipeline", [p.name for p in self.pipelines]),
            ("notifier", [n.name for n in self.notifiers]),
        ):
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise ValueError(f"two {kind}s are called {', '.join(twice)}")
        if self.listen is not None and not self.listen.startswith(LOOPBACK):
            raise ValueError(
                f"listen {self.listen!r}: only loopback is served without TLS, write 127.0.0.1:PORT"
            )
        return self

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
    return _absolute(settings, path.resolve().parent)


def _absolute(settings: DaemonSettings, base: Path) -> DaemonSettings:
    pipelines = tuple(p.model_copy(update={"cwd": base / p.cwd}) for p in settings.pipelines)
    sources = tuple(_source(s, base) for s in settings.sources)
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


def _source(source: SourceSettings, base: Path) -> SourceSettings:
    """A source whose files are found wherever the daemon was started."""
    if isinstance(source, Files):
        return source.model_copy(update={"path": str(base / source.path)})
    if isinstance(source, Remote):
        tls = source.tls and source.tls.model_copy(update=_files(source.tls, base))
        return source.model_copy(update={"tls": tls} | _files(source, base))
    return source


def _files(part: Strict, base: Path) -> dict[str, Path]:
    return {name: base / path for name, path in part if name.endswith("_file") and path is not None}
