"""The newest samples of each model's service metrics, in memory: what monitors look at. Pure.

Filled by ``store``, read by ``service``, both under the store's lock. The surprising part: a model's metrics lie in the
order in which they were last heard of, so that the one that leaves when there are too many is the longest silent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from autoheal.domain.names import ModelName

#: Metrics that a model may have, here and on disk: a name with an id in it is a new one each time.
MOST_NAMES = 1_000
#: Time and value.
Sample = tuple[float, float]


@dataclass(slots=True)
class NewestSamples:
    """``keep`` of each metric."""

    keep: int = 2_000
    _held: dict[ModelName, dict[str, deque[Sample]]] = field(default_factory=dict)

    def add(self, model: ModelName, name: str, samples: Iterable[Sample]) -> None:
        """The next ones, in the order of arrival."""
        by_name = self._held.setdefault(model, {})
        found = by_name.pop(name) if name in by_name else deque[Sample](maxlen=self.keep)
        found.extend(samples)
        by_name[name] = found
        if len(by_name) > MOST_NAMES:
            del by_name[next(iter(by_name))]

    def of(self, model: ModelName) -> Mapping[str, Iterable[Sample]]:
        """By metric."""
        return self._held.get(model, {})
