"""The reader's side of the doors: one connection with cursor and reconnect. Used by the CLI and the dashboard."""
