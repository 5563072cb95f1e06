"""Every kind of bad YAML: a file named after its defect, with what must be said about it in its head."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.policy.world import DATA, errors, load

FILES = sorted((DATA / "bad").glob("*.yaml"))
EXPECT = "# expect: "


@pytest.mark.parametrize("file", FILES, ids=[f.stem for f in FILES])
def test_a_defect_is_told_with_its_place_and_a_hint(file: Path) -> None:
    text = file.read_text()
    wanted = [row.removeprefix(EXPECT) for row in text.split("\n") if row.startswith(EXPECT)]
    assert wanted, "say in the head of the file what is wrong with it"
    assert errors(file.name, text) == wanted


def test_the_surroundings_are_good() -> None:
    assert load().warnings == ()


def test_an_empty_file_is_told() -> None:
    assert errors("empty.yaml", "") == ["1:1 the file is empty | write a document, or remove the file"]


def test_a_second_document_of_guards_is_told() -> None:
    text = "version: 1\nkind: guards\nname: other\n"
    from autoheal.errors import ConfigError
    from autoheal.policy.load import load_config
    from tests.policy.world import GOOD, KNOWN

    with pytest.raises(ConfigError) as caught:
        load_config({"good/house.yaml": GOOD["good/house.yaml"], "other.yaml": text}, KNOWN)
    assert str(caught.value) == (
        "other.yaml:3:7: error: a second document of kind guards\n    hint: the first is in good/house.yaml:3"
    )


def test_all_defects_of_all_files_are_told_at_once() -> None:
    from autoheal.errors import ConfigError

    with pytest.raises(ConfigError) as caught:
        load(a="version: 1\nkind: polcy\n", b="version: 1\nkind: policy\nname: b\nwhen: 3\nladder: 4\n")
    places = [(p.file, p.line) for p in caught.value.problems]
    assert places == [("a.yaml", 2), ("b.yaml", 1), ("b.yaml", 4), ("b.yaml", 5)]
