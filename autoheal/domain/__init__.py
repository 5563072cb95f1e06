"""The vocabulary: frozen dataclasses, enums and identifiers that every other part speaks. Pure."""
