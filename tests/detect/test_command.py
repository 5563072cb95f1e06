"""The command itself, through its own process where it matters."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autoheal.cli import invoke


def series_file(folder: Path) -> Path:
    x = np.random.default_rng(0).normal(10, 1, 400)
    x[300] = 90
    lines = [f"2024-01-{1 + i // 24:02d} {i % 24:02d}:00:00,{v}" for i, v in enumerate(x[: 31 * 24])]
    file = folder / "metric.csv.gz"
    file.write_bytes(gzip.compress(("at,v\n" + "\n".join(lines) + "\n").encode()))
    return file


def test_json_is_a_list_of_objects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["detect", str(series_file(tmp_path)), "--time", "at", "--value", "v", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    keys = {"kind", "row", "time", "monitor", "subject", "level", "effect", "evidence", "started_row"}
    assert all(keys <= set(one) for one in found)
    spike = next(one for one in found if one["row"] == 300)
    assert spike["kind"] == "alarm"
    assert spike["level"] == "act"
    assert spike["time"] == "2024-01-13 12:00:00"


def test_text_names_row_time_and_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    invoke(["detect", str(series_file(tmp_path)), "--time", "at", "--value", "v"])
    assert "row 300 (2024-01-13 12:00:00): alarm, act: serving of v: spike" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        ["--value", "nope"],
        ["--reference", "x:3"],
        ["--reference", "5"],
        ["--value", "v", "--label", "v"],
        ["--time", "v"],
    ],
)
def test_what_cannot_be_used_ends_with_2(tmp_path: Path, options: list[str]) -> None:
    argv = [sys.executable, "-W", "error", "-m", "autoheal", "detect", series_file(tmp_path), *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if options == ["--time", "v"]:
        assert done.returncode == 0  # numbers below 1e8 count rows
        return
    assert done.returncode == 2
    assert done.stderr.startswith("autoheal detect: ")
    assert "Traceback" not in done.stderr


def test_a_file_full_of_trouble_leaves_no_warning(tmp_path: Path) -> None:
    cells = ["nan", "inf", "-inf", "1e308", "-1e308", "", "7", "seven", "1e-320", "0"]
    lines = [
        f"{i},{cells[i * i % 10]},{cells[i // 3 % 10]},{i % 2 or ''},{(i + 1) % 2 or ''}" for i in range(1500)
    ]
    file = tmp_path / "trouble.csv"
    file.write_text("\n".join(["at,x,z,said,true", *lines]) + "\n")
    for options in (
        ["--time", "at", "--value", "x"],
        ["--features", "x,z", "--prediction", "said", "--label", "true"],
    ):
        argv = [sys.executable, "-W", "error", "-m", "autoheal", "detect", file, "--json", *options]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)
