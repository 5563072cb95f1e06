"""The program in a real terminal (tmux): it starts, paints, takes a resize, and leaves the terminal as it was."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux (Debian package tmux)")


class Terminal:
    """One private tmux server with one window."""

    def __init__(self, folder: Path) -> None:
        self.base = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]

    def run(self, *args: str) -> str:
        done = subprocess.run([*self.base, *args], capture_output=True, text=True, timeout=20, check=True)
        return done.stdout

    def screen(self) -> str:
        return self.run("capture-pane", "-p", "-t", "0")

    def wait_for(self, *words: str, seconds: float = 20.0) -> str:
        deadline = time.monotonic() + seconds
        while True:
            text = self.screen()
            if all(word in text for word in words):
                return text
            assert time.monotonic() < deadline, f"{words} never seen:\n{text}"
            time.sleep(0.1)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with tempfile.TemporaryDirectory(prefix="ah-") as name:
        one = Terminal(Path(name))
        # COLUMNS and LINES of whoever runs the tests would pin the size
        clean = ["env", "-u", "COLUMNS", "-u", "LINES", "PS1=shell$ ", "TERM=xterm-256color", "sh"]
        one.run("new-session", "-d", "-x", "100", "-y", "30", *clean)
        yield one
        with contextlib.suppress(subprocess.SubprocessError):
            one.run("kill-server")


def test_in_a_terminal(terminal: Terminal, tmp_path: Path):
    here = Path(__file__).parents[2]
    show = (
        "import os, sys\n"
        f"sys.path.insert(0, {str(here)!r})\n"
        "from tests.tui.sight import dashboard\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "app = dashboard()\n"
        "app.run()\n"
    )
    (tmp_path / "show.py").write_text(show)
    terminal.wait_for("shell$")
    terminal.run(
        "send-keys", "-t", "0", f"{sys.executable} {tmp_path / 'show.py'}; echo left with $?", "Enter"
    )
    terminal.wait_for("fraud-scorer", "10 of 10", "q quit")
    terminal.run("resize-window", "-t", "0", "-x", "80", "-y", "24")
    terminal.wait_for("1 Fleet  2 Inc", "q quit")
    terminal.run("resize-window", "-t", "0", "-x", "60", "-y", "20")
    terminal.wait_for("autoheal needs 80×24, this is 60×20")
    terminal.run("resize-window", "-t", "0", "-x", "100", "-y", "30")
    terminal.wait_for("2 Incidents", "spam-filter")
    os.kill(int((tmp_path / "pid").read_text()), 15)
    text = terminal.wait_for("left with")
    assert "fraud-scorer" not in text, "the alternate screen is still there"
    assert (
        terminal.run(
            "display-message", "-p", "-t", "0", "#{cursor_flag}#{mouse_any_flag}#{alternate_on}"
        ).strip()
        == "100"
    )
    terminal.run("send-keys", "-t", "0", "echo sane-$((6*7))", "Enter")
    terminal.wait_for("sane-42")
