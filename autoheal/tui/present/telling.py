"""Each kind of event in an operator's words. Pure.

A kind that this version does not know is told by its name: an older dashboard must not fall over a newer daemon.
Called by ``present.events`` and ``present.run``.
"""

from __future__ import annotations

from autoheal.domain.world import World
from autoheal.tui.present.telling_conclusions import CONCLUSIONS
from autoheal.tui.present.telling_facts import FACTS
from autoheal.tui.present.telling_words import Parts
from autoheal.tui.present.text import clean

TELL = FACTS | CONCLUSIONS


def tell(event: object, world: World) -> Parts:
    """``event`` in words; by its name where they are not known, or where it is not what it should be."""
    kind = str(getattr(event, "kind", type(event).__name__))
    teller = TELL.get(kind)
    if teller is not None:
        try:
            return tuple(part for part in teller(event, world) if part != ("", ""))
        except (AttributeError, KeyError, TypeError, ValueError):
            pass
    return ((f"· {clean(kind).replace('_', ' ')}", "dim"),)
