"""The house of the API's tests, its folder on a short path: a socket's path has at most 107 bytes."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.api.house import House, house


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ah-") as name:
        yield Path(name)


@pytest.fixture
async def home(folder: Path) -> AsyncIterator[House]:
    async with house(folder) as one:
        yield one
