"""Which system a command speaks to."""

from pathlib import Path

import pytest

from cli import system


def test_a_file_that_names_no_broker_does_not_hide_what_runs_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    Path(".env").write_text("QUADRILLE_LOG_LEVEL=DEBUG\n")
    with pytest.raises(system.NotRunningError):
        system.settings(tmp_path)
    with Path(".env").open("a") as file:
        file.write("QUADRILLE_KAFKA_BOOTSTRAP_SERVERS=kafka:9092\n")
    named = system.settings(tmp_path)
    assert (named.kafka_bootstrap_servers, named.log_level) == ("kafka:9092", "DEBUG")
