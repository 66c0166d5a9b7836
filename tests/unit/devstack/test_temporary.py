"""A session of tests that leaves something in the system's temporary folders fails."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.stacks import ROOT

TEST = """
import tempfile
from pathlib import Path

def test_it(tmp_path):
    assert str(tmp_path).startswith({kept!r})
    {what}
"""


def session(folder: Path, what: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Tests of one line, in a session of their own."""
    file = folder / "test_it.py"
    file.write_text(TEST.format(what=what, kept=str(ROOT / ".quadrille" / "pytest")))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--confcutdir={ROOT}", "-p", "tests.conftest"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CI"))}
    return subprocess.run(
        [*command, str(file)], cwd=ROOT, env={**environment, **more}, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_session_that_leaves_nothing_is_right(tmp_path: Path) -> None:
    ran = session(tmp_path, "tempfile.TemporaryDirectory().cleanup()")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("tempfile.mkdtemp(prefix='kept-')", "/quadrille-tests-"),
        ("tempfile.mkdtemp(prefix='quadrille-left-', dir='/var/tmp')", "/var/tmp/quadrille-left-"),
    ],
)
def test_a_session_that_leaves_something_fails_and_names_it(tmp_path: Path, what: str, told: str) -> None:
    ran = session(tmp_path, f"path = {what}; Path({str(tmp_path / 'left')!r}).write_text(path)", CI="true")
    left = Path((tmp_path / "left").read_text())
    try:
        assert ran.returncode == 1, ran.stdout + ran.stderr
        assert "1 passed" in ran.stdout
        assert f"the tests left {left} behind" in ran.stdout
        assert told in str(left)
        assert left.exists() == (left.parent == Path("/var/tmp"))
    finally:
        if left.exists():
            left.rmdir()


def test_what_this_session_writes_for_a_while_is_in_a_folder_of_its_own() -> None:
    assert Path(tempfile.gettempdir()).name.startswith("quadrille-tests-")
    assert os.environ["TMPDIR"] == tempfile.gettempdir()
