"""Who answers which request: weights, a deterministic choice, and changes under a revision and a key.

A ``Route`` never changes; the table swaps whole routes, and a request keeps the one that it began with, so new weights
take hold between two requests and no request falls between them. What surprises: versions stand in the order of their
names on [0, 1), so that raising a later one's share moves only as many requests as it must.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import accumulate
from typing import Final

#: Changes by key that a route remembers.
MEMORY: Final = 50


@dataclass(frozen=True, slots=True)
class Move:
    """One change that a step key made, with the weights before it."""

    key: str
    revision: int
    previous: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Route:
    """Percent by version; ``revision`` counts the changes, ``key`` made the last one."""

    weights: Mapping[str, float]
    fallback: str = ""
    revision: int = 1
    key: str = ""
    moves: tuple[Move, ...] = ()
    _ends: tuple[tuple[float, str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = sorted(name for name, share in self.weights.items() if share > 0)
        total = sum(self.weights.values())
        ends = accumulate(self.weights[name] / total for name in names)
        object.__setattr__(self, "_ends", tuple(zip(ends, names, strict=True)))

    def choose(self, request_id: str) -> str:
        """The version for a request: the same one for the same id as long as the weights stay."""
        place = place_of(request_id)
        for end, version in self._ends:
            if place < end:
                return version
        return self._ends[-1][1]

    def moved_by(self, key: str) -> Move | None:
        return next((move for move in reversed(self.moves) if key and move.key == key), None)

    def moved(self, weights: Mapping[str, float], fallback: str | None, key: str) -> Route:
        """The next route."""
        revision = self.revision + 1
        moves = (*self.moves, Move(key, revision, dict(self.weights)))[-MEMORY:] if key else self.moves
        return replace(
            self,
            weights=dict(weights),
            fallback=self.fallback if fallback is None else fallback,
            revision=revision,
            key=key,
            moves=moves,
        )


def place_of(request_id: str) -> float:
    """Where on [0, 1) an id falls: the first 8 bytes of its sha256.

    >>> round(place_of("req-1"), 6)
    0.579449
    """
    return int.from_bytes(sha256(request_id.encode()).digest()[:8]) / 2**64
