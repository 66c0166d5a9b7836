"""One user of a state folder at a time."""

import fcntl
import os
from pathlib import Path
from typing import IO

from devstack.errors import StackError


class FolderLock:
    """The lock of a state folder; it is let go when its process ends, however that ends."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._file: IO[str] | None = None

    @property
    def held(self) -> bool:
        """Whether we have it."""
        return self._file is not None

    def take(self) -> None:
        """Raises :class:`StackError`, which names the process, where another one has it."""
        self._state.mkdir(parents=True, exist_ok=True)
        file = (self._state / "lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            file.close()
            raise StackError(f"process {owner} is running a stack in {self._state}; stop it, or use another folder") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let go of it, if we have it."""
        if self._file:
            self._file.close()
            self._file = None
