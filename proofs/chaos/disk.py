"""A file system of its own for a server's data, which can be full."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from devstack.postgres import shared_folder
from devstack.processes import is_root

BYTES: Final = 8 << 30
"""Of memory, as far as it is used."""
REMOVE_SECONDS: Final = 10.0
SPARE: Final = 64 << 10
"""What is left of a full one: the size is set while the server writes."""


class Disk:
    """A file system in memory where we may mount one, else a folder that cannot be filled: ``real`` says which."""

    def __init__(self) -> None:
        # PostgreSQL's user must be able to get there, and the state folder may be closed to it
        self.folder = Path(tempfile.mkdtemp(prefix="quadrille-chaos-", dir=shared_folder()))
        self.folder.chmod(0o755)
        self.real = is_root() and self._mount(f"size={BYTES}", "-t", "tmpfs")

    def fill(self) -> None:
        """Leave no room: whoever writes gets ENOSPC. Raises ``OSError`` where that cannot be done."""
        for spare in (SPARE, 2 * SPARE, 16 * SPARE, 64 * SPARE):  # a size below what is used by now is refused
            if self._mount(f"remount,size={self._used() + spare}"):
                return
        raise OSError(f"the file system {self.folder} cannot be filled")

    def free(self) -> None:
        """Give back the room."""
        self._mount(f"remount,size={BYTES}")

    def remove(self) -> None:
        """Nothing is left of it."""
        if self.real:
            subprocess.run(["umount", "--lazy", self.folder], check=False)
        deadline = time.monotonic() + REMOVE_SECONDS
        while self.folder.exists() and time.monotonic() < deadline:  # what a killed server leaves may still be writing
            shutil.rmtree(self.folder, ignore_errors=True)

    def _used(self) -> int:
        found = os.statvfs(self.folder)
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    def _mount(self, options: str, *more: str) -> bool:
        command = ["mount", *more, "-o", options, *(["quadrille-chaos"] if more else []), str(self.folder)]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except OSError:
            return False
