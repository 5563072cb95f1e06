"""Texts as small numbers, in the order in which they came: levels of a category, classes, versions. Bounded.

Used by ``Ring`` in the writer's thread. The surprising part is what is ``wanted``: the levels that a reference names and
the version in charge have a number of their own however many others came before them, since monitors would take their
rows for unseen ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from autoheal.domain.specs import ModelSpec
from autoheal.monitors.reference import Reference

#: Texts that are kept apart, further ones share a number; a model has fewer versions than a column has levels.
MAX_LEVELS, MAX_VERSIONS = 1000, 100
OTHER = "<other>"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is never to be among the others: ``levels`` by feature, ``classes``, ``versions``."""

    levels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    classes: frozenset[str] = frozenset()
    versions: frozenset[str] = frozenset()

    @classmethod
    def of(cls, spec: ModelSpec, champion: str, reference: Reference | None) -> Wanted:
        """What the monitors of this model ask for by name."""
        known = reference.features if reference else {}
        levels = {name: one.known for name, one in known.items()}
        for one in spec.slices:
            levels[one.feature] = levels.get(one.feature, frozenset()) | frozenset(one.levels)
        return cls(levels, frozenset(reference.classes if reference else ()), frozenset((champion,)))


@dataclass(slots=True)
class Vocabulary:
    """``most`` texts, and those wanted."""

    most: int = MAX_LEVELS
    wanted: frozenset[str] = frozenset()
    texts: list[str] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    _frozen: tuple[str, ...] = ()

    def code(self, text: str) -> int:
        known = self.codes.get(text)
        if known is not None:
            return known
        if len(self.texts) >= self.most and text != OTHER and text not in self.wanted:
            return self.code(OTHER)
        self.codes[text] = len(self.texts)
        self.texts.append(text)
        return self.codes[text]

    def frozen(self) -> tuple[str, ...]:
        if len(self._frozen) != len(self.texts):
            self._frozen = tuple(self.texts)
        return self._frozen

    def hides(self, texts: Iterable[str]) -> bool:
        """Whether one of these may be among the others."""
        return OTHER in self.codes and any(t not in self.codes and t not in self.wanted for t in texts)
