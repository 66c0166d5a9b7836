"""``quadrille simulate``: what it says of many stories, of one, and of one that goes wrong."""

import json
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.main import app
from proofs.simulation.run import Result, run
from proofs.simulation.show import as_data, show
from proofs.tests.simulation.flaws import FLAWS

FLAW = "a void where a refund is due"


def simulate(*options: str) -> tuple[int, Any]:
    """The exit code, and what it wrote for programs."""
    ended = CliRunner().invoke(app, ["simulate", *options, "--json"])
    return ended.exit_code, json.loads(ended.stdout)


def shown(result: Result) -> str:
    console = Console(file=StringIO(), width=200)
    show(result, 1.0, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_it_says_what_it_went_through_and_names_what_was_never_reached() -> None:
    code, said = simulate("--checkouts", "100", "--seed", "7", "--jobs", "1")
    assert code == 0
    assert said["checkouts"] >= 100
    assert said["failure"] is None
    assert said["places"]["cart: confirm_checkout × checkout"] > 0
    assert said["races"]["same message n times"] > 0
    assert "order: ReservationLost" in said["never"]["redrives"]


def test_the_same_seed_is_the_same_whatever_the_number_of_processes() -> None:
    alone, together = run(300, seed=5), run(300, seed=5, jobs=2)
    assert alone == together
    assert "No invariant is violated" in shown(alone)
    assert "order: ReservationLost" in shown(alone)


def test_a_story_can_be_seen_again_line_by_line() -> None:
    code, first = simulate("--replay", "12")
    assert (code, first["right"]) == (0, True)
    assert any("ConfirmCheckout" in line for line in first["timeline"])
    assert simulate("--replay", "12") == (code, first)


def test_what_goes_wrong_is_told_by_its_seed_cut_down_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    FLAWS[FLAW](monkeypatch)
    result = run(5000)
    failure = result.failure
    assert failure is not None
    assert len(failure.story.actions) < 30
    assert failure.wrong.startswith("BrokenError: money: cart")
    assert failure.lines[-1] == f"BROKEN: {failure.wrong}"
    said = as_data(result, 1.0)["failure"]
    assert (said["seed"], said["timeline"]) == (failure.seed, failure.lines)
    assert f"quadrille simulate --replay {failure.seed}" in shown(result)
    code, again = simulate("--replay", str(failure.seed))
    assert (code, again["right"]) == (1, False)
