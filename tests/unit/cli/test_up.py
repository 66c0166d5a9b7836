"""``quadrille up``: invalid settings, programs that cannot start, and a second start in a folder."""

from pathlib import Path

import pytest

from cli import system
from cli.processes import Child
from devstack.errors import StackError
from devstack.lock import FolderLock
from devstack.supervisor import REFUSED, Program, Supervisor
from devstack.up import Running, StartError
from tests.support.cli import process

OPEN = {"QUADRILLE_CONSOLE_HOST": "0.0.0.0"}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (OPEN, "a console at 0.0.0.0 needs a password: set QUADRILLE_CONSOLE_PASSWORD\n"),
        ({"QUADRILLE_ALERT_TARGETS": "pigeon://home"}, "Apprise does not support the alert target pigeon:…\n"),
        ({"QUADRILLE_CONSOLE_PORT": "many"}, "invalid settings: QUADRILLE_CONSOLE_PORT: "),
    ],
)
async def test_invalid_settings_are_reported_before_anything_starts(
    tmp_path: Path, settings: dict[str, str], sentence: str
) -> None:
    ran = await process(settings, "up", "--state", str(tmp_path / "state"))
    assert (ran.code, ran.out) == (2, b""), ran
    assert ran.err.decode().startswith(sentence)
    assert not (tmp_path / "state").exists()


async def test_a_configuration_error_is_reported_with_the_last_line_of_the_log() -> None:
    script = f"import os; print('a console at home needs a password', flush=True); os._exit({REFUSED})"
    supervisor = Supervisor([Program("console", ["timeit", "-n1", "-r1", script], {})], lambda name, line: None)
    await supervisor.run()
    assert supervisor.refused == {"console": "a console at home needs a password"}
    running = Running(Path("nowhere"), {}, lambda name, line: None, lambda text: None)
    running._supervisor, running.health_ports = supervisor, {"console": 1}
    with pytest.raises(StartError, match=r"^console cannot start: a console at home needs a password$"):
        await running._wait_until_healthy()


@pytest.mark.parametrize("broker", [{}, {"QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}])
async def test_a_second_start_in_a_folder_keeps_the_file_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker: dict[str, str]
) -> None:
    for name, value in broker.items():
        monkeypatch.setenv(name, value)
    first = FolderLock(tmp_path)
    first.take()
    system.save(tmp_path, system.RunningSystem(Child(1, 2.0), {}, {}))
    second = Running(tmp_path, {}, lambda name, line: None, lambda text: None)
    with pytest.raises(StackError, match="is running a stack in"):
        await second.start()
    assert (tmp_path / system.NOTE).exists()
    first.release()
    system.remove(tmp_path, Child(1, 2.0))
    assert not (tmp_path / system.NOTE).exists()
