"""Settings that cannot work stop the start, in one sentence."""

from pathlib import Path

import pytest

from devstack.sandbox.settings import load
from shared.settings import SettingsError


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_command_line_overrules_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUADRILLE_SANDBOX_PORT", "1234")
    monkeypatch.setenv("QUADRILLE_SANDBOX_SEED", "5")
    settings = load(port="4321")
    assert (settings.port, settings.seed, settings.host) == (4321, 5, "127.0.0.1")


@pytest.mark.parametrize(("name", "value"), [("port", "99999"), ("faults", "boom=1"), ("hold_seconds", "0"), ("seed", "x")])
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"QUADRILLE_SANDBOX_{name.upper()}"):
        load(**{name: value})


def test_a_setting_it_does_not_know_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUADRILLE_SANDBOX_TYPO", "1")
    with pytest.raises(SettingsError, match="QUADRILLE_SANDBOX_TYPO"):
        load()


def test_the_well_known_key_is_for_loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="API_KEY"):
        load(host="0.0.0.0")
    monkeypatch.setenv("QUADRILLE_SANDBOX_API_KEY", "sk_mine")
    assert load(host="0.0.0.0").api_key.get_secret_value() == "sk_mine"
