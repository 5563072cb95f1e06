"""SQLite beneath the event log: append, read, verify, snapshots. One writer; I/O happens here and nowhere above."""
