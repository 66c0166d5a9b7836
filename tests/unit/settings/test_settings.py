"""The settings refuse what they do not know, and the example names them all."""

import re
from pathlib import Path

import pytest

from services.payment import __main__ as payment
from shared.settings import ADDRESSES, PREFIX, Settings, SettingsError, load, names_broker

EXAMPLE = Path(__file__).resolve().parents[3] / ".env.example"


def test_the_example_names_exactly_the_settings_there_are() -> None:
    named = re.findall(rf"^#{PREFIX}(\w+)=", EXAMPLE.read_text(), re.MULTILINE)
    addresses = [name.upper() for name in ADDRESSES]
    assert [name for name in named if name not in addresses] == [name.upper() for name in Settings.model_fields]
    assert [name for name in named if name in addresses] == addresses


def test_a_setting_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="QUADRILLE_PARTITION;"):
        load({"QUADRILLE_PARTITION": "6"})


def test_only_what_is_given_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUADRILLE_TOPIC_PREFIX", "other.")
    assert load({}).topic_prefix == ""
    assert load().topic_prefix == "other."


def test_a_file_is_looked_at_where_the_environment_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    monkeypatch.setenv("QUADRILLE_PARTITIONS", "3")
    Path(".env").write_text("QUADRILLE_PARTITIONS=12\nQUADRILLE_LOG_LEVEL=DEBUG\n")
    assert (load().partitions, load().log_level) == (3, "DEBUG")
    assert not names_broker()
    with Path(".env").open("a") as file:
        file.write("QUADRILLE_KAFKA_BOOTSTRAP_SERVERS=kafka:9092\n")
    assert names_broker()
    monkeypatch.setenv("PYTHON_DOTENV_DISABLED", "1")
    assert not names_broker()


def test_every_bad_value_is_named() -> None:
    with pytest.raises(SettingsError, match=r"PARTITIONS.*LOG_LEVEL"):
        load({"QUADRILLE_PARTITIONS": "none", "QUADRILLE_LOG_LEVEL": "LOUD"})


def test_what_is_not_named_is_asked_for_in_one_sentence() -> None:
    with pytest.raises(SettingsError, match="QUADRILLE_KAFKA_BOOTSTRAP_SERVERS"):
        load({}).kafka_client()
    with pytest.raises(SettingsError, match="QUADRILLE_CART_DATABASE_URL"):
        load({}).database_url("cart")


def test_no_setting_makes_a_production_process_approve_by_itself() -> None:
    with pytest.raises(SettingsError, match="QUADRILLE_GATEWAY;"):
        load({"QUADRILLE_GATEWAY": "instant"})
    with pytest.raises(SettingsError, match="QUADRILLE_GATEWAY_URL"):
        payment.define(load({}))
