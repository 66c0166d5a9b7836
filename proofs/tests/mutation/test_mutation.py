"""Mutation testing finds what is not tested, and nothing else."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from proofs.mutation.explained import outdated, reasons
from proofs.mutation.mutants import mutants_of
from proofs.mutation.runner import run

PARCEL = Path(__file__).with_name("parcel.py").relative_to(Path.cwd())
HOLDS = str(PARCEL.with_name("holds.py"))


def test_mutants_of_a_module() -> None:
    becomes = {mutant.becomes for mutant in mutants_of(PARCEL)}
    assert {"if grams < LIGHT:", "return 201", "if (grams <= LIGHT) and False:", "LIGHT = 501", "pass"} <= becomes
    assert not any('"' in changed for changed in becomes)


def test_what_no_test_holds_on_to_survives_and_nothing_else() -> None:
    outcomes = {mutant.becomes: outcome for mutant, outcome in run(mutants_of(PARCEL), [HOLDS])}
    assert {becomes for becomes, outcome in outcomes.items() if outcome == "survived"} == {"if grams < LIGHT:"}
    assert outcomes["LIGHT = 501"] == "killed"
    assert outcomes["LIGHT = None"] == "killed"
    assert len(outcomes) > 6


def test_a_module_that_is_there_already_is_not_taken_for_its_mutants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "proofs.tests.mutation.parcel", ModuleType("parcel"))
    with pytest.raises(RuntimeError, match="is imported already"):
        next(run(mutants_of(PARCEL), [HOLDS]))


def test_what_is_explained_is_code_that_is_there() -> None:
    for (path, _, was, _), because in reasons().items():
        lines = {line.strip() for line in Path(path).read_text().splitlines()}
        assert set(was.splitlines()) <= lines, was
        assert because


def test_what_is_explained_and_killed_is_told() -> None:
    living, dead = mutants_of(PARCEL)[:2]
    path = str(PARCEL)
    assert outdated([living.key, dead.key], [living], [path]) == [dead.key]
    assert outdated([dead.key], [], ["another.py"]) == []
