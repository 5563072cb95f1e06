"""The embedded model registry: a directory of immutable versions and one champion pointer a model.

    MODEL/versions/VERSION/{version.json, reference.json, artefact/...}    MODEL/champion.json
    MODEL/candidates/NAME/{version.json, origin.json, gate.json, artefact/...}    MODEL/history.jsonl
    MODEL/references/DIGEST.json    MODEL/references.jsonl

Written by actions, CI and the demo, one at a time by an OS lock a model; read by anybody at any time without a lock.
All methods are synchronous (call them in a thread). What surprises: "known good" comes from the history of what served
healthy, never from version numbers, and is a *proposal*: rollback proves it on fresh rows first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from autoheal.actions.targets import artefact, champion, references, versions
from autoheal.actions.targets.champion import Champion, Good, Moved
from autoheal.actions.targets.names import checked
from autoheal.actions.targets.reference_shelf import ReferenceShelf
from autoheal.actions.targets.versions import CANDIDATES, VERSIONS, NewVersion, VersionInfo
from autoheal.durable import make_folder, replace_file
from autoheal.errors import ActionError, ActionRefused

#: What is written when something changes about a model: a version's folder never does.
STAMPED: Final = ("champion.json", "history.jsonl", references.LINES, VERSIONS, CANDIDATES)
#: Time, size and number of each file; None: not there.
Stamp = tuple[tuple[int, int, int] | None, ...]


class Registry(ReferenceShelf):
    """``Registry.open(root)`` mends what a crash left; every method raises ActionError or ActionRefused."""

    @classmethod
    def open(cls, root: Path) -> Registry:
        """Open or make the directory; finish moves that a crash interrupted."""
        make_folder(root)
        registry = cls(root)
        for model in registry.models():
            with registry._writing(model):
                pass
        return registry

    # --- reading ------------------------------------------------------------------------------------------------

    def models(self) -> tuple[str, ...]:
        return tuple(sorted(p.name for p in self.root.iterdir() if p.is_dir() and not p.name.startswith(".")))

    def versions(self, model: str) -> tuple[VersionInfo, ...]:
        """All versions, the oldest first; candidates are not among them."""
        return versions.read_all(self._folder(model) / VERSIONS)

    def candidates(self, model: str) -> tuple[VersionInfo, ...]:
        """Candidates that are still kept, the oldest first."""
        return versions.read_all(self._folder(model) / CANDIDATES)

    def info(self, model: str, version: str) -> VersionInfo:
        """What is known about a version or candidate."""
        return versions.read(self._locate(model, version))

    def has(self, model: str, version: str) -> bool:
        with contextlib.suppress(ActionRefused):
            return self._locate(model, version).is_dir()
        return False

    def artefact(self, model: str, version: str) -> Path:
        """The artefact's folder, after its digest was checked: for whoever is about to load it."""
        folder = self._locate(model, version)
        found, wanted = artefact.digest(folder / "artefact"), versions.read(folder).artefact_sha256
        if found != wanted:
            raise ActionRefused(
                f"{model} {version}: the artefact's sha256 is {found[:12]}, registered was {wanted[:12]}"
            )
        return folder / "artefact"

    def champion(self, model: str) -> Champion | None:
        return champion.read(self._folder(model))

    def history(self, model: str) -> tuple[Moved | Good, ...]:
        return champion.history(self._folder(model))

    def known_good(self, model: str, exclude: str | None = None) -> str | None:
        """The version that last served healthy, other than ``exclude`` (by default the champion)."""
        present = self.champion(model)
        out = exclude if exclude is not None else (present.version if present else "")
        for line in reversed(self.history(model)):
            if isinstance(line, Good) and line.version != out and self.has(model, line.version):
                return line.version
        return None

    def moved_by(self, model: str, key: str) -> Moved | None:
        """The champion's move that this key made, if any."""
        return champion.moved_by(self._folder(model), key)

    def made_by(self, model: str, key: str) -> VersionInfo | None:
        """The version that this key registered, if any."""
        return next((v for v in self.versions(model) if key and v.by_key == key), None)

    def stamp(self, model: str) -> Stamp:
        """Another one as soon as anything is written about a model; cheap, for whoever reads it again and again."""
        folder = self._folder(model)
        return tuple(_written(folder / name) for name in STAMPED)

    # --- versions -----------------------------------------------------------------------------------------------

    def register(
        self,
        model: str,
        source: Path,
        new: NewVersion,
        *,
        at: datetime,
        reference: Mapping[str, Any] | None = None,
    ) -> VersionInfo:
        """Take a version in from a folder of files. With a ``by_key`` that made one already: that one."""
        files = {} if reference is None else {"reference.json": orjson.dumps(reference)}
        with self._writing(model, make=True) as folder:
            if made := self.made_by(model, new.by_key):
                return made
            return versions.write(folder / VERSIONS, model, source, new, at=at, files=files)

    def stage(
        self, model: str, source: Path, new: NewVersion, *, at: datetime, origin: Mapping[str, Any]
    ) -> VersionInfo:
        """Take a candidate in, under the name ``new.version``; the same name again gives the one that is there.

        ``origin`` says where its data lies: it is kept beside the candidate.
        """
        name = checked("candidate", new.version)
        with self._writing(model, make=True) as folder:
            shelf = folder / CANDIDATES
            if (shelf / name).is_dir():
                return versions.read(shelf / name)
            files = {"origin.json": orjson.dumps(origin)}
            info = versions.write(shelf, model, source, new, at=at, files=files)
            versions.prune_candidates(shelf)
            return info

    def note(self, model: str, candidate: str, file: str, data: Mapping[str, Any]) -> None:
        """Write a JSON file (a gate's result) beside a candidate."""
        folder = self._folder(model) / CANDIDATES / checked("candidate", candidate)
        if not folder.is_dir():
            raise ActionRefused(f"{model} has no candidate {candidate}")
        with self._writing(model):
            replace_file(folder / f"{checked('file', file)}.json", orjson.dumps(data))

    def notes(self, model: str, candidate: str, file: str) -> dict[str, Any] | None:
        """A JSON file beside a candidate: ``origin`` or ``gate``; None when there is none."""
        folder = self._folder(model) / CANDIDATES / checked("candidate", candidate)
        return versions.load_json(folder / f"{checked('file', file)}.json")

    def promote_candidate(
        self,
        model: str,
        candidate: str,
        *,
        key: str,
        at: datetime,
        gate: Mapping[str, Any],
        reference: Mapping[str, Any] | None,
    ) -> VersionInfo:
        """Make a version of a candidate, whose artefact must still be what was gated."""
        if made := self.made_by(model, key):
            return made
        new = versions.as_version(self.info(model, candidate), NewVersion(by_key=key, gate=gate))
        return self.register(model, self.artefact(model, candidate), new, at=at, reference=reference)

    # --- the champion -------------------------------------------------------------------------------------------

    def set_champion(
        self, model: str, version: str, *, by: str, at: datetime, key: str = "", previous: str | None = None
    ) -> Moved:
        """Let ``version`` serve. A ``key`` that moved it before moves nothing; ``previous`` makes it compare-and-set."""
        with self._writing(model) as folder:
            if done := champion.moved_by(folder, key):
                return done
            present = champion.read(folder)
            held = present.version if present else ""
            if previous is not None and held != previous:
                who = f" by {present.by}" if present else ""
                raise ActionRefused(
                    f"contested: the champion of {model} is {held or 'nothing'}{who}, not {previous}"
                )
            self._check_servable(model, version)
            if held == version:
                return champion.keep(folder, Moved(at, version, held, by, key, "kept"))
            return champion.move(folder, Champion(version, at, by, held, key))

    def mark_good(self, model: str, version: str, at: datetime) -> None:
        """Write down that a version has served healthy for the stated time: once for each time that it is champion."""
        with self._writing(model) as folder:
            for line in reversed(champion.history(folder)):
                if line.version == version:
                    if isinstance(line, Good):
                        return
                    break
            champion.mark_good(folder, version, at)

    def _check_servable(self, model: str, version: str) -> None:
        info = self.info(model, version)
        if info.role != "model":
            raise ActionRefused(f"{model} {version} is a {info.role}, which cannot be champion")
        self.artefact(model, version)


def _written(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ActionError(f"registry: {error}", retryable=True) from error
    return found.st_mtime_ns, found.st_size, found.st_ino
