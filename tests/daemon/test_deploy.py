"""The example configuration is one that the daemon takes."""

from __future__ import annotations

from pathlib import Path

from autoheal.daemon.settings import load
from autoheal.domain.names import Mode

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_example_is_taken_and_begins_harmlessly() -> None:
    settings = load(DEPLOY / "autoheal.yaml")
    assert settings.mode is Mode.SHADOW
    assert settings.state == Path("/var/lib/autoheal")
    assert settings.run == Path("/run/autoheal")


def test_the_unit_and_the_example_agree_about_places() -> None:
    unit = (DEPLOY / "autoheal.service").read_text()
    assert "StateDirectory=autoheal\n" in unit
    assert "RuntimeDirectory=autoheal\n" in unit
    assert "--config /etc/autoheal/autoheal.yaml" in unit
    assert "RuntimeDirectoryMode=0750" in unit
