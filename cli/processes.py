"""Processes that survive a crash of their parent, and can be found again."""

import signal
import subprocess
from dataclasses import dataclass
from typing import Self

import psutil

HANDLES: dict[int, subprocess.Popen[bytes]] = {}
"""Handles of the processes that this process started, for reaping."""


@dataclass(frozen=True)
class Child:
    """A process: its id and its time of creation, as ids are reused."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """A running process. Raises ``psutil.NoSuchProcess``."""
        return cls(pid, psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """The process, if it is still running."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        return process if same else None

    def stop(self, number: signal.Signals, seconds: float) -> None:
        """Send it a signal, wait ``seconds``, and kill it if it has not ended."""
        process = self.find()
        try:
            if process:
                process.send_signal(number)
                process.wait(seconds)
        except psutil.TimeoutExpired:
            self._kill()
        except psutil.NoSuchProcess:
            pass
        if handle := HANDLES.pop(self.pid, None):
            handle.wait()

    def _kill(self) -> None:
        if process := self.find():
            process.kill()
            process.wait(5)
