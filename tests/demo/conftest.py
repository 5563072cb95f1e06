"""One thread each for the trainings of these tests: others use the machine too. Must stand before scikit-learn loads."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
