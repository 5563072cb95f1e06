"""The daemon's doors: HTTP over unix sockets. Readers get a snapshot and the events after it; commands become events."""
