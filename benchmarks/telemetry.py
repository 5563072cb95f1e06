"""Telemetry at scale: ingest, a round over a thousand models, overload, a long day, MQTT, folders of files.

Ingest and MQTT are given as time for a row or message against doing nothing with it but parsing or counting, so that a
ratio of 2 is half the rate. A round is drift and performance findings through ``monitors.evaluate`` against the bare
numpy histograms of the same windows.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from _shape import Row, main
from _telemetry_files import files
from _telemetry_ingest import day, ingest, overload
from _telemetry_mqtt import mqtt
from _telemetry_rounds import rounds


def measure(quick: bool) -> Sequence[Row]:
    # The day first: the others leave heaps behind that would hide what it adds.
    return [*day(quick), *ingest(quick), *rounds(quick), *overload(quick), *mqtt(quick), *files(quick)]


if __name__ == "__main__":
    sys.exit(main(measure, __doc__ or ""))
