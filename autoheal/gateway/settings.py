"""gateway.yaml (``kind: gateway``): where to listen, which models are served from where, whom to tell.

Read once at start by ``cli.gateway``. Weights written here are those of the very first start: from then on the state
file keeps what was set through the admin side.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from autoheal.domain.durations import Duration, parse_duration
from autoheal.errors import ConfigError, Problem
from autoheal.policy.explain import check
from autoheal.policy.yaml_source import read

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def checked_weights(weights: dict[str, float]) -> dict[str, float]:
    """Percent by version: at least one, none negative, together 100."""
    for version, share in weights.items():
        if not _VERSION.fullmatch(version):
            raise ValueError(f"{version[:60]!r} is no name of a version")
        if not 0.0 <= share <= 100.0:
            raise ValueError(f"the weight of {version} must lie between 0 and 100")
    if abs(sum(weights.values()) - 100.0) > 0.01:
        raise ValueError(f"weights must add up to 100, not {sum(weights.values()):g}")
    return weights


Weights = Annotated[dict[str, float], AfterValidator(checked_weights)]
Version = Annotated[str, Field(pattern=f"^({_VERSION.pattern})?$")]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]


class TelemetrySettings(Strict):
    """The daemon's door: an address or a unix socket, one of them."""

    url: HttpUrl | None = None
    socket: Path | None = None

    @model_validator(mode="after")
    def _one(self) -> TelemetrySettings:
        if (self.url is None) == (self.socket is None):
            raise ValueError("write either url or socket")
        return self


class ModelSettings(Strict):
    """``url`` is the model server's base, or a template with ``{version}``; ``fallback_url`` serves the stand-in."""

    url: HttpUrl
    weights: Weights
    fallback: Version = ""
    fallback_url: HttpUrl | None = None
    timeout: Duration = parse_duration("1s")

    @model_validator(mode="after")
    def _positive(self) -> ModelSettings:
        if self.timeout.total_seconds() <= 0:
            raise ValueError("timeout must be longer than 0s")
        return self


class GatewaySettings(Strict):
    version: Literal[1]
    kind: Literal["gateway"]
    listen: str = Field(default="127.0.0.1:9480", pattern=r"^(\[[0-9a-fA-F:]+\]|[0-9A-Za-z.-]+):\d{1,5}$")
    state: Path = Path("gateway-state.json")
    telemetry: TelemetrySettings | None = None
    models: dict[str, ModelSettings] = Field(min_length=1)


def load(path: Path) -> GatewaySettings:
    """Read and check the file; raises ConfigError with every problem and its place. Paths are relative to the file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(str(path), 1, 1, f"cannot be read: {error}", "give the path of a gateway file")
        raise ConfigError((problem,)) from error
    document = read(str(path), text)
    settings, problems = check(document, GatewaySettings)
    found = (*document.problems, *problems)
    if settings is None or found:
        empty = Problem(str(path), 1, 1, "the file is empty", "start with version: 1, kind: gateway")
        raise ConfigError(found or (empty,))
    base = path.resolve().parent
    telemetry = settings.telemetry
    if telemetry is not None and telemetry.socket is not None:
        telemetry = telemetry.model_copy(update={"socket": base / telemetry.socket})
    return settings.model_copy(update={"state": base / settings.state, "telemetry": telemetry})
