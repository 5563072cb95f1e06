"""What each peer does in the speed benchmark, in its own process; read by speed.py, run through ``_peers``.

Every script gives ``report(kind)``: CPU seconds of one drift report on the whole batch, and ``check(kind, times)``: CPU
seconds of one check of a window of ``rows`` rows, from ``times`` of them on windows that differ. Frames, fitting and
imports happen before the clock starts: what is timed is what is done again and again.
"""

from __future__ import annotations

FRAMES = """
import warnings
import pandas as pd
warnings.simplefilter("ignore")
numeric = [f"n{i}" for i in range(len(payload["reference"]))]
categories = [f"c{i}" for i in range(len(payload["reference_codes"]))]
levels = [f"level {i}" for i in range(20)]
def frame(values, codes):
    held = dict(zip(numeric, values))
    held |= {c: pd.Categorical.from_codes(v, levels) for c, v in zip(categories, codes)}
    return pd.DataFrame(held)
reference = frame(payload["reference"], payload["reference_codes"])
current = frame(payload["current"], payload["current_codes"])
rows = payload["rows"]
def window(i):
    start = i * rows % (len(current) - rows + 1)
    return current.iloc[start : start + rows].reset_index(drop=True)
"""

EVIDENTLY = (
    FRAMES
    + """
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift
from evidently.presets import DataDriftPreset
# Levels as plain text: the categorical type makes it slower.
definition = DataDefinition(numerical_columns=numeric, categorical_columns=categories)
def made(frame):
    return Dataset.from_pandas(frame.astype({c: str for c in categories}), data_definition=definition)
old, new = made(reference), made(current)
METRICS = {
    "ks": [(numeric, "ks")],
    "same": [(columns, m) for columns, methods in (
        (numeric, ("ks", "psi", "jensenshannon")), (categories, ("psi", "jensenshannon")),
    ) for m in methods],
}
def work(kind, data):
    if kind == "preset":
        return lambda: Report([DataDriftPreset()]).run(data, old).dict()
    metrics = [ValueDrift(column=c, method=m) for columns, m in METRICS[kind] for c in columns]
    return lambda: Report(metrics).run(data, old).dict()
def report(kind):
    return cpu(work(kind, new))
def check(kind, times):
    return sum(cpu(work(kind, made(window(i)))) for i in range(times)) / times
"""
)

NANNYML = (
    FRAMES
    + """
from nannyml import UnivariateDriftCalculator
def fitted(columns, chunk, numeric_methods, category_methods):
    calculator = UnivariateDriftCalculator(
        column_names=columns, chunk_size=chunk,
        continuous_methods=numeric_methods, categorical_methods=category_methods,
    )
    return calculator.fit(reference)
METHODS = {
    "ks": (numeric, ["kolmogorov_smirnov"], ["jensen_shannon"]),
    "same": (numeric + categories, ["kolmogorov_smirnov", "jensen_shannon"], ["jensen_shannon"]),
}
ready = {}
def calculator(kind, chunk):
    if (kind, chunk) not in ready:
        columns, numeric_methods, category_methods = METHODS[kind]
        ready[kind, chunk] = fitted(columns, chunk, numeric_methods, category_methods)
    return ready[kind, chunk]
def report(kind):
    it = calculator(kind, len(current))
    return cpu(lambda: it.calculate(current))
def check(kind, times):
    it = calculator(kind, rows)
    frames = [window(i) for i in range(times)]
    return sum(cpu(lambda: it.calculate(f)) for f in frames) / times
"""
)

ALIBI = """
import warnings
warnings.simplefilter("ignore")
from alibi_detect.cd import ChiSquareDrift, KSDrift
reference, current = payload["reference"].T.copy(), payload["current"].T.copy()
reference_codes, current_codes = payload["reference_codes"].T.copy(), payload["current_codes"].T.copy()
rows = payload["rows"]
levels = {i: 20 for i in range(reference_codes.shape[1])}
ks, chi2 = KSDrift(reference), ChiSquareDrift(reference_codes, categories_per_feature=levels)
def both(kind, part):
    ks.predict(current[part])
    if kind == "same":
        chi2.predict(current_codes[part])
def report(kind):
    return cpu(lambda: both(kind, slice(None)))
def check(kind, times):
    starts = [i * rows % (len(current) - rows + 1) for i in range(times)]
    return sum(cpu(lambda: both(kind, slice(s, s + rows))) for s in starts) / times
"""

RIVER = """
from river import drift
bits = payload["bits"].tolist()
def update(name):
    detector = getattr(drift, name)() if hasattr(drift, name) else getattr(drift.binary, name)()
    def work():
        for bit in bits:
            detector.update(bit)
    return cpu(work) / len(bits)
"""
