"""Sources: what brings telemetry in. Import the one that is needed; they do not know each other."""
