"""Addresses of databases: what PostgreSQL's own programs take works, and of all else one line says what to write."""

from pathlib import Path

import pytest

from shared.settings import SettingsError, load
from shared.settings.addresses import FORM


def url(address: str) -> str:
    return load({"QUADRILLE_ORDER_DATABASE_URL": address}).database_url("order")


@pytest.mark.parametrize(
    ("given", "rest"),
    [
        ("postgresql://o:p%40ss@db:5432/orders", "o:p%40ss@db:5432/orders"),
        ("postgres://o:p@db/orders", "o:p@db/orders"),
        ("postgresql+asyncpg://o:p@db/orders", "o:p@db/orders"),
        ("postgres://o:p@db/orders?sslmode=require", "o:p@db/orders?sslmode=require"),
        ("postgresql://o:p@[::1]:5432/orders?sslmode=disable", "o:p@[::1]:5432/orders?sslmode=disable"),
        ("postgresql://o:p@one:5432,two:5433/orders?target_session_attrs=read-write",) * 2,
        ("postgresql:///orders?host=/run/postgresql&user=o", "/orders?host=/run/postgresql&user=o"),
        ("postgresql://o@%2Frun%2Fpostgresql/orders", "o@%2Frun%2Fpostgresql/orders"),
    ],
)
def test_what_postgresql_s_own_programs_take_is_taken(given: str, rest: str) -> None:
    assert url(given) == f"postgresql://{rest.removeprefix('postgresql://')}"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("db:5432/orders", f"write {FORM}"),
        ("mysql://o:secret@db/orders", f"write {FORM}; mysql is another kind of address"),
        ("jdbc:postgresql://o:secret@db/orders", f"write {FORM}; jdbc:postgresql is another kind of address"),
        ("postgresql://o:secret@db:http/orders", f"write {FORM}, in the password %40 for @"),
        ("postgresql://o:se/cret@db/orders", f"write {FORM}, in the password %40 for @, %2F for /"),
        ("postgresql://o:secret@[db/orders", f"Invalid IPv6 URL: write {FORM}"),
        ("postgresql://o:secret@db/orders?sslmode", "the part after ? must be name=value pairs, joined by &"),
        ("postgresql://o:secret@db/orders?sslmode=on", "sslmode must be one of disable, allow, prefer, require"),
        ("postgresql://o:secret@db/orders?ssl=true", "the parameter ssl is not supported: use sslmode"),
        ("postgresql://o:secret@db/orders?sslmode=require&channel_binding=require", "channel_binding is not supported: remove"),
        ("postgresql://o:secret@db/orders?sslmode=verify-full&sslrootcert=/none.pem", "there is no file '/none.pem'"),
        ("postgresql://o:secret@db/orders?sslmode=verify-full", "add &sslrootcert=/path/of/ca.pem"),
    ],
)
def test_of_all_else_one_line_says_what_to_write(
    given: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SettingsError) as refused:
        url(given)
    sentence = str(refused.value)
    assert sentence.startswith("QUADRILLE_ORDER_DATABASE_URL is invalid: ")
    assert said in sentence
    assert "\n" not in sentence
    assert "secret" not in sentence.replace("se/cret", "secret")
