"""``quadrille up`` as the process it is: what dies is started again, and what was killed is in nobody's way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli import notes
from cli.processes import Child
from devstack.embedded import NOTE
from devstack.up import PROGRAMS
from shared.contract.services import PROCESSES
from tests.support import stacks

pytestmark = pytest.mark.skipif(stacks.chosen() != "embedded", reason="of the embedded stack alone")
SECONDS = 150.0
OUTAGE_BYTES = 100_000
"""More than all services together write while Kafka is away for a moment."""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A folder with the jars the other tests use, where they are there already."""
    stacks.link_jars(tmp_path)
    yield tmp_path
    quadrille("down", tmp_path)
    stacks.empty(tmp_path)


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("QUADRILLE_")}


def quadrille(command: str, state: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """A command, to its end."""
    arguments = [sys.executable, "-m", "cli.main", command, "--state", str(state), *more]
    return subprocess.run(arguments, cwd=stacks.ROOT, env=environment(), capture_output=True, text=True, check=False)


class Up:
    """``quadrille up``, in a folder."""

    def __init__(self, state: Path) -> None:
        self.state, self.log = state, state / "up.log"
        with self.log.open("ab") as out:
            self.began = self.log.stat().st_size
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "up", "--state", str(state)],
                cwd=stacks.ROOT, env=environment(), stdout=out, stderr=out,
            )  # fmt: skip

    def said(self) -> str:
        """What it has said so far."""
        return self.log.read_bytes()[self.began :].decode()

    def until(self, what: str, holds: Callable[[], object]) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert self.process.poll() is None, f"up ended with {self.process.returncode}:\n{self.said()[-3000:]}"
            assert time.monotonic() < deadline, f"{what} did not come:\n{self.said()[-3000:]}"
            time.sleep(0.1)

    def until_up(self) -> None:
        """Wait until it says so."""
        self.until("the start", lambda: "Quadrille is up after" in self.said())

    def states(self) -> dict[str, dict[str, object]]:
        """What ``status`` says."""
        found: dict[str, dict[str, object]] = json.loads(quadrille("status", self.state, "--json").stdout)
        return found

    def child(self, name: str) -> Child:
        """One of the servers."""
        return Child(**notes.read(self.state / NOTE)["children"][name])

    def kill(self, name: str) -> None:
        """Kill a server, and wait until it runs again and everything is ready."""
        killed = self.child(name)
        os.kill(killed.pid, signal.SIGKILL)
        self.until(f"{name} again", lambda: self.child(name) != killed)
        self.until("readiness", lambda: all(said["ready"] for said in self.states().values()))


def test_what_dies_under_it_is_started_again_and_what_it_leaves_is_taken_over(state: Path) -> None:
    up = Up(state)
    up.until_up()
    assert up.states().keys() == {"kafka", "postgres", "gateway", *PROCESSES}

    second = quadrille("up", state)
    assert second.returncode == 2
    assert f"process {up.process.pid} is running a stack in {state}" in second.stderr
    assert all(said["ready"] for said in up.states().values()), "the note of the first is still there"

    before = up.log.stat().st_size
    up.kill("kafka")
    assert up.log.stat().st_size - before < OUTAGE_BYTES, up.said()[-5000:]
    up.kill("postgres")

    up.process.kill()
    up.process.wait()
    left = [Child(**child) for child in notes.read(state / PROGRAMS).values()]
    assert any(child.find() for child in left)
    assert quadrille("status", state).returncode == 1
    successor = Up(state)
    successor.until_up()  # within a minute, or it gives up: nobody waits so long for the members that died
    assert not any(child.find() for child in left)
    assert all(said["ready"] for said in successor.states().values())

    successor.process.terminate()
    assert successor.process.wait(60) == 0
    assert {path.name for path in state.glob("*.json")} == {"gateway.json", "secrets.json", "stack.json"}


def test_what_a_crash_left_is_stopped_by_down(state: Path) -> None:
    up = Up(state)
    up.until("a server", lambda: "postgres" in notes.read(state / NOTE).get("children", {}))
    child = up.child("postgres")
    up.process.kill()
    up.process.wait()
    assert child.find()
    assert "Stopped what a crash left running" in quadrille("down", state).stdout
    assert child.find() is None
    assert "Nothing is running in" in quadrille("down", state).stdout
