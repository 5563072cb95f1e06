"""Telemetry: predictions, outcomes, metrics, and the training pipeline's features in; views, labelled rows and references out."""

from autoheal.telemetry.batches_table import Batch
from autoheal.telemetry.counts import Counts
from autoheal.telemetry.joins_table import Joins
from autoheal.telemetry.limits import Limits
from autoheal.telemetry.maturity import Maturity
from autoheal.telemetry.records import Features, Metric, Outcome, Prediction, Record, parse_body, parse_rows
from autoheal.telemetry.reference import References, build_performance, build_reference, load_reference
from autoheal.telemetry.refusal import Refusal
from autoheal.telemetry.service import Telemetry

__all__ = [
    "Batch",
    "Counts",
    "Features",
    "Joins",
    "Limits",
    "Maturity",
    "Metric",
    "Outcome",
    "Prediction",
    "Record",
    "References",
    "Refusal",
    "Telemetry",
    "build_performance",
    "build_reference",
    "load_reference",
    "parse_body",
    "parse_rows",
]
