"""Alarms on real data, through ``autoheal detect`` with its defaults: one configuration for everything.

    python benchmarks/real_data.py --data DIR [--quick] [--json FILE]

The folder (or AUTOHEAL_DATA) holds the public corpora, which are not part of the package: nab/, mscloud/, tcpd/,
covariate/, streams/ (``_real_series`` says which files). Peers run beside: the rules people write by hand, river's ADWIN,
KS by chunks. Scores are per cent of the corpus's own rule and better when higher; delays, misses and false alarms better
when lower. ``goal`` bounds ours. "half A" and "half B" are the files by turns.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from _real_metrics import cloud_rows, nab_rows, noise_rows, turing_rows
from _real_series import data_folder
from _real_tables import inputs_rows, loan_rows, stream_rows
from _shape import Row, main

DATA = Path()


def measure(quick: bool) -> Sequence[Row]:
    return [
        *nab_rows(DATA, quick),
        *cloud_rows(DATA, quick),
        *turing_rows(DATA, quick),
        *loan_rows(DATA),
        *stream_rows(DATA, quick),
        *inputs_rows(DATA),
        *noise_rows(quick),
    ]


if __name__ == "__main__":
    DATA = data_folder()
    sys.exit(main(measure, __doc__ or ""))
