"""What ``autoheal register`` takes and refuses, with its slices, and what ``autoheal history --slice`` shows of them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from autoheal import cli
from autoheal.actions.targets.registry import Registry
from autoheal.cli.reference_csv import AnswerColumns, from_csv
from autoheal.clock import VirtualClock
from autoheal.domain.names import ModelName, Task
from autoheal.domain.specs import FeatureSpec, ModelSpec, SliceSpec
from autoheal.sources.rows import usable
from autoheal.sources.tally import Tally
from autoheal.telemetry import Prediction, Telemetry, load_reference

MODEL = """\
version: 1
kind: model
name: shop
task: classification
features:
  region: {type: categorical}
  age: {type: numeric}
slices: [{feature: region, most: 2}, {feature: age, bins: [25, 45]}]
monitors: [slices]
"""
SPEC = ModelSpec(
    ModelName("shop"),
    Task.CLASSIFICATION,
    features=(FeatureSpec("region", "categorical"), FeatureSpec("age", "numeric")),
    slices=(SliceSpec("region", most=2), SliceSpec("age", bins=(25.0, 45.0))),
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "shop.yaml").write_text(MODEL)
    (tmp_path / "state").mkdir()
    file = tmp_path / "autoheal.yaml"
    file.write_text("version: 1\nkind: daemon\n")
    return file


def test_register_writes_a_baseline_for_each_slice(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    with (tmp_path / "held.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["region", "age", "truth", "said"])
        for i in range(400):
            region = ("north", "south", "rare")[0 if i % 2 else 1 if i % 10 else 2]
            truth = i // 7 % 2
            out.writerow([region, 20 + i % 40, truth, truth if region != "south" or i % 4 else 1 - truth])
    command = ["register", "shop", "v1", "--artefact", str(tmp_path / "model.bin"), "--config", str(config)]
    told = [*command, "--reference", str(tmp_path / "held.csv"), "--label", "truth", "--prediction", "said"]
    assert cli.invoke(told) == 0, capsys.readouterr().err
    raw = Registry.open(tmp_path / "registry").reference_path(ModelName("shop"), "v1").read_bytes()
    slices = load_reference(raw).slices
    parts = slices["region"].parts
    assert parts["region=north"].performance["accuracy"].value == 1.0
    assert parts["region=south"].performance["accuracy"].value == pytest.approx(0.5, abs=0.05)
    assert parts["region=<other>"].loss is None
    assert sum(part.rows for part in slices["age"].parts.values()) == 400


async def test_history_shows_the_slices_that_were_asked_for(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    clock = VirtualClock(at)
    async with await Telemetry.open(
        tmp_path / "state" / "telemetry.db", {SPEC.name: SPEC}, clock
    ) as telemetry:
        await telemetry.ingest(
            [
                Prediction(
                    SPEC.name, "v1", f"r{i}", at.timestamp() + i, {"region": "ns"[i % 2], "age": 10.0 * i}, 1
                )
                for i in range(6)
            ]
        )
    asked = ["history", "shop", "--config", str(config), "--until", "2026-01-02T00:00:00Z", "--slice"]
    for pattern, names in (("region=*", {"region=n", "region=s"}), ("", {""}), ("age>45", {"age>45"})):
        assert cli.invoke([*asked, pattern]) == 0
        assert {row["slice"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))} == names


def test_a_register_that_cannot_end_well_keeps_no_version(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    command = ["register", "shop", "v1", "--artefact", str(tmp_path / "model.bin"), "--config", str(config)]
    assert cli.invoke([*command, "--since", "yesterday"]) == 2
    assert "'yesterday' is no time" in capsys.readouterr().err
    assert cli.invoke(command) == 0, "the same command, repaired, is no second version of that name"
    window = ["--window", "2026-01-01T00:00Z..2026-01-02T00:00Z", "--config", str(config)]
    assert cli.invoke(["reference", "shop", "v1", *window]) == 1
    assert "there is no telemetry" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"region,age,truth,said\nnorth,old,1,1\n", "row 1 of column age: 'old' is no number"),
        (b"region,age,truth,said\nnorth,1,1,1\nnorth,1,,1\n", "row 2 of column truth: nothing is there"),
        (b"region,age,truth,said\nn\xf6rd,1,1,1\n", "is no CSV in UTF-8"),
    ],
)
def test_a_reference_that_cannot_be_read_says_where(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, said: str
) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    (tmp_path / "held.csv").write_bytes(data)
    command = ["register", "shop", "v1", "--artefact", str(tmp_path / "model.bin"), "--config", str(config)]
    told = [*command, "--reference", str(tmp_path / "held.csv"), "--label", "truth", "--prediction", "said"]
    assert cli.invoke(told) == 1
    assert said in capsys.readouterr().err


def test_a_category_of_a_file_is_what_it_is_in_the_reference(config: Path, tmp_path: Path) -> None:
    """Namibia is ``NA``: a level in both, and no missing value in one of them."""
    text = "\ufeffid,time,version,region,age,prediction\n"
    text += "".join(
        f"r{i},2026-01-01,v1,{'NA' if i % 2 else 'north'},{i % 9 or 'NA'},1\n" for i in range(300)
    )
    (tmp_path / "rows.csv").write_text(text)
    reference = from_csv(SPEC, tmp_path / "rows.csv", AnswerColumns(None, None, None))
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    found = usable(rows, "predictions", SPEC, {}, Tally("rows"))
    assert Counter(r.features["region"] for r in found) == {"NA": 150, "north": 150}  # type: ignore[union-attr]
    assert sum(r.features["age"] is None for r in found) == 34  # type: ignore[union-attr]
    assert reference["features"]["region"]["levels"] == {"NA": 150, "north": 150}
    assert reference["features"]["age"]["missing"] == pytest.approx(34 / 300)
