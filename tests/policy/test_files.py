"""Reading folders, the shipped set, and files that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from autoheal.errors import ConfigError
from autoheal.policy.files import read_paths, shipped_texts
from autoheal.policy.yaml_source import LONGEST


def test_a_folder_is_read_with_all_below_it(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "a.yaml").write_text("a: 1")
    (tmp_path / "b.yml").write_text("b: 1")
    (tmp_path / "b.test.yaml").write_text("t: 1")
    (tmp_path / "notes.txt").write_text("no")
    (tmp_path / ".hidden.yaml").write_text("no")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "c.yaml").write_text("no")
    found = read_paths([tmp_path, tmp_path / "b.yml"], shipped=False)
    assert {Path(f).name: t for f, t in found.sources.items()} == {"a.yaml": "a: 1", "b.yml": "b: 1"}
    assert [Path(f).name for f in found.tests] == ["b.test.yaml"]


def test_shipped_files_stand_behind_and_are_named_alike_everywhere(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1")
    found = read_paths([tmp_path])
    assert found.defaults == frozenset(shipped_texts())
    assert all(name.startswith("shipped/") for name in found.defaults)
    assert not any(".test." in name for name in found.defaults)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("latin.yaml", b"a: 1\nb: caf\xe9\n", "2:7: error: not UTF-8"),
        ("huge.yaml", b"#" * (4 * LONGEST + 1), "1:1: error: the file is larger than"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=said):
        read_paths([tmp_path], shipped=False)


def test_a_path_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file or folder"):
        read_paths([tmp_path / "nowhere"])


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shut").mkdir()
    looked = os.scandir

    def scandir(folder: str) -> Any:
        if str(folder).endswith("shut"):
            raise PermissionError(13, "Permission denied", folder)
        return looked(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        read_paths([tmp_path], shipped=False)


def test_a_link_that_leads_nowhere_is_told_and_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert read_paths([tmp_path], shipped=False).sources == {}
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match=r"gone\.yaml:1:1: .*No such file"):
        read_paths([tmp_path], shipped=False)
