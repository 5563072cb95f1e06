"""The expanding notation of policy tests."""

from __future__ import annotations

import pytest

from autoheal.policy.series import MOST, Beat, NotationError, expand


def values(text: str) -> list[float | str | None]:
    return [b.word or b.value for b in expand(text)]


@pytest.mark.parametrize(
    ("text", "beats"),
    [
        ("0.9", [0.9]),
        ("0.9x3", [0.9, 0.9, 0.9]),
        ("1+2x3", [1, 3, 5]),
        ("0.9-0.1x3", [0.9, 0.8, 0.7]),
        ("-1-1x2", [-1, -2]),
        ("1e3 2e-1", [1000, 0.2]),
        ("_x2 1 stale pending error", ["_", "_", 1, "stale", "pending", "error"]),
        ("okx2 warning criticalx1", ["ok", "ok", "warning", "critical"]),
    ],
)
def test_a_count_is_a_count(text: str, beats: list[float | str]) -> None:
    assert values(text) == beats


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("0.9 gone", 5),
        ("1x", 1),
        ("1x0", 1),
        ("1  2x0", 4),
        ("x3", 1),
        ("1+x3", 1),
        ("0.9x24,0.8", 1),
    ],
)
def test_a_wrong_token_is_told_with_its_column(text: str, column: int) -> None:
    with pytest.raises(NotationError) as caught:
        expand(text)
    assert caught.value.column == column


def test_a_series_has_an_end() -> None:
    assert expand(f"1x{MOST}")[-1] == Beat(1.0)
    with pytest.raises(NotationError):
        expand(f"1x{MOST} 1")
