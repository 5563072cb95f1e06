"""Which names may become folders. Pure.

Names of models, versions and candidates come from configuration, trainers and people, and are used as paths: only
plain words are let through, so that no name can leave the registry.
"""

from __future__ import annotations

import re

from autoheal.errors import ActionRefused

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")


def checked(kind: str, name: str) -> str:
    """The name, or ActionRefused: letters, digits, ``. _ -``, at most 100, with no dot at either end."""
    if not _NAME.fullmatch(name) or ".." in name:
        shown = name if len(name) <= 60 else f"{name[:60]}..."
        raise ActionRefused(
            f"{shown!r} is no name of a {kind}: use up to 100 letters, digits, '.', '_', '-', no dot at the ends"
        )
    return name
