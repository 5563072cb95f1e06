"""``autoheal detect``: the monitors' statistics over a file, on the virtual clock of its rows."""
