"""Starts the servers of the embedded stack, and waits until they work."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cli.processes import HANDLES, Child
from devstack.errors import StackError


def launch(command: Sequence[str], log: Path, *, cwd: Path, env: dict[str, str] | None = None, **more: Any) -> Child:
    """Start a process in a session of its own, so that Ctrl-C in our terminal reaches us alone."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd, env=env, start_new_session=True, **more
        )
    HANDLES[process.pid] = process
    return Child.of(process.pid)


def wait_until(ready: Callable[[], bool], child: Child, what: str, log: Path, seconds: float) -> None:
    """Wait for a condition. Raises :class:`StackError` with the end of the log where it does not come."""
    deadline = time.monotonic() + seconds
    while not ready():
        if child.find() is None:
            raise StackError(f"{what} exited while starting; the end of {log}:\n{tail(log)}")
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
