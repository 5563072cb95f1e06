"""The texts that the CLI and the dashboard share: never wider than asked, never a control character, nothing lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from autoheal.domain.reason import Position, Reason
from autoheal.tui.present.text import clean, cut, left_right, pad, plain, span, wrap
from autoheal.tui.present.tree import tree_lines

NOW = datetime(2026, 1, 1, tzinfo=UTC)
positions = st.builds(
    Position, st.sampled_from(["", "policies/a.yaml", "x" * 30 + ".yaml"]), st.integers(0, 999), st.just(1)
)
words = st.text(max_size=60)
reasons = st.recursive(
    st.builds(Reason, words, st.sampled_from([True, False, None]), words, positions),
    lambda inner: st.builds(
        Reason, words, st.none(), words, positions, st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=12,
)


@given(reasons, st.integers(60, 140))
def test_a_tree_is_never_too_wide_and_has_every_node(reason: Reason, width: int) -> None:
    lines = tree_lines(reason, width)
    assert all(cell_len(line) <= width for line in lines)
    assert all(line.isprintable() for line in lines)

    def count(node: Reason) -> int:
        return 1 + sum(count(child) for child in node.children)

    assert len(lines) >= count(reason)


def test_nothing_of_a_long_detail_is_lost() -> None:
    detail = " ".join(f"word{i}" for i in range(60))
    lines = tree_lines(Reason("label", True, detail, Position("p.yaml", 7, 1)), 60)
    assert [w for line in lines[1:] for w in line.split()] == detail.split()
    assert lines[0].endswith("p.yaml:7")


def test_the_position_is_not_repeated_beneath_itself() -> None:
    here = Position("p.yaml", 7, 1)
    lines = tree_lines(
        Reason("a", True, "", here, (Reason("b", False, "", here), Reason("c", None, "x"))), 60
    )
    assert sum("p.yaml:7" in line for line in lines) == 1


def test_spans_are_short_and_never_negative() -> None:
    said = [span(timedelta(seconds=s)) for s in (-5, 0, 12, 60, 312, 7800, 86400 * 9 + 5, 86400 * 2 + 3700)]
    assert said == ["0s", "0s", "12s", "1m", "5m12s", "2h10m", "9d", "2d1h"]


@given(st.text())
def test_terminals_are_safe_from_names(text: str) -> None:
    assert clean(text).isprintable()
    assert plain(clean(text), ascii=True).isascii()


@given(st.text(), st.integers(0, 40))
def test_cut_and_pad(text: str, width: int) -> None:
    text = clean(text)
    assert cell_len(cut(text, width)) <= width
    assert cell_len(pad(text, width)) == width
    assert cell_len(left_right("abc", text, 20)) in {3, 20}
    assert wrap(text, width)
