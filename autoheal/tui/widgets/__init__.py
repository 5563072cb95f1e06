"""Thin widgets: they draw what ``present`` returns and change no data."""
