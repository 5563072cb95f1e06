"""PURE: what the screens and the CLI print. State in, plain strings out; no textual here."""
