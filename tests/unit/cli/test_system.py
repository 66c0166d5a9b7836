"""Which system a command uses."""

import os
from pathlib import Path

import pytest

from cli import system
from cli.processes import Child
from shared.settings import SettingsError


def test_a_dotenv_file_without_a_broker_does_not_hide_the_running_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    Path(".env").write_text("QUADRILLE_LOG_LEVEL=DEBUG\n")
    with pytest.raises(system.NotRunningError):
        system.settings(tmp_path)
    with Path(".env").open("a") as file:
        file.write("QUADRILLE_KAFKA_BOOTSTRAP_SERVERS=kafka:9092\n")
    named = system.settings(tmp_path)
    assert (named.kafka_bootstrap_servers, named.log_level) == ("kafka:9092", "DEBUG")


def test_naming_the_running_broker_keeps_its_databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Child.of(os.getpid())
    environment = {
        "QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9999",
        "QUADRILLE_TOPIC_PREFIX": "shop.",
        "QUADRILLE_ORDER_DATABASE_URL": "postgresql://o:p@db/orders",
    }
    system.save(tmp_path, system.RunningSystem(own, environment, {}))
    client = system.client_environment(tmp_path)
    assert client == {name: environment[name] for name in list(environment)[:2]}
    for name, value in client.items():
        monkeypatch.setenv(name, value)
    assert system.settings(tmp_path).database_url("order") == "postgresql://o:p@db/orders"
    monkeypatch.setenv("QUADRILLE_KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    with pytest.raises(SettingsError, match="no database for order"):
        system.settings(tmp_path).database_url("order")
