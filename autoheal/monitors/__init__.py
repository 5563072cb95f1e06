"""Monitors: pure plug-ins that turn telemetry into findings, by the kind that a model's YAML names."""

from autoheal.monitors.contract import AnyMonitor, Monitor
from autoheal.monitors.evaluate import dump_states, evaluate, load_states
from autoheal.monitors.registry import MONITORS, monitor

__all__ = ["MONITORS", "AnyMonitor", "Monitor", "dump_states", "evaluate", "load_states", "monitor"]
