"""The time in a model service. ``autoheal.clock`` would load asyncio, and the service lives by the machine's clock."""

from __future__ import annotations

import time

#: Unix seconds, and seconds from an arbitrary origin that never go back.
unix = time.time  # noqa: TID251 - see the module: a service has no clock of ours
ticks = time.perf_counter
