"""What a monitor may spend of the fleet's false alarms. Pure; ``policy`` computes it, ``evaluate`` hands it on.

Numbers in days because the threshold *is* the promise: the mean time between false alarms of the whole fleet.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoheal.stats.alarm_clock import T_ACT, T_NOTIFY


@dataclass(frozen=True, slots=True)
class Budget:
    """``share`` in (0, 1] of the fleet's budget; ``notify`` and ``act``: mean days between the fleet's false alarms.

    One monitor by itself then goes off falsely at most once in ``notify / share`` days.
    """

    share: float = 1.0
    notify: float = T_NOTIFY
    act: float = T_ACT
