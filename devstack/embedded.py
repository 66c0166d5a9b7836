"""Both servers together, in one state folder that is kept between runs."""

import base64
import json
import secrets
import signal
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from cli import notes
from cli.processes import Child
from devstack import databases
from devstack.errors import StackError
from devstack.kafka import Kafka
from devstack.lock import FolderLock
from devstack.ports import free_port
from devstack.postgres import Postgres
from shared.contract.services import DATABASES
from shared.settings import PREFIX

DEFAULT_STATE: Final = Path(".quadrille")
NOTE: Final = "stack.json"


class EmbeddedStack:
    """PostgreSQL and Kafka for one user of one folder::

        with EmbeddedStack(Path(".quadrille"), progress=print) as stack:
            settings = load(stack.environment)

    Its ports are those of the last run, or free ones. What a crashed run left behind is stopped first. Raises
    :class:`StackError` where another process has the folder, or a server does not start. ``lasting``: it stays up for hours.
    """

    def __init__(
        self,
        state: Path = DEFAULT_STATE,
        *,
        progress: Callable[[str], None] = lambda text: None,
        lasting: bool = False,
    ) -> None:
        self._state = state.resolve()
        self._progress, self._lasting = progress, lasting
        self._lock = FolderLock(self._state)
        self._starters: dict[str, Callable[[], None]] = {}
        self._children: dict[str, Child] = {}
        self._ports: dict[str, int] = {}
        self._noting = threading.Lock()
        self._stopped = False
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
        noted = notes.read(state / NOTE)
        children, environment = noted.get("children"), noted.get("environment")
        if not children or not environment or not all(Child(**child).find() for child in children.values()):
            return None
        return dict(environment)

    def start(self) -> None:
        """Start both servers, side by side, and make sure of the databases."""
        self._lock.take()
        self._stopped = False
        try:
            (self._state / "logs").mkdir(exist_ok=True)
            if self.stop_leftovers(self._state):
                self._progress("Stopped what a crashed run left behind")
            self._start_servers()
        except BaseException:
            self.stop()
            raise

    def _start_servers(self) -> None:
        known = self._secrets()
        last = self._noted().get("ports", {})
        ports = self._ports = {name: free_port(last.get(name)) for name in ("kafka", "postgres")}
        logs = self._state / "logs"
        postgres = Postgres(self._state / "postgres", logs / "postgres.log", known["admin"])
        kafka = Kafka(self._state / "kafka", logs / "kafka.log", known["cluster_id"], lasting=self._lasting)
        self._starters = {
            "postgres": lambda: postgres.start(ports["postgres"], partial(self._launched, "postgres")),
            "kafka": lambda: kafka.start(ports["kafka"], free_port(), self._progress, partial(self._launched, "kafka")),
        }
        self._progress("Starting PostgreSQL and Kafka")
        pool = ThreadPoolExecutor(2)
        try:
            for started in [pool.submit(start) for start in self._starters.values()]:
                started.result()
        finally:
            pool.shutdown()  # whoever is still being started must have been launched, to be stopped
        self.admin_url = postgres.url(ports["postgres"])
        self.environment = {
            f"{PREFIX}KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{ports['kafka']}",
            **databases.create(self.admin_url, "quadrille", known["databases"]),
        }
        self._note()

    def ended(self) -> list[str]:
        """The servers that were started and do not run any more, though nobody stopped them."""
        with self._noting:
            return [name for name, child in self._children.items() if child.find() is None]

    def start_again(self, name: str) -> None:
        """Start a server that ended where it was, with the data it has. Raises :class:`StackError`."""
        with self._noting:
            child = self._children.get(name)
        if child:
            child.stop(signal.SIGKILL, 5)  # nothing runs any more: what is left of it is let go
        self._starters[name]()

    def _launched(self, name: str, child: Child) -> None:
        """Note a server as soon as there is a process, so that it is found again whatever happens next."""
        with self._noting:
            if not self._stopped:
                self._children[name] = child
                self._note()
                return
        child.stop(signal.SIGKILL, 5)
        raise StackError(f"{name} was restarting when everything was stopped")

    def stop(self) -> None:
        """Stop both servers and let go of the folder."""
        with self._noting:
            self._stopped = True
            children, self._children = self._children, {}
        _stop(children)
        if self._lock.held:
            self._note()
            self._lock.release()

    @staticmethod
    def stop_leftovers(state: Path) -> bool:
        """Stop the servers noted in a folder that is ours: a crash left them. Returns whether any ran."""
        children = {name: Child(**child) for name, child in notes.read(state / NOTE).get("children", {}).items()}
        left = any(child.find() for child in children.values())
        _stop(children)
        return left

    def _noted(self) -> dict[str, Any]:
        return notes.read(self._state / NOTE)

    def _note(self) -> None:
        children = {name: asdict(child) for name, child in self._children.items()}
        environment = self.environment if children else {}
        ports = self._ports or self._noted().get("ports", {})
        notes.write_secret(self._state / NOTE, {"ports": ports, "children": children, "environment": environment})

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
            notes.write_secret(path, whole)
        return whole


def _stop(children: Mapping[str, Child]) -> None:
    """Stop servers; Kafka before PostgreSQL, as who stops it waits for nothing of the other."""
    if "kafka" in children:
        Kafka.stop(children["kafka"])
    if "postgres" in children:
        Postgres.stop(children["postgres"])
