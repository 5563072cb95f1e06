"""The settings of the daemon as the documents tell them: every key is there with its default, every example can be used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from autoheal.daemon import settings, source_settings
from autoheal.domain.durations import parse_duration
from tests.shape.source import ROOT

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
TELEMETRY = (ROOT / "docs" / "telemetry.md").read_text()
SOURCES = {
    "Scrape": source_settings.Scrape,
    "Files": source_settings.Files,
    "SQL": source_settings.Sql,
    "Prometheus": source_settings.Prometheus,
    "MQTT": source_settings.Mqtt,
    "Alertmanager": source_settings.Alertmanager,
}


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}", 1)[1].split("\n## ", 1)[0]


def keys(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def rows(text: str) -> Iterator[tuple[str, str]]:
    """Key and default of each row of a table; several keys in one row have several defaults."""
    for names, defaults in re.findall(r"^\| (`[a-z_`, ]+`) \| ([^|]*) \|", text, re.MULTILINE):
        parts = [d.strip().strip("`") for d in re.split(r", (?![^\[{]*[\]}])", defaults)]
        listed = [n.strip().strip("`") for n in names.split(",")]
        if len(parts) == len(listed):
            yield from zip(listed, parts, strict=True)


def test_every_setting_of_the_daemon_is_documented() -> None:
    text = section(OPERATIONS, "The settings")
    parts = (settings.DaemonSettings, settings.PipelineSettings, settings.GatewaySettings)
    wanted = set().union(*map(keys, parts), keys(settings.ClockSettings)) - {"version", "kind"}
    assert not sorted(k for k in wanted if f"`{k}" not in text), "docs/operations.md lacks settings"
    kept = section(TELEMETRY, "What is kept")
    limits = keys(settings.TelemetrySettings) | keys(settings.HistorySettings)
    assert not sorted(k for k in limits if not re.search(rf"`{k}`|\b{k}:", kept)), (
        "docs/telemetry.md lacks limits"
    )


@pytest.mark.parametrize("title", SOURCES)
def test_every_key_of_a_source_is_documented(title: str) -> None:
    text, model = section(TELEMETRY, title), SOURCES[title]
    lacking = keys(model) - {"kind"} - {k for k in keys(model) if re.search(rf"`{k}`|\b{k}:", text)}
    assert not sorted(lacking), f"docs/telemetry.md, {title}, lacks keys"


@pytest.mark.parametrize(
    ("text", "model"),
    [(section(OPERATIONS, "The settings"), settings.DaemonSettings)]
    + [(section(TELEMETRY, title), model) for title, model in SOURCES.items()],
)
def test_defaults_are_as_documented(text: str, model: type[BaseModel]) -> None:
    known = {field.alias or name: field.default for name, field in model.model_fields.items()}
    told = [(key, default) for key, default in rows(text) if key in known]
    for key, default in told:
        assert _same(known[key], default), f"{key}: {default} is told, {known[key]!r} is so"


def _same(known: Any, told: str) -> bool:
    if isinstance(known, timedelta):
        return known == parse_duration(told)
    if isinstance(known, tuple) and all(isinstance(one, str | Path) for one in known):
        return told == f"[{', '.join(map(str, known))}]"
    if isinstance(known, BaseModel | tuple) or known is None:
        return True
    return told == (str(known).lower() if isinstance(known, bool) else str(known))


def examples() -> list[str]:
    """Blocks of YAML that name sources of the daemon, or parts of its settings."""
    blocks = re.findall(r"```yaml\n(.*?)```", TELEMETRY, re.DOTALL)
    return [b for b in blocks if re.match(r"- \{?name:|telemetry:", b)]


@pytest.mark.parametrize("block", examples())
def test_the_examples_can_be_used(tmp_path: Path, block: str) -> None:
    text = block if block.startswith("telemetry:") else f"sources:\n{block}"
    (tmp_path / "autoheal.yaml").write_text(f"version: 1\nkind: daemon\n{text}")
    settings.load(tmp_path / "autoheal.yaml")
    assert len(examples()) >= 7
