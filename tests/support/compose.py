"""The compose stack, with ports and volumes of its own."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devstack.demo.limits import LIMITS
from devstack.ports import free_port
from shared.contract.services import DATABASES

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "quadrille-tests"
PASSWORD, API_KEY, CONSOLE_PASSWORD = "tests", "sk_tests", "only for tests"


@dataclass(frozen=True)
class Compose:
    """Where the containers are reached from here."""

    kafka: int
    database: int
    gateway: int
    console: int

    @property
    def bootstrap_servers(self) -> str:
        """The broker."""
        return f"127.0.0.1:{self.kafka}"

    @property
    def admin_url(self) -> str:
        """PostgreSQL's administrator."""
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.database}/postgres"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a client that talks to the services in the containers."""
        urls = {
            f"QUADRILLE_{name.upper()}_DATABASE_URL": (
                f"postgresql://quadrille_{name}:{PASSWORD}@127.0.0.1:{self.database}/quadrille_{name}"
            )
            for name in DATABASES
        }
        return {
            "QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "QUADRILLE_GATEWAY_URL": f"http://127.0.0.1:{self.gateway}",
            "QUADRILLE_GATEWAY_API_KEY": API_KEY,
            "QUADRILLE_CONSOLE_PORT": str(self.console),
            "QUADRILLE_CONSOLE_PASSWORD": CONSOLE_PASSWORD,
            **urls,
        }


@contextlib.contextmanager
def up() -> Iterator[Compose]:
    """``docker compose up --wait`` with limits that tests can wait for; everything is removed at the end."""
    made = Compose(free_port(), free_port(), free_port(), free_port())
    environment = {
        **os.environ,
        **LIMITS,
        "KAFKA_PORT": str(made.kafka),
        "DATABASE_PORT": str(made.database),
        "GATEWAY_PORT": str(made.gateway),
        "CONSOLE_PORT": str(made.console),
        "DATABASE_PASSWORD": PASSWORD,
        "QUADRILLE_CONSOLE_PASSWORD": CONSOLE_PASSWORD,
        "QUADRILLE_GATEWAY_API_KEY": API_KEY,
    }
    compose = ["docker", "compose", "--project-name", PROJECT]
    down = [*compose, "down", "--volumes", "--remove-orphans", "--timeout", "10"]
    subprocess.run(down, cwd=ROOT, env=environment, capture_output=True, check=False)
    try:
        started = subprocess.run(
            [*compose, "up", "--build", "--wait"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert started.returncode == 0, f"docker compose up --wait failed:\n{started.stderr[-4000:]}"
        yield made
    finally:
        subprocess.run(down, cwd=ROOT, env=environment, capture_output=True, check=False)
