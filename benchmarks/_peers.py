"""The other libraries, each in a virtual environment of its own, so that their pins never meet ours.

``.peers/NAME`` beside the checkout's ``.venv`` is made on first use from ``benchmarks/peers/NAME.txt`` (every version
pinned; uv where there is one, since it shares files between environments, else venv and pip) and made anew when that
file changes. ``ask`` runs a short script there and returns what its function ``answer(payload)`` returned; ``Peer`` keeps the
process, for measurements that take turns. A script may define any functions; it has ``payload`` (arrays and plain
data by name) and ``cpu(work)``, the CPU seconds of one call, all threads together.

Surprises: what a peer prints goes to a file that is only shown when it fails, since most of them print; text travels as
lists or as arrays of dtype ``U``, never as objects. Called by the benchmarks that have peers.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

PINS = Path(__file__).parent / "peers"
HOME = Path(os.environ.get("AUTOHEAL_PEERS", Path(__file__).parent.parent / ".peers"))
INSTALL_SECONDS = 1800
#: One thread for BLAS and OpenMP: CPU seconds are compared, and spinning threads would count against a peer.
CALM = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
#: Peers that report home are told not to.
QUIET = {
    "DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "HF_HUB_OFFLINE": "1",
    "PYTHONWARNINGS": "ignore",
}

PRELUDE = """\
import json as _json, os as _os, sys as _sys, time as _time
import numpy as np
_answers = _os.fdopen(_os.dup(1), "w")
_os.dup2(2, 1)
with np.load(_sys.argv[1] + "/arrays.npz") as _file:
    payload = {name: _file[name] for name in _file.files}
with open(_sys.argv[1] + "/plain.json") as _file:
    payload.update(_json.load(_file))
def cpu(work):
    began = _time.process_time()
    work()
    return _time.process_time() - began
"""
LOOP = """
for _line in _sys.stdin:
    _name, _arguments = _json.loads(_line)
    _answers.write(_json.dumps(globals()[_name](*_arguments)) + "\\n")
    _answers.flush()
"""


class PeerError(RuntimeError):
    """A peer could not be installed, or its script failed."""


def names() -> tuple[str, ...]:
    """All peers that have a file of pins."""
    return tuple(sorted(f.stem for f in PINS.glob("*.txt")))


def python_of(name: str) -> Path:
    """The peer's Python; installs the peer first where needed. Raises PeerError when that fails."""
    pins = PINS / f"{name}.txt"
    if not pins.exists():
        raise PeerError(f"no peer {name!r}: there are {', '.join(names())}")
    home = HOME / name
    python, ready, wanted = (
        home / "bin" / "python",
        home / "ready",
        hashlib.sha256(pins.read_bytes()).hexdigest(),
    )
    HOME.mkdir(parents=True, exist_ok=True)
    with _alone(HOME / f"{name}.lock"):
        if not (ready.exists() and ready.read_text() == wanted and python.exists()):
            shutil.rmtree(home, ignore_errors=True)
            _install(name, pins, home)
            ready.write_text(wanted)
    return python


def ask(
    name: str, script: str, payload: Mapping[str, Any] | None = None, timeout: float = 600.0
) -> dict[str, Any]:
    """Run ``script`` with the peer's Python; what its ``answer(payload)`` returned, which must be plain data."""
    with Peer(name, script + "\ndef _ask():\n    return answer(payload)\n", payload, timeout) as peer:
        answer: dict[str, Any] = peer.call("_ask")
    return answer


class Peer:
    """A process of one peer that has run ``script`` and answers calls of its functions, one at a time."""

    def __init__(
        self, name: str, script: str, payload: Mapping[str, Any] | None = None, timeout: float = 600.0
    ) -> None:
        self.name, self._timeout = name, timeout
        python = python_of(name)
        self._folder = tempfile.TemporaryDirectory(prefix="peer-")
        folder = Path(self._folder.name)
        _write(folder, payload or {})
        (folder / "script.py").write_text(PRELUDE + script + LOOP)
        self._log = (folder / "log").open("w+")
        self._process = subprocess.Popen(
            [str(python), str(folder / "script.py"), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=folder,
            env={**os.environ, **CALM, **QUIET},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()
        self._folder.cleanup()

    def call(self, function: str, *arguments: Any, timeout: float | None = None) -> Any:
        """Call a function of the script. Raises PeerError, with the end of its output, when it fails or is late."""
        seconds = self._timeout if timeout is None else timeout
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        late = threading.Timer(seconds, self._process.kill)
        late.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps([function, arguments]) + "\n")
                self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            late.cancel()
        if not line:
            self._log.seek(0)
            said = self._log.read()[-2000:].strip()
            raise PeerError(f"{self.name}: {function} failed, or took over {seconds:g} s\n{said}")
        return json.loads(line)


def _write(folder: Path, payload: Mapping[str, Any]) -> None:
    arrays = {k: v for k, v in payload.items() if isinstance(v, np.ndarray)}
    odd = [k for k, v in arrays.items() if v.dtype.hasobject]
    if odd:
        raise PeerError(f"arrays of objects cannot travel: {', '.join(odd)}")
    with zipfile.ZipFile(folder / "arrays.npz", "w") as file:
        for name, array in arrays.items():
            with file.open(name + ".npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
    (folder / "plain.json").write_text(json.dumps({k: v for k, v in payload.items() if k not in arrays}))


def _install(name: str, pins: Path, home: Path) -> None:
    """Make the environment. uv shares the files of packages that several peers have; pip copies them."""
    print(f"installing {name} into {home} (once)", file=sys.stderr)
    beside = Path(sys.executable).parent / "uv"
    uv = shutil.which("uv") or (str(beside) if beside.exists() else None)
    if uv:
        steps = [
            [uv, "venv", "--quiet", "--python", sys.executable, str(home)],
            [uv, "pip", "install", "--quiet", "--python", str(home / "bin" / "python"), "-r", str(pins)],
        ]
    else:
        steps = [
            [sys.executable, "-m", "venv", str(home)],
            [str(home / "bin" / "pip"), "install", "--quiet", "-r", str(pins)],
        ]
    for step in steps:
        try:
            done = subprocess.run(step, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        except subprocess.TimeoutExpired as problem:
            raise PeerError(f"{name}: installing took over {INSTALL_SECONDS} s") from problem
        if done.returncode:
            raise PeerError(f"{name} cannot be installed from {pins.name}:\n{done.stderr[-2000:].strip()}")


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Wait until no other benchmark installs the same peer."""
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
