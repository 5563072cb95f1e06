"""The marks of many files: the same after any restart, found by how a file begins, and a line a change on the disk."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoheal.sources import file_marks
from autoheal.sources.file_cursor import Cursor, digest
from autoheal.sources.file_marks import Marks

BEGINNINGS = (b"", b"id,time\n", b"id,time\na,1\n", b"other\n")


def cursor(start: bytes, offset: int = 0) -> Cursor:
    return Cursor(offset or len(start), "id,time", len(start), digest(start), digest(start), (1, 2))


KEYS = st.sampled_from(["a", "b", "c", "d"])
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("keep"), KEYS, st.sampled_from(BEGINNINGS), st.integers(0, 99)),
        st.tuples(st.just("restart"), st.integers(0, 60)),
        st.tuples(st.just("forget"), st.sets(KEYS)),
    ),
    max_size=30,
)


@settings(max_examples=80, deadline=None)
@given(acts=ACTS)
def test_marks_are_the_same_after_a_restart(acts: list[tuple]) -> None:  # type: ignore[type-arg]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_marks, "GONE", 1)
        patch.setattr(file_marks, "SPARE", 2)
        path = Path(folder) / "state.json"
        marks, want = Marks.load(path), dict[str, Cursor]()
        for what, *rest in acts:
            if what == "keep":
                key, start, offset = rest
                want[key] = cursor(start, offset)
                marks.keep(key, want[key])
                assert present(marks) == want
            elif what == "forget":
                marks.forget(rest[0])
                left = present(marks)
                assert left.items() <= want.items()
                assert len(left.keys() - rest[0]) <= 1
                assert want.keys() & rest[0] <= left.keys(), "what is there keeps its mark"
                want = left
            elif path.exists():
                with path.open("ab") as file:  # as a crash in the middle of a line leaves it
                    file.write(b'["a",{"offset":77,"header":"id,time","known":0}]'[: rest[0]])
                marks = Marks.load(path)
                assert want.items() <= present(marks).items(), "what was forgotten may come back"
                want = present(marks)
            for start in BEGINNINGS:
                alike = [one for one in want.values() if one.known and start.startswith(_of(one))]
                assert sorted(map(repr, marks.like(start))) == sorted(map(repr, alike))


def present(marks: Marks) -> dict[str, Cursor]:
    return {key: one for key in "abcd" if (one := marks.get(key)) is not None}


def _of(one: Cursor) -> bytes:
    return next(start for start in BEGINNINGS if digest(start) == one.head)


def test_a_change_is_a_line_until_there_are_too_many(tmp_path: Path) -> None:
    marks = Marks.load(tmp_path / "s")
    sizes = []
    for n in range(3_000):
        marks.keep(f"{n % 500}", cursor(b"id,time\n", n + 1))
        sizes.append((tmp_path / "s").stat().st_size)
    grown = [after - before for before, after in pairwise(sizes)]
    assert max(grown) < 300, "what is written does not grow with the number of files"
    assert sum(step < 0 for step in grown) == 1, "gathered once"
    again = Marks.load(tmp_path / "s")
    assert [again.get(f"{n}") for n in range(500)] == [marks.get(f"{n}") for n in range(500)]
    assert again.get("0") == cursor(b"id,time\n", 2_501)


@pytest.mark.parametrize("data", [b"{}\n", b"[1]\n", b"nonsense\n", b'["a",{"offset":1}]\n', b"\xff\n"])
def test_an_unusable_file_begins_anew_and_is_written_anew(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "s"
    path.write_bytes(data)
    marks = Marks.load(path)
    assert list(marks.like(b"id,time\n")) == []
    marks.keep("a", cursor(b"id,time\n"))
    assert Marks.load(path).get("a") == replace(cursor(b"id,time\n"))
