"""The entry: help, version, misspelt names, spans, and real processes that are interrupted or cut off."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest

from autoheal import __version__
from autoheal.cli import COMMANDS, OK, USAGE, invoke
from autoheal.cli.spans import span
from tests.cli.conftest import Neighbour, Outcome

Autoheal = Callable[..., Outcome]


def test_help_and_version(autoheal: Autoheal) -> None:
    told = autoheal("--help")
    assert told.status == OK
    for name, text in COMMANDS:
        assert name in told.out
        assert text in told.out
    assert autoheal("-h").out == autoheal("help").out == told.out
    assert autoheal("--version").out == f"autoheal {__version__}\n"
    assert autoheal().status == USAGE


def test_a_misspelt_command_gets_a_hint(autoheal: Autoheal) -> None:
    told = autoheal("statsu")
    assert told.status == USAGE
    assert "did you mean `autoheal status`?" in told.err
    assert "--help" in autoheal("xyzzy").err


@pytest.mark.parametrize(("name", "text"), COMMANDS)
def test_every_command_is_what_the_table_says(name: str, text: str, autoheal: Autoheal) -> None:
    try:
        module = importlib.import_module(f"autoheal.cli.{name}")
    except ModuleNotFoundError as missing:
        pytest.fail(f"the table names a command that has no module: {missing}")
    assert (name, text) == (module.NAME, module.HELP)
    assert autoheal(name, "--help").status == OK
    assert autoheal(name, "--no-such-option").status == USAGE


def test_spans() -> None:
    assert span("90s") == timedelta(seconds=90)
    assert span("1h30m") == timedelta(minutes=90)
    assert span("1.5d") == timedelta(hours=36)
    for wrong in ("", "5", "5x", "m", "1h 30m", "0s", "-5m", "99999999w", "9" * 400 + "d"):
        with pytest.raises(argparse.ArgumentTypeError):
            span(wrong)


def test_a_reader_that_leaves_is_no_error(next_door: Neighbour) -> None:
    command = f"{sys.executable} -m autoheal status --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""


def test_watching_ends_quietly_on_ctrl_c(next_door: Neighbour) -> None:
    argv = [sys.executable, "-m", "autoheal", "status", "--watch"]
    watching = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert watching.stdout is not None
    assert "test-house" in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=20)
    assert (watching.returncode, err) == (130, "")


def test_a_theme_that_is_none_is_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["dashboard", "--theme", "pink"]) == 2
    assert "there are dark, light, contrast" in capsys.readouterr().err
