"""A loop that stands still is told from one that turns."""

import time

import pytest

from shared.telemetry.health import TURN_SECONDS, Turns


def test_a_loop_that_stands_still_is_in_trouble_until_it_turns_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    turns = Turns()
    now += TURN_SECONDS
    assert turns.trouble is None
    now += 1
    assert turns.trouble == "it stands still for 61 s"
    turns.turn()
    assert turns.trouble is None
