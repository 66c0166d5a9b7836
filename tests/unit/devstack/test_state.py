"""The state folder: one stack at a time, and secrets for its owner alone."""

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import system
from cli.notes import write_secret
from cli.processes import Child
from devstack import ports
from devstack.embedded import EmbeddedStack
from devstack.errors import StackError
from devstack.ports import FIRST, LAST, free_port
from devstack.processes import launch, listens, tail, wait_until


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Child]:
    """A process that does nothing."""
    child = launch([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log", cwd=tmp_path)
    yield child
    child.stop(signal.SIGKILL, 5)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- one stack in one folder


def test_a_second_start_in_a_folder_names_the_first(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StackError) as error:
            EmbeddedStack(tmp_path).start()
    assert str(error.value) == f"process 4711 is running a stack in {tmp_path}; stop it, or use another folder"
    assert (tmp_path / "lock").read_text() == "4711\n"
    assert not (tmp_path / "stack.json").exists()


@pytest.mark.parametrize("noted", [None, "", "{", '{"children": {}}', '{"children": {}, "environment": {"A": "b"}}'])
def test_no_stack_runs_where_none_is_noted(tmp_path: Path, noted: str | None) -> None:
    if noted is not None:
        (tmp_path / "stack.json").write_text(noted)
    assert EmbeddedStack.running(tmp_path) is None


def test_a_stack_runs_where_all_its_processes_do(tmp_path: Path, sleeper: Child) -> None:
    note = {"children": {"kafka": vars(sleeper), "postgres": vars(sleeper)}, "environment": {"A": "b"}}
    (tmp_path / "stack.json").write_text(json.dumps(note))
    assert EmbeddedStack.running(tmp_path) == {"A": "b"}
    sleeper.stop(signal.SIGKILL, 5)
    assert EmbeddedStack.running(tmp_path) is None


# --- secrets


def test_what_holds_passwords_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_secret(tmp_path / "secrets.json", {"admin": "x"})
        system.save(tmp_path, system.RunningSystem(Child(1, 2.0), {"URL": "secret"}, {}))
    finally:
        os.umask(before)
    assert {path.name: mode(path) for path in tmp_path.iterdir()} == {"secrets.json": 0o600, "up.json": 0o600}
    assert json.loads((tmp_path / "secrets.json").read_text()) == {"admin": "x"}


@pytest.mark.parametrize("left", ["secrets.part", "secrets.json"])
def test_a_file_that_was_open_to_others_before_is_not_after(tmp_path: Path, left: str) -> None:
    (tmp_path / left).touch(mode=0o666)
    (tmp_path / left).chmod(0o666)
    write_secret(tmp_path / "secrets.json", {"admin": "x"})
    assert mode(tmp_path / "secrets.json") == 0o600


# --- processes


def test_a_process_is_told_from_a_later_one_with_its_number(sleeper: Child) -> None:
    assert sleeper.find() is not None
    assert Child(sleeper.pid, sleeper.created - 60).find() is None
    assert Child(2**22 + 1, sleeper.created).find() is None


def test_a_process_that_will_not_end_is_killed(tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    child = launch([sys.executable, "-c", stubborn], tmp_path / "log", cwd=tmp_path)
    wait_until(lambda: "ready" in tail(tmp_path / "log"), child, "it", tmp_path / "log", 10)
    child.stop(signal.SIGTERM, 0.2)
    assert child.find() is None
    child.stop(signal.SIGTERM, 0.2)  # again is no harm


def test_a_stop_does_not_touch_a_later_process_with_the_same_number() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        Child(stranger.pid, time.time() - 60).stop(signal.SIGKILL, 0.1)
        assert stranger.poll() is None
        stranger.communicate(b"\n", timeout=10)
    assert stranger.returncode == 0


def test_who_ends_while_starting_says_why(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = launch([sys.executable, "-c", "raise SystemExit('no room')"], log, cwd=tmp_path)
    with pytest.raises(StackError, match=r"(?s)Kafka exited while starting; the end of .*no room"):
        wait_until(lambda: False, child, "Kafka", log, 10)
    child.stop(signal.SIGKILL, 1)


def test_who_does_not_start_in_time_says_so(tmp_path: Path, sleeper: Child) -> None:
    started = time.monotonic()
    with pytest.raises(StackError, match=r"Kafka did not start within 0\.1 s"):
        wait_until(lambda: False, sleeper, "Kafka", tmp_path / "log", 0.1)
    assert time.monotonic() - started < 5


def test_no_port_is_given_twice_in_no_process() -> None:
    command = "from devstack.ports import free_port; print(*(free_port() for _ in range(150)))"
    ours = [free_port() for _ in range(150)]
    theirs = [int(port) for port in subprocess.check_output([sys.executable, "-c", command], text=True).split()]
    assert len({*ours, *theirs}) == 300
    assert all(FIRST < port < LAST for port in ours)


def test_the_port_of_the_last_run_is_taken_again_unless_somebody_has_it() -> None:
    port = free_port()
    assert free_port(port) == port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert listens(port)
        assert free_port(port) not in (0, port)
    assert not listens(port)


def test_the_port_of_the_last_run_is_not_given_to_another_server_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    last, other = free_port(), free_port()
    monkeypatch.setattr(ports, "_ports", iter([last, other]))  # as of a process whose block it happens to be in
    assert free_port(last) == last
    assert free_port() == other


# --- python -m devstack


def test_the_stack_alone_says_where_it_runs_or_that_it_does_not(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "devstack", "status", "--state", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout) == (1, "no stack is running here\n")
