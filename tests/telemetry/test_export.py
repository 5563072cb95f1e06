"""``autoheal history``: what is exported, from a folder as a daemon leaves it."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from autoheal import cli
from autoheal.clock import VirtualClock
from autoheal.telemetry import Telemetry

MODEL = """\
version: 1
kind: model
name: bike
task: regression
features:
  temp: {type: numeric, sensitive: true}
  season: {type: categorical}
"""


@pytest.fixture
async def config(tmp_path: Path, make: Any) -> Path:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "bike.yaml").write_text(MODEL)
    (tmp_path / "state").mkdir()
    file = tmp_path / "autoheal.yaml"
    file.write_text("version: 1\nkind: daemon\n")
    path = tmp_path / "state" / "telemetry.db"
    async with await Telemetry.open(path, make.models, VirtualClock()) as telemetry:
        await telemetry.ingest([make.bike_row(float(i), temp=31.4159) for i in range(5)])
    return file


def run(config: Path, *rest: str) -> int:
    return cli.invoke(["history", "--config", str(config), "--until", "2011-07-02T00:00:00Z", *rest])


def test_csv_to_stdout(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "bike", "--since", "2d") == 0
    out = capsys.readouterr().out
    found = list(csv.DictReader(io.StringIO(out)))
    assert [r["subject"] for r in found] == ["answers", "temp", "season"]
    assert found[1]["present"] == found[1]["rows"] == "5"
    assert datetime.fromisoformat(found[1]["start"]) == datetime(2011, 7, 1, tzinfo=UTC)
    assert sum(json.loads(found[1]["counts"])) == 5
    assert "31.4" not in out


def test_files(config: Path, tmp_path: Path) -> None:
    assert run(config, "--out", str(tmp_path / "all.csv")) == 0
    assert (tmp_path / "all.csv").stat().st_mode & 0o777 == 0o600
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 4
    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "all.parquet").touch(mode=0o644)
    assert run(config, "--out", str(tmp_path / "all.parquet")) == 0
    assert (tmp_path / "all.parquet").stat().st_mode & 0o777 == 0o600
    table = parquet.read_table(tmp_path / "all.parquet")
    assert table.column("rows").to_pylist() == [5, 5, 5]
    assert table.column("start").to_pylist()[0] == datetime(2011, 7, 1, tzinfo=UTC)


def test_sampled_rows(config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(config, "bike", "--since", "2d", "--rows", "3") == 0
    out = capsys.readouterr().out
    found = list(csv.DictReader(io.StringIO(out)))
    assert len({r["id"] for r in found}) == 3
    assert [json.loads(r["features"]) for r in found] == [{"season": "a"}] * 3
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run(config, "--rows", "9", "--out", str(tmp_path / "rows.parquet")) == 0
    assert parquet.read_table(tmp_path / "rows.parquet").num_rows == 5


def test_facts(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "bike", "--since", "2d", "--facts", "1h") == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {r["path"]: r["n"] for r in found} == dict.fromkeys(
        ("serving/traffic", "serving/errors", "serving/stand_in"), "5"
    ), "the version has no reference"
    assert found[0]["since"] == "2011-07-01T00:00:00+00:00"
    assert run(config, "--since", "2d", "--facts", "1h", "--path", "serving/e*") == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [r["path"] for r in found] == ["serving/errors"]


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        (["--out", "x.xls"], ".parquet"),
        (["--since", "5"], "unit"),
        (["--until", "yesterday"], "ISO 8601"),
        (["--facts", "7m"], "divide an hour"),
        (["--rows", "-1"], "above 0"),
        (["--facts", "1h", "--slice", "a=*"], "chosen by --path"),
        (["--path", "serving/*"], "give --facts too"),
    ],
)
def test_what_cannot_be_used_is_said(
    config: Path, rest: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, *rest) == 2
    assert said in capsys.readouterr().err


def test_without_telemetry_it_makes_no_file(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state" / "telemetry.db").unlink()
    assert run(config, "--out", str(tmp_path / "all.csv")) == 1
    assert "there is no telemetry" in capsys.readouterr().err
    assert not (tmp_path / "all.csv").exists()
    assert not (tmp_path / "state" / "telemetry.db").exists()


def test_what_is_not_there_is_said(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "boat") == 1
    assert "no model is called 'boat'; there are: " in capsys.readouterr().err
    (tmp_path / "state" / "telemetry.db").write_bytes(b"no database at all" * 100)
    assert run(config) == 1
    assert "file is not a database; move it away" in capsys.readouterr().err
