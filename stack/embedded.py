"""Both servers together, in one state folder that is kept between runs."""

import base64
import fcntl
import json
import os
import secrets
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from shared.settings import DATABASES, PREFIX
from stack import databases
from stack.errors import StackError
from stack.kafka import Kafka
from stack.ports import free_port
from stack.postgres import Postgres
from stack.processes import Child

DEFAULT_STATE: Final = Path(".quadrille")


class EmbeddedStack:
    """PostgreSQL and Kafka for one user of one folder::

        with EmbeddedStack(Path(".quadrille"), progress=print) as stack:
            settings = load(stack.environment)

    Its ports are those of the last run, or free ones. What a crashed run left behind is stopped first. Raises
    :class:`StackError` where another process has the folder, or a server does not start.
    """

    def __init__(
        self,
        state: Path = DEFAULT_STATE,
        *,
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._state = state.resolve()
        self._progress = progress
        self._lock: IO[str] | None = None
        self._children: dict[str, Child] = {}
        self._noting = threading.Lock()
        self.environment: dict[str, str] = {}
        """The settings that point to the started stack."""
        self.admin_url = ""
        """PostgreSQL's administrator."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @staticmethod
    def running(state: Path = DEFAULT_STATE) -> dict[str, str] | None:
        """The environment of the stack another process runs in this folder, or nothing."""
        try:
            noted = json.loads((state / "stack.json").read_text())
        except (OSError, ValueError):
            return None
        children, environment = noted.get("children"), noted.get("environment")
        if not children or not environment or not all(Child(**child).find() for child in children.values()):
            return None
        return dict(environment)

    def start(self) -> None:
        """Start both servers, side by side, and make sure of the databases."""
        (self._state / "logs").mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            self._stop_leftovers()
            self._start_servers()
        except BaseException:
            self.stop()
            raise

    def _start_servers(self) -> None:
        known = self._secrets()
        last = self._noted().get("ports", {})
        ports = {name: free_port(last.get(name)) for name in ("kafka", "postgres")}
        logs = self._state / "logs"
        postgres = Postgres(self._state / "postgres", logs / "postgres.log", known["admin"])
        kafka = Kafka(self._state / "kafka", logs / "kafka.log", known["cluster_id"])
        self._progress("Starting PostgreSQL and Kafka")
        pool = ThreadPoolExecutor(2)
        try:
            starting = [
                pool.submit(postgres.start, ports["postgres"], lambda child: self._launched("postgres", child, ports)),
                pool.submit(
                    kafka.start,
                    ports["kafka"],
                    free_port(),
                    self._progress,
                    lambda child: self._launched("kafka", child, ports),
                ),
            ]
            for started in starting:
                started.result()
        finally:
            pool.shutdown()  # whoever is still being started must have been launched, to be stopped
        self.admin_url = postgres.url(ports["postgres"])
        self.environment = {
            f"{PREFIX}KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{ports['kafka']}",
            **databases.create(self.admin_url, "quadrille", known["databases"]),
        }
        self._note(ports)

    def _launched(self, name: str, child: Child, ports: dict[str, int]) -> None:
        """Note a server as soon as there is a process, so that it is found again whatever happens next."""
        with self._noting:
            self._children[name] = child
            self._note(ports)

    def stop(self) -> None:
        """Stop both servers and let go of the folder."""
        if "kafka" in self._children:
            Kafka.stop(self._children.pop("kafka"))
        if "postgres" in self._children:
            Postgres.stop(self._children.pop("postgres"))
        if self._lock:
            self._note(self._noted().get("ports", {}))
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        lock = (self._state / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise StackError(f"process {owner} runs a stack in {self._state}; stop it, or choose another folder") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _stop_leftovers(self) -> None:
        """Nobody holds the lock, so what still runs was left by a crash."""
        children = {name: Child(**child) for name, child in self._noted().get("children", {}).items()}
        if any(child.find() for child in children.values()):
            self._progress("Stopping what a crashed run left behind")
        if "kafka" in children:
            Kafka.stop(children["kafka"])
        if "postgres" in children:
            Postgres.stop(children["postgres"])

    def _noted(self) -> dict[str, Any]:
        try:
            noted: dict[str, Any] = json.loads((self._state / "stack.json").read_text())
        except (OSError, ValueError):
            return {}
        return noted

    def _note(self, ports: dict[str, int]) -> None:
        children = {name: asdict(child) for name, child in self._children.items()}
        environment = self.environment if children else {}
        _write_secret(self._state / "stack.json", {"ports": ports, "children": children, "environment": environment})

    def _secrets(self) -> dict[str, Any]:
        """Passwords and the cluster's id, made at the first start; those of services that came since are added."""
        path = self._state / "secrets.json"
        known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        whole = {
            "admin": secrets.token_urlsafe(24),
            "cluster_id": base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="),
            **known,
            "databases": {name: secrets.token_urlsafe(24) for name in DATABASES} | known.get("databases", {}),
        }
        if whole != known:
            _write_secret(path, whole)
        return whole


def _write_secret(path: Path, content: object) -> None:
    partial = path.with_suffix(".part")
    partial.unlink(missing_ok=True)  # one that a crash left may be open to others
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(content, indent=1))
    partial.rename(path)
