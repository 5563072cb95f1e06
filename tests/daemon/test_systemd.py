"""What systemd would hear, on a real socket; and the unit file before systemd's own judges."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoheal.clock import SystemClock, VirtualClock
from autoheal.daemon.systemd import Notifier
from tests.daemon.house import eventually, living, news

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


class Ear:
    """Stands in for PID 1: a datagram socket, at a path or in the abstract namespace."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(10)

    def hear(self) -> dict[str, str]:
        text = self.socket.recv(4096).decode()
        return dict(line.split("=", 1) for line in text.splitlines())

    def environment(self, **more: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.address, **more}


@pytest.fixture(params=["path", "abstract"])
def ear(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ear]:
    address = (
        str(tmp_path / "notify")
        if request.param == "path"
        else f"@autoheal-test-{os.getpid()}-{tmp_path.name}"
    )
    found = Ear(address)
    yield found
    found.socket.close()


def test_the_words_of_the_protocol(ear: Ear) -> None:
    before = time.monotonic()
    notifier = Notifier.from_environment(SystemClock(), ear.environment())
    notifier.ready("watching 3 models")
    assert ear.hear() == {"READY": "1", "STATUS": "watching 3 models"}
    notifier.reloading()
    heard = ear.hear()
    assert heard["RELOADING"] == "1"
    assert before * 1e6 - 1 <= int(heard["MONOTONIC_USEC"]) <= time.monotonic() * 1e6
    notifier.status("two lines\nREADY=1 are one")
    assert ear.hear() == {"STATUS": "two lines READY=1 are one"}
    notifier.ping()
    assert ear.hear() == {"WATCHDOG": "1"}
    notifier.extend(30)
    assert ear.hear() == {"EXTEND_TIMEOUT_USEC": "30000000"}
    notifier.stopping()
    assert ear.hear() == {"STOPPING": "1", "STATUS": "stopping"}
    notifier.close()


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_half_of_what_systemd_allows(environment: dict[str, str], interval: float | None) -> None:
    assert Notifier.from_environment(VirtualClock(), environment).interval == interval


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "@nobody-listens-here"])
def test_without_a_listener_nothing_happens(address: str) -> None:
    notifier = Notifier(address, VirtualClock())
    notifier.ready("x" * 5000)
    notifier.ping()
    notifier.close()


def test_a_systemd_that_does_not_read_never_holds_us_up(tmp_path: Path) -> None:
    deaf = Ear(str(tmp_path / "deaf"))
    notifier = Notifier(deaf.address, VirtualClock())
    for _ in range(5000):
        notifier.ping()
    notifier.close()
    deaf.socket.close()


async def test_the_kernel_feeds_the_watchdog(tmp_path: Path) -> None:
    ear = Ear(str(tmp_path / "notify"))
    ear.socket.setblocking(False)
    notifier = Notifier.from_environment(SystemClock(), ear.environment(WATCHDOG_USEC="100000"))
    heard: list[bytes] = []

    def listen() -> int:
        try:
            while True:
                heard.append(ear.socket.recv(100))
        except BlockingIOError:
            return len(heard)

    async with living(tmp_path / "state.db", watchdog=notifier) as (kernel, _):
        await kernel.submit(news(1))
        await eventually(lambda: listen() >= 4)
    assert set(heard) == {b"WATCHDOG=1"}
    notifier.close()
    ear.socket.close()


def test_from_start_to_end_in_a_process_of_its_own(tmp_path: Path) -> None:
    """READY, signs of life, RELOADING and READY on SIGHUP, STOPPING on SIGTERM, with our credentials."""
    ear = Ear(str(tmp_path / "notify"))
    ear.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    code = """
        import asyncio, signal, sys
        from pathlib import Path
        from autoheal.clock import SystemClock
        from autoheal.daemon.kernel import Kernel
        from autoheal.daemon.systemd import Notifier
        from autoheal.store.log import open_world

        async def main():
            clock = SystemClock()
            notifier = Notifier.from_environment(clock)
            log, world = open_world(Path(sys.argv[1]))
            kernel = Kernel(log, clock, world, watchdog=notifier)
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, lambda: (notifier.reloading(), notifier.ready("reloaded")))
            loop.add_signal_handler(signal.SIGTERM, lambda: (notifier.stopping(), kernel.stop()))
            notifier.ready("up")
            await kernel.run()
            log.close()

        asyncio.run(main())
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "state.db")],
        env={**os.environ, **ear.environment(WATCHDOG_USEC="200000")},
    )
    try:
        data, control, _, _ = ear.socket.recvmsg(4096, socket.CMSG_SPACE(12))
        assert data == b"READY=1\nSTATUS=up"
        assert int.from_bytes(control[0][2][:4], sys.byteorder) == process.pid
        assert ear.hear() == {"WATCHDOG": "1"}
        process.send_signal(signal.SIGHUP)
        heard = [h for h in (ear.hear() for _ in range(12)) if "WATCHDOG" not in h][:2]
        assert "RELOADING" in heard[0]
        assert heard[1] == {"READY": "1", "STATUS": "reloaded"}
        process.send_signal(signal.SIGTERM)
        while "STOPPING" not in ear.hear():
            pass
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()
        ear.socket.close()


# --- the unit -----------------------------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there: systemd-analyze insists."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (package systemd)")
    text = (DEPLOY / "autoheal.service").read_text()
    there, count = re.subn(r"(?m)^(Exec\w+=)/opt/autoheal/bin/autoheal", rf"\1{shutil.which('true')}", text)
    assert count >= 1
    path = tmp_path / "autoheal.service"
    path.write_text(there)
    return path


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_unit_is_correct(unit: Path) -> None:
    ran = analyze("verify", "--man=no", str(unit))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_the_unit_is_hardened(unit: Path) -> None:
    ran = analyze("security", "--offline=yes", "--threshold=20", str(unit))
    assert ran.returncode == 0, ran.stdout[-3000:]


@pytest.mark.parametrize(
    ("tool", "name"), [("systemd-sysusers", "sysusers.conf"), ("systemd-tmpfiles", "tmpfiles.conf")]
)
def test_users_and_folders_are_made(tmp_path: Path, tool: str, name: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed (package systemd)")
    if os.geteuid() != 0:
        pytest.skip("making users and folders needs root")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\nautoheal:x:990:990::/:/bin/false\n")
    (tmp_path / "etc" / "group").write_text("root:x:0:\nautoheal:x:990:\n")
    words = [tool, f"--root={tmp_path}", str(DEPLOY / name)]
    if tool == "systemd-tmpfiles":
        words.insert(1, "--create")
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    if tool == "systemd-tmpfiles":
        state = (tmp_path / "var/lib/autoheal").stat()
        assert (state.st_mode & 0o777, state.st_uid) == (0o700, 990)
