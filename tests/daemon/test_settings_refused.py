"""Settings of the daemon that cannot be: each refusal says where, what and what to write instead, before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoheal.cli import NO, OK, USAGE, invoke
from autoheal.daemon.settings import load
from autoheal.errors import ConfigError

HEAD = "version: 1\nkind: daemon\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "autoheal.yaml"
    path.write_text(HEAD + text + "\n")
    return path


@pytest.mark.parametrize(
    ("text", "place", "said", "hint"),
    [
        ("telemetry: {rows: many}", (3, 19), 'expected a whole number, found "many"', "in digits"),
        ("telemetry: {row_days: -3}", (3, 23), "-3 is too small", "more than 0"),
        ("gateway: {url: 127.0.0.1:9480}", (3, 16), "begins with http://", ""),
        ("notifiers:\n - {name: w, kind: webhook, url: 'http:/x'}", (4, 34), "begins with http://", ""),
        ("pipelines:\n - {name: t, argv: [x], deadline: 0s}", (4, 35), "longer than nothing", ""),
        ("beat: 0s", (3, 7), "longer than nothing", ""),
        (
            "sources:\n - {name: f, kind: files, path: a, model: b, every: 0s}",
            (4, 53),
            "longer than nothing",
            "",
        ),
        ("sources: {name: a}", (3, 10), "expected a list, found a mapping", "dash"),
        ("shipped: maybe", (3, 10), "expected true or false", ""),
        ("listen: 0.0.0.0:9464", (3, 9), "only loopback", ""),
        ("listen: 127.0.0.1:http", (3, 9), "write 127.0.0.1:9464", ""),
        ("sources:\n - {name: a, kind: mqt}", (4, 20), '"mqt" is not one of http_push, scrape', "`mqtt`"),
        ("sources:\n - {name: a}", (4, 4), 'the key "kind" is missing', "write kind:"),
        (
            "sources:\n - {name: m, kind: mqtt, url: 'mqtt://h', topcs: {}}",
            (4, 43),
            "unknown key",
            "`topics`",
        ),
        ("sources:\n - {name: a, kind: http_push}\n - {name: a, kind: http_push}", (4, 2), "called a:", ""),
    ],
)
def test_a_refusal_has_a_place_and_says_what_to_write(
    tmp_path: Path, text: str, place: tuple[int, int], said: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, text))
    (problem,) = refused.value.problems
    assert (problem.line, problem.column) == place
    assert said in problem.message
    assert hint in problem.hint


def test_check_reads_the_folders_that_the_settings_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "fraud.yaml").write_text(
        "version: 1\nkind: model\nname: fraud\ntask: classification\nfeatures: {x: {type: numeric}}\n"
    )
    file = written(tmp_path, "sources:\n - {name: s, kind: scrape, url: 'http://h/m', model: fraud}")
    assert invoke(["check", str(file)]) == OK, capsys.readouterr().err
    assert capsys.readouterr().out.startswith("1 model, ")


@pytest.mark.parametrize("name", ["state", "run"])
def test_a_folder_that_cannot_be_made_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / name).write_text("mine")
    assert invoke(["run", "--config", str(written(tmp_path, ""))]) == NO
    assert f"{tmp_path / name}: File exists" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == "mine"


def test_localhost_is_loopback(tmp_path: Path) -> None:
    assert load(written(tmp_path, "listen: localhost:9464")).listen == "localhost:9464"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources:\n - {name: s, kind: scrape, url: 'http://h/m', model: nobody}", "autoheal.yaml:4:4: error: source s"),
        ("sources:\n - {name: m, kind: mqtt, url: 'mqtt://h', topics: {outcomes: x/y}}", "autoheal.yaml:4:4: error: source m"),
        ("config: [cnof]", "cnof:1:1: error: there is no such file or folder"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", [["run", "--config"], ["check"]])
def test_what_does_not_fit_is_refused_before_anything_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], text: str, said: str
) -> None:
    (tmp_path / "conf").mkdir()
    assert invoke([*command, str(written(tmp_path, text))]) == USAGE
    assert said in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
