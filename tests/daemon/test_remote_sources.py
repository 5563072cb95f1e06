"""The settings of ``prometheus`` and ``mqtt``: what they become, and what is refused with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autoheal.daemon import parts
from autoheal.daemon.settings import DaemonSettings, load
from autoheal.domain.names import ModelName, Task
from autoheal.domain.specs import ModelSpec
from autoheal.errors import ConfigError
from autoheal.sources.files import Files
from autoheal.sources.mqtt import Mqtt
from autoheal.sources.prometheus import Pace, Prometheus
from autoheal.sources.scrape import Scrape
from autoheal.sources.sql import Query, Sql

MODELS = {ModelName(n): ModelSpec(ModelName(n), Task.REGRESSION) for n in ("fraud", "bike")}
HEAD = "version: 1\nkind: daemon\nname: prod\nsources:\n"


def settings(folder: Path, *lines: str) -> DaemonSettings:
    (folder / "daemon.yaml").write_text(HEAD + "".join(f"  - {line}\n" for line in lines))
    return load(folder / "daemon.yaml")


def test_settings_become_sources(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        '{name: p, kind: prometheus, url: "https://prom:9090/x", model_label: model, map: {latency_p95_ms: up},'
        " username: heal, password_file: secrets/prom, tls: {ca_file: ca.pem}, step: 30s, instant: [latency_p95_ms]}",
        '{name: q, kind: prometheus, url: "http://prom", model: fraud, map: {a: up}, bearer_file: token}',
        '{name: m, kind: mqtt, url: "mqtts://broker", share: heal, username: heal, password_file: /run/secret}',
        '{name: n, kind: mqtt, url: "mqtt://broker:1884", client_id: one, topics: {records: "x/{model}"}, keep: 1h}',
    )
    one, other, mq, plain = parts.sources(found, MODELS)
    assert isinstance(one, Prometheus)
    assert isinstance(other, Prometheus)
    assert isinstance(mq, Mqtt)
    assert isinstance(plain, Mqtt)
    assert one.pace == Pace(step=30.0)
    assert one.instant == {"latency_p95_ms"}
    assert one.models == frozenset(MODELS)
    assert one.server.credentials.password_file == tmp_path / "secrets/prom"
    assert one.server.tls is not None
    assert one.server.tls.ca_file == tmp_path / "ca.pem"
    assert other.models == {"fraud"}
    assert other.server.credentials.bearer_file == tmp_path / "token"
    assert (mq.broker.host, mq.broker.port, mq.broker.client_id) == ("broker", 8883, "autoheal-prod-m")
    assert mq.broker.tls is not None
    assert mq.broker.credentials.password_file == Path("/run/secret")
    assert [t.filter(mq.share) for t in mq.topics] == [
        f"$share/heal/autoheal/+/{kind}" for kind in ("predictions", "outcomes", "metrics", "features")
    ]
    assert (plain.broker.port, plain.broker.client_id, plain.broker.keep) == (1884, "one", 3600)
    assert plain.broker.tls is None
    assert [(t.template, t.kind) for t in plain.topics] == [("x/{model}", None)]


def test_a_page_behind_a_password(tmp_path: Path) -> None:
    (page,) = parts.sources(
        settings(
            tmp_path,
            '{name: s, kind: scrape, url: "https://x/metrics", model: fraud, username: heal, password_file: pw, tls: {ca_file: ca}}',
        ),
        MODELS,
    )
    assert isinstance(page, Scrape)
    assert page.credentials.password_file == tmp_path / "pw"
    assert page.tls is not None
    assert page.tls.ca_file == tmp_path / "ca"


def test_a_table_and_files_become_sources(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        '{name: t, kind: sql, url: "sqlite:///in/labels.db", model: fraud, query: " SELECT 1 AS at; ", watermark: at,'
        " overlap: 1h, rows: 7, as: predictions, columns: {id: x}}",
        '{name: u, kind: sql, url: "postgresql+psycopg://db/x", username: heal, password_file: pw, model: fraud,'
        ' query: "with a as (select 1) select * from a", watermark: at}',
        '{name: d, kind: sql, url: "duckdb:///in/x.duckdb", model: fraud, query: "select 1", watermark: at}',
        '{name: e, kind: sql, url: "duckdb:///:memory:", model: fraud, query: "select 1", watermark: at}',
        "{name: f, kind: files, path: in/*.log, model: fraud, as: records, format: jsonl}",
    )
    table, other, *ducks, files = parts.sources(found, MODELS)
    assert isinstance(table, Sql)
    assert isinstance(other, Sql)
    assert isinstance(files, Files)
    assert table.database.url == f"sqlite:///{tmp_path}/in/labels.db"
    urls = [one.database.url for one in ducks if isinstance(one, Sql)]
    assert urls == [f"duckdb:///{tmp_path}/in/x.duckdb", "duckdb:///:memory:"]
    assert table.query == Query("SELECT 1 AS at", "at", 3600.0, 7)
    assert (table.holds, table.columns, table.every) == ("predictions", {"id": "x"}, 30.0)
    assert (other.database.username, other.database.password_file) == ("heal", tmp_path / "pw")
    assert (files.format, files.holds, files.path) == ("jsonl", "records", f"{tmp_path}/in/*.log")


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ('url: "labels.db", query: "select 1"', "begins with a dialect"),
        ('url: "mysql://u:secret@db/x", query: "select 1"', "holds no password"),
        ('url: "sqlite:///x", query: "select 1; drop table x"', "one SELECT"),
        ('url: "sqlite:///x", query: "delete from x"', "one SELECT"),
    ],
)
def test_a_table_that_cannot_work_is_refused(tmp_path: Path, part: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings(tmp_path, f"{{name: t, kind: sql, model: fraud, watermark: at, {part}}}")
    assert said in str(refused.value)
    assert "secret@" not in str(refused.value)


PROM = '{{name: p, kind: prometheus, url: "http://prom", map: {{a: up}}{}}}'
SCRAPE = '{{name: s, kind: scrape, url: "http://x/metrics", model: fraud, map: {{{}}}}}'
MQTT = '{{name: m, kind: mqtt, url: "mqtt://broker"{}}}'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (PROM.format(""), "write model, or model_label"),
        (PROM.format(", model: fraud, model_label: model"), "write model, or model_label"),
        (PROM.format(", model: fraud, username: a, bearer_file: t"), "not both"),
        (PROM.format(", model: fraud, password_file: t"), "needs username"),
        (PROM.format(", model: fraud, step: 0s"), "longer than nothing"),
        (PROM.format(", model: fraud").replace("http:", "ftp:"), "begins with http"),
        (PROM.format(", model: fraud").replace("//prom", "//heal:secret@prom"), "holds no user and password"),
        (PROM.format(", model: fraud").replace("{a: up}", "{}"), "nothing in it"),
        (PROM.format(", model: nobody"), "does not exist"),
        (PROM.format(", model: fraud, tls: {ca_file: x}"), "tls needs a url that begins with https://"),
        (MQTT.format(", tls: {}"), "tls needs a url that begins with"),
        (MQTT.format("").replace("name: m", "name: ../m"), "should match pattern"),
        (SCRAPE.format("error_rate: 'a{b==\"5\"}'"), "source s: .* is not understood"),
        (
            SCRAPE.format("a: b").replace("model: fraud", "model: fraud, username: u, bearer_file: t"),
            "not both",
        ),
        (SCRAPE.format("a: b").replace("model: fraud", "model: fraud, every: 0s"), "longer than nothing"),
        (SCRAPE.format("latency_pxx: a"), "source s: .*a quantile is called"),
        (MQTT.format("").replace("mqtt:", "http:"), "begins with mqtt"),
        (MQTT.format("").replace("//broker", "//"), "needs a host"),
        (MQTT.format("").replace("//broker", "//broker:99999"), "ort out of range"),
        (MQTT.format(", keepalive: 0s"), "keepalive"),
        (MQTT.format(', share: "a/b"'), "should match"),
        (MQTT.format(", in_flight: 0"), "too small"),
        (MQTT.format(', topics: {records: "a/+/{model}"}'), "no other wildcard"),
        (MQTT.format(', topics: {inputs: "a"}'), "inputs"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parts.sources(settings(tmp_path, line), MODELS)
    text = str(refused.value)
    assert re.search(said, text), text
    assert refused.value.problems[0].line >= 5, "the place of the source in the settings"
    assert "secret" not in text.replace("password_file", "")
