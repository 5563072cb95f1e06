"""Where a registry keeps a model's files, and the lock under which they are written. The ground that ``registry`` stands on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from autoheal.actions.targets import champion, references, versions
from autoheal.actions.targets.names import checked
from autoheal.actions.targets.versions import CANDIDATES, VERSIONS
from autoheal.durable import locked, make_folder
from autoheal.errors import ActionError, ActionRefused


class Shelves:
    """Folders by model and version below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _folder(self, model: str) -> Path:
        return self.root / checked("model", model)

    def _locate(self, model: str, version: str) -> Path:
        """The folder of a version or candidate; ActionRefused when there is none."""
        folder, name = self._folder(model), checked("version", version)
        for shelf in (VERSIONS, CANDIDATES):
            if (folder / shelf / name).is_dir():
                return folder / shelf / name
        raise ActionRefused(f"{model} has no version {name}")

    def _writing(self, model: str, *, make: bool = False) -> contextlib.AbstractContextManager[Path]:
        folder = self._folder(model)
        if make:
            make_folder(folder)
        elif not folder.is_dir():
            raise ActionRefused(f"the registry has no model {model}")
        return _locked(folder)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """A model's folder under its lock, mended first."""
    try:
        with locked(folder / ".lock"):
            champion.reconcile(folder)
            references.reconcile(folder)
            for shelf in (VERSIONS, CANDIDATES):
                versions.tidy(folder / shelf)
            yield folder
    except OSError as error:  # LockedError too
        raise ActionError(f"registry: {error}", retryable=True) from error
