"""The registry's door to what each version is compared with: its own reference, or what was put in its place since.

The files are those of ``references``; ``registry`` is built on this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from autoheal.actions.targets import references
from autoheal.actions.targets.references import Anchored, How, Restored
from autoheal.actions.targets.shelves import Shelves
from autoheal.errors import ActionRefused


class ReferenceShelf(Shelves):
    """References by model and version."""

    def reference_path(self, model: str, version: str) -> Path | None:
        """The reference that a version is compared with, for ``telemetry.reference.References``; None when it has
        none. Another path is another reference: the bytes behind one never change."""
        if anchors := self.anchors(model, version):
            return references.path_of(self._folder(model), anchors[-1])
        return self._own(model, version)

    def former_references(self, model: str, version: str) -> tuple[Path, ...]:
        """What a version was compared with at other times, the newest first, undone or not; not the present one."""
        folder, own = self._folder(model), self._own(model, version)
        mine = [x for x in references.history(folder) if isinstance(x, Anchored) and x.version == version]
        paths = [references.path_of(folder, line) for line in reversed(mine)]
        present = self.reference_path(model, version)
        return tuple(dict.fromkeys(p for p in (*paths, *([own] if own else [])) if p != present))

    def _own(self, model: str, version: str) -> Path | None:
        try:
            path = self._locate(model, version) / "reference.json"
        except ActionRefused:
            return None
        return path if path.exists() else None

    def anchors(self, model: str, version: str) -> tuple[Anchored, ...]:
        """What took the place of a version's own reference, the present one last; empty: nothing did."""
        return references.standing(references.history(self._folder(model)), version)

    def anchored_by(self, model: str, key: str) -> Anchored | None:
        """The reference that this key put in place, if any; undone since or not."""
        lines = references.history(self._folder(model)) if key else ()
        return next((line for line in lines if isinstance(line, Anchored) and line.key == key), None)

    def restored_by(self, model: str, key: str) -> Restored | None:
        """The undoing that this key did, if any."""
        lines = references.history(self._folder(model)) if key else ()
        return next((line for line in lines if isinstance(line, Restored) and line.key == key), None)

    def anchor(
        self,
        model: str,
        version: str,
        reference: Mapping[str, Any],
        *,
        how: How,
        by: str,
        at: datetime,
        detail: str = "",
        key: str = "",
    ) -> Anchored:
        """Compare a version with another reference from now on; what it was compared with before is kept for undo."""
        data = orjson.dumps(reference)
        digest = hashlib.sha256(data).hexdigest()
        with self._writing(model) as folder:
            self._locate(model, version)
            return references.anchor(folder, data, Anchored(at, version, digest, how, by, detail, key))

    def restore_reference(self, model: str, version: str, *, by: str, at: datetime, key: str = "") -> None:
        """Undo the last ``anchor`` of a version that was not undone; ActionRefused when there is none."""
        with self._writing(model) as folder:
            references.restore(folder, Restored(at, version, by, key))
