"""Hysteresis: a moment neither raises nor clears a condition."""

from services.alerts.watchdog.hysteresis import Changes, Hysteresis

NOTHING = Changes([], [])


def test_what_is_bad_for_long_enough_is_raised_once() -> None:
    hysteresis = Hysteresis(raise_after=10, clear_after=20)
    assert hysteresis.update({"a": True}, 0) == NOTHING
    assert hysteresis.update({"a": True}, 9.9) == NOTHING
    assert hysteresis.update({"a": True}, 10) == Changes(["a"], [])
    assert hysteresis.update({"a": True}, 1000) == NOTHING
    assert hysteresis.raised == {"a"}


def test_a_good_moment_restarts_the_wait() -> None:
    hysteresis = Hysteresis(10, 20)
    for at, bad in enumerate([True, True, True, True, False] * 20):
        assert hysteresis.update({"a": bad}, at * 2) == NOTHING


def test_it_is_over_when_it_was_good_for_long_enough() -> None:
    hysteresis = Hysteresis(10, 20, raised=["a"])
    assert hysteresis.update({"a": False}, 0) == NOTHING
    assert hysteresis.update({"a": True}, 15) == NOTHING
    assert hysteresis.update({"a": False}, 16) == NOTHING
    assert hysteresis.update({"a": False}, 35) == NOTHING
    assert hysteresis.update({"a": False}, 36) == Changes([], ["a"])
    assert hysteresis.raised == set()


def test_fast_flapping_changes_nothing() -> None:
    raised, calm = Hysteresis(10, 20, raised=["a"]), Hysteresis(10, 20)
    for at in range(0, 1000, 5):
        assert raised.update({"a": at % 10 == 0}, at) == NOTHING
        assert calm.update({"a": at % 10 == 0}, at) == NOTHING


def test_an_unknown_state_neither_breaks_nor_counts() -> None:
    hysteresis = Hysteresis(10, 20)
    assert hysteresis.update({"a": None}, 0) == NOTHING
    assert hysteresis.update({"a": True}, 5) == NOTHING
    assert hysteresis.update({"a": None}, 10) == NOTHING
    assert hysteresis.update({"a": True}, 15) == Changes(["a"], [])
    assert hysteresis.update({"a": None}, 500) == NOTHING
    assert hysteresis.raised == {"a"}


def test_a_missing_condition_is_cleared() -> None:
    hysteresis = Hysteresis(10, 20, raised=["a"])
    hysteresis.update({"b": True}, 0)
    assert hysteresis.update({}, 20) == Changes([], ["a"])
    assert hysteresis.update({"b": True}, 21) == NOTHING, "its wait began anew"


def test_without_hysteresis_every_change_is_immediate() -> None:
    hysteresis = Hysteresis(0, 0)
    assert hysteresis.update({"a": True}, 1) == Changes(["a"], [])
    assert hysteresis.update({"a": False}, 1) == Changes([], ["a"])
