"""Can the alarms be left switched on, and how late are they? Two measurements, both with fixed seeds.

1. False alarms: 200 features, hourly windows, 30 days with nothing wrong, in nine guises (``_statistics_cases.py``; two more show a limit): what
   autoheal raises against its budget (one in 14 days at ``notify``, one in 365 at ``act``, over the whole fleet), and how
   many feature-hours the textbook rules flag, and Evidently's and NannyML's defaults (run on a sample, extrapolated).
   Then, so that silence is not the trick, how many hours a feature that moves by half a standard deviation takes.
2. Delay: an error rate of 0.10 rises to 0.12, 0.15, 0.30; rows until it is noticed, all detectors set to the same mean
   run of 50,000 healthy rows, against the CUSUM that knows the new rate: within 25 %.

``ours / peer``: less is better. ``--quick`` takes 20 features over 7 days and fewer streams. The peers need river,
evidently and nannyml (installed on first use); without one its rows are left out. The surprising part: this file has the
name of a module of the standard library, and stands before it on the path of every script in this folder; imported
instead of run, it is that module.
"""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    def median(data: Iterable[float]) -> float:
        """What type checkers are told of the standard library's: only what this repository uses of it."""


def __getattr__(name: str) -> Any:
    """The standard library's ``statistics``, for whoever imports that."""
    known = sys.modules.get("_standard_statistics")
    if known is None:
        file = Path(sysconfig.get_path("stdlib")) / "statistics.py"
        spec = importlib.util.spec_from_file_location("_standard_statistics", file)
        assert spec is not None
        assert spec.loader is not None
        known = importlib.util.module_from_spec(spec)
        sys.modules["_standard_statistics"] = known
        spec.loader.exec_module(known)
    return getattr(known, name)


if __name__ == "__main__":
    from _shape import main
    from _statistics_rows import measure

    sys.exit(main(measure, __doc__ or ""))
