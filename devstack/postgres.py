"""PostgreSQL 18: our own cluster in the state folder, durable as in production."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import asyncpg

from cli.processes import Child
from devstack import programs
from devstack.errors import StackError
from devstack.processes import is_root, launch, wait_until

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
ADMIN: Final = "quadrille_admin"
ELSEWHERE: Final = "quadrille-postgres-"
NOTE: Final = "elsewhere"
"""The file that says where the data is, where it is not in the cluster's folder."""
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_wal_size": "2GB",
}


class Postgres:
    """One cluster. ``folder``: where its data is, or where a note says where it is."""

    def __init__(self, folder: Path, log: Path, password: str) -> None:
        self._folder, self._log, self._password = folder, log, password
        self._installed = programs.installed()

    def start(self, port: int, launched: Callable[[Child], None]) -> None:
        """Start the server and wait until it answers; ``launched`` hears of its process at once. Raises :class:`StackError`."""
        user = _unprivileged() if is_root() else {}
        self._log.touch()
        self._folder.mkdir(parents=True, exist_ok=True)
        home = self._home(user)
        data = home / "data"
        _give(self._log, user)
        binaries = self._binaries(home, user)
        if not (data / "PG_VERSION").exists():
            self._initialise(binaries, data, user)
        arguments = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), *arguments]
        child = launch(command, self._log, cwd=data, **user)
        launched(child)
        wait_until(lambda: self._answers(port), child, "PostgreSQL", self._log, START_SECONDS)

    def url(self, port: int) -> str:
        """The address of the administrator."""
        return f"postgresql://{ADMIN}:{quote(self._password, safe='')}@127.0.0.1:{port}/postgres"

    @staticmethod
    def stop(child: Child) -> None:
        """Shut down, rolling back what is open (fast shutdown)."""
        child.stop(signal.SIGINT, STOP_SECONDS)

    @staticmethod
    def remove(folder: Path) -> None:
        """Delete a cluster that does not run, wherever its data is."""
        if elsewhere := _elsewhere(folder):
            shutil.rmtree(elsewhere)
        shutil.rmtree(folder, ignore_errors=True)

    def _home(self, user: dict[str, Any]) -> Path:
        """The folder of the data: ours, or, where PostgreSQL's user cannot reach that, one it can."""
        if elsewhere := _elsewhere(self._folder):
            return elsewhere
        if not user or _reaches(user, self._folder):
            return self._folder
        home = Path(tempfile.mkdtemp(prefix=ELSEWHERE, dir=shared_folder()))
        home.chmod(0o755)
        (self._folder / NOTE).write_text(str(home))
        return home

    def _binaries(self, home: Path, user: dict[str, Any]) -> Path:
        """The folder of programs that PostgreSQL's user can run: a copy where it cannot run the installed ones."""
        installed = self._installed / programs.BINARIES
        if _runs(user, installed / "initdb") is None:
            return installed
        copy = programs.copied(self._installed, home) / programs.BINARIES
        if trouble := _runs(user, copy / "initdb"):
            raise StackError(f"PostgreSQL's user cannot run its programs in {copy}: {trouble}")
        return copy

    def _initialise(self, binaries: Path, data: Path, user: dict[str, Any]) -> None:
        """Make the cluster, which is there only when all of it is: what was interrupted is begun anew."""
        partial, secret = data.with_name("data-partial"), data.with_name("password")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        _give(partial, user)
        secret.unlink(missing_ok=True)
        secret.touch(mode=0o600)
        try:
            secret.write_text(self._password)
            _give(secret, user)
            command = [
                str(binaries / "initdb"),
                f"--pgdata={partial}",
                f"--username={ADMIN}",
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
            ]
            made = subprocess.run(command, capture_output=True, text=True, cwd=partial, check=False, **user)
        finally:
            secret.unlink()
        if made.returncode:
            raise StackError(f"PostgreSQL could not create a cluster in {data}: {made.stderr.strip()}")
        shutil.rmtree(data, ignore_errors=True)
        partial.rename(data)

    def _answers(self, port: int) -> bool:
        async def ask() -> None:
            connection = await asyncpg.connect(self.url(port), timeout=2)
            await connection.close()

        try:
            asyncio.run(ask())
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        return True


def _elsewhere(folder: Path) -> Path | None:
    """The folder a note says the data is in, where it is there and nobody else may write to it."""
    try:
        elsewhere = Path((folder / NOTE).read_text())
        ours = elsewhere.name.startswith(ELSEWHERE) and elsewhere.is_dir() and elsewhere.stat().st_uid == os.geteuid()
    except OSError:
        return None
    return elsewhere if ours else None


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root, so it runs as somebody with no rights."""
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise StackError("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")


def _give(path: Path, user: dict[str, Any]) -> None:
    """Have it belong to a user, where that is not us."""
    if user:
        os.chown(path, user["user"], user["group"])


def _reaches(user: dict[str, Any], folder: Path) -> bool:
    """Whether a user gets to what is in a folder."""
    return subprocess.run(["ls", "-d", f"{folder}/."], capture_output=True, check=False, cwd="/", **user).returncode == 0


def _runs(user: dict[str, Any], program: Path) -> str | None:
    """Why a user cannot run a program, or nothing where it can."""
    try:
        tried = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, cwd="/", **user)
    except OSError as error:
        return str(error)
    return tried.stderr.strip() or f"exit code {tried.returncode}" if tried.returncode else None


def shared_folder() -> Path:
    """The temporary folder whose files are kept and which PostgreSQL's user reaches: ``$TMPDIR``, else the system's.

    Raises :class:`StackError` where there is none.
    """
    user = _unprivileged() if is_root() else {}
    for folder in (os.environ.get("TMPDIR"), "/var/tmp"):
        if folder and _reaches(user, Path(folder)):
            return Path(folder)
    raise StackError("PostgreSQL's user can access no temporary folder: set TMPDIR to one that it can")
