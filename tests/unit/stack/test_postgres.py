"""Where PostgreSQL's programs come from when root starts them for somebody else."""

from pathlib import Path

import pytest

from stack import StackError, postgres
from stack.postgres import Postgres


def test_programs_that_others_may_have_put_there_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_shared_folder", lambda: tmp_path)
    monkeypatch.setattr(postgres, "_reachable", lambda *_: False)
    there = tmp_path / "quadrille-postgres-18"
    there.mkdir()
    there.chmod(0o777)
    (there / "complete").touch()
    with pytest.raises(StackError, match="are not run"):
        Postgres(tmp_path / "state", tmp_path / "log", "secret")._make_reachable({})
