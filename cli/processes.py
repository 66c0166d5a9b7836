"""Processes that outlive a crash of whoever started them, and are found again."""

import signal
import subprocess
from dataclasses import dataclass

import psutil

OURS: dict[int, subprocess.Popen[bytes]] = {}
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
        if handle := OURS.pop(self.pid, None):
            handle.wait()

    def _kill(self) -> None:
        if process := self.find():
            process.kill()
            process.wait(5)
