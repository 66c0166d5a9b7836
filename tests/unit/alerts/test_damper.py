"""Hysteresis: nothing is raised or ended by a moment."""

from services.alerts.watchdog.damper import Changes, Damper

NOTHING = Changes([], [])


def test_what_is_bad_for_long_enough_is_raised_once() -> None:
    damper = Damper(raise_after=10, clear_after=20)
    assert damper.see({"a": True}, 0) == NOTHING
    assert damper.see({"a": True}, 9.9) == NOTHING
    assert damper.see({"a": True}, 10) == Changes(["a"], [])
    assert damper.see({"a": True}, 1000) == NOTHING
    assert damper.raised == {"a"}


def test_a_good_moment_begins_the_wait_anew() -> None:
    damper = Damper(10, 20)
    for at, bad in enumerate([True, True, True, True, False] * 20):
        assert damper.see({"a": bad}, at * 2) == NOTHING


def test_it_is_over_when_it_was_good_for_long_enough() -> None:
    damper = Damper(10, 20, raised=["a"])
    assert damper.see({"a": False}, 0) == NOTHING
    assert damper.see({"a": True}, 15) == NOTHING
    assert damper.see({"a": False}, 16) == NOTHING
    assert damper.see({"a": False}, 35) == NOTHING
    assert damper.see({"a": False}, 36) == Changes([], ["a"])
    assert damper.raised == set()


def test_flapping_faster_than_the_damping_changes_nothing() -> None:
    raised, calm = Damper(10, 20, raised=["a"]), Damper(10, 20)
    for at in range(0, 1000, 5):
        assert raised.see({"a": at % 10 == 0}, at) == NOTHING
        assert calm.see({"a": at % 10 == 0}, at) == NOTHING


def test_what_is_not_known_breaks_nothing_and_raises_nothing() -> None:
    damper = Damper(10, 20)
    assert damper.see({"a": None}, 0) == NOTHING
    assert damper.see({"a": True}, 5) == NOTHING
    assert damper.see({"a": None}, 10) == NOTHING
    assert damper.see({"a": True}, 15) == Changes(["a"], [])
    assert damper.see({"a": None}, 500) == NOTHING
    assert damper.raised == {"a"}


def test_what_is_gone_is_over_and_leaves_nothing_behind() -> None:
    damper = Damper(10, 20, raised=["a"])
    damper.see({"b": True}, 0)
    assert damper.see({}, 20) == Changes([], ["a"])
    assert damper.see({"b": True}, 21) == NOTHING, "its wait began anew"


def test_without_damping_everything_is_at_once() -> None:
    damper = Damper(0, 0)
    assert damper.see({"a": True}, 1) == Changes(["a"], [])
    assert damper.see({"a": False}, 1) == Changes([], ["a"])
