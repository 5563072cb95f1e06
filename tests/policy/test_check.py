"""``autoheal check``: what it prints, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autoheal.cli import invoke
from autoheal.policy.schema_export import SCHEMAS
from tests.policy.world import DATA

GOOD = str(DATA / "good")


def test_good_files_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["check", GOOD]) == 0
    out, err = capsys.readouterr()
    assert out == (
        "2 models, 9 policies, 6 runbooks ok\n"
        "false alarms, if nothing is wrong: the whole fleet at most one notify in 14 days and one act in 365 days\n"
        "  demand: 0.5 of it: one notify in 28 days, one act in 2 years (performance 86%, data_quality 14%)\n"
        "  fraud: 0.5 of it: one notify in 28 days, one act in 2 years"
        " (performance 50%, data_drift 33%, serving 17%)\n"
    )
    assert err == ""


def test_the_shipped_set_alone_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["check"]) == 0
    assert capsys.readouterr().out == "0 models, 8 policies, 5 runbooks ok\n"


def test_problems_have_a_place_a_hint_and_status_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("version: 1\nkind: policy\nname: mine\nmatch: {models: [frod]}\n"
                    "when: [{alarm: performance/*}]\nladder: [{runbook: rolback}]\n")  # fmt: skip
    assert invoke(["check", GOOD, str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f'{file}:4:18: error: there is no model "frod"\n    hint: did you mean `fraud`?\n'
        f'{file}:6:20: error: there is no runbook "rolback"\n    hint: did you mean `rollback`?\n'
        "2 errors, 0 warnings\n"
    )


def test_warnings_are_printed_and_refuse_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("version: 1\nkind: policy\nname: mine\nmode: ask\nmatch: {all: true}\n"
                    "when: [{alarm: performance/*}]\nladder: [{runbook: rollback}]\n")  # fmt: skip
    assert invoke(["check", GOOD, str(file)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("2 models, 10 policies, 6 runbooks ok (1 warning)\n")
    assert f"{file}:4:7: warning: mode ask without anybody to ask" in err


def test_policy_tests_are_checked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.test.yaml").write_text(
        "version: 1\nkind: policy-test\nname: x\nmodels: []\nexpect: []\n"
    )
    assert invoke(["check", str(tmp_path)]) == 2
    assert "mine.test.yaml:4:9: error: nothing in it" in capsys.readouterr().err


def test_a_path_that_leads_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["check", "/nowhere/at/all"]) == 2
    assert "there is no such file or folder" in capsys.readouterr().err


def test_without_the_shipped_set_its_names_are_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text("version: 1\nkind: policy\nname: mine\nmatch: {all: true}\n"
                                        "when: [{alarm: performance/*}]\nladder: [{runbook: rollback}]\n")  # fmt: skip
    assert invoke(["check", "--no-shipped", str(tmp_path)]) == 2
    assert 'there is no runbook "rollback"' in capsys.readouterr().err


@pytest.mark.parametrize("kind", SCHEMAS)
def test_schemas_for_editors(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["check", "--schema", kind]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["title"] == f"autoheal {kind}"
    assert {"version", "kind", "name"} <= set(schema["required"])
    assert schema["additionalProperties"] is False


def test_no_schema_for_a_kind_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["check", "--schema", "polcy"]) == 2
    assert "did you mean `policy`?" in capsys.readouterr().err


def test_the_schemas_take_what_the_loader_takes() -> None:
    import jsonschema_rs

    from autoheal.policy.load import head
    from autoheal.policy.schema_export import json_schema
    from autoheal.policy.yaml_source import read

    for file in sorted((DATA / "good").glob("*.yaml")):
        document = read(file.name, file.read_text())
        assert document.root is not None
        jsonschema_rs.validate(json_schema(head(document)[0]), document.root.plain())
