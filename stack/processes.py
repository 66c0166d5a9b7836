"""Processes that outlive a crash of their owner, and are found again."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from stack.errors import StackError

_ours: dict[int, subprocess.Popen[bytes]] = {}
"""The handles of the processes this one started, to be reaped."""


@dataclass(frozen=True)
class Child:
    """A process, told from a later one with the same number by the moment it was made."""

    pid: int
    created: float

    def find(self) -> psutil.Process | None:
        """The process, where it still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        return process if same else None

    def stop(self, sign: signal.Signals, seconds: float) -> None:
        """Signal it, wait, and kill it where it does not end."""
        process = self.find()
        try:
            if process:
                process.send_signal(sign)
                process.wait(seconds)
        except psutil.TimeoutExpired:
            self._kill()
        except psutil.NoSuchProcess:
            pass
        if handle := _ours.pop(self.pid, None):
            handle.wait()

    def _kill(self) -> None:
        if process := self.find():
            process.kill()
            process.wait(5)


def launch(command: Sequence[str], log: Path, *, cwd: Path, env: dict[str, str] | None = None, **more: Any) -> Child:
    """Start a process in a session of its own, so that Ctrl-C in our terminal reaches us alone."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd, env=env, start_new_session=True, **more
        )
    _ours[process.pid] = process
    return Child(process.pid, psutil.Process(process.pid).create_time())


def wait_until(ready: Callable[[], bool], child: Child, what: str, log: Path, seconds: float) -> None:
    """Wait for a condition. Raises :class:`StackError` with the end of the log where it does not come."""
    deadline = time.monotonic() + seconds
    while not ready():
        if child.find() is None:
            raise StackError(f"{what} ended while starting; the end of {log}:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise StackError(f"{what} did not start within {seconds:g} s; the end of {log}:\n{tail(log)}")
        time.sleep(0.05)


def tail(log: Path, characters: int = 2000) -> str:
    """The end of a log."""
    return log.read_text(errors="replace")[-characters:] if log.exists() else ""


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def is_root() -> bool:
    """Whether we may and must give PostgreSQL another user."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
