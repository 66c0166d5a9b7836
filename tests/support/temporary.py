"""Tests leave nothing in the system's temporary folders: a session that does fails.

All it writes for a while goes to a folder of its own (``TMPDIR``), which is empty in the end. What pytest keeps of the
last sessions is in the clone.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
SYSTEM: Final = (Path("/tmp"), Path("/var/tmp"))
SESSION: Final = "quadrille-tests-"
ALONE: Final = "CI"
"""The variable that says that nothing else works on this machine: then what is new in the system's folders is ours."""


class TemporaryFolder:
    """The folder of a session, and what was in the system's before."""

    def __init__(self) -> None:
        self._before = owned() if os.environ.get(ALONE) else None
        self.folder = Path(tempfile.mkdtemp(prefix=SESSION, dir="/var/tmp"))
        self.folder.chmod(0o711)  # PostgreSQL's user may get through
        kept = ROOT / ".quadrille" / "pytest"
        kept.mkdir(parents=True, exist_ok=True)
        os.environ |= {"TMPDIR": str(self.folder), "PYTEST_DEBUG_TEMPROOT": str(kept)}
        tempfile.tempdir = str(self.folder)

    def left(self) -> list[Path]:
        """What is left behind. The folder is gone then."""
        left = sorted(self.folder.iterdir())
        shutil.rmtree(self.folder, ignore_errors=True)
        return left if self._before is None else [*left, *sorted(owned() - self._before)]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the session where it left something."""
        if left := self.left():
            session.config.stash[_LEFT] = left
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Say what was left."""
        for path in config.stash.get(_LEFT, []):
            terminalreporter.write_line(f"the tests left {path} behind", red=True)


_LEFT: Final = pytest.StashKey[list[Path]]()


def owned() -> set[Path]:
    """What this user has in the system's temporary folders, but for the folders of sessions of tests."""
    return {Path(entry.path) for folder in SYSTEM for entry in os.scandir(folder) if _is_ours(entry)}


def _is_ours(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_uid == os.geteuid() and not entry.name.startswith(SESSION)
    except FileNotFoundError:
        return False


def pytest_configure(config: pytest.Config) -> None:
    """Of several processes the first one looks after the folder."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(TemporaryFolder())
