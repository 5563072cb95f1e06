"""The part of the daemon's settings file that names its sources. Pure; read by ``settings``, made real by ``parts``.

Paths of files are relative to the settings file (``absolute``). What surprises: no secret is ever written here, each is
named by the file that holds it, and a URL with a password in it is refused.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from autoheal.domain.durations import Duration, parse_duration


def _some(span: timedelta) -> timedelta:
    if span <= timedelta():
        raise ValueError("write a duration that is longer than nothing, like 10s")
    return span


#: The pause between two rounds, or a time-out: without one a source takes the processor for itself, or never succeeds.
Pause = Annotated[Duration, AfterValidator(_some)]


def _http(url: str) -> str:
    if not (url.startswith(("http://", "https://")) and urlsplit(url).hostname):
        raise ValueError("write a url that begins with http:// or https://, like http://127.0.0.1:9480")
    return url


#: Where somebody is called only when something is wrong: a slip has to show before.
HttpUrl = Annotated[str, AfterValidator(_http)]
#: A source's name is part of the name of its state file and of its target ``source:NAME``.
Name = Annotated[str, Field(pattern=r"^\w[\w.:-]{0,99}$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpPush(Strict):
    """``silent``: the senders are away when nothing was pushed for so long; 0s: never."""

    name: Name = "push"
    kind: Literal["http_push"]
    silent: Duration = timedelta()


class Files(Strict):
    """CSV, JSON lines and Parquet files by glob; new rows are read as they appear."""

    name: Name
    kind: Literal["files"]
    path: str
    model: str
    holds: Literal["predictions", "outcomes", "features", "records"] = Field(alias="as", default="outcomes")
    format: Literal["csv", "jsonl", "parquet"] | None = None
    every: Pause = parse_duration("10s")
    columns: dict[str, str] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class TlsSettings(Strict):
    """Whom to trust (``ca_file``; else the system), and our own certificate where the server wants one."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class Remote(Strict):
    """What sources with a server of their own share. Secrets are named by file and never written here."""

    name: Name
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
        if self.tls is not None and not self.url.startswith(("https://", "mqtts://")):
            raise ValueError("tls needs a url that begins with https:// or mqtts://")
        return self


class Scrape(Remote):
    """``map`` names our metric and the page's: latency_p95_ms, error_rate, requests_per_s."""

    kind: Literal["scrape"]
    model: str
    bearer_file: Path | None = None
    every: Pause = parse_duration("15s")
    timeout: Pause = parse_duration("5s")
    map: dict[str, str] = {}

    @model_validator(mode="after")
    def _sound(self) -> Scrape:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError("url begins with http:// or https://")
        if self.bearer_file is not None and self.username:
            raise ValueError("write bearer_file or username, not both")
        return self


class Prometheus(Remote):
    """``map`` names our metric and a PromQL query; ``model``, or ``model_label`` for one query about many models.
    Metrics in ``instant`` are asked for by instant queries, without back-fill."""

    kind: Literal["prometheus"]
    model: str | None = None
    model_label: str = ""
    map: dict[str, str] = Field(min_length=1)
    instant: tuple[str, ...] = ()
    bearer_file: Path | None = None
    every: Pause = parse_duration("15s")
    step: Pause = parse_duration("15s")
    timeout: Pause = parse_duration("10s")
    backfill: Duration = parse_duration("6h")
    late: Duration = parse_duration("1m")
    stale: Duration = parse_duration("5m")

    @model_validator(mode="after")
    def _sound(self) -> Prometheus:
        if (self.model is None) == (not self.model_label):
            raise ValueError("write model, or model_label: the label that names the model")
        if strange := sorted(set(self.instant) - set(self.map)):
            raise ValueError(f"instant names {', '.join(strange)}, which map does not")
        if self.bearer_file is not None and self.username:
            raise ValueError("write bearer_file or username, not both")
        if not self.url.startswith(("http://", "https://")):
            raise ValueError("url begins with http:// or https://")
        return self


class MqttTopics(Strict):
    """Templates with one level ``{model}``; ``records`` is for records of any kind."""

    predictions: str | None = None
    outcomes: str | None = None
    metrics: str | None = None
    features: str | None = None
    records: str | None = None


class Mqtt(Remote):
    """``mqtt://`` or ``mqtts://``. ``keep`` is how long the broker keeps our messages while the daemon is away."""

    kind: Literal["mqtt"]
    topics: MqttTopics = MqttTopics(
        predictions="autoheal/{model}/predictions",
        outcomes="autoheal/{model}/outcomes",
        metrics="autoheal/{model}/metrics",
        features="autoheal/{model}/features",
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


class Sql(Strict):
    """Rows of a query, followed by a watermark column. ``url`` is SQLAlchemy's, without a password."""

    name: Name
    kind: Literal["sql"]
    url: str
    username: str = ""
    password_file: Path | None = None
    model: str
    query: str = Field(min_length=1)
    watermark: str = Field(min_length=1)
    holds: Literal["predictions", "outcomes", "features", "records"] = Field(alias="as", default="outcomes")
    columns: dict[str, str] = {}
    every: Pause = parse_duration("30s")
    overlap: Duration = parse_duration("5m")
    timeout: Pause = parse_duration("30s")
    rows: int = Field(default=5_000, ge=1, le=100_000)

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        parts = urlsplit(url)
        if "://" not in url:
            raise ValueError("a url begins with a dialect: sqlite:///labels.db, postgresql+psycopg://host/db")
        if parts.password:
            raise ValueError("a url holds no password: write username and password_file")
        return url

    @field_validator("query")
    @classmethod
    def _one_query(cls, query: str) -> str:
        query = query.strip().removesuffix(";")
        if ";" in query or not query.lower().startswith(("select", "with")):
            raise ValueError("query is one SELECT, without a semicolon")
        return query


class Alertmanager(Strict):
    """``POST /v1/alertmanager``: alerts about models, known by their labels."""

    name: Name = "alertmanager"
    kind: Literal["alertmanager"]
    model_label: str = "model"
    source_label: str = "autoheal_source"
    upstream_label: str = "upstream"
    subject_label: str = "alertname"
    severity_label: str = "severity"
    critical: tuple[str, ...] = ("critical", "page", "error")
    forget: Duration = parse_duration("12h")


SourceSettings = Annotated[
    HttpPush | Scrape | Files | Sql | Prometheus | Mqtt | Alertmanager, Field(discriminator="kind")
]


def absolute(source: SourceSettings, base: Path) -> SourceSettings:
    """A source whose files are found wherever the daemon was started."""
    if isinstance(source, Files):
        return source.model_copy(update={"path": str(base / source.path)})
    if isinstance(source, Sql):
        dialect, found, path = source.url.partition(":///")
        inside = found and dialect in {"sqlite", "duckdb"} and path and not path.startswith(("/", ":"))
        there = {"url": f"{dialect}:///{base / path}"} if inside else {}
        return source.model_copy(update=there | _files(source, base))
    if isinstance(source, Remote):
        tls = source.tls and source.tls.model_copy(update=_files(source.tls, base))
        return source.model_copy(update={"tls": tls} | _files(source, base))
    return source


def _files(part: Strict, base: Path) -> dict[str, Path]:
    return {name: base / path for name, path in part if name.endswith("_file") and path is not None}
