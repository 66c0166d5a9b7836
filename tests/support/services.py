"""The services as the processes they are, for tests that look at them from outside."""

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devstack.ports import free_port
from devstack.supervisor import inherited

START_SECONDS = 40.0
STOP_SECONDS = 8.0


@dataclass
class Running:
    """A process of ours, with the address of its health."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path
    environment: Mapping[str, str] = field(repr=False)

    def probe(self, path: str) -> tuple[int, dict[str, object]]:
        """The status and body of ``/livez`` or ``/readyz``; status 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)
        except (urllib.error.URLError, OSError):
            return 0, {}

    def metrics(self) -> str:
        """What ``/metrics`` says."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            return str(answer.read(), "utf-8")

    def wait_until_healthy(self) -> None:
        """Raises ``AssertionError`` with the end of the log where the process does not come up."""
        self.wait_until("ready", lambda: self.probe("/readyz")[0] == 200)

    def wait_until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait for a condition. Raises ``AssertionError`` with the end of the log where it does not come, or we end."""
        deadline = time.monotonic() + START_SECONDS
        while not holds():
            assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}:\n{self.tail()}"
            assert time.monotonic() < deadline, f"{self.name} is not {what}:\n{self.tail()}"
            time.sleep(0.05)

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal, wait for the end, and return how many seconds it took."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(sign)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return time.monotonic() - started

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:]


def start(name: str, module: str, environment: Mapping[str, str], logs: Path, *arguments: str, port: int = 0) -> Running:
    """Start ``python -m module``; ``port`` is where its health will be (a free one, unless said)."""
    port = port or free_port()
    log = logs / f"{name}-{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**inherited(), **environment, "QUADRILLE_HEALTH_PORT": str(port)},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Running(name, process, port, log, environment)


@contextlib.contextmanager
def running(names: Sequence[str], environment: Mapping[str, str], logs: Path) -> Iterator[dict[str, Running]]:
    """These services, healthy, and watched by alerts if the journal is one of them; stopped at the end."""
    ports = {name: free_port() for name in names}
    watched = ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in ports.items() if "journal" in ports)
    environment = {"QUADRILLE_WATCHED_SERVICES": watched, **environment}
    started = {name: start(name, f"services.{name}", environment, logs, port=port) for name, port in ports.items()}
    try:
        for service in started.values():
            service.wait_until_healthy()
        yield started
    finally:
        for service in started.values():
            service.process.send_signal(signal.SIGTERM) if service.process.poll() is None else None
        for service in started.values():
            service.stop()


@contextlib.contextmanager
def sandbox(logs: Path, *, api_key: str = "sk_tests") -> Iterator[dict[str, str]]:
    """The sandbox gateway; yields the settings that point to it."""
    port = free_port()
    environment = {"QUADRILLE_SANDBOX_API_KEY": api_key}
    gateway = start(
        "sandbox", "devstack.sandbox", environment, logs, "--port", str(port), "--ledger", str(logs / "ledger.db"), port=port
    )
    try:
        gateway.wait_until_healthy()
        yield {"QUADRILLE_GATEWAY_URL": f"http://127.0.0.1:{port}", "QUADRILLE_GATEWAY_API_KEY": api_key}
    finally:
        gateway.stop()
