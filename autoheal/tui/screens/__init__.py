"""One file a screen: which presenter fills it, and what its keys open."""
