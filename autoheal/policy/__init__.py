"""Policies, models and guards from YAML: read with positions, checked with hints, built into ``domain.specs``."""
